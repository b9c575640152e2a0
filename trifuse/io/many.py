"""Several sources read together, each with its own series and frame."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trifuse.core.errors import InputError, NothingToChooseError, OptionError
from trifuse.core.image import Image
from trifuse.core.window import shown
from trifuse.io import read
from trifuse.io.request import Frame, Units


def read_all(
    paths: Sequence[str | Path],
    *,
    frames: Sequence[str] = (),
    series: Sequence[str] = (),
    units: Units = "native",
    allow_gaps: bool = False,
    windows: Sequence[str] = (),
    channels: Sequence[str] = (),
) -> list[Image]:
    """Reads every source.

    Args:
        paths: see `trifuse.io.read`.
        frames: which frame of which source: "2:1" is frame 1 (from 0) of source 2 (from 1); "1" or "mean" without a
            source is for all that have several.
        series: which DICOM series, likewise: "2:5" or "5".
        units, allow_gaps: as for `read`.
        channels: "separate" or "2:separate": channels that are modalities and no colours are sources of their own,
            counted in their places from then on.
        windows: in which window a source is shown: "2=0:6", "ct=brain", "suv6" (see `trifuse.core.window.shown`).

    Raises:
        OptionError: if a choice or a window names no source.
        InputError: if a source cannot be read, or none has anything to choose from, or is in other units.
    """
    asked = {"frame": per_source(frames, len(paths), "--frame"), "series": per_source(series, len(paths), "--series")}
    for text in [*asked["frame"].own.values(), asked["frame"].common]:
        parse_frame(text)
    images = [_read(path, number, asked, units, allow_gaps) for number, path in enumerate(paths, start=1)]
    for option, choice in asked.items():
        if choice.common is not None and len(choice.refused) == len(paths):
            raise InputError(f"--{option} {choice.common}: no source has anything to choose from: {choice.refused[0]}")
    return shown(_separated(images, per_source(channels, len(paths), "--channels")), windows)


def _separated(images: Sequence[Image], asked: PerSource) -> list[Image]:
    ways = [asked.own.get(number, asked.common) for number, _ in enumerate(images, start=1)]
    for way in [*asked.own.values(), asked.common]:
        if way not in (None, "separate", "colour"):
            raise OptionError(
                f"--channels {way}: is not known; give separate or colour (of source 2 alone: 2:separate)"
            )
    chosen = [image for image, way in zip(images, ways, strict=True) if way == "separate"]
    grey = [image for image, way in zip(images, ways, strict=True) if way == "separate" and image.channels == 1]
    if chosen and len(grey) == len(chosen):
        raise InputError(f"{grey[0].origin}: is grey: --channels separate has nothing to separate")
    parted = [image.separated() if way == "separate" else [image] for image, way in zip(images, ways, strict=True)]
    return [image for part in parted for image in part]


@dataclass(frozen=True)
class PerSource:
    """An option that may be given for each source.

    Attributes:
        own: source number, from 1 -> its value.
        common: value for all others, None if there is none.
        refused: what sources said for which the common value meant nothing.
    """

    own: dict[int, str]
    common: str | None
    refused: list[InputError] = field(default_factory=list)


@dataclass(frozen=True)
class Choices:
    """Which series and frames of the sources of many cases.

    Attributes:
        series: "pet:5", "2:PT", "5" (see `read_all`); a source may be named.
        frames: "pet:mean", "2:0", likewise.
        allow_gaps: whether DICOM slices at uneven distances are resampled onto even ones.
    """

    series: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    allow_gaps: bool = False

    def read(
        self, path: str | Path, name: str, names: Sequence[str], own: Mapping[str, str], units: Units = "native"
    ) -> Image:
        """The source `name` of a case with sources `names`; what its list says of it (`own`) goes first.

        Raises:
            InputError: if it cannot be read.
            OptionError: if a choice names no source.
        """
        values: dict[str, str | None] = {}
        shared = set()
        number = list(names).index(name) + 1
        for option, texts in (("frame", self.frames), ("series", self.series)):
            choice = per_source(texts, len(names), f"--{option}", names)
            values[option] = own.get(option) or choice.own.get(number, choice.common)
            if not own.get(option) and number not in choice.own:
                shared.add(option)
        return read_chosen(path, values, shared, units=units, allow_gaps=self.allow_gaps)[0]


def per_source(texts: Sequence[str], count: int, option: str, names: Sequence[str] = ()) -> PerSource:
    """Values such as "2:5" (for source 2, counted from 1; "2=5" too) and "5" (for all).

    Args:
        texts: as typed.
        count: how many sources there are.
        option: for messages.
        names: of the sources, which may stand for their numbers: "pet:5".

    Raises:
        OptionError: if a source does not exist, or is named twice.
    """
    own: dict[int, str] = {}
    common = None
    for text in texts:
        match = re.fullmatch(r"([^:=]+)[:=](.+)", text.strip())
        before, value = match.groups() if match else ("", "")
        if not (before.isdecimal() or before in names):
            common = text.strip()
            continue
        number = int(before) if before.isdecimal() else names.index(before) + 1
        if not 1 <= number <= count:
            raise OptionError(f"{option} {text}: there is no source {number}; count from 1 to {count}")
        if number in own:
            raise OptionError(f"{option} {text}: source {number} has {own[number]} already")
        own[number] = value.strip()
    return PerSource(own, common)


def parse_frame(text: str | None) -> Frame:
    """A frame number counted from 0, "mean", or None.

    Raises:
        OptionError: if it is neither.
    """
    if text is None or text == "mean":
        return text  # type: ignore[return-value]
    if not text.isdecimal():
        raise OptionError(
            f"--frame {text!r} chooses nothing; give a number from 0, or mean (of source 2 alone: 2:1, 2:mean)"
        )
    return int(text)


def _read(path: str | Path, number: int, asked: dict[str, PerSource], units: Units, allow_gaps: bool) -> Image:
    values = {option: choice.own.get(number, choice.common) for option, choice in asked.items()}
    shared = {option for option, choice in asked.items() if number not in choice.own and choice.common is not None}
    image, refused = read_chosen(path, values, shared, units=units, allow_gaps=allow_gaps)
    for error in refused:
        asked[error.option].refused.append(error)
    return image


def read_chosen(
    path: str | Path,
    values: Mapping[str, str | None],
    shared: Collection[str] = (),
    *,
    units: Units = "native",
    allow_gaps: bool = False,
) -> tuple[Image, list[NothingToChooseError]]:
    """One source, by what was chosen as "frame" and "series".

    Args:
        values: what was typed for each; None where nothing was.
        shared: which of them were meant for whichever source has something to choose: left out where it has not.

    Returns:
        The image, and what was said where a choice was left out.

    Raises:
        InputError: if it cannot be read.
    """
    left = dict(values)
    refused: list[NothingToChooseError] = []
    while True:
        asked = tuple(option for option in shared if left.get(option) is not None)
        frame, series = parse_frame(left.get("frame")), left.get("series")
        try:
            image = read(path, frame=frame, series=series, units=units, allow_gaps=allow_gaps, shared=asked)
        except NothingToChooseError as error:
            if error.option not in asked:
                raise
            left[error.option] = None
            refused.append(error)
        else:
            return image, refused

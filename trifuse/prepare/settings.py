"""What is done to every study."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from trifuse.core.errors import OptionError

Register = Literal["auto", "resample", "rigid", "affine", "deformable"]
"""How sources come onto the reference's grid. "auto" trusts headers that place both in one frame of reference, and
registers rigidly otherwise."""

Normalise = Literal["robust", "minmax", "none"]
"""What becomes 0 and 1. "robust": the 0.1th and 99.9th percentile, of CT -200 and 800 HU; "minmax": the extremes, as
DC2Fusion has it; "none" keeps native values."""

Units = Literal["auto", "native", "suv"]
"""PET from DICOM: SUVbw where the header allows it, the file's own units, or SUVbw or failure."""


@dataclass(frozen=True)
class Settings:
    """Settings of a preparation.

    Attributes:
        sources: names of the images of each study, the reference first; found by themselves if not given.
        register: see `Register`.
        spacing: side of the cubic voxels in mm; 0 keeps the reference's own grid.
        normalise: see `Normalise`.
        units: see `Units`.
        windows: "pet=0:6" or "ct=brain", by name or modality (see `trifuse.core.window.shown`): what becomes 0 and 1 of
            these images in place of `normalise`.
        frames: which frame of 4D and dynamic images, "mean" or a number from 0, and of which image where there are
            several: "pet:mean", "2:0"; they are refused otherwise.
        series: which DICOM series of folders with several, likewise: "pet:5", "2:PT".
        allow_gaps: whether DICOM slices at uneven distances are resampled onto even ones.
        different_patients: whether the images of a study may name different patients, which is refused otherwise.
        val, test: shares of the patients held out, where the list of studies names no split.

    Raises:
        OptionError: if a value means nothing.
    """

    sources: tuple[str, ...] = ()
    register: Register = "auto"
    spacing: float = 1.0
    normalise: Normalise = "robust"
    units: Units = "auto"
    windows: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    allow_gaps: bool = False
    different_patients: bool = False
    val: float = 0.1
    test: float = 0.0

    def __post_init__(self) -> None:
        for name, words in {"register": Register, "normalise": Normalise, "units": Units}.items():
            if getattr(self, name) not in get_args(words):
                raise OptionError(f"{name}={getattr(self, name)!r} is not known; choose {', '.join(get_args(words))}")
        if not 0 <= self.spacing <= 100:
            raise OptionError(f"spacing={self.spacing} mm makes no grid; give 0.1 to 100, or 0 for the reference's own")
        if not (self.val >= 0 and self.test >= 0 and self.val + self.test < 1):
            raise OptionError(f"val={self.val} and test={self.test} leave no study to train on; give shares below 1")
        if len(self.sources) == 1 or len(set(self.sources)) < len(self.sources):
            raise OptionError(f"sources {', '.join(self.sources)}: name two or more different images of each study")

    def key(self) -> dict[str, object]:
        """All that decides how a study comes out; the split does not."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("val", "test", "sources")}

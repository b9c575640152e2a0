"""`trifuse fuse`: the main job."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from trifuse.cli.common import (
    AllowGaps,
    Channels,
    Frames,
    Json,
    Overwrite,
    SeriesChoice,
    Sources,
    Units,
    answer,
    progress,
    say,
)
from trifuse.cli.settings import takes_run
from trifuse.core.errors import RegistrationWarning
from trifuse.fusion.settings import Run
from trifuse.methods import DEFAULT

if TYPE_CHECKING:
    from trifuse.io.formats import Bits


@takes_run()
def fuse(
    sources: Sources,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Where to write: .png, .tif, .nii, .nii.gz or .dcm by suffix; a name "
            "without suffix is a new folder with a DICOM series of the volume. With --samples also OUT-uncertainty (1 "
            "= the display range) and a picture of it with a colour bar (OUT-uncertainty-map.png).",
        ),
    ],
    method: Annotated[str, typer.Option("--method", "-m", help="How to fuse; see `trifuse methods`.")] = DEFAULT,
    *,
    run: Run,
    weights: Annotated[
        str | None, typer.Option(help="Checkpoint of the method: a name (`trifuse weights`) or a file.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps of a diffusion method.")] = None,
    sampler: Annotated[str | None, typer.Option(help="How a diffusion method takes its steps.")] = None,
    quality: Annotated[str | None, typer.Option(help="default or fast, where a method offers both.")] = None,
    frame: Frames = None,
    series: SeriesChoice = None,
    allow_gaps: AllowGaps = False,
    channels: Channels = None,
    units: Units = "native",
    keep_patient: Annotated[
        Path | None,
        typer.Option(
            help="DICOM output: file or folder whose patient and study it joins, with references to the sources; a "
            "note says what is kept. Anonymous otherwise."
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(help="Bits per value of PNG (8, 16) and TIFF (8, 16, 32); what the sources have if not given."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Also draw sources and result side by side as PNG or PDF; volumes in three crossing planes."),
    ] = None,
    gif: Annotated[
        Path | None,
        typer.Option(help="Also write a cine through the slices of the volume: .gif, or .apng, which keeps colours."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Fuse two or more images of one patient into one.

    Examples:

      trifuse fuse t1.png t2.png pet.png -o fused.png

      trifuse fuse t1.nii.gz t2.nii.gz pet.nii.gz -o fused.nii.gz --register rigid

      trifuse fuse ct_series/ mr_series/ -o fused.nii.gz --register affine --reference 2

      trifuse fuse t1.png t2.png pet.png -o fused.png -m bitonicx -O clarity=detail

      trifuse fuse t1.nii.gz t2.nii.gz pet.nii.gz -o series -m tfs-diff --scale 2 --picture planes.png --gif fly.gif

      trifuse fuse study/ study/ -o fused.nii.gz --series 1:CT --series 2:7 --frame 2:mean --register resample

      trifuse fuse ct/ pet/ -o fused.nii.gz --register resample --units suv --window 1=soft-tissue --window 2=0:6

      trifuse fuse pre-flair-post.tif -o fused.png --channels separate

      trifuse fuse mr/ pet/ -o fused.dcm --register rigid --keep-patient mr/
    """
    from trifuse import fusion, report
    from trifuse.core.window import shown
    from trifuse.fusion import blending, route, saving
    from trifuse.io.dicom.derived import kept
    from trifuse.io.many import read_all
    from trifuse.report import cine

    wanted = Outputs(output, keep_patient, picture, gif, bits, overwrite)
    wanted.check(sources=sources)
    shortcuts = {"weights": weights, "steps": steps, "sampler": sampler, "quality": quality}
    options = {**run.options, **{name: value for name, value in shortcuts.items() if value is not None}}
    read = read_all(
        sources, frames=frame or (), series=series or (), units=units, allow_gaps=allow_gaps, channels=channels or ()
    )
    wanted.check(read[0].dims)
    wanted.check_replaces(lambda: route.told(read, method, run.changed(options=options)))
    with progress(quiet=json), warnings.catch_warnings():
        warnings.simplefilter("ignore", RegistrationWarning)  # it is among the notes
        fused = fusion.fuse(read, method, run=run.changed(options=options))
    if beside := wanted.beside():
        fused.provenance["beside"] = beside
    if keep_patient is not None:
        fused.provenance["notes"].append(f"kept from --keep-patient: {', '.join(kept(keep_patient, fused.image))}")
    elif fused.layers and output.suffix.lower() in blending.DICOM:
        fused.provenance["notes"].append(
            "no blending presentation state: it joins the patient's study, which --keep-patient names"
        )
    written = saving.write(fused, output, keep_patient, cast("Bits | None", bits), overwrite=True)
    if keep_patient is not None and fused.layers:
        more, notes = blending.write_state(fused, shown(read, run.window), sources, output, keep_patient)
        written |= more
        fused.provenance["notes"] += notes
    if gif is not None:
        written["gif"] = cine.write_cine(fused.image, gif, axis=run.axis)
    if picture is not None:
        labels = report.source_labels([source.modality for source in read])
        named = list(zip(labels, shown(read, run.window), strict=True))
        written["picture"] = report.contact_sheet([*named, (f"fused: {method}", fused)], picture, crosshair=True)
    if json:
        answer({"written": written, "provenance": fused.provenance})
        return
    for note in fused.provenance["notes"]:
        say(f"note: {note}")
    size = " x ".join(map(str, fused.image.space))
    seconds = sum(fused.provenance["seconds"].values())
    for kind, path in written.items():
        say(f"{kind}: {path}  ({size}, {method}, {seconds:.1f} s)")


@dataclass(frozen=True)
class Outputs:
    """What is to be written, which must be possible before hours of work are spent on it."""

    fused: Path
    keep_patient: Path | None
    picture: Path | None
    gif: Path | None
    bits: int | None = None
    overwrite: bool = False

    def check(self, dims: int | None = None, sources: Sequence[Path] = ()) -> None:
        """Raises what writing would raise about names and places, for pictures (2), volumes (3) or either (None).

        No source may be replaced.
        """
        from trifuse import io, report
        from trifuse.core.errors import OptionError
        from trifuse.core.files import check_spares
        from trifuse.core.replacing import check_absent
        from trifuse.fusion.saving import known_provenance
        from trifuse.report import cine

        io.check_writable(self.fused, dims=dims, keep_patient=self.keep_patient, bits=self.bits)
        if self.picture is not None:
            report.check(self.picture)
        if self.gif is not None:
            cine.check(self.gif, dims=dims)
        named = [path.absolute() for path in (self.fused, self.picture, self.gif) if path is not None]
        if len(set(named)) < len(named):
            raise OptionError("--output, --picture and --gif name the same file; give each its own name")
        check_spares([*named, *self._derived()], sources)
        if not self.overwrite and known_provenance(self.fused) is None:
            check_absent([*named, *self._derived()])

    def check_replaces(self, told: Callable[[], Mapping[str, Any]]) -> None:
        """Raises an `InputError` if files would be replaced that are not of this same run.

        Args:
            told: makes what the provenance will say; it is asked only where there is something to compare it with.
        """
        from trifuse.fusion import saving

        if not self.overwrite and saving.known_provenance(self.fused) is not None:
            extra = [path for path in (self.picture, self.gif) if path is not None]
            saving.check_replaces(told(), self.fused, [*self._derived(), *extra])

    def beside(self) -> list[str]:
        """Names, from the result's folder, of what is written with it and has no provenance of its own."""
        extra = [path for path in (self.picture, self.gif, self._state()) if path is not None]
        return [Path(os.path.relpath(path, self.fused.parent)).as_posix() for path in extra]

    def _state(self) -> Path | None:
        """Where a blending presentation state may go."""
        from trifuse.core.files import beside

        return None if self.keep_patient is None else beside(self.fused, "-blending").with_suffix(".dcm")

    def _derived(self) -> list[Path]:
        """What may be written beside the result without being asked for by name."""
        from trifuse.fusion.saving import provenance_path, uncertainty_paths

        state = self._state()
        more = [] if state is None else [state]
        return [provenance_path(self.fused), *uncertainty_paths(self.fused), *more]

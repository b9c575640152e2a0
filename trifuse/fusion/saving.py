"""What is written of a fused image: the image, its provenance, and how sure it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trifuse import io, report
from trifuse.core.drafts import sweep
from trifuse.core.errors import InputError, TrifuseError, one_line
from trifuse.core.extras import missing
from trifuse.core.files import beside, plain
from trifuse.core.replacing import check_absent

if TYPE_CHECKING:
    from trifuse.core.image import Image
    from trifuse.io.formats import Bits

NO_MAP = "no picture of the uncertainty was drawn: matplotlib is not installed (pip install 'trifuse[plot]')"


class Result(Protocol):
    """What is written; see `trifuse.fusion.Fused`."""

    @property
    def image(self) -> Image:
        """The fused image."""
        ...

    @property
    def uncertainty(self) -> Image | None:
        """Its standard deviation, if it has one."""
        ...

    @property
    def bits(self) -> Bits | None:
        """Bits per grey value that pictures of it are written with."""
        ...

    @property
    def provenance(self) -> dict[str, Any]:
        """How it came to be."""
        ...


SAME = ("method", "options", "settings", "samples", "seed", "sources")
"""What two runs share whose results are the same."""


def check_replaces(told: Mapping[str, Any], path: Path, others: Sequence[Path] = ()) -> None:
    """Refuses to replace what is there, unless its provenance says that it is of the same run.

    Args:
        told: provenance of the run, or what it will say (see `trifuse.fusion.route.told`).
        path: of the result.
        others: what else is written. Files that the run did not write before are of no run.

    Raises:
        InputError: naming the first file that would be replaced.
    """
    record = provenance_path(path)
    known = known_provenance(path)
    same = known is not None and all(known.get(name) == plain(told.get(name)) for name in SAME)
    listed = [path.parent / str(name) for name in (known or {}).get("beside", ())]
    written = {os.path.abspath(each) for each in (path, record, *uncertainty_paths(path), *listed)}
    check_absent(each for each in (path, record, *others) if not (same and os.path.abspath(each) in written))


def check_no_source(told: Mapping[str, Any], path: Path) -> None:
    """Refuses to replace an image that holds what a source holds and is no result of ours, wherever the source lay.

    Raises:
        InputError: if one would be.
    """
    if not path.is_file() or known_provenance(path) is not None:
        return
    try:
        there = digest_of(io.read(path))
    except TrifuseError:
        return
    if there in [source.get("sha256") for source in told.get("sources", ())]:
        raise InputError(f"{one_line(path)}: is a source of this run, which it would replace; choose another name")


def digest_of(image: Image) -> str:
    """SHA-256 of the native values; of a volume whose values follow from its window, without making all of them."""
    found = hashlib.sha256()
    if image.stored is None:
        for channel in image.pixels:
            for part in channel:
                found.update(image.with_pixels(part.reshape(1, *part.shape[:1], -1)).native().tobytes())
    else:
        found.update(np.ascontiguousarray(image.stored).data)
    return found.hexdigest()


def provenance_path(path: Path) -> Path:
    """Where the provenance of a result lies."""
    return path.with_name(path.name + ".json")


def known_provenance(path: Path) -> dict[str, Any] | None:
    """The provenance of a result that is there; None if it is none of ours."""
    try:
        known = json.loads(provenance_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return known if isinstance(known, dict) and "trifuse" in known else None


def write(
    fused: Result,
    path: str | Path,
    keep_patient: str | Path | None = None,
    bits: Bits | None = None,
    *,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Writes a fused image, and its uncertainty where there is one; see `Fused.save`.

    Returns:
        What was written: "fused", "uncertainty" and, where matplotlib is there, "uncertainty_map".

    Raises:
        InputError: if a format cannot hold an image, a place cannot be written to, or something else is there; then
            nothing is written.
        OptionError: if the suffix names no format.
    """
    path, dims = Path(path), fused.image.dims
    exact, picture = uncertainty_paths(path)
    if bits is None and fused.bits in io.depths(path):
        bits = fused.bits
    io.check_writable(path, dims=dims, keep_patient=keep_patient, bits=bits)
    drawn = fused.uncertainty is not None and not missing("plot")
    if fused.uncertainty is not None:
        io.check_writable(exact, dims=dims)
        if drawn:
            report.check(picture)
        elif NO_MAP not in fused.provenance.setdefault("notes", []):
            fused.provenance["notes"].append(NO_MAP)
    check_no_source(fused.provenance, path)
    if not overwrite:
        check_replaces(fused.provenance, path, [] if fused.uncertainty is None else [exact, picture])
    sweep(path.parent)
    image, provenance = fused.image, fused.provenance
    written = {"fused": io.write(image, path, provenance=provenance, keep_patient=keep_patient, bits=bits)}
    if fused.uncertainty is not None:
        written["uncertainty"] = _write_exact(fused.uncertainty, exact)
    if fused.uncertainty is not None and drawn:
        levels = fused.uncertainty.with_pixels(fused.uncertainty.pixels * 255)
        label = f"standard deviation over {fused.provenance.get('samples', 1)} samples, grey levels of 255"
        written["uncertainty_map"] = report.map_sheet(levels, picture, label=label)
    return written


def uncertainty_paths(path: Path) -> tuple[Path, Path]:
    """Where the standard deviations and their map go, beside the result.

    Raises:
        OptionError: if the suffix names no format.
    """
    exact = beside(path, "-uncertainty")
    if io.most_bits(exact) == 8:
        exact = exact.with_suffix(".png")
    picture = beside(path.with_name(path.name.removesuffix(".gz")), "-uncertainty-map").with_suffix(".png")
    return exact, picture


def _write_exact(uncertainty: Image, path: Path) -> Path:
    """Their values are small: formats with a window (NIfTI, DICOM) get one that ends at the largest; PNG has none."""
    largest = float(uncertainty.pixels.max())
    exact = uncertainty.windowed(0, largest) if largest > 0 and io.keeps_units(path) else uncertainty
    return io.write(exact, path, bits=io.most_bits(path))

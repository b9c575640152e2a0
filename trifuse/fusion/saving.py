"""What is written of a fused image: the image, its provenance, and how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trifuse import io, report
from trifuse.core.files import beside

if TYPE_CHECKING:
    from trifuse.core.image import Image
    from trifuse.io.formats import Bits


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


def write(
    fused: Result, path: str | Path, keep_patient: str | Path | None = None, bits: Bits | None = None
) -> dict[str, Path]:
    """Writes a fused image, and its uncertainty where there is one; see `Fused.save`.

    Returns:
        What was written: "fused", "uncertainty" and "uncertainty_map".

    Raises:
        InputError: if a format cannot hold an image, or a place cannot be written to; then nothing is written.
        OptionError: if the suffix names no format.
    """
    path, dims = Path(path), fused.image.dims
    exact, picture = uncertainty_paths(path)
    if bits is None and fused.bits in io.depths(path):
        bits = fused.bits
    io.check_writable(path, dims=dims, keep_patient=keep_patient, bits=bits)
    if fused.uncertainty is not None:
        io.check_writable(exact, dims=dims)
        report.check(picture)
    image, provenance = fused.image, fused.provenance
    written = {"fused": io.write(image, path, provenance=provenance, keep_patient=keep_patient, bits=bits)}
    if fused.uncertainty is not None:
        written["uncertainty"] = _write_exact(fused.uncertainty, exact)
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

"""Fused: what comes out of fusing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trifuse.core.extras import missing
from trifuse.core.image import Image
from trifuse.io.formats import Bits

if TYPE_CHECKING:
    from trifuse.fusion.uptake import Layer


@dataclass(frozen=True, eq=False)
class Fused:
    """A fused image and how it came to be.

    Attributes:
        image: the fused picture, display range 0..1, on the grid of the reference source (times `scale`).
        uncertainty: per-pixel standard deviation over samples on the display scale, or None.
        provenance: trifuse version, method, options, seed, inputs (digests, no patient data), timings, warnings.
        bits: bits per grey value that pictures of it are written with: 16 if all grey sources are finer than 8 bits.
        layers: functional sources that are laid over in colour, with palette and window, for a colour bar.
    """

    image: Image
    uncertainty: Image | None
    provenance: dict[str, Any] = field(default_factory=dict)
    bits: Bits = 8
    layers: tuple[Layer, ...] = ()

    def save(
        self,
        path: str | Path,
        *,
        keep_patient: str | Path | None = None,
        bits: Bits | None = None,
        overwrite: bool = True,
    ) -> Path:
        """Writes the fused image in the format of the suffix, with its provenance beside it as JSON.

        Where there is an uncertainty, its exact values go to NAME-uncertainty in the same format (JPEG, BMP: PNG), 1
        being the display range, and a map of it with a colour bar to NAME-uncertainty-map.png.

        Args:
            path: name ending in .png, .jpg, .bmp, .tif, .nii, .nii.gz or .dcm; a name without suffix is a new folder
                with a DICOM series of the volume.
            keep_patient: DICOM only: file or folder whose patient and study the new object joins.
            bits: bits per value where the format offers a choice (PNG 8, 16; TIFF 8, 16, 32); `self.bits` if not given.
            overwrite: replace files that are there, but never a source; if False, only those of the same run are, which
                their provenance tells: same sources, method, options and settings.

        Returns:
            The path of the fused image.

        Raises:
            InputError: if the format cannot hold the image, a place cannot be written to, or a file is there that is
                not of the same run; then nothing is written.
            OptionError: if the suffix names no format, or it lacks the bits.
        """
        from trifuse.fusion import saving

        return saving.write(self, path, keep_patient, bits, overwrite=overwrite)["fused"]

    def like(self, source: Any) -> Any:
        """The fused image in the type and layout of a source: numpy, torch, nibabel, SimpleITK or Pillow.

        fused = trifuse.fuse([t1, t2, pet]).like(t1)
        """
        from trifuse.io import arrays

        return arrays.like(self.image, source)

    def _repr_png_(self) -> bytes | None:
        """How notebooks show it: the picture, or three planes of a volume, with the patient's sides.

        Without matplotlib they show it as text.
        """
        if "matplotlib" in missing("plot"):
            return None
        from tempfile import TemporaryDirectory

        from trifuse.report import contact_sheet

        with TemporaryDirectory() as folder:
            title = str(self.provenance.get("method", "fused"))
            return contact_sheet([(title, self)], Path(folder) / "fused.png").read_bytes()

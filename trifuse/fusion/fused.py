"""Fused: what comes out of fusing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trifuse.core.image import Image


@dataclass(frozen=True, eq=False)
class Fused:
    """A fused image and how it came to be.

    Attributes:
        image: the fused picture, display range 0..1, on the grid of the reference source (times `scale`).
        uncertainty: per-pixel standard deviation over samples on the display scale, or None.
        provenance: trifuse version, method, options, seed, inputs (digests, no patient data), timings, warnings.
    """

    image: Image
    uncertainty: Image | None
    provenance: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path, *, keep_patient: str | Path | None = None) -> Path:
        """Writes the fused image in the format of the suffix, with its provenance beside it as JSON.

        Args:
            path: name ending in .png, .jpg, .bmp, .tif, .nii, .nii.gz or .dcm.
            keep_patient: DICOM only: file or folder whose patient and study the new object joins.

        Raises:
            InputError: if the suffix names no format, or the format cannot hold the image.
        """
        from trifuse import io

        return io.write(self.image, path, provenance=self.provenance, keep_patient=keep_patient)

    def like(self, source: Any) -> Any:
        """The fused image in the type and layout of a source: numpy, torch, nibabel, SimpleITK or Pillow.

        fused = trifuse.fuse([t1, t2, pet]).like(t1)
        """
        from trifuse.io import arrays

        return arrays.like(self.image, source)

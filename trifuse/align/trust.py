"""Whether headers may be trusted to place an image over another: what `register="auto"` goes by."""

from __future__ import annotations

from trifuse.align.grid import has_geometry, same_grid
from trifuse.core.image import Image


def trusted(image: Image, reference: Image) -> str:
    """Why the header of an image says where it lies over the reference, or an empty text if it does not."""
    if not image.placed:
        return ""
    if image.frame_of_reference and reference.frame_of_reference:
        same = image.frame_of_reference == reference.frame_of_reference
        return "names the reference's own frame of reference: its header is trusted" if same else ""
    if same_grid(image, reference) and has_geometry(image):
        return "lies on the reference's own grid: its header is trusted"
    return ""


def untrusted(image: Image) -> str:
    """Why an image was registered, where that was decided here."""
    if not image.placed:
        return "does not say where it lies: registered"
    return "names no frame of reference in common with the reference: registered"

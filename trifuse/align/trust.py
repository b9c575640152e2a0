"""What headers say of where images lie: over another, or together. `register="auto"` goes by it."""

from __future__ import annotations

from collections.abc import Sequence

from trifuse.align.grid import has_geometry, same_grid
from trifuse.core.image import Image, Modality

FUNCTIONAL = (Modality.PET, Modality.SPECT)


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


def leaders(images: Sequence[Image], reference: int) -> dict[int, int]:
    """Which image moves with which other: index -> index of its leader.

    The images of one scanner session, such as PET and CT, name one frame of reference. Where it is not that of the
    reference, the first of them that shows anatomy is registered, and PET and SPECT follow it: they hold too little of
    the reference's structures to be registered as well.
    """
    found = {}
    for index, image in enumerate(images):
        frame = image.frame_of_reference
        if index == reference or image.modality not in FUNCTIONAL or not (frame and image.placed):
            continue
        if trusted(image, images[reference]):
            continue
        others = (k for k, other in enumerate(images) if k != reference and other.frame_of_reference == frame)
        leader = next((k for k in others if images[k].modality not in FUNCTIONAL and images[k].placed), None)
        if leader is not None:
            found[index] = leader
    return found

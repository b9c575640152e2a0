"""Values that are no numbers: counted and told, whatever becomes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trifuse.core.image import Image


def not_finite(image: Image) -> int:
    """How many of its native values are NaN or infinite."""
    values = image.pixels if image.stored is None else image.stored
    return int(values.size - np.count_nonzero(np.isfinite(values))) if values.dtype.kind == "f" else 0


def finite_notes(images: Sequence[Image], labels: Sequence[str] = ()) -> list[str]:
    """A note for each image with such values.

    Args:
        labels: how the images are called; "source 1", "source 2", ... if not given.
    """
    notes = []
    for number, image in enumerate(images, start=1):
        if lost := not_finite(image):
            label = labels[number - 1] if labels else f"source {number}"
            notes.append(
                f"{label}: {lost} of {image.pixels.size} values are not finite; NaN is shown as black, infinities as "
                "the ends of the window"
            )
    return notes

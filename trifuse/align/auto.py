"""`register="auto"`: headers where they name one frame of reference, registration where they do not."""

from __future__ import annotations

from trifuse.align.registration import Registered, promising, registered
from trifuse.align.support import UNDOUBTED_MM
from trifuse.align.trust import trusted, untrusted
from trifuse.core.image import Image

CONVINCING = 1.5
"""Factor by which registration must explain more than a trusted header to be preferred to it."""

PROMISING = 1.2
"""Factor that a first, coarse look must reach for the registration to be worth its time."""


def by_trust(image: Image, grid: Image, label: str) -> tuple[Registered, str]:
    """An image where a trusted header or a registration puts it, and why, in words to be read after "source N "."""
    why = trusted(image, grid)
    if not why:
        return registered(image, grid, "rigid", label=label), untrusted(image)
    if promising(image, grid, PROMISING):
        found = registered(image, grid, "rigid", label=label)
        before, after = found.information or (0.0, 0.0)
        if after > CONVINCING * before and found.displacement[0] > UNDOUBTED_MM:
            gain = f"that explains {after / before:.1f} times as much"
            return found, f"{why.partition(':')[0]}, but was registered: {gain}"
    return registered(image, grid, "resample"), why

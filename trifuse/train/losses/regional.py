r"""What a fused image should show where its sources differ: the brighter one's base and the stronger one's detail.

The maximum of two images is what CDDFuse's intensity term asks for; under a bright smooth source it wipes out the
structure of the other one, and its gradient term, which compares absolute slopes pixel by pixel, may bring it back with
the wrong sign. Here each image is base (Gaussian mean) plus detail; the source whose detail has more energy around a
pixel gives the detail, signed and whole, and the higher base carries it:

\[ F^* = q\,\bigl(\max(B_1, B_2) + w D_1 + (1 - w) D_2\bigr) + (1 - q)\max(S_1, S_2) \]

\(w\) leans to the stronger detail, \(q\) rises with the energy of detail that the maximum would lose.
Two and three dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LEVEL = 1 / 255
BLACK = 2 * LEVEL
"""Where both sources are darker, the target is their maximum: black stays black."""

SCALE, WINDOW = 4.0, 1.5
"""Standard deviations in pixels: of the base, and of the neighbourhood in which energies are compared."""

SMALLEST = 13
"""Least side in pixels of sources: means are mirrored at the borders."""

HARD = 8.0
LOST = 200 * LEVEL**2
"""Steepness of the choice between the details, and the lost energy at which the target leaves the maximum."""


@torch.no_grad()
def target(first: Tensor, second: Tensor, *, scale: float = SCALE, window: float = WINDOW) -> Tensor:
    """The image to aim at, of the shape of both sources.

    Args:
        first, second: `(B, 1, H, W)` or `(B, 1, D, H, W)` in 0..1, every side longer than `3 * scale`.
        scale: standard deviation of the base in pixels.
        window: standard deviation of the neighbourhood in which the energies of details are compared.
    """
    sources = torch.cat([first, second], dim=1)
    bases = blurred(sources, scale)
    details = sources - bases
    energies = blurred(details.square(), window) + LEVEL**2
    stronger = (1 / (1 + (energies[:, 1:] / energies[:, :1]) ** HARD)).to(first)
    highest, base = sources.amax(dim=1, keepdim=True), bases.amax(dim=1, keepdim=True)
    detail = stronger * details[:, :1] + (1 - stronger) * details[:, 1:]
    lost = blurred((detail - (highest - base)).square(), window)
    leave = (1.5 * lost / (lost + LOST) - 0.25).clamp(0, 1)
    aim = leave * (base + detail) + (1 - leave) * highest
    return torch.where(highest < BLACK, highest, aim.clamp(0, 1))


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian means of `(B, C, ...)` along every axis of space, mirrored at the borders."""
    radius = int(3 * sigma + 0.5)
    at = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    weights = torch.exp(-at.square() / (2 * sigma**2))
    weights = (weights / weights.sum())[None, None]
    for axis in range(2, x.ndim):
        moved = x.movedim(axis, -1)
        rows = functional.pad(moved.reshape(-1, 1, x.shape[axis]), (radius, radius), mode="reflect")
        x = functional.conv1d(rows, weights).reshape(moved.shape).movedim(-1, axis)
    return x

"""Pictures that a model is conditioned on, as the published data preparation makes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core import colour, resize


def enlarged(source: Tensor, scale: int) -> Tensor:
    """A source `(B, 1|3, h, w)`, values 0..1, as RGB `(B, 3, scale * h, scale * w)` with values -1..1.

    Pillow's bicubic. Sources whose values are all multiples of 1/255 go through its 8-bit path, so that the result is
    bit for bit what the programs of SR3 and TFS-Diff are given; others are enlarged in float32 and clipped.
    """
    rgb = source.float().expand(-1, 3, -1, -1) if source.shape[1] == 1 else source.float()
    pixels = rgb.detach().cpu().numpy()
    eight_bit = np.rint(pixels * 255)
    if np.abs(pixels * 255 - eight_bit).max() < 1e-3 and eight_bit.min() >= 0 and eight_bit.max() <= 255:
        pixels = eight_bit.astype(np.uint8)
    batch, channels, height, width = pixels.shape
    flat = pixels.reshape(-1, height, width)
    larger = flat if scale == 1 else resize.pillow(flat, (scale * height, scale * width))
    display = larger.astype(np.float32) / np.float32(255) if larger.dtype == np.uint8 else larger.clip(0, 1)
    shaped = display.reshape(batch, channels, scale * height, scale * width)
    return torch.from_numpy(shaped).to(source.device) * 2 - 1


def to_display(x: Tensor) -> Tensor:
    """Values -1..1 as 0..1."""
    return (x.float() + 1) / 2


def picture(x: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """uint8 `(H, W[, 3])` of an image with values -1..1, as the programs save it: clipped, rounded half to even.

    Args:
        x: `(H, W)`, `(C, H, W)`, or a batch `(B, C, H, W)`, which is laid out as a grid of `int(sqrt(B))` columns with
            2 black pixels around each image.
    """
    values = x.detach().float().cpu().squeeze().clamp(-1, 1)
    display = (values + 1) / 2
    if display.ndim == 4:
        display = _grid(display)
    scaled = (display * 255).numpy().round().astype(np.uint8)
    return np.ascontiguousarray(scaled if scaled.ndim == 2 else scaled.transpose(1, 2, 0))


def _grid(images: Tensor, gap: int = 2) -> Tensor:
    """`(C, H', W')` with the images `(B, C, H, W)` in rows, black between and around them."""
    count, channels, height, width = images.shape
    columns = min(int(count**0.5), count)
    rows = -(-count // columns)
    grid = images.new_zeros(channels, rows * (height + gap) + gap, columns * (width + gap) + gap)
    for index, image in enumerate(images):
        top = (index // columns) * (height + gap) + gap
        left = (index % columns) * (width + gap) + gap
        grid[:, top : top + height, left : left + width] = image
    return grid


def foreground(condition: Tensor, scale: int) -> Tensor:
    """`(B, 1, H, W)`: 1 where a picture of a condition is not black, or was not within `scale` pixels; else 0."""
    holds = (condition.amax(dim=1, keepdim=True) > -1).to(condition.dtype)
    return functional.max_pool2d(holds, 2 * scale + 1, stride=1, padding=scale)


def last(condition: Tensor) -> Tensor:
    """The last picture of a condition `(B, 3 n, H, W)`: `(B, 3, H, W)`."""
    return condition[:, -3:]


def brightest(condition: Tensor) -> Tensor:
    """The largest luma of a condition's pictures with their merged chroma: `(B, 3 n, H, W)` -> `(B, 3, H, W)`.

    The maximum rule of the literature, which costs nothing and lies near to what BitonicX chooses.
    """
    pictures = to_display(condition).chunk(condition.shape[1] // 3, dim=1)
    lumas, chromas = zip(*(colour.split(picture) for picture in pictures), strict=True)
    largest = torch.stack(lumas).amax(dim=0)
    return colour.join(largest, colour.merge_chroma(chromas)).clamp(0, 1) * 2 - 1


BASES: dict[str, Callable[[Tensor], Tensor | None]] = {"none": lambda _: None, "last": last, "brightest": brightest}
"""Pictures that a diffusion may be relative to, from its condition (values -1..1)."""

"""The field's two bicubics.

- `pillow`: Keys kernel a = -0.5, antialiased when shrinking, weights normalised inside the image: what
  SR3 and TFS-Diff prepare their data with. On uint8 pixels each pass is rounded, as in Pillow itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow


def pillow(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Pillow's bicubic of `(C, H, W)` pixels to `size` = (height, width).

    uint8 goes through Pillow's 8-bit path (rounded after each pass, bit-exact to the originals' data
    preparation); floats through its float32 path, unrounded and not clipped.
    """
    height, width = size
    channels = []
    for channel in pixels:
        plane = channel if channel.dtype == np.uint8 else channel.astype(np.float32)
        resized = Pillow.fromarray(plane).resize((width, height), Pillow.Resampling.BICUBIC)
        channels.append(np.asarray(resized))
    return np.stack(channels)


def square(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    """`(C, H, W)` pixels as SR3's data preparation brings them to `side`: short side resized, long side cropped.

    As published, pixels that are `side` wide already are returned as they are, whatever their height.
    """
    height, width = pixels.shape[1:]
    if width == side:
        return pixels
    short = min(height, width)
    size = (int(side * height / short), int(side * width / short))
    resized = pixels if short == side else pillow(pixels, size)
    top, left = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return resized[:, top : top + side, left : left + side]

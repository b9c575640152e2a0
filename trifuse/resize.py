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

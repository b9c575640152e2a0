"""Weights of LPIPS that nobody trained: what every distance of features keeps, these keep too."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from trifuse.metrics.lpips import CONVOLUTIONS, TAPPED

CHANNELS = {
    "alex": (3, 64, 192, 384, 256, 256),
    "vgg": (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
}
"""Channels before the first and after each convolution."""

FIRST_KERNELS = {"alex": (11, 5), "vgg": ()}
"""Sides of the first kernels; the others have 3."""

FOLDER = TemporaryDirectory(prefix="trifuse-lpips-")


@lru_cache
def random_lpips(backbone: str) -> Path:
    """A checkpoint of LPIPS with random convolutions and positive weights of the channels, the same at each call."""
    random = np.random.default_rng(0)
    channels, arrays = CHANNELS[backbone], {}
    for index, (layer, _, _) in enumerate(CONVOLUTIONS[backbone]):
        side = FIRST_KERNELS[backbone][index] if index < len(FIRST_KERNELS[backbone]) else 3
        shape = (channels[index + 1], channels[index], side, side)
        kernel = random.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[1:]), dtype=np.float32)
        arrays[f"features.{layer}.weight"] = kernel
        arrays[f"features.{layer}.bias"] = np.full(shape[0], 0.01, np.float32)
        if layer in TAPPED[backbone]:
            head = TAPPED[backbone].index(layer)
            arrays[f"lin{head}.weight"] = random.random((1, shape[0], 1, 1), np.float32) / np.float32(shape[0])
    path = Path(FOLDER.name) / f"{backbone}.npz"
    np.savez(path, **arrays)
    return path

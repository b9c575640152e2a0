"""From bytes to tensors, and how far those are apart."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def tensor(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
    """Grey levels 0..255 `(B, C, H, W)` -> float32 in 0..1, channels last."""
    plain = torch.from_numpy(np.array(pixels)).float().div_(255)
    return plain.contiguous(memory_format=torch.channels_last)


def psnr(estimate: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in 0..1, clipped; 120 where they are equal."""
    error = float((estimate.clamp(0, 1) - truth).square().mean())
    return float(-10 * np.log10(max(error, 1e-12)))

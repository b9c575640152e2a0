r"""The loss of SwinFuse's auto-encoder: mean absolute error and multi-scale structural similarity.

\[ L = \frac{1}{B} \left( \mathrm{mean}|o - x| + 1000\, (1 - \mathrm{MSSSIM}(o, x)) \right) \]

Source: Wang et al., "SwinFuse", IEEE TIM 71, 2022, section III-C; Wang, Simoncelli, Bovik, "Multi-scale structural
similarity for image quality assessment", Asilomar 2003.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.train.losses.ssim import similarity

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def guessed_range(output: Tensor) -> float:
    """Dynamic range that the original reads off an image: 255 or 1 above, -1 or 0 below."""
    low, high = (float(end) for end in output.detach().aminmax())
    top = 255.0 if high > 128 else 1.0
    return top - (-1.0 if low < -0.5 else 0.0)


def msssim(output: Tensor, target: Tensor, *, last_power: int = 1) -> Tensor:
    r"""Multi-scale structural similarity of `(B, 1, H, W)`, sides of 11 or more, factors moved to 0..1.

    \(\prod_{j<J} c_j^{w_j} \cdot s_J^{w_J p}\), c the contrast-structure factor, s the similarity, p = `last_power`:
    1 as defined, 4 as in the library that the original uses. The dynamic range of each scale is guessed from
    `output`, as there. J = 5 for sides of 176 or more; smaller images have as many scales as fit the window, with
    weights that sum to 1.
    """
    fitting = min(len(SCALE_WEIGHTS), 1 + int(math.log2(min(output.shape[2:]) / 11)))
    weights = [weight / sum(SCALE_WEIGHTS[:fitting]) for weight in SCALE_WEIGHTS[:fitting]]
    if fitting == len(SCALE_WEIGHTS):
        weights = list(SCALE_WEIGHTS)
    factors = [output.new_ones(())]
    for weight in weights[:-1]:
        contrast = similarity(output, target, top=guessed_range(output)).contrast.mean()
        factors.append(((contrast + 1) / 2) ** weight)
        output, target = functional.avg_pool2d(output, 2), functional.avg_pool2d(target, 2)
    coarsest = similarity(output, target, top=guessed_range(output)).ssim.mean()
    return torch.stack(factors).prod() * ((coarsest + 1) / 2) ** (weights[-1] * last_power)


def loss(output: Tensor, target: Tensor, *, weight: float = 1000, last_power: int = 1) -> Tensor:
    """The loss of a batch `(B, 1, H, W)` in -1..1; `last_power=4` is the original's, as is the weight of structure."""
    structure = 1 - msssim(output, target, last_power=last_power)
    return (functional.l1_loss(output, target) + weight * structure) / len(output)

r"""The SR3 family for inference: the same function in less time.

- Nearest-neighbour doubling followed by a 3x3 convolution reads every input pixel up to four times. Both are linear,
  so they are one transposed convolution of stride 2, whose 4x4 kernel is the 3x3 one convolved with a 2x2 box: 4
  multiplications per output pixel and channel pair in place of 9.
- Swish overwrites what the normalisation has made, which training needs to keep.
- Weights in channels-last order, which convolutions on CPUs and tensor cores want, most of all in bfloat16.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.sr3_layers import Block, Upsample
from trifuse.nets.sr3_unet import SR3UNet


class TransposedUpsample(nn.Module):
    """`Upsample` with fixed weights, as one transposed convolution."""

    def __init__(self, upsample: Upsample) -> None:
        super().__init__()
        flipped = upsample.conv.weight.detach().flip(2, 3).transpose(0, 1)
        kernel = functional.pad(flipped, (0, 1, 0, 1)) + functional.pad(flipped, (1, 0, 0, 1))
        kernel = kernel + functional.pad(flipped, (0, 1, 1, 0)) + functional.pad(flipped, (1, 0, 1, 0))
        self.register_buffer("kernel", kernel, persistent=False)
        self.register_buffer("bias", upsample.conv.bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, 2 H, 2 W)` from `(B, C, H, W)`."""
        return functional.conv_transpose2d(x, self.kernel, self.bias, stride=2, padding=1)  # type: ignore[arg-type]


def for_inference(network: SR3UNet, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> SR3UNet:
    """The network (changed in place) with fixed weights of a type on a device, in the form that is fastest there."""
    network.requires_grad_(False).eval().to(device)
    for index, layer in enumerate(network.ups):
        if isinstance(layer, Upsample):
            network.ups[index] = TransposedUpsample(layer)
    for module in network.modules():
        if isinstance(module, Block):
            cast(nn.SiLU, module.block[1]).inplace = True
    return network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

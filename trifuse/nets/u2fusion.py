"""The network of U2Fusion: a densely connected encoder of both images at once, and a plain decoder.

Source: Xu, Ma, Jiang, Guo, Ling, "U2Fusion: A Unified Unsupervised Image Fusion Network", IEEE TPAMI 44(1),
2022, section 3.4 (DenseNet). Layers are named as in the authors' TensorFlow checkpoint.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.state import State, fit

WIDTH = 44
DENSE = 5
SLOPE = 0.2


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """3x3 convolution with bias on reflected borders."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")


class Encoder(nn.Module):
    """Two images `(B, 2, H, W)` -> 264 channels: the five dense layers, the latest first, and the first layer last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1_1 = conv3x3(2, WIDTH)
        for layer in range(1, DENSE + 1):
            self.add_module(f"dense_block_conv{layer}", conv3x3(WIDTH * layer, WIDTH))

    def forward(self, images: Tensor) -> Tensor:
        features = functional.leaky_relu(self.conv1_1(images), SLOPE)
        for layer in range(1, DENSE + 1):
            new = self.get_submodule(f"dense_block_conv{layer}")(features)
            features = torch.cat([functional.leaky_relu(new, SLOPE), features], dim=1)
        return features


class Decoder(nn.Module):
    """264 channels -> image `(B, 1, H, W)` in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        widths = [WIDTH * (DENSE + 1), 128, 64, 32, 1]
        for layer, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            self.add_module(f"conv2_{layer}", conv3x3(inputs, outputs))

    def forward(self, features: Tensor) -> Tensor:
        for layer in range(1, 4):
            features = functional.leaky_relu(self.get_submodule(f"conv2_{layer}")(features), SLOPE)
        return torch.tanh(self.get_submodule("conv2_4")(features)) / 2 + 0.5


class U2Fusion(nn.Module):
    """Two grey images in 0..1, sides of 2 or more -> their fusion in 0..1; the order of the images matters."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Fuses `(B, 1, H, W)` and `(B, 1, H, W)` into `(B, 1, H, W)`."""
        images = torch.cat([first, second], dim=1).contiguous(memory_format=torch.channels_last)
        fused: Tensor = self.decoder(self.encoder(images))
        return fused


def from_tensorflow(state: State) -> State:
    """The authors' names and kernels `(3, 3, in, out)` turned into torch's; a torch state passes unchanged."""
    turned: State = {}
    for key, value in state.items():
        if "/" not in key:
            turned[key] = value
            continue
        _, part, layer, kind = key.removesuffix(":0").split("/")
        turned[f"{part}.{layer}.{'weight' if kind == 'kernel' else kind}"] = (
            value.permute(3, 2, 0, 1).contiguous() if kind == "kernel" else value
        )
    return turned


def from_state(state: State, origin: str) -> U2Fusion:
    """The network from a flat checkpoint, in the authors' layout or in torch's.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    return fit(U2Fusion, from_tensorflow(state), origin)

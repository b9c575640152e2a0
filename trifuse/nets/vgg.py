"""The convolutions of VGG-16, as an extractor of features for losses.

Layers are named as in the discriminators of TGFuse: `conv0` turns one channel into three, then `to_relu_K_n` are
the slices up to the named activation, their layers numbered as in the whole network.

Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
table 1, configuration D.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.state import State, fit

SLICES: dict[str, dict[int, tuple[int, int]]] = {
    "to_relu_1_2": {0: (3, 64), 2: (64, 64)},
    "to_relu_2_2": {5: (64, 128), 7: (128, 128)},
    "to_relu_3_3": {10: (128, 256), 12: (256, 256), 14: (256, 256)},
    "to_relu_4_3": {17: (256, 512), 19: (512, 512), 21: (512, 512)},
}
"""Slice -> number of each convolution in the network -> channels in and out."""


class Slice(nn.Sequential):
    """3x3 convolutions with ReLU, after halving the size if it is not the first slice."""

    def __init__(self, layers: dict[int, tuple[int, int]]) -> None:
        convolutions = {str(n): nn.Conv2d(*channels, 3, padding=1) for n, channels in layers.items()}
        super().__init__(OrderedDict(convolutions))
        self.halves = min(layers) > 0

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(x, 2) if self.halves else x
        for convolution in self:
            x = functional.relu(convolution(x))
        return x


class VGGFeatures(nn.Module):
    """Grey images `(B, 1, H, W)` -> features after relu1_2, relu2_2, relu3_3 and relu4_3."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(1, 3, 1)
        self.to_relu_1_2, self.to_relu_2_2, self.to_relu_3_3, self.to_relu_4_3 = map(Slice, SLICES.values())

    def forward(self, image: Tensor, slices: int = 4) -> list[Tensor]:
        """Features after the first `slices` slices, the finest first."""
        x = self.conv0(image)
        features: list[Tensor] = []
        for name in list(SLICES)[:slices]:
            x = self.get_submodule(name)(x)
            features.append(x)
        return features


def from_state(state: State, origin: str) -> VGGFeatures:
    """The extractor from a flat checkpoint.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    return fit(VGGFeatures, state, origin)

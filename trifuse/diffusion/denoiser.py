r"""Denoisers: from a noisy image to an estimate of the clean one.

Samplers know only `Denoiser`: \((x, a) \mapsto \hat x_0\). What a network predicts is a `Prediction`, a pair of
formulas that turn its output into \(\hat x_0\) and an image into its training target; with
\(x = a x_0 + s z\), \(s = \sqrt{1 - a^2}\):

| prediction | target | \(\hat x_0\) |
|---|---|---|
| `noise` | \(z\) | \((x - s \hat z) / a\) |
| `x0` | \(x_0\) | \(\hat x_0\) |
| `v` | \(a z - s x_0\) | \(a x - s \hat v\) |

The error of a predicted noise is multiplied by \(s / a\), up to 22,800 at the noisy end of TFS-Diff's schedule, so
that clamping to the value range is part of the method there, and sampler state stays in float32 or better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from trifuse.core.errors import OptionError


class Denoiser(Protocol):
    """An estimate of the clean image."""

    def __call__(self, x: Tensor, level: float) -> Tensor:
        r"""\(\hat x_0\), shape and type of `x`, from \(x = a x_0 + s z\) at level \(a\) in (0, 1)."""
        ...


class Prediction(Protocol):
    """What a network predicts. Levels are float64 tensors that broadcast against images, or 0-dimensional."""

    def x0(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        """The clean image that an output stands for."""
        ...

    def target(self, x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """What the network should have said."""
        ...


class NoisePrediction:
    r"""The network predicts the noise \(z\) (Ho et al. 2020; SR3, TFS-Diff)."""

    def x0(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        r"""\((x - s \hat z) / a\)."""
        return (1 / level).to(x.dtype) * x - (sigma(level) / level).to(x.dtype) * output

    def target(self, x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        r"""\(z\)."""
        return noise


class ImagePrediction:
    r"""The network predicts the clean image \(x_0\)."""

    def x0(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        """The output itself."""
        return output

    def target(self, x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        r"""\(x_0\)."""
        return x0


class VelocityPrediction:
    r"""The network predicts \(v = a z - s x_0\) (Salimans and Ho 2022, appendix D)."""

    def x0(self, output: Tensor, x: Tensor, level: Tensor) -> Tensor:
        r"""\(a x - s \hat v\)."""
        return level.to(x.dtype) * x - sigma(level).to(x.dtype) * output

    def target(self, x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        r"""\(a z - s x_0\)."""
        return level.to(x0.dtype) * noise - sigma(level).to(x0.dtype) * x0


PREDICTIONS: dict[str, Prediction] = {"noise": NoisePrediction(), "x0": ImagePrediction(), "v": VelocityPrediction()}
"""The predictions by name, as recipes and the metadata of weights call them."""


def prediction(name: str) -> Prediction:
    """A prediction by name.

    Raises:
        OptionError: if there is none of that name.
    """
    if name not in PREDICTIONS:
        raise OptionError(f"no network prediction is called {name!r}; there are: {', '.join(PREDICTIONS)}")
    return PREDICTIONS[name]


def sigma(level: Tensor) -> Tensor:
    r"""\(s = \sqrt{(1 - a)(1 + a)}\) of levels as a tensor."""
    return ((1 - level) * (1 + level)).sqrt()


def noised(x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    r"""\(a x_0 + s z\); `level` is float64 and broadcasts against the images, or is 0-dimensional."""
    return level.to(x0.dtype) * x0 + sigma(level).to(x0.dtype) * noise


@dataclass(frozen=True, eq=False)
class NetworkDenoiser:
    """A network of the SR3 family as a denoiser, for given condition images.

    Attributes:
        network: called as `network(cat([condition, x]), time)`, time of shape (B,).
        condition: `(B, C, H, W)`, values -1..1.
        predicts: what the network's output means.
        clamp: bound of the estimate's absolute value, None for no bound.
        time: from the level to the network's time input; the level itself unless given
            (`Schedule.index_of` for SR3's `ddpm` networks).
    """

    network: nn.Module
    condition: Tensor
    predicts: Prediction
    clamp: float | None = 1.0
    time: Callable[[float], float] = float

    def output(self, x: Tensor, level: float) -> Tensor:
        """What the network says, in the type of `x`."""
        time = torch.full((x.shape[0],), self.time(level), dtype=x.dtype, device=x.device)
        said: Tensor = self.network(torch.cat([self.condition, x], dim=1), time)
        return said.to(x.dtype)

    def __call__(self, x: Tensor, level: float) -> Tensor:
        """The estimate; see `Denoiser`."""
        at = torch.tensor(level, dtype=torch.float64, device=x.device)
        x0 = self.predicts.x0(self.output(x, level), x, at)
        return x0 if self.clamp is None else x0.clamp(-self.clamp, self.clamp)

r"""From the standard deviation of few draws to one that says how large errors are, and intervals that hold.

Draws of a model that makes nearly the mean are too much alike, and the deviation of few of them is noise. The expected
absolute error is a product of powers of what is seen in the picture,

\[ u = \exp(c_0 + \sum_k c_k \log(t_k + \delta)), \]

\(t_k\) the deviation of the draws and the roughness of the estimate, each over 3 x 3 and 9 x 9 pixels, and the standard
deviation \(\sqrt{\pi / 2}\, u\). The coefficients minimise \(\log u + |e| / u\) on validation people. How many of these
deviations hold 50, 80 and 95 % of the truth is measured there too (split conformal prediction: Lei et al., JASA 113,
2018), for errors have longer tails than a normal distribution.
"""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

DELTA = 0.5 / 255
"""delta: half a grey level."""

COUNT = 5
"""Coefficients."""


class Spread(BaseModel):
    """How the deviation of draws is to be read at one scale.

    Attributes:
        coefficients: \\(c_0 ... c_4\\).
        intervals: from a level in percent to the half width of its interval in standard deviations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    coefficients: tuple[float, ...] = Field(min_length=COUNT, max_length=COUNT)
    intervals: dict[int, float] = Field(default_factory=dict)

    def deviation(self, drawn: Tensor, estimate: Tensor) -> Tensor:
        """`(B, 1, H, W)`: the standard deviation of the estimate.

        Args:
            drawn: standard deviation over draws, `(B, 1, H, W)`, in 0..1.
            estimate: `(B, C, H, W)`, values 0..1.
        """
        terms = predictors(drawn, estimate)
        weights = terms.new_tensor(self.coefficients)[:, None, None]
        return math.sqrt(math.pi / 2) * torch.exp((terms * weights).sum(dim=1, keepdim=True))


def predictors(drawn: Tensor, estimate: Tensor) -> Tensor:
    """`(B, COUNT, H, W)`: 1, and the logarithms of the \\(t_k\\); arguments as for `Spread.deviation`."""
    luma = estimate.float().mean(dim=1, keepdim=True)
    rough = [_mean((luma - _mean(luma, 5)).abs(), side) for side in (3, 9)]
    seen = [_mean(drawn.float(), 3), _mean(drawn.float(), 9), *rough]
    return torch.cat([torch.ones_like(luma), *((each + DELTA).log() for each in seen)], dim=1)


def _mean(x: Tensor, side: int) -> Tensor:
    """The mean over side x side pixels, inside the picture."""
    return functional.avg_pool2d(x, side, stride=1, padding=side // 2, count_include_pad=False)


def fitted(terms: Tensor, errors: Tensor, weights: Tensor) -> tuple[float, ...]:
    """The coefficients for predictors `(N, COUNT)` and absolute errors `(N,)`, each pixel weighted `(N,)`."""
    terms, errors = terms.double(), errors.double()
    share = weights.double() / weights.double().sum()
    centre = terms.mean(dim=0)
    centre[0] = 0
    found = torch.zeros(COUNT, dtype=torch.float64)
    found[0] = (share * errors).sum().clamp_min(1e-6).log()
    found.requires_grad_()
    optimiser = torch.optim.LBFGS([found], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        log_u = (terms - centre) @ found
        loss: Tensor = (share * (log_u + errors * torch.exp(-log_u))).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    coefficients = found.detach().clone()
    coefficients[0] -= (coefficients[1:] * centre[1:]).sum()
    return tuple(round(float(value), 5) for value in coefficients)


def quantile(values: Tensor, weights: Tensor, level: float) -> float:
    """The weighted quantile of `(N,)` values."""
    order = values.argsort()
    share = weights[order].double().cumsum(0) / weights.double().sum()
    index = int(torch.searchsorted(share, torch.tensor(level, dtype=torch.float64)))
    return float(values[order][min(index, len(values) - 1)])

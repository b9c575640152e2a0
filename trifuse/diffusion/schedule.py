r"""Noise schedules: how much of the image is left at each step.

A noisy image is \(x = a x_0 + s z\) with \(z \sim N(0, I)\), level \(a = \sqrt{\bar\alpha} \in (0, 1]\) and
\(s = \sqrt{1 - a^2}\). Everything in this package is a function of the level \(a\), in float64: the networks of the
SR3 family are conditioned on it directly, and samplers may stop at any level, whatever steps training had.

Other scales for the same quantity: half log signal-to-noise ratio \(\lambda = \ln(a / s)\), and the noise of the
unscaled image, \(\sigma = s / a\) (Karras et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trifuse.core.errors import OptionError

Levels = NDArray[np.float64]
"""Levels in float64; those that a sampler walks are in its order: noise first, each larger than the one before."""

ScheduleName = Literal["linear", "quad", "warmup10", "warmup50", "const", "jsd", "cosine"]


def sigma(level: ArrayLike) -> Levels:
    r"""Share of noise \(s = \sqrt{(1 - a)(1 + a)}\), exact to the last digits near \(a = 1\)."""
    a = np.asarray(level, dtype=np.float64)
    return np.asarray(np.sqrt((1 - a) * (1 + a)))


def log_snr(level: ArrayLike) -> Levels:
    r"""Half log signal-to-noise ratio \(\lambda = \ln(a / s)\); infinite at \(a = 1\)."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(level) - np.log(sigma(level)))


def level_of_log_snr(value: ArrayLike) -> Levels:
    r"""Level \(a = 1 / \sqrt{1 + e^{-2\lambda}}\)."""
    return np.asarray(1 / np.sqrt(1 + np.exp(-2 * np.asarray(value, dtype=np.float64))))


def noise_of(level: ArrayLike) -> Levels:
    r"""Noise of the unscaled image, \(\sigma = s / a\)."""
    return sigma(level) / np.asarray(level, dtype=np.float64)


def level_of_noise(value: ArrayLike) -> Levels:
    r"""Level \(a = 1 / \sqrt{1 + \sigma^2}\) of a noise \(\sigma\) of the unscaled image."""
    return np.asarray(1 / np.sqrt(1 + np.square(np.asarray(value, dtype=np.float64))))


@dataclass(frozen=True, eq=False)
class Schedule:
    r"""A forward process of T steps, \(x_t = \sqrt{1 - \beta_t} x_{t-1} + \sqrt{\beta_t} z\).

    Attributes:
        betas: float64 (T,), variance added by each step, first step first.
    """

    betas: NDArray[np.float64]

    @classmethod
    def make(cls, name: ScheduleName = "linear", steps: int = 4000, start: float = 1e-6, end: float = 1e-2) -> Schedule:
        r"""A schedule by name.

        `linear`: \(\beta\) evenly spaced from `start` to `end` (SR3 and TFS-Diff); `quad`: \(\sqrt\beta\) evenly
        spaced; `warmup10`, `warmup50`: `end` everywhere but in the first 10 or 50 %, which rise linearly from
        `start`; `const`: `end` everywhere; `jsd`: \(\beta_t = 1 / (T + 1 - t)\); `cosine`: \(\bar\alpha\) a squared
        cosine (Nichol and Dhariwal 2021, eq. 17). The last two need neither `start` nor `end`.

        Raises:
            OptionError: if there is no schedule of that name, or no step.
        """
        if steps < 1:
            raise OptionError(f"a noise schedule of {steps} steps does not exist; give 1 or more")
        if name not in get_args(ScheduleName):
            raise OptionError(f"no noise schedule is called {name!r}; there are: {', '.join(get_args(ScheduleName))}")
        return cls(_betas(name, steps, start, end))

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return len(self.betas)

    @cached_property
    def alphas_cumprod(self) -> NDArray[np.float64]:
        r"""\(\bar\alpha_t\), (T,)."""
        return np.asarray(np.cumprod(1 - self.betas), dtype=np.float64)

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        r"""\(\sqrt{\bar\alpha}\) after 0, 1, ..., T steps: (T + 1,), falling from 1."""
        return np.asarray(np.sqrt(np.concatenate([[1.0], self.alphas_cumprod])), dtype=np.float64)

    def index_of(self, level: float) -> float:
        """Zero-based time index with this level, interpolated between the steps; the time input of `ddpm` networks."""
        return float(np.interp(-level, -self.levels[1:], np.arange(self.steps)))

    def buffers(self) -> dict[str, NDArray[np.float32]]:
        """The twelve float32 arrays (T,) that official checkpoints store, in their order."""
        betas, cumprod = self.betas, self.alphas_cumprod
        before = np.concatenate([[1.0], cumprod[:-1]])
        with np.errstate(divide="ignore"):
            exact = {
                "betas": betas,
                "alphas_cumprod": cumprod,
                "alphas_cumprod_prev": before,
                "sqrt_alphas_cumprod": np.sqrt(cumprod),
                "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - cumprod),
                "log_one_minus_alphas_cumprod": np.log(1 - cumprod),
                "sqrt_recip_alphas_cumprod": np.sqrt(1 / cumprod),
                "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / cumprod - 1),
            }
        variance = betas * (1 - before) / (1 - cumprod)
        exact["posterior_variance"] = variance
        exact["posterior_log_variance_clipped"] = np.log(np.maximum(variance, 1e-20))
        exact["posterior_mean_coef1"] = betas * np.sqrt(before) / (1 - cumprod)
        exact["posterior_mean_coef2"] = (1 - before) * np.sqrt(1 - betas) / (1 - cumprod)
        return {name: values.astype(np.float32) for name, values in exact.items()}


def _betas(name: ScheduleName, steps: int, start: float, end: float) -> NDArray[np.float64]:
    if name == "linear":
        return np.linspace(start, end, steps)
    if name == "quad":
        return np.linspace(start**0.5, end**0.5, steps) ** 2
    if name in ("warmup10", "warmup50"):
        betas = np.full(steps, end)
        rising = int(steps * (0.1 if name == "warmup10" else 0.5))
        betas[:rising] = np.linspace(start, end, rising)
        return betas
    if name == "const":
        return np.full(steps, end)
    if name == "jsd":
        return 1 / np.linspace(steps, 1, steps)
    angle = (np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2
    left = np.cos(angle) ** 2
    left = left / left[0]
    return np.asarray(np.minimum(1 - left[1:] / left[:-1], 0.999), dtype=np.float64)


def full(schedule: Schedule) -> Levels:
    """Every level of a schedule from the noisiest to 1: T + 1 levels, T network evaluations."""
    return schedule.levels[::-1].copy()


def uniform_index(schedule: Schedule, steps: int) -> Levels:
    """About evenly spaced steps of a schedule, from its noisiest level to 1: `steps` evaluations.

    Poor for multistep solvers: it spends most steps where the image is nothing but noise.

    Raises:
        OptionError: if there are more steps than the schedule has.
    """
    if not 1 <= steps <= schedule.steps:
        raise OptionError(f"{steps} sampling steps do not fit a schedule of {schedule.steps}; give 1 or more, not more")
    index = np.round(np.linspace(schedule.steps, 0, steps + 1)).astype(int)
    return np.asarray(schedule.levels[index])


def uniform_lambda(count: int, noise_max: float = 20.0, noise_min: float = 0.002) -> Levels:
    r"""`count` levels with evenly spaced \(\lambda\) between two noises \(\sigma\) of the unscaled image."""
    return level_of_log_snr(np.linspace(-np.log(noise_max), -np.log(noise_min), count))


def to_clean(levels: Levels) -> Levels:
    """The same levels and 1 after them: a sampler then returns its last estimate of the clean image."""
    return np.append(levels, 1.0)


def kept_steps(total: int, spacing: int | str) -> list[int]:
    """The steps of a training of `total` that a shorter chain visits, ascending, as guided diffusion counts them.

    Args:
        total: steps of training.
        spacing: how many, spread over all of them, the first and the last included; "ddim25" for the 25 with an even
            distance; "10,15,20" for so many in each of equal parts.

    Raises:
        OptionError: if there are fewer steps than asked for, or no even distance gives that many.
    """
    if isinstance(spacing, str) and spacing.startswith("ddim"):
        wanted = int(spacing.removeprefix("ddim"))
        for stride in range(1, total):
            if len(range(0, total, stride)) == wanted:
                return list(range(0, total, stride))
        raise OptionError(f"no even distance gives {wanted} of {total} steps")
    counts = [spacing] if isinstance(spacing, int) else [int(count) for count in spacing.split(",")]
    kept, begin = [], 0
    for index, count in enumerate(counts):
        size = total // len(counts) + (index < total % len(counts))
        if not 1 <= count <= size:
            raise OptionError(f"{count} steps of {size} cannot be kept; give 1 to {size}")
        stride_of = (size - 1) / (count - 1) if count > 1 else 1.0
        place = 0.0
        for _ in range(count):
            kept.append(begin + round(place))
            place += stride_of
        begin += size
    return kept

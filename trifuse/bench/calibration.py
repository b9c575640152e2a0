r"""How far a standard deviation over samples can be trusted, measured against a ground truth.

Of a result with mean \(\mu\) and standard deviation \(\sigma\) at each pixel and a truth \(x\):

    correlation          Pearson's, of sigma and |x - mu|: whether the map says where the errors are
    coverage             share of pixels with |x - mu| <= z sigma, for central Gaussian intervals of 10 to 95 %
    sharpness            mean of sigma, in grey levels: how much is claimed
    error over spread    rms of x - mu / rms of sigma: 1 where the map is right, above 1 where it is overconfident

Source: Gneiting, Balabdaoui and Raftery, Probabilistic forecasts, calibration and sharpness, JRSS B 69, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.floating]

PREFIX = "calibration:"
"""What marks these numbers in the tidy table, where they stand beside the metrics."""

LEVELS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
"""Nominal coverages in percent."""

SHOWN = {
    "correlation": "correlation",
    "coverage_50": "50 %",
    "coverage_80": "80 %",
    "coverage_95": "95 %",
    "sharpness": "sharpness",
    "error_over_spread": "rms error / spread",
}
"""Columns of tables."""


def calibrate(mean: Array, std: Array, truth: Array, mask: NDArray[np.bool_] | None = None) -> dict[str, float]:
    """The numbers above, by the names of `SHOWN` (and one coverage for each of `LEVELS`).

    Args:
        mean, truth: `(C, *space)` in grey levels 0..255, C = 1 or 3 in each.
        std: `(1, *space)` in grey levels.
        mask: pixels that count, `(*space)`; all if None. Background, where nothing is uncertain, flatters.

    Returns:
        Values; the correlation is NaN where error or spread are constant, the ratio where there is no spread.

    Raises:
        ValueError: if the mask holds no pixel.
    """
    channels = max(mean.shape[0], truth.shape[0])
    error = np.abs(np.broadcast_to(truth, (channels, *truth.shape[1:])) - mean).astype(np.float64)
    inside = np.ones(std.shape[1:], bool) if mask is None else mask
    if not inside.any():
        raise ValueError("the mask holds no pixel")
    errors, spread = error[:, inside], std[0][inside].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt((errors**2).mean()) / np.sqrt((spread**2).mean())
    return {
        "correlation": _correlation(spread, errors.mean(axis=0)),
        **{f"coverage_{level}": float((errors <= _z(level) * spread).mean()) for level in LEVELS},
        "sharpness": float(spread.mean()),
        "error_over_spread": float(ratio) if spread.any() else float("nan"),
    }


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _z(level: float) -> float:
    """Half width of the central interval of `level` percent, in standard deviations."""
    from scipy.stats import norm

    return float(norm.ppf(0.5 + level / 200))


def attainable(level: float, samples: int) -> float:
    """Coverage in percent that mean and deviation of `samples` draws reach if the truth is one more such draw.

    Student's t with samples - 1 degrees of freedom and variance 1 + 1 / samples: with few draws even a perfect
    sampler stays below the nominal coverage.
    """
    from scipy.stats import t

    return 100 * float(2 * t.cdf(_z(level) / np.sqrt(1 + 1 / samples), samples - 1) - 1)


@dataclass(frozen=True)
class Reliability:
    """Calibration of the rows of one scale.

    Attributes:
        scale: magnification.
        mean, std: method x name, over cases.
        patients: method x name, mean over patients of their means.
        cases: most cases of a row.
    """

    scale: int
    mean: pd.DataFrame
    std: pd.DataFrame
    patients: pd.DataFrame
    cases: int


def split(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tidy table without the rows of calibration, and those alone, without their prefix."""
    marked = table["metric"].str.startswith(PREFIX)
    own = table[marked]
    return table[~marked], own.assign(metric=own["metric"].str.removeprefix(PREFIX))


def summarise(rows: pd.DataFrame, scale: int) -> Reliability | None:
    """Means of the rows of calibration of one scale; None if there is none."""
    chosen = rows[rows["scale"] == scale]
    if chosen.empty:
        return None
    methods = list(dict.fromkeys(chosen["method"]))
    grouped = chosen.groupby(["method", "metric"])["value"]
    of_patients = chosen.groupby(["method", "metric", "patient"])["value"].mean().groupby(["method", "metric"])
    mean, std, patients = (
        values.unstack("metric").reindex(methods) for values in (grouped.mean(), grouped.std(), of_patients.mean())
    )
    return Reliability(scale, mean, std, patients, cases=int(chosen.groupby("method")["case"].nunique().max()))


def long(reliabilities: list[Reliability]) -> pd.DataFrame:
    """One line per scale, method and name."""
    frames = []
    for each in reliabilities:
        parts = {"mean": each.mean, "std": each.std, "mean_over_patients": each.patients}
        frame = pd.DataFrame({name: part.stack() for name, part in parts.items()})
        frames.append(frame.rename_axis(["method", "name"]).reset_index().assign(scale=each.scale))
    return pd.concat(frames)

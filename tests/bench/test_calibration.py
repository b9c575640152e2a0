"""Calibration: Gaussian draws whose answers are known, and the way of the numbers into tables, page and plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow
from scipy.stats import norm

from trifuse import methods
from trifuse.bench import calibration, recipe, report, run
from trifuse.methods.base import Card, Estimate, method

SIDE = 400


def draws(count: int, sigma: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of `count` Gaussian draws around 100."""
    samples = 100 + sigma * rng.standard_normal((count, 1, SIDE, SIDE))
    return samples.mean(axis=0), samples.std(axis=0, ddof=1)


@pytest.fixture(scope="module")
def gaussian() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """sigma, which varies over the picture from 2 to 10, and truths drawn with it."""
    rng = np.random.default_rng(0)
    sigma = np.broadcast_to(np.linspace(2, 10, SIDE), (1, SIDE, SIDE))
    return np.full((1, SIDE, SIDE), 100.0), sigma, 100 + sigma * rng.standard_normal((1, SIDE, SIDE))


def test_a_right_spread_is_found_right(gaussian: tuple[np.ndarray, ...]) -> None:
    mean, sigma, truth = gaussian
    found = calibration.calibrate(mean, sigma, truth)
    for level in calibration.LEVELS:
        assert found[f"coverage_{level}"] == pytest.approx(level / 100, abs=0.005)
    assert found["error_over_spread"] == pytest.approx(1, abs=0.01)
    assert found["sharpness"] == pytest.approx(6)
    # |x - mu| = sigma |z|: its correlation with sigma follows from E|z| = sqrt(2 / pi) and E z^2 = 1.
    variance, square = 8**2 / 12, 6**2 + 8**2 / 12
    expected = np.sqrt(2 / np.pi) * np.sqrt(variance) / np.sqrt(square - 2 / np.pi * 36)
    assert found["correlation"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_a_wrong_spread_is_found_wrong_by_its_factor(gaussian: tuple[np.ndarray, ...], factor: float) -> None:
    mean, sigma, truth = gaussian
    found = calibration.calibrate(mean, factor * sigma, truth)
    assert found["error_over_spread"] == pytest.approx(1 / factor, rel=0.01)
    for level in (50, 80, 95):
        expected = 2 * norm.cdf(factor * norm.ppf(0.5 + level / 200)) - 1
        assert found[f"coverage_{level}"] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("count", [3, 8])
def test_few_draws_of_a_perfect_sampler_reach_what_is_attainable(count: int) -> None:
    rng = np.random.default_rng(count)
    sigma = np.full((1, SIDE, SIDE), 5.0)
    mean, std = draws(count, sigma, rng)
    truth = 100 + sigma * rng.standard_normal((1, SIDE, SIDE))
    found = calibration.calibrate(mean, std, truth)
    for level in (50, 80, 95):
        assert 100 * found[f"coverage_{level}"] == pytest.approx(calibration.attainable(level, count), abs=0.5)
        assert calibration.attainable(level, count) < level
    assert calibration.attainable(95, 10**6) == pytest.approx(95, abs=1e-3)


def test_colour_and_mask() -> None:
    rng = np.random.default_rng(1)
    mean, std = np.full((3, 50, 60), 100.0), np.ones((1, 50, 60))
    truth = mean + rng.standard_normal(mean.shape)
    truth[:, :, 30:] = 300
    left = np.zeros((50, 60), bool)
    left[:, :30] = True
    assert calibration.calibrate(mean, std, truth, left)["coverage_80"] == pytest.approx(0.8, abs=0.02)
    assert calibration.calibrate(mean, std, truth)["coverage_80"] == pytest.approx(0.4, abs=0.02)
    with pytest.raises(ValueError, match="no pixel"):
        calibration.calibrate(mean, std, truth, left & ~left)


def test_no_spread_says_nothing() -> None:
    flat = np.full((1, 9, 9), 7.0)
    found = calibration.calibrate(flat, np.zeros((1, 9, 9)), flat + 1)
    assert np.isnan(found["correlation"])
    assert np.isnan(found["error_over_spread"])
    assert found["coverage_95"] == 0
    assert calibration.calibrate(flat, np.zeros((1, 9, 9)), flat)["coverage_50"] == 1


@method
@dataclass(frozen=True)
class Noisy:
    """The mean of the sources with noise of 20 grey levels."""

    card: ClassVar[Card] = Card(name="noisy", title="Noisy", summary="for tests", stochastic=True)

    def fuse(self, sources, *, scale, random):
        return Estimate(0.5 + 20 / 255 * torch.randn(sources[0].shape, generator=random.torch))


def test_a_benchmark_reports_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    for name in ("a", "b"):
        truth = np.clip(127.5 + 20 * rng.standard_normal((96, 96)), 1, 255)
        Pillow.fromarray(truth.round().astype(np.uint8)).save(tmp_path / f"{name}.png")
    original = methods.get
    monkeypatch.setattr(methods.REGISTRY, "get", lambda name: Noisy if name == "noisy" else original(name))
    for module in ("trifuse.methods", "trifuse.fusion.route", "trifuse.bench.shared"):
        monkeypatch.setattr(f"{module}.get", methods.REGISTRY.get)
    small = recipe.Recipe.model_validate(
        {
            "name": "n",
            "title": "t",
            "cases": {"listed": {"p-1": ["a.png", "a.png"], "q-1": ["b.png", "b.png"]}},
            "methods": [
                {"label": "16 samples", "method": "noisy", "samples": 16},
                {"label": "one", "method": "noisy"},
                {"label": "certain", "method": "mean", "samples": 2},
            ],
            "metrics": ["mse"],
            "truth": "max",
        }
    )
    rows = run.run(small, tmp_path, tmp_path / "out")
    assert not [row["error"] for row in rows if row["error"]]
    table = pd.DataFrame(rows)
    assert set(table.loc[table["metric"].str.startswith(calibration.PREFIX), "method"]) == {"16 samples"}
    values = table[table["method"] == "16 samples"].groupby("metric")["value"].mean()
    assert values["calibration:sharpness"] == pytest.approx(20, rel=0.05)
    assert values["calibration:error_over_spread"] == pytest.approx(np.sqrt(1 + 1 / 16), abs=0.03)
    assert 100 * values["calibration:coverage_80"] == pytest.approx(calibration.attainable(80, 16), abs=2)
    written = report.write(small, rows, tmp_path / "out")
    assert {"calibration.csv", "reliability.png"} <= {path.name for path in written}
    own = pd.read_csv(tmp_path / "out" / "calibration.csv")
    assert set(own["method"]) == {"16 samples"}
    assert {"mean", "std", "mean_over_patients", "scale"} <= set(own.columns)
    for name in ("table.md", "table.tex", "index.html"):
        assert "rms error / spread" in (tmp_path / "out" / name).read_text(), name
    assert "plots/reliability.png" in (tmp_path / "out" / "index.html").read_text()

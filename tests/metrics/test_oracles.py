"""Metrics against independent programs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.measure import shannon_entropy
from skimage.metrics import (
    mean_squared_error,
    normalized_mutual_information,
    peak_signal_noise_ratio,
    structural_similarity,
)
from torchmetrics.functional.image import visual_information_fidelity

from trifuse.metrics import get

RNG = np.random.default_rng(7)
BASE = np.cumsum(RNG.normal(0, 6, (64, 72)), axis=1) + 128
X = np.clip(np.rint(BASE), 0, 255)
Y = np.clip(np.rint(BASE * 0.8 + RNG.normal(0, 9, BASE.shape)), 0, 255)
VOLUME_X, VOLUME_Y = RNG.integers(0, 256, (2, 14, 16, 13)).astype(np.float64)


def wang(x: np.ndarray, y: np.ndarray, axis: int | None = None) -> float:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": axis}
    return float(structural_similarity(x, y, data_range=255, **options))


@pytest.mark.parametrize(("x", "y"), [(X, Y), (VOLUME_X, VOLUME_Y)], ids=["2D", "3D"])
def test_ssim(x: np.ndarray, y: np.ndarray) -> None:
    assert get("ssim")(y, [x]) == pytest.approx(wang(x, y), rel=1e-12)
    single = x.astype(np.float32), y.astype(np.float32)
    assert get("ssim@evaluator")(y, [x]) == pytest.approx(structural_similarity(*single, data_range=2), rel=1e-6)
    whole = x.astype(np.uint8), y.astype(np.uint8)
    assert get("ssim@palm")(y, [x]) == pytest.approx(structural_similarity(*whole), rel=1e-12)


def test_ssim_of_colour_is_the_mean_over_channels() -> None:
    x, y = np.stack([X, Y, X[::-1]], axis=-1), np.stack([Y, Y, Y], axis=-1)
    assert get("ssim")(y, [x], colour="rgb") == pytest.approx(wang(x, y, 2), rel=1e-12)
    assert get("psnr")(y, [x], colour="rgb") == pytest.approx(peak_signal_noise_ratio(x, y, data_range=255), rel=1e-12)


def test_differences() -> None:
    assert get("mse")(Y, [X]) == pytest.approx(mean_squared_error(X, Y), rel=1e-12)
    assert get("psnr")(Y, [X]) == pytest.approx(peak_signal_noise_ratio(X, Y, data_range=255), rel=1e-12)
    assert get("cc")(Y, [X]) == pytest.approx(np.corrcoef(X.ravel(), Y.ravel())[0, 1], rel=1e-12)


def test_information() -> None:
    assert get("en")(Y) == pytest.approx(shannon_entropy(Y.astype(np.uint8)), rel=1e-12)
    nmi = normalized_mutual_information(X.astype(np.float32) / 255, Y.astype(np.float32) / 255)
    assert get("q_mi@dc2")(Y, [X]) == pytest.approx(nmi, rel=1e-6)


def test_vif_takes_the_source_as_reference() -> None:
    source, fused = (torch.from_numpy(image)[None, None] for image in (X, Y))
    expected = float(visual_information_fidelity(fused, source, sigma_n_sq=2.0))
    assert get("vif")(Y, [X]) == pytest.approx(expected, rel=1e-9)
    assert get("vif")(X, [Y]) != pytest.approx(expected, rel=1e-3)


def test_gradients_of_a_volume_see_every_axis() -> None:
    turned = np.moveaxis(VOLUME_Y, 2, 0), np.moveaxis(VOLUME_X, 2, 0)
    for name in ("sf", "ag", "qabf", "ssim", "q_s", "q_w", "q_e", "q_y", "q_c", "q_sf"):
        assert get(name)(VOLUME_Y, [VOLUME_X]) == pytest.approx(get(name)(turned[0], [turned[1]]), rel=1e-9)

"""The loss of a picture: its average gradient is the metric's, and it pulls a smooth picture towards sharpness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from trifuse.metrics import get
from trifuse.metrics.pixels import pixels_of
from trifuse.train.losses.picture import average_gradient, picture_terms, weighed
from trifuse.train.settings.loss import Loss


def picture(seed: int) -> Tensor:
    """`(2, 3, 20, 24)`, whole grey levels 0..255."""
    return torch.randint(0, 256, (2, 3, 20, 24), generator=torch.Generator().manual_seed(seed)).float()


def test_average_gradient_is_the_metric() -> None:
    grey = picture(0)[:, :1].expand(-1, 3, -1, -1)
    measured = [get("ag").measure(pixels_of(each[0].numpy(), "picture")) for each in grey]
    np.testing.assert_allclose(average_gradient(grey), measured, rtol=1e-5)


def test_average_gradient_of_black_has_a_derivative() -> None:
    black = torch.zeros(1, 3, 8, 8, requires_grad=True)
    average_gradient(black).sum().backward()  # type: ignore[no-untyped-call]
    assert black.grad is not None
    assert bool(black.grad.isfinite().all())


def test_terms_are_weighed() -> None:
    truth, estimate = picture(1) / 127.5 - 1, picture(2) / 127.5 - 1
    weights = Loss(l1=2, mse=3, ssim=0.5, average_gradient=4)
    terms = picture_terms(estimate, truth, weights)
    expected = 2 * terms["l1"] + 3 * terms["mse"] + 0.5 * terms["ssim"] + 4 * terms["average_gradient"]
    torch.testing.assert_close(weighed(terms, weights), expected)


def test_distance_in_average_gradient_is_in_units_of_the_display_range() -> None:
    truth = picture(1) / 127.5 - 1
    terms = picture_terms(truth / 2, truth, Loss(average_gradient=1))
    expected = average_gradient((truth + 1) / 2).mean() / 2
    assert float(terms["average_gradient"]) == pytest.approx(float(expected), rel=1e-4)


def test_a_smooth_picture_grows_sharper() -> None:
    truth = picture(1) / 127.5 - 1
    estimate = (truth / 2).requires_grad_()
    weights = Loss(l1=0, mse=0, average_gradient=1)
    weighed(picture_terms(estimate, truth, weights), weights).backward()  # type: ignore[no-untyped-call]
    assert estimate.grad is not None
    assert (average_gradient(estimate - 10 * estimate.grad) > average_gradient(estimate)).all()

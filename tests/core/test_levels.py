"""8-bit levels survive the way through float32, and no rounding moves a value to another level."""

from __future__ import annotations

import torch

from trifuse.core.levels import levels, single


def test_levels_become_exact_again() -> None:
    exact = torch.arange(256, dtype=torch.float64) / 255
    assert torch.equal(levels(exact.float()), exact)


def test_other_values_stay() -> None:
    values = torch.tensor([0.1, 0.5 / 255, 1.0])
    assert torch.equal(levels(values), values.double())


def test_no_value_changes_its_level_in_single_precision() -> None:
    middle = (torch.arange(255, dtype=torch.float64) + 0.5) / 255
    values = torch.cat([middle, middle - 1e-12, middle + 1e-12])
    meant = torch.floor(values * 255 + 0.5)
    rounded = single(values)
    assert torch.equal(torch.floor(rounded.double() * 255 + 0.5), meant)
    assert torch.equal(torch.floor(rounded * 255 + 0.5).double(), meant)
    assert (rounded.double() - values).abs().max() < 1e-6

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from trifuse.core.errors import WeightsError
from trifuse.nets.state import fit, flat, trained


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return build().state_dict()


def test_wrappings_come_off(state: dict[str, torch.Tensor]) -> None:
    assert flat({f"state_dict.module.{key}": value for key, value in state.items()}).keys() == state.keys()
    groups = {"encoder.module.a": torch.ones(1), "decoder.b": torch.ones(1)}
    assert set(flat(groups)) == {"encoder.a", "decoder.b"}


def test_fit_casts_and_leaves_the_unused_out(state: dict[str, torch.Tensor]) -> None:
    half = {key: value.half() if value.is_floating_point() else value.reshape(1) for key, value in state.items()}
    net = fit(build, half | {"dead.weight": torch.ones(1)}, "here", unused=["dead."])
    assert not net.training
    assert all(value.dtype == torch.float32 for value in net.state_dict().values() if value.is_floating_point())
    torch.testing.assert_close(net.state_dict()["0.weight"], state["0.weight"], atol=1e-3, rtol=0)
    assert net(torch.ones(4, 2)).shape == (4, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": None}, r"here: .*lacks 1 entries \(first: 0.weight\)"),
        ({"2.weight": torch.ones(1)}, "here: .*foreign entry 2.weight"),
        ({"0.weight": torch.ones(3, 4)}, r"0.weight has shape \(3, 4\), Sequential wants \(3, 2\)"),
    ],
)
def test_foreign_checkpoints_are_refused(
    state: dict[str, torch.Tensor], change: dict[str, torch.Tensor | None], message: str
) -> None:
    changed = {key: value for key, value in ({**state, **change}).items() if value is not None}
    with pytest.raises(WeightsError, match=message) as caught:
        fit(build, changed, "here")
    assert "\n" not in str(caught.value)


def test_networks_are_read_once_and_again_when_the_file_changes(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    import os

    path = tmp_path / "net.pth"
    torch.save(state, path)

    def from_state(content: dict[str, torch.Tensor], origin: str) -> nn.Module:
        return fit(build, content, origin)

    first = trained(from_state, str(path), "some")
    assert trained(from_state, str(path), "some") is first
    torch.save({key: value + 1 for key, value in state.items()}, path)
    os.utime(path, ns=(1, 1))
    second = trained(from_state, str(path), "some")
    torch.testing.assert_close(second.state_dict()["0.bias"], state["0.bias"] + 1)


def test_a_name_that_is_no_weights_is_named() -> None:
    with pytest.raises(WeightsError, match=r"method some: weights 'elsewhere'.*--option weights=FILE"):
        trained(lambda content, origin: fit(build, content, origin), "elsewhere", "some")

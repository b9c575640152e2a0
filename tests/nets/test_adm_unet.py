"""The guided-diffusion U-Net: shapes read off a checkpoint, any size, batches, one-line errors."""

from __future__ import annotations

import pytest
import torch

from trifuse.core.errors import WeightsError
from trifuse.nets.adm_unet import ADMConfig, ADMUNet, config_of, embedded, from_state

SHAPES = [
    ADMConfig(channels=32, multipliers=(1, 2), res_blocks=1, attention_levels=(1,), head_channels=32),
    ADMConfig(1, 2, channels=32, multipliers=(1, 1, 2), res_blocks=2, attention_levels=(), head_channels=64),
    ADMConfig(channels=32, multipliers=(1, 2, 4), res_blocks=3, attention_levels=(0, 2), head_channels=32),
]


def net(config: ADMConfig) -> ADMUNet:
    torch.manual_seed(0)
    return ADMUNet(config).eval()


@pytest.mark.parametrize("config", SHAPES)
def test_the_shape_is_read_off_a_checkpoint(config: ADMConfig) -> None:
    assert config_of(net(config).state_dict(), config.head_channels) == config


@torch.inference_mode()
def test_any_size_and_batches_one_by_one() -> None:
    network = net(SHAPES[2])
    x = torch.randn(2, 3, 13, 18)
    time = torch.tensor([0, 700])
    both = network(x, time)
    assert both.shape == (2, 6, 13, 18)
    torch.testing.assert_close(both[1:], network(x[1:], time[1:]), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(both[1:], network(x[1:], time[:1]))


@torch.inference_mode()
def test_weights_of_half_precision_serve() -> None:
    network = net(SHAPES[0])
    state = network.state_dict()
    again = from_state({key: value.half() for key, value in state.items()}, "half", 32)
    x = torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(again(x, torch.tensor([3])), network(x, torch.tensor([3])), atol=1e-2, rtol=1e-2)


def test_times_are_cosines_then_sines() -> None:
    embedding = embedded(torch.tensor([0, 5]), 6)
    assert torch.equal(embedding[0], torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    assert embedding[1, 3] == pytest.approx(torch.sin(torch.tensor(5.0)))
    assert embedded(torch.tensor([2]), 7)[0, 6] == 0


@pytest.mark.parametrize("damage", ["lacks", "foreign", "shape", "other"])
def test_wrong_checkpoints_are_one_line(damage: str) -> None:
    state = dict(net(SHAPES[0]).state_dict())
    if damage == "lacks":
        del state["middle_block.1.norm.weight"]
    elif damage == "foreign":
        state["label_emb.weight"] = torch.zeros(3, 4)
    elif damage == "shape":
        state["out.0.weight"] = torch.zeros(5)
    else:
        state = {"conv.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"^some\.pt: ") as caught:
        from_state(state, "some.pt", 32)
    assert "\n" not in str(caught.value)

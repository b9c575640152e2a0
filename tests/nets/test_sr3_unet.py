"""The U-Net beyond the goldens: sizes, batches, checkpoints that do not fit."""

from __future__ import annotations

import pytest
import torch

from trifuse.core.errors import WeightsError
from trifuse.nets.folded import Folded
from trifuse.nets.padding import reflected_to_multiple
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_inference import for_inference
from trifuse.nets.sr3_unet import SR3UNet, from_state_dict

SMALL = UNetConfig(
    in_channels=12, channels=8, multipliers=(1, 2, 2), res_blocks=1, attention_levels=(2,), norm_groups=4
)
OFFICIAL = {
    "in_channel": 12,
    "out_channel": 3,
    "inner_channel": 64,
    "channel_multiplier": [1, 2, 4, 8, 8],
    "attn_res": [16],
    "res_blocks": 2,
    "dropout": 0.2,
}


def small(**changes: object) -> SR3UNet:
    torch.manual_seed(0)
    return SR3UNet(SMALL.model_copy(update=changes)).eval()


@pytest.mark.parametrize(
    ("changes", "size", "scope", "parameters"),
    [
        ({}, 256, "input", 97_811_034),
        ({"channel_multiplier": [1, 2, 4, 8, 16], "attn_res": None, "res_blocks": 1}, 256, "input", 155_337_882),
        ({"in_channel": 6}, 128, "none", 97_807_491),
    ],
)
def test_official_sizes(changes: dict[str, object], size: int, scope: str, parameters: int) -> None:
    config = UNetConfig.from_official(OFFICIAL | changes, size, se_scope=scope)  # type: ignore[arg-type]
    with torch.device("meta"):
        network = SR3UNet(config)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_official_ddpm_size() -> None:
    unet = OFFICIAL | {"in_channel": 6, "channel_multiplier": [1, 1, 2, 2, 4, 4]}
    with torch.device("meta"):
        network = SR3UNet(UNetConfig.from_official(unet, 128, embedding="index"))
    assert sum(p.numel() for p in network.parameters()) == 26_451_587


@pytest.mark.parametrize("scope", ["input", "condition", "none"])
@pytest.mark.parametrize("embedding", ["level", "index"])
def test_configuration_survives_saving(scope: str, embedding: str) -> None:
    network = small(se_scope=scope, embedding=embedding)
    again = from_state_dict(network.state_dict(), norm_groups=4)
    x, level = torch.randn(1, 12, 8, 8), torch.tensor([0.4])
    assert again.config == network.config
    with torch.no_grad():
        assert torch.equal(again(x, level), network(x, level))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (13, 9), (16, 18)])
def test_any_size_and_a_batch_is_its_images(size: tuple[int, int]) -> None:
    network = small(se_scope="input")
    x, level = torch.randn(2, 12, *size), torch.tensor([0.3, 0.8])
    with torch.no_grad():
        both = network(x, level)
        alone = torch.cat([network(x[i : i + 1], level[i : i + 1]) for i in range(2)])
    assert both.shape == (2, 3, *size)
    torch.testing.assert_close(both, alone, atol=1e-5, rtol=0)


def test_gate_on_the_condition_leaves_the_noisy_image() -> None:
    network = small(se_scope="condition")
    x = torch.randn(1, 12, 8, 8)
    other = torch.cat([x[:, :9], torch.randn(1, 3, 8, 8)], dim=1)
    with torch.no_grad():
        gated, gated_other = network.gate(x), network.gate(other)
    assert torch.equal(gated[:, 9:], x[:, 9:])
    assert torch.equal(gated[:, :9], gated_other[:, :9])
    assert not torch.equal(gated[:, :9], x[:, :9])


def test_bfloat16_weights_stay_near() -> None:
    network = small()
    x, level = torch.randn(1, 12, 16, 16), torch.tensor([0.5])
    with torch.no_grad():
        exact = network(x, level)
        coarse = network.to(torch.bfloat16, memory_format=torch.channels_last)(x, level)  # type: ignore[call-overload]
    assert coarse.dtype == torch.bfloat16
    assert (coarse.float() - exact).abs().mean() < 0.05 * exact.abs().mean() + 0.01


def test_gradients_reach_every_parameter() -> None:
    network = small(se_scope="condition").train()
    network(torch.randn(2, 12, 16, 16), torch.tensor([0.5, 0.9])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("lost", ["downs.0.weight", "mid.0.attn.qkv.weight", "ups.0.res_block.block1.block.3.weight"])
def test_incomplete_checkpoints_are_refused(lost: str) -> None:
    state = small().state_dict()
    del state[lost]
    with pytest.raises(WeightsError):
        from_state_dict(state, norm_groups=4)


def test_wrong_groups_are_named() -> None:
    with pytest.raises(WeightsError, match="norm_groups"):
        from_state_dict(small().state_dict())


def test_reflection_is_the_known_one() -> None:
    x = torch.arange(20.0).reshape(1, 1, 4, 5)
    expected = torch.nn.functional.pad(x, (0, 3, 0, 0), mode="reflect")
    assert torch.equal(reflected_to_multiple(x, 8)[:, :, :4], expected)
    assert torch.equal(reflected_to_multiple(x, 1), x)


def test_folding_keeps_places() -> None:
    class Same(torch.nn.Module):
        def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
            return x

    x = torch.randn(2, 3, 7, 10)
    assert torch.equal(Folded(Same(), 2)(x, torch.ones(2)), x)


def test_the_form_for_inference_is_the_same_function() -> None:
    network = small(se_scope="input")
    x, level = torch.randn(2, 12, 13, 20), torch.tensor([0.3, 0.8])
    with torch.no_grad():
        expected = network(x, level)
        torch.testing.assert_close(for_inference(network)(x, level), expected, atol=2e-5, rtol=0)
    assert not any(p.requires_grad for p in network.parameters())

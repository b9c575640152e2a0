"""The network that corrects an analytic fusion."""

from __future__ import annotations

import torch

from trifuse.nets.fusion_rule import REACH, WEIGHT, FusionRule


def pictures(side: int = 40) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Three sources, a fusion of them and the brightest."""
    generator = torch.Generator().manual_seed(0)
    sources = [torch.rand(2, 3, side, side, generator=generator) for _ in range(3)]
    return sources, torch.stack(sources).mean(dim=0), torch.stack(sources).amax(dim=0)


def test_training_begins_a_little_towards_the_brightest_source() -> None:
    torch.manual_seed(0)
    sources, analytic, brightest = pictures()
    said = FusionRule(8)(sources, analytic, brightest, 4)
    torch.testing.assert_close(said, analytic + WEIGHT * (brightest - analytic), atol=0.02, rtol=0)


def test_where_all_is_black_nothing_is_added() -> None:
    torch.manual_seed(0)
    sources, analytic, brightest = pictures()
    for picture in (*sources, analytic, brightest):
        picture[..., :20, :] = 0
    said = FusionRule(8)(sources, analytic, brightest, 2)
    assert not said[..., :20, :].any()
    assert said[..., 20:, :].all()


def test_a_pixel_sees_as_far_as_is_said() -> None:
    torch.manual_seed(0)
    network = FusionRule(8)
    sources, analytic, brightest = pictures()
    before = network(sources, analytic, brightest, 2)
    sources[0][..., 0] = 1 - sources[0][..., 0]
    changed = (network(sources, analytic, brightest, 2) - before).abs().amax(dim=(0, 1, 2)) > 0
    assert changed[REACH]
    assert not changed[REACH + 1 :].any()


def test_the_scale_is_an_input() -> None:
    torch.manual_seed(0)
    network = FusionRule(8)
    assert not torch.equal(network(*pictures(), 2), network(*pictures(), 8))


def test_the_width_is_read_from_the_weights() -> None:
    network = FusionRule(12)
    again = FusionRule.from_state(network.state_dict())
    assert torch.equal(network(*pictures(), 2), again(*pictures(), 2))

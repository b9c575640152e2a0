"""The network that enlarges single sources."""

from __future__ import annotations

import pytest
import torch

from trifuse.nets.consistency import consistent
from trifuse.nets.source_sr import MARGIN, SourceSR, joined


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_an_untrained_network_is_nearly_bicubic_at_every_scale(scale: int) -> None:
    torch.manual_seed(0)
    network = SourceSR(8, 2, 4)
    bicubic = torch.rand(2, 3, 5 * scale, 7 * scale)
    out = network(torch.rand(2, 3, 5, 7), bicubic)
    assert out.shape == bicubic.shape
    assert (out - bicubic).abs().max() < 0.2
    assert (out - bicubic).abs().max() > 0


def test_sizes_are_read_from_the_weights() -> None:
    network = SourceSR(8, 3, 4, (2, 8))
    again = SourceSR.from_state(network.state_dict())
    assert sorted(again.heads) == ["2", "8"]
    small, bicubic = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 32, 32)
    assert torch.equal(network(small, bicubic), again(small, bicubic))


def test_a_deeper_network_goes_on_where_a_shallower_one_ended() -> None:
    shallow, deep = SourceSR(8, 2, 4), SourceSR(8, 5, 4)
    deep.load_state_dict(deep.grown(shallow.state_dict()))
    small, bicubic = torch.rand(1, 3, 6, 5), torch.rand(1, 3, 12, 10)
    torch.testing.assert_close(deep(small, bicubic), shallow(small, bicubic))
    deep(small, bicubic).sum().backward()
    last = deep.trunk[-1].get_parameter("second.weight")
    assert last.grad is not None
    assert last.grad.abs().max() > 0


def test_a_scale_may_have_a_trunk_of_its_own() -> None:
    torch.manual_seed(0)
    general, single = SourceSR(8, 2, 4), SourceSR(8, 3, 4, (4,))
    both = SourceSR.from_state(joined(general.state_dict(), {4: single.state_dict()}))
    small = torch.rand(1, 3, 6, 5)
    for scale, alike in ((2, general), (4, single), (8, general)):
        bicubic = torch.rand(1, 3, 6 * scale, 5 * scale)
        assert torch.equal(both(small, bicubic), alike(small, bicubic))


@pytest.mark.parametrize("begins", ["general", "joined"])
def test_a_network_of_one_scale_goes_on_from_one_of_several(begins: str) -> None:
    torch.manual_seed(0)
    general, single = SourceSR(8, 2, 4), SourceSR(8, 3, 4, (4,))
    state = general.state_dict()
    if begins == "joined":
        state = joined(state, {4: single.state_dict()})
    further = SourceSR(8, 4, 4, (4,))
    further.load_state_dict(further.grown(state))
    small, bicubic = torch.rand(1, 3, 6, 5), torch.rand(1, 3, 24, 20)
    torch.testing.assert_close(further(small, bicubic), SourceSR.from_state(state)(small, bicubic))


def test_a_shallower_network_keeps_the_first_blocks_of_a_deeper_one() -> None:
    deep, shallow = SourceSR(8, 5, 4), SourceSR(8, 2, 4, (2,))
    shallow.load_state_dict(shallow.grown(deep.state_dict()))
    assert torch.equal(shallow.trunk[1].get_parameter("first.weight"), deep.trunk[1].get_parameter("first.weight"))
    assert torch.equal(shallow.heads["2"].get_parameter("leave.weight"), deep.heads["2"].get_parameter("leave.weight"))


def test_black_around_a_picture_costs_and_changes_nothing() -> None:
    torch.manual_seed(0)
    network = SourceSR(8, 2, 4, (2,)).eval()
    small, bicubic = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 128, 128)
    small[..., 20:31, 24:40] = torch.rand(1, 3, 11, 16)
    bicubic[..., 40:62, 48:80] = torch.rand(1, 3, 22, 32)
    seen: list[torch.Size] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    with torch.inference_mode():
        assert not network.enlarged(torch.zeros_like(small), torch.zeros_like(bicubic)).any()
        out = network.enlarged(small, bicubic)
        whole = consistent(network(small, bicubic).clamp(0, 1), small)
    assert tuple(seen[0][2:]) == (11 + 2 * MARGIN, 16 + 2 * MARGIN)
    torch.testing.assert_close(out, whole, atol=2e-3, rtol=0)


def test_the_second_way_begins_as_the_first_and_is_its_own() -> None:
    torch.manual_seed(0)
    plain = SourceSR(8, 2, 4, (2,))
    adapting = SourceSR(8, 2, 4, (2,), adapts=True)
    adapting.load_state_dict(adapting.grown(plain.state_dict()))
    small, bicubic = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        first = plain(small, bicubic)
        assert torch.equal(adapting(small, bicubic, exact=False), first)
        adapting.changes["2"].normal_()
        assert torch.equal(adapting(small, bicubic), first)
        assert not torch.allclose(adapting(small, bicubic, exact=False), first)
        again = SourceSR.from_state(joined(adapting.state_dict(), {}))
        assert torch.equal(again(small, bicubic, exact=False), adapting(small, bicubic, exact=False))
        assert torch.equal(plain(small, bicubic, exact=False), first)  # has one way only

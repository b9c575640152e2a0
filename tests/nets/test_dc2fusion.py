"""What the corrections of DC2Fusion buy: each test shows the corrected network at ease and the original at fault."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trifuse.methods.dc2fusion import RULES
from trifuse.nets.dc2fusion import DC2Fusion
from trifuse.nets.dc2fusion_corrected import DC2FusionCorrected, around, from_state, looked_up
from trifuse.nets.dc2fusion_layers import composed, pair_convolved, to_voxels, unwindowed, windows
from trifuse.nets.sliding import positions, windowed

Network = Callable[..., Tensor]


@lru_cache(maxsize=1)
def networks() -> tuple[nn.Module, nn.Module]:
    """The original and the corrected network, with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return DC2Fusion(24).eval().requires_grad_(False), DC2FusionCorrected(12).eval().requires_grad_(False)


@lru_cache(maxsize=1)
def volumes() -> tuple[Tensor, Tensor]:
    """Two smooth volumes `(1, 1, 48, 48, 48)` in 0..1."""
    noise = torch.rand(2, 1, 52, 52, 52, generator=torch.Generator().manual_seed(0))
    smooth = nn.functional.avg_pool3d(noise, 5, stride=1)
    low, high = smooth.min(), smooth.max()
    first, second = ((smooth - low) / (high - low)).split(1)
    return first, second


def alike(x: Tensor, y: Tensor) -> float:
    """Correlation."""
    return float(np.corrcoef(x.flatten(), y.flatten())[0, 1])


def share_nearby(network: Network) -> float:
    """Share of the response's energy within 12 voxels of a local change of the second volume."""
    first, second = volumes()
    changed = second.clone()
    changed[..., 4:12, 4:12, 4:12] += 0.5
    energy = (network(first, changed) - network(first, second)).square().sum(dim=(0, 1))
    return float(energy[:24, :24, :24].sum() / energy.sum())


def test_a_local_change_has_a_local_effect() -> None:
    original, corrected = networks()
    assert share_nearby(corrected) > 0.9
    assert share_nearby(original) < 0.5


def test_a_volume_does_not_notice_its_neighbours_in_a_batch() -> None:
    original, corrected = networks()
    first, second = (volume[..., :32, :32, :32] for volume in volumes())
    pair = torch.cat([first, second]), torch.cat([second, first])
    assert (corrected(*pair)[:1] - corrected(first, second)).abs().max() < 1e-5

    def fused(*sources: Tensor) -> Tensor:
        return RULES["l1nw"](torch.stack(original(*sources).chunk(2, dim=1)))

    alone = fused(first, second)
    assert (fused(*pair)[:1] - alone).abs().max() > 0.5 * alone.abs().max()


def test_a_larger_volume_does_not_change_its_part() -> None:
    original, corrected = networks()
    whole = volumes()
    part = tuple(volume[..., :32, :32, :32] for volume in whole)
    inner = (..., slice(0, 16), slice(0, 16), slice(0, 16))
    assert alike(corrected(*whole)[inner], corrected(*part)[inner]) > 0.99
    assert alike(original(*whole)[inner], original(*part)[inner]) < 0.9


def test_windows_agree_with_one_pass() -> None:
    original, corrected = networks()
    pair = volumes()
    assert alike(windowed(corrected, pair, 32, 16), corrected(*pair)) > 0.97
    assert alike(windowed(original, pair, 32, 16), original(*pair)) < 0.9


@pytest.mark.parametrize("space", [(16, 16, 16), (9, 10, 11), (1, 5, 33)])
def test_any_size(space: tuple[int, int, int]) -> None:
    share = networks()[1](*torch.rand(2, 2, 1, *space))
    assert share.shape == (2, 1, *space)
    assert 0 <= float(share.min()) <= float(share.max()) <= 1


def test_no_parameter_is_dead() -> None:
    net = DC2FusionCorrected(12)
    net(*(volume[..., :16, :16, :16] for volume in volumes())).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().max() > 0) for p in net.parameters())


def test_shape_is_read_from_the_weights() -> None:
    net = DC2FusionCorrected(12, (1, 2), 5)
    again = from_state(net.state_dict(), "here")
    pair = torch.rand(2, 1, 1, 16, 16, 16)
    assert torch.allclose(net.eval()(*pair), again(*pair), atol=1e-6)


def test_without_offsets_a_token_sees_its_own_place() -> None:
    x = torch.rand(1, 3, 4, 5, 6)
    assert torch.allclose(looked_up(x, torch.zeros(1, 3, 4, 5, 3)), x, atol=1e-6)
    moved = looked_up(x, torch.tensor([0.0, 1.0, 0.0]).expand(1, 3, 4, 5, 3))
    assert torch.allclose(moved[:, :, :-1], x[:, :, 1:], atol=1e-5)


def test_means_around_a_token() -> None:
    x = torch.rand(1, 9, 9, 9, 2)
    assert torch.allclose(around(x)[0, 4, 4, 4], x[0, 1:8, 1:8, 1:8].mean(dim=(0, 1, 2)))
    assert torch.allclose(around(x)[0, 0, 0, 0], x[0, :4, :4, :4].mean(dim=(0, 1, 2)))


def test_two_depthwise_convolutions_are_the_grouped_one() -> None:
    both, weight, bias = torch.rand(1, 12, 5, 6, 7), torch.rand(6, 2, 3, 3, 3), torch.rand(6)
    straight = nn.functional.conv3d(both, weight, bias, padding=1, groups=6)
    assert torch.allclose(pair_convolved(both[:, 0::2], both[:, 1::2], weight, bias), straight, atol=1e-5)


def test_last_layers_as_one() -> None:
    up, out = nn.ConvTranspose3d(6, 5, 4, stride=4), nn.Conv3d(5, 2, 3, padding=1)
    tokens = torch.rand(2, 2, 3, 4, 6)
    assert composed(up, out)[0].shape == (6, 2, 6, 6, 6)
    assert torch.allclose(to_voxels(tokens, up, out), out(up(tokens.permute(0, 4, 1, 2, 3))), atol=1e-5)


def test_windows_and_back() -> None:
    x = torch.rand(2, 4, 6, 2, 6)
    assert windows(x, 3, (2, 2, 2)).shape == (2, 2, 3, 1, 3, 8, 2)
    assert torch.equal(unwindowed(windows(x, 3, (2, 2, 2)), (2, 2, 2)), x)


@pytest.mark.parametrize("n", [5, 32, 33, 47, 48, 100])
def test_windows_cover_a_side(n: int) -> None:
    starts = positions(n, 32, 16)
    assert all(start % 16 == 0 and start < n for start in starts)
    assert starts[-1] + 32 >= n
    identity = windowed(lambda x: x, [torch.rand(1, 1, n, 8, 8)], 32, 16)
    assert identity.shape[2] == n


def test_blended_windows_of_a_local_map_are_the_map() -> None:
    x = torch.rand(1, 2, 40, 33, 8)
    assert torch.allclose(windowed(lambda part: 2 * part, [x], 16, 8), 2 * x, atol=1e-6)

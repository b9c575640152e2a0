from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.methods.untrained import checkpoint, fused, pictures
from trifuse.core.errors import WeightsError
from trifuse.methods.dilran import DILRAN, RULES, largest_nuclear_norm
from trifuse.nets import dilran


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint(dilran.DILRAN, tmp_path_factory.mktemp("dilran"), **{"fe.conv2.0.bias": torch.zeros(64)})


def test_without_weights_it_says_how_to_give_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"dilran.*--option weights=FILE"):
        fused(DILRAN(weights="dilran-official"), pictures(2, 8, 8))


@pytest.mark.parametrize("size", [(1, 1), (13, 22), (12, 9)])
@pytest.mark.parametrize("strategy", RULES)
def test_any_size_and_rule(weights: str, size: tuple[int, int], strategy: str) -> None:
    result = fused(DILRAN(weights=weights, strategy=strategy), pictures(2, *size))  # type: ignore[arg-type]
    assert result.shape == (1, 1, *size)
    assert bool(result.isfinite().all())


def test_the_order_of_three_sources_does_not_matter(weights: str) -> None:
    a, b, c = pictures(3, 12, 14)
    method = DILRAN(weights=weights)
    torch.testing.assert_close(fused(method, [a, b, c]), fused(method, [c, a, b]), atol=1e-5, rtol=0)


def test_a_batch_is_fused_picture_by_picture(weights: str) -> None:
    pairs = [torch.cat(pictures(2, 10, 10)), torch.cat(pictures(4, 10, 10)[2:])]
    method = DILRAN(weights=weights)
    alone = torch.cat([fused(method, [pair[i : i + 1] for pair in pairs]) for i in range(2)])
    torch.testing.assert_close(fused(method, pairs), alone, atol=1e-5, rtol=0)


def test_variants_differ_in_their_statistics(weights: str) -> None:
    sources = pictures(2, 12, 14)
    results = [fused(DILRAN(weights=weights, variant=v), sources) for v in ("reference", "corrected")]  # type: ignore[arg-type]
    assert not torch.allclose(*results, atol=1e-4)


@pytest.mark.parametrize("offset", [0.0, 0.3, 5.0])
def test_pruning_does_not_change_the_largest_norm(offset: float) -> None:
    channels = torch.rand(20, 11, 17, generator=torch.Generator().manual_seed(2)) * torch.linspace(0.1, 2, 20).view(
        -1, 1, 1
    )
    channels[3] += offset
    expected = torch.linalg.svdvals(channels).sum(dim=1).max()
    torch.testing.assert_close(largest_nuclear_norm(channels), expected)


def test_rules_of_two_equal_feature_maps() -> None:
    features = torch.rand(1, 8, 6, 6, generator=torch.Generator().manual_seed(3)).repeat(2, 1, 1, 1)
    for rule in ("sfnn", "average", "fl1n", "fer"):
        torch.testing.assert_close(RULES[rule](features), features[:1])  # type: ignore[index]
    torch.testing.assert_close(RULES["addition"](features), 2 * features[:1])
    torch.testing.assert_close(RULES["al1nw"](features), RULES["l1nw"](features) / 2)


def test_colour_is_carried_round_it(weights: str) -> None:
    sources = [pictures(1, 9, 12)[0], pictures(1, 9, 12, channels=3)[0]]
    assert fused(DILRAN(weights=weights), sources).shape == (1, 3, 9, 12)

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.methods.untrained import checkpoint, fused, pictures
from trifuse.core.errors import OptionError, WeightsError
from trifuse.methods import get
from trifuse.methods.base import card_of, configure
from trifuse.methods.cddfuse import CDDFuse
from trifuse.nets.cddfuse import CDDFuse as Network


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint(Network, tmp_path_factory.mktemp("cddfuse"))


def test_without_weights_it_says_how_to_give_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"cddfuse.*trifuse weights add cddfuse-official FILE.*--option weights=FILE"
    ):
        fused(CDDFuse(weights="cddfuse-official"), pictures(2, 8, 8))


def test_the_result_spans_0_to_1(weights: str) -> None:
    result = fused(CDDFuse(weights=weights), pictures(2, 11, 17))
    assert result.shape == (1, 1, 11, 17)
    assert float(result.min()) == 0.0
    assert float(result.max()) == 1.0


def test_the_raw_result_is_within_0_to_1(weights: str) -> None:
    result = fused(CDDFuse(weights=weights, rescale=False), pictures(2, 11, 17))
    assert 0 < float(result.min()) < float(result.max()) < 1


def test_without_residual_the_order_does_not_matter(weights: str) -> None:
    first, second = pictures(2, 9, 12)
    method = CDDFuse(weights=weights)
    torch.testing.assert_close(fused(method, [first, second]), fused(method, [second, first]), atol=1e-4, rtol=0)


def test_the_visible_image_is_added_in_ivf_mode(weights: str) -> None:
    first, second = pictures(2, 9, 12)
    logit = {
        mode: torch.logit(fused(CDDFuse(weights=weights, mode=mode, rescale=False), [first, second]))  # type: ignore[arg-type]
        for mode in ("mif", "ivf", "ivf_on_medical")
    }
    torch.testing.assert_close(logit["ivf"] - logit["mif"], first, atol=1e-4, rtol=0)
    torch.testing.assert_close(logit["ivf_on_medical"] - logit["mif"], first + second, atol=1e-4, rtol=0)


def test_a_batch_is_fused_image_by_image(weights: str) -> None:
    pairs = [torch.cat(pictures(2, 10, 10)), torch.cat(pictures(4, 10, 10)[2:])]
    method = CDDFuse(weights=weights)
    together = fused(method, pairs)
    alone = torch.cat([fused(method, [pair[i : i + 1] for pair in pairs]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_joint_fusion_is_symmetric_in_three_sources_and_folding_is_not(weights: str) -> None:
    a, b, c = pictures(3, 9, 12)
    joint, folded = CDDFuse(weights=weights, joint=True), CDDFuse(weights=weights)
    torch.testing.assert_close(fused(joint, [a, b, c]), fused(joint, [c, a, b]), atol=1e-4, rtol=0)
    assert not torch.allclose(fused(folded, [a, b, c]), fused(folded, [c, a, b]), atol=1e-2)
    torch.testing.assert_close(fused(joint, [a, b]), fused(folded, [a, b]), atol=1e-5, rtol=0)


def test_colour_is_carried_round_it(weights: str) -> None:
    sources = [pictures(1, 9, 12)[0], pictures(1, 9, 12, channels=3)[0]]
    assert fused(CDDFuse(weights=weights), sources).shape == (1, 3, 9, 12)


def test_a_constant_result_is_clipped_with_a_warning(tmp_path: Path) -> None:
    silent = {key: torch.zeros_like(value) for key, value in Network().state_dict().items()}
    torch.save(silent, tmp_path / "zeros.pth")
    with pytest.warns(UserWarning, match="constant"):
        result = fused(CDDFuse(weights=str(tmp_path / "zeros.pth")), pictures(2, 6, 6))
    assert bool((result == 0.5).all())


def test_options_from_text(weights: str) -> None:
    method = configure(get("cddfuse"), {"weights": weights, "joint": "true", "rescale": "no"})
    assert card_of(method).sources == (2, None)
    assert CDDFuse.card.sources == (2, 2)
    with pytest.raises(OptionError, match="mode"):
        configure(get("cddfuse"), {"mode": "best"})

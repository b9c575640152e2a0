from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from tests.methods.untrained import checkpoint, fused, pictures
from trifuse.core.errors import WeightsError
from trifuse.methods.tgfuse import TGFuse, padded_minimal, padded_reference
from trifuse.nets.tgfuse import TGFuse as Network


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A generator with a narrow spatial transformer; its width is read from the file."""
    return checkpoint(partial(Network, 64), tmp_path_factory.mktemp("tgfuse"))


def test_without_weights_it_says_how_to_give_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"tgfuse.*--option weights=FILE"):
        fused(TGFuse(weights="tgfuse-official"), pictures(2, 8, 8))


@pytest.mark.parametrize("count", [2, 3])
def test_any_size_and_number_of_sources(weights: str, count: int) -> None:
    result = fused(TGFuse(weights=weights), pictures(count, 45, 131))
    assert result.shape == (1, 1, 45, 131)
    assert float(result.std()) > 0


def test_colour_is_carried_round_it(weights: str) -> None:
    sources = [pictures(1, 20, 30)[0], pictures(1, 20, 30, channels=3)[0]]
    assert fused(TGFuse(weights=weights), sources).shape == (1, 3, 20, 30)


def test_reference_results_are_whole_grey_levels(weights: str) -> None:
    levels = fused(TGFuse(weights=weights, padding="reference"), pictures(2, 20, 30)) * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)


def test_minimal_padding_repeats_the_edges_up_to_128() -> None:
    picture = torch.arange(6.0).view(1, 1, 2, 3)
    padded = padded_minimal(picture)
    assert padded.shape == (1, 1, 128, 128)
    assert float(padded[0, 0, -1, -1]) == 5.0
    assert padded_minimal(torch.zeros(1, 1, 128, 256)).shape == (1, 1, 128, 256)


def test_reference_padding_adds_grey_even_where_none_is_needed() -> None:
    padded = padded_reference(torch.zeros(1, 1, 256, 100))
    assert padded.shape == (1, 1, 512, 256)
    assert float(padded[0, 0, 256, 0]) == float(padded[0, 0, 0, 100]) == 128.0


def test_the_output_layer_may_act_before_enlarging(weights: str) -> None:
    """The generator's shortcut equals the order of the paper: enlarge, add, then the output convolution."""
    from trifuse.nets.state import trained
    from trifuse.nets.tgfuse import enlarged, from_state, relation_maps

    net = trained(from_state, weights, "tgfuse")
    visible, infrared = (255 * picture for picture in pictures(2, 128, 256))
    with torch.inference_mode():
        features = net.encode(torch.cat([visible, infrared], dim=1))
        maps = relation_maps(net.strans3(net.ctrans3(features[3])))
        whole = sum(enlarged(x * m, 2**k) if k else x * m for k, (x, m) in enumerate(zip(features, maps, strict=True)))
        torch.testing.assert_close(net(visible, infrared), net.conv_out(whole), atol=1e-3, rtol=1e-4)

"""Sources enlarged by the trained one-pass network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trifuse.core.errors import OptionError, WeightsError
from trifuse.diffusion import learned
from trifuse.diffusion.conditions import brightest, to_display
from trifuse.nets.fusion_rule import FusionRule
from trifuse.nets.source_sr import SourceSR
from trifuse.train.export import read, write


def checkpoint(folder: Path, scales: tuple[int, ...] = (2, 4)) -> str:
    torch.manual_seed(0)
    state = SourceSR(8, 1, 4, scales).state_dict()
    return str(write(folder / "up.safetensors", state, {"network": "source-sr"}))


def test_grey_stays_grey_and_colour_has_three_channels(tmp_path: Path) -> None:
    name = checkpoint(tmp_path)
    for source in (torch.rand(2, 1, 9, 7), torch.rand(1, 1, 9, 7).expand(1, 3, -1, -1)):
        out = learned.enlarged(source, 4, checkpoint=name)
        assert out.shape == (len(source), 3, 36, 28)
        assert torch.equal(out[:, 0], out[:, 1])
        assert 0 <= out.min() <= out.max() <= 1
    coloured = learned.enlarged(torch.rand(1, 3, 9, 7), 2, checkpoint=name)
    assert not torch.equal(coloured[:, 0], coloured[:, 1])


def test_scale_1_changes_nothing(tmp_path: Path) -> None:
    source = torch.rand(1, 3, 5, 6)
    assert torch.allclose(learned.enlarged(source, 1, checkpoint="not looked for"), source, atol=1e-6)


def test_a_scale_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no scale 8; they have 2, 4"):
        learned.enlarged(torch.rand(1, 1, 4, 4), 8, checkpoint=checkpoint(tmp_path))


def test_absent_weights_are_an_error() -> None:
    with pytest.raises(WeightsError):
        learned.enlarged(torch.rand(1, 1, 4, 4), 2, checkpoint="nowhere")


def test_a_self_ensemble_is_averaged(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    source = torch.rand(1, 3, 5, 6)
    mirrored = learned.enlarged(source.flip(3), 2, checkpoint=path, ensemble=8).flip(3)
    turned = learned.enlarged(source.transpose(2, 3), 2, checkpoint=path, ensemble=8).transpose(2, 3)
    averaged = learned.enlarged(source, 2, checkpoint=path, ensemble=8)
    torch.testing.assert_close(averaged, mirrored, atol=1e-5, rtol=0)
    torch.testing.assert_close(averaged, turned, atol=1e-5, rtol=0)
    assert (averaged - learned.enlarged(source, 2, checkpoint=path)).abs().max() > 1e-4


def rule(folder: Path) -> str:
    torch.manual_seed(0)
    return str(write(folder / "rule.safetensors", FusionRule(8).state_dict(), {"network": "fusion-rule"}))


def test_a_corrected_fusion_of_grey_sources_is_grey(tmp_path: Path) -> None:
    path = rule(tmp_path)
    greys = [torch.rand(1, 1, 12, 10).expand(-1, 3, -1, -1) for _ in range(3)]
    fused = learned.corrected(torch.cat([*greys, greys[0]], dim=1), 2, checkpoint=path)
    assert torch.equal(fused[:, 0], fused[:, 1])
    assert 0 <= fused.min() <= fused.max() <= 1
    coloured = learned.corrected(torch.cat([*greys, torch.rand(1, 3, 12, 10)], dim=1), 2, checkpoint=path)
    assert not torch.equal(coloured[:, 0], coloured[:, 1])


def test_what_is_black_around_the_sources_is_left_out(tmp_path: Path) -> None:
    path = rule(tmp_path)
    sources = [torch.zeros(1, 3, 70, 60) for _ in range(3)]
    for source in sources:
        source[..., 20:34, 25:41] = torch.rand(1, 3, 14, 16)
    analytic = torch.stack(sources).mean(dim=0)
    network = FusionRule.from_state(read(Path(path))[0])
    largest = to_display(brightest(torch.cat(sources, dim=1) * 2 - 1))
    with torch.inference_mode():
        whole = network(sources, analytic, largest, 2).clamp(0, 1)
    said = learned.corrected(torch.cat([*sources, analytic], dim=1), 2, checkpoint=path)
    torch.testing.assert_close(said, whole, atol=1e-6, rtol=0)
    assert not learned.corrected(torch.zeros(1, 12, 8, 8), 2, checkpoint=path).any()

"""DC2Fusion through the whole route, on untrained weights: sizes, windows, precision, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.methods.untrained import checkpoint
from trifuse import samples
from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.image import Image, Modality
from trifuse.core.random import Random
from trifuse.fusion import fuse
from trifuse.fusion.adapt import run
from trifuse.fusion.settings import Run
from trifuse.methods import get
from trifuse.methods.base import Method, configure
from trifuse.nets.dc2fusion import DC2Fusion
from trifuse.nets.dc2fusion_corrected import DC2FusionCorrected, from_state


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint(lambda: DC2FusionCorrected(12, (1, 1)), tmp_path_factory.mktemp("weights"))


def made(weights: str, **options: object) -> Method:
    return configure(get("dc2fusion"), {"weights": weights, **options})


def pair(*space: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return list(torch.rand(2, 1, 1, *space, generator=generator))


def fused(method: Method, sources: list[torch.Tensor], **settings: object) -> torch.Tensor:
    return run(method, sources, Run(**settings), Random()).mean  # type: ignore[arg-type]


def test_the_result_lies_between_the_sources(weights: str) -> None:
    first, second = pair(19, 22, 17)
    result = fused(made(weights), [first, second])
    assert result.shape == first.shape
    assert bool((result <= torch.maximum(first, second) + 1e-6).all())
    assert bool((result >= torch.minimum(first, second) - 1e-6).all())


def test_windows_are_close_to_one_pass(weights: str) -> None:
    sources = pair(40, 36, 34)
    apart = (fused(made(weights), sources) - fused(made(weights, window=32), sources)).abs()
    assert 0 < float(apart.mean()) < 0.01


def test_small_windows_change_little_with_the_shipped_weights() -> None:
    study = samples.study(dims=3)
    anatomy, function = (Image.of(study[m]).pixels[0, 16:64, 26:74, 24:56] for m in (Modality.T1, Modality.PET))
    whole, parts = (fuse([anatomy, function], "dc2fusion", options={"window": n}).image.pixels for n in (0, 32))
    apart = np.abs(whole.astype(np.float64) - parts)
    assert 0 < apart.max() < 0.05  # measured: 0.027; what stands out is judged within 24 voxels, windows have 32
    assert -10 * np.log10(np.square(apart).mean()) > 48  # measured: 52 dB, with the default of 128 on a patient 92


def test_bf16_is_close_to_fp32(weights: str) -> None:
    sources = pair(16, 16, 20)
    half = fused(made(weights), sources, precision="bf16")
    assert half.dtype == torch.float32
    assert (half - fused(made(weights), sources)).abs().max() < 0.02


def test_memory_is_bounded_by_the_window(weights: str) -> None:
    method = made(weights)
    assert method.window_of((128, 128, 128)) == 0
    assert method.passes((128, 128, 128)) == 1
    assert method.window_of((256, 256, 256)) == 128
    assert method.passes((256, 256, 256)) == 27
    assert method.peak_bytes((256, 256, 256)) < 2 * method.peak_bytes((128, 128, 128))


@pytest.mark.parametrize("window", [-32, 1, 48, 100])
def test_windows_keep_to_the_grid(weights: str, window: int) -> None:
    with pytest.raises(OptionError, match="multiple of 32"):
        made(weights, window=window)


def test_reference_needs_a_checkpoint(weights: str) -> None:
    with pytest.raises(WeightsError, match="published"):
        fused(made("", variant="reference"), pair(16, 16, 16))
    with pytest.raises(WeightsError, match="no checkpoint of DC2Fusion"):
        fused(made(weights, variant="reference"), pair(16, 16, 16))
    with pytest.raises(WeightsError, match="no checkpoint of DC2FusionCorrected"):
        from_state(DC2Fusion(24).state_dict(), "here")


@pytest.mark.parametrize("strategy", ["l1nw", "fl1n", "average"])
def test_reference_runs_at_any_size(tmp_path: Path, strategy: str) -> None:
    method = made(checkpoint(lambda: DC2Fusion(24), tmp_path), variant="reference", strategy=strategy)
    result = fused(method, pair(9, 14, 17))
    assert result.shape == (1, 1, 9, 14, 17)
    assert bool(torch.isfinite(result).all())

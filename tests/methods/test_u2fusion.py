from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.methods.untrained import checkpoint, fused, pictures
from trifuse.core.errors import WeightsError
from trifuse.methods.u2fusion import U2Fusion
from trifuse.nets.u2fusion import U2Fusion as Network


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint(Network, tmp_path_factory.mktemp("u2fusion"))


def test_without_weights_it_says_how_to_give_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"u2fusion.*--option weights=FILE"):
        fused(U2Fusion(weights="u2fusion-official"), pictures(2, 8, 8))


@pytest.mark.parametrize("size", [(1, 1), (13, 22)])
@pytest.mark.parametrize("count", [2, 3])
def test_any_size_and_number_of_sources(weights: str, size: tuple[int, int], count: int) -> None:
    result = fused(U2Fusion(weights=weights), pictures(count, *size))
    assert result.shape == (1, 1, *size)
    assert 0 < float(result.min()) <= float(result.max()) < 1


def test_the_order_matters(weights: str) -> None:
    first, second = pictures(2, 13, 22)
    method = U2Fusion(weights=weights)
    assert not torch.allclose(fused(method, [first, second]), fused(method, [second, first]), atol=1e-5)


def test_both_chromas_are_kept_except_by_the_reference(weights: str) -> None:
    sources = pictures(2, 13, 22, channels=3)
    assert fused(U2Fusion(weights=weights), sources).shape == (1, 3, 13, 22)
    assert fused(U2Fusion(weights=weights, variant="reference"), sources).shape == (1, 1, 13, 22)


def test_the_reference_reaches_full_brightness(weights: str) -> None:
    sources = [pictures(1, 13, 22)[0], pictures(1, 13, 22, channels=3)[0]]
    result = fused(U2Fusion(weights=weights, variant="reference"), sources)
    assert result.shape == (1, 3, 13, 22)
    assert float(result.max()) == 1.0


def test_tensorflow_kernels_are_turned(weights: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = {}
    for key, value in load_file(weights).items():
        part, layer, kind = key.split(".")
        scope = "Generator" if part == "encoder" else "Generator_1"
        name = f"{scope}/{part}/{layer}/{'kernel' if kind == 'weight' else kind}"
        state[name] = (value.permute(2, 3, 1, 0) if kind == "weight" else value).contiguous()
    save_file(state, tmp_path / "tf.safetensors")
    sources = pictures(2, 13, 22)
    turned = fused(U2Fusion(weights=str(tmp_path / "tf.safetensors")), sources)
    torch.testing.assert_close(turned, fused(U2Fusion(weights=weights), sources))

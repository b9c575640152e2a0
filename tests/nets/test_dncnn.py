"""DnCNN: files of weights, and what our own small one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from trifuse.core.errors import WeightsError
from trifuse.nets import dncnn


def random_network(depth: int = 4, features: int = 6) -> dncnn.DnCNN:
    torch.manual_seed(0)
    return dncnn.DnCNN(depth, features).eval()


def test_files_of_every_kind_load_alike(tmp_path: Path) -> None:
    network = random_network()
    state = network.state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save({f"module.dncnn.{key}": value for key, value in state.items()}, tmp_path / "b.pth")
    np.savez(tmp_path / "c.npz", **{k: v.numpy() for k, v in state.items() if "tracked" not in k})
    image = np.random.default_rng(0).random((13, 17))
    expected = dncnn.denoise(network, image)
    for name in ("a.safetensors", "b.pth", "c.npz"):
        assert (dncnn.denoise(dncnn.load(tmp_path / name), image) == expected).all()


def test_wrong_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        dncnn.load(tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsError, match="not a plain checkpoint"):
        dncnn.load(tmp_path / "text.pth")
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="not a DnCNN"):
        dncnn.load(tmp_path / "other.safetensors")
    state = random_network().state_dict()
    del state["3.weight"]
    save_file(state, tmp_path / "lacking.safetensors")
    with pytest.raises(WeightsError, match=r"3\.weight"):
        dncnn.load(tmp_path / "lacking.safetensors")


@pytest.mark.parametrize("level", [10, 25, 40])
def test_small_network_denoises(level: int) -> None:
    rng = np.random.default_rng(level)
    clean = gaussian_filter(rng.standard_normal((80, 80)), 5)
    clean = (clean - clean.min()) / np.ptp(clean)
    noisy = clean + level / 255 * rng.standard_normal(clean.shape)
    denoised = dncnn.denoise(dncnn.load(), noisy)
    assert np.std(denoised - clean) < 0.6 * np.std(noisy - clean)


def test_small_network_leaves_clean_images_alone() -> None:
    clean = gaussian_filter(np.random.default_rng(0).standard_normal((80, 80)), 5)
    clean = (clean - clean.min()) / np.ptp(clean)
    assert np.abs(dncnn.denoise(dncnn.load(), clean) - clean).mean() < 0.01


def test_small_network_is_small() -> None:
    assert dncnn.SMALL.stat().st_size < 1_000_000

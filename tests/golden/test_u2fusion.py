"""U2Fusion against the authors' TensorFlow graph with their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden.goldens import GOLDEN, SHARED, check_topic, each, files
from trifuse.core.random import Random
from trifuse.methods import get
from trifuse.nets.state import trained
from trifuse.nets.u2fusion import from_state
from trifuse.train.losses import u2fusion as losses

LOSS = "loss"
PICTURES = tuple(p.name for p in files("u2fusion", "") if not p.name.startswith(LOSS)) or ("medical_",)
"""Every file but the losses is a fused pair, whatever scanner its name tells of."""


def test_topic() -> None:
    check_topic("u2fusion", *PICTURES, LOSS)


@pytest.fixture(scope="module")
def weights() -> str:
    for folder in (GOLDEN.parent / "weights", SHARED / "weights"):
        if (folder / "u2fusion.safetensors").is_file():
            return str(folder / "u2fusion.safetensors")
    pytest.skip(f"the authors' weights are not in {SHARED / 'weights'}")


def tensor(image: np.ndarray) -> Tensor:
    """`(H, W)` or `(H, W, 3)` of 0..255 or 0..1 as `(1, C, H, W)` in 0..1."""
    scaled = image.astype(np.float32) / 255 if image.dtype == np.uint8 else image
    return torch.from_numpy(np.atleast_3d(scaled)).permute(2, 0, 1)[None]


@torch.inference_mode()
@each("u2fusion", *PICTURES)
def test_network(path: Path, weights: str) -> None:
    golden = np.load(path)
    net = trained(from_state, weights, "u2fusion")
    images = torch.cat([tensor(golden["y1"]), tensor(golden["y2"])], dim=1)
    code = net.encoder(images)
    np.testing.assert_allclose(code[0, ::24, ::4, ::4].permute(1, 2, 0), golden["code_channels"], rtol=0, atol=1e-5)
    fused = net.decoder(code)[0, 0]
    np.testing.assert_allclose(fused, golden["fused_y"], rtol=0, atol=1e-5)


@torch.inference_mode()
@each("u2fusion", *PICTURES)
def test_saved_picture(path: Path, weights: str) -> None:
    golden = np.load(path)
    method = get("u2fusion")(weights=weights, variant="reference")
    fused = method.fuse([tensor(golden["source1"]), tensor(golden["source2"])], scale=1, random=Random()).picture[0]
    saved = np.floor(fused.permute(1, 2, 0).numpy() * 255 + 0.5).squeeze()
    assert saved.shape == golden["fused_saved"].shape
    assert np.abs(saved - golden["fused_saved"]).max() <= 1


@each("u2fusion", LOSS)
def test_losses(path: Path) -> None:
    golden = np.load(path)
    fused, *sources = (torch.from_numpy(golden[n]).permute(0, 3, 1, 2) for n in ("fused", "source1", "source2"))
    for index, source in enumerate(sources, start=1):
        np.testing.assert_allclose(losses.ssim(source, fused), golden[f"ssim{index}"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(losses.mse(source, fused), golden[f"mse{index}"][:, 0], rtol=0, atol=1e-5)
    features = torch.from_numpy(golden["features"]).permute(0, 3, 1, 2)
    gradients = losses.gradients(features).permute(0, 2, 3, 1)
    np.testing.assert_allclose(gradients, golden["features_grad"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(losses.information([features]), golden["features_grad_mean_square"], rtol=0, atol=1e-5)

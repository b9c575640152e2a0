"""DILRAN against its authors' program with their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden.goldens import GOLDEN, SHARED, check_topic, each, fixed
from trifuse.methods import get
from trifuse.methods.dilran import RULES, largest_nuclear_norm
from trifuse.nets.dilran import DILRAN, from_state
from trifuse.nets.state import trained
from trifuse.random import Random
from trifuse.train.losses import dilran as losses

MODES = {"batchstats": True, "evalmode": False}
RULE_NAMES = {"SFNN": "sfnn", "FL1N": "fl1n", "average": "average", "FER": "fer"}


def test_topic() -> None:
    check_topic("dilran", "pair_", "table_", "loss")


@pytest.fixture(scope="module")
def weights() -> str:
    for folder in (GOLDEN.parent / "weights", SHARED / "weights"):
        if (folder / "dilran.safetensors").is_file():
            return str(folder / "dilran.safetensors")
    pytest.skip(f"the authors' weights are not in {SHARED / 'weights'}")


@pytest.fixture(scope="module")
def net(weights: str) -> DILRAN:
    return trained(from_state, weights, "dilran")


def tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.astype(np.float32) / 255)[None, None]


def close(ours: Tensor, golden: np.ndarray, atol: float = 1e-4) -> None:
    np.testing.assert_allclose(ours, golden, rtol=0, atol=atol)


@torch.inference_mode()
@each("dilran", "pair_")
@pytest.mark.parametrize("mode", MODES)
def test_pair(path: Path, mode: str, net: DILRAN) -> None:
    golden = np.load(path)
    ct, mri = (tensor(golden[name]) for name in ("ct", "mri"))
    features = net.fe(torch.cat([ct, mri]), MODES[mode])
    close(net.recon(features[:1])[0, 0], golden[f"{mode}_recon_ct"])
    if mode == "batchstats":
        for index, name in enumerate(("ct", "mri")):
            close(features[index, ::16, ::4, ::4], golden[f"{mode}_features_{name}"])
    norms = torch.stack([largest_nuclear_norm(f.softmax(dim=0)) for f in features])
    w1, *nuclear = golden[f"{mode}_sfnn_w1_nuc1_nuc2"]
    np.testing.assert_allclose(norms, nuclear, rtol=1e-4)
    close(norms[0] ** 2 / (norms**2).sum(), w1, atol=1e-5)
    compared = [key.removeprefix(f"{mode}_") for key in golden if key.removeprefix(f"{mode}_") in RULE_NAMES]
    assert "SFNN" in compared
    for name in compared:
        close(net.recon(RULES[RULE_NAMES[name]](features))[0, 0], golden[f"{mode}_{name}"])


@torch.inference_mode()
@each("dilran", "pair_")
@pytest.mark.parametrize(("mode", "variant"), [("batchstats", "reference"), ("evalmode", "corrected")])
def test_method(path: Path, mode: str, variant: str, weights: str) -> None:
    golden = np.load(path)
    method = get("dilran")(weights=weights, variant=variant)
    fused = method.fuse([tensor(golden["ct"]), tensor(golden["mri"])], scale=1, random=Random())
    close(fused[0, 0], golden[f"{mode}_SFNN"].clip(0, 1))


@each("dilran", "loss")
def test_losses(path: Path) -> None:
    golden = np.load(path)
    file, _, what = str(golden["source"]).partition(": ")
    ours, _, theirs = what.partition(" against ")
    pair = np.load(fixed("dilran", file))
    output = torch.from_numpy(pair[ours])[None, None]
    target = tensor(pair[theirs.removesuffix("/255")])
    close(losses.sobel_loss(output, target), golden["sobel_loss"], atol=1e-5)
    close(losses.loss(output, target, None, (0.0, 0.0)), golden["mse"], atol=1e-5)
    close(losses.charbonnier(output, target), golden["charbonnier"], atol=1e-5)

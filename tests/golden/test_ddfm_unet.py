"""The guided-diffusion U-Net against the original program, and against the keys of the official checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from tests.golden.goldens import each, fixed
from trifuse.nets.adm_unet import ADMConfig, ADMUNet, config_of, from_state

TINY_HEAD = 16
"""Channels per head of the goldens' network, as their README says."""


@torch.inference_mode()
@each("ddfm", "tiny_ddfm", holding="^net_y$")
def test_forward(path: Path) -> None:
    golden = np.load(path)
    weights = golden if any(key.startswith("w/") for key in golden) else np.load(fixed("ddfm", "tiny_ddfm.npz"))
    state = {key[2:]: torch.from_numpy(weights[key]) for key in weights if key.startswith("w/")}
    net = from_state(state, path.name, TINY_HEAD)
    said = net(torch.from_numpy(golden["net_x"]), torch.from_numpy(golden["net_t"]))
    np.testing.assert_allclose(said, golden["net_y"], rtol=1e-3, atol=1e-4)


@each("ddfm", "unet256_keys", suffix=".json")
def test_keys_and_shapes_are_the_official_ones(path: Path) -> None:
    official = {key: tuple(shape) for key, shape in json.loads(path.read_text()).items()}
    with torch.device("meta"):
        net = ADMUNet(ADMConfig())
        state = {key: torch.empty(shape) for key, shape in official.items()}
    assert {key: tuple(value.shape) for key, value in net.state_dict().items()} == official
    assert config_of(state) == ADMConfig()

"""SwinFuse against the original program with deterministic weights."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.golden.goldens import assert_close, check_topic, each
from tests.golden.recipes import by_key, meta_shapes
from trifuse.core.random import Random
from trifuse.methods import get
from trifuse.methods.swinfuse import activity, blended
from trifuse.nets.swinfuse import SwinFuse, from_state
from trifuse.train.losses import swinfuse as losses


def test_topic() -> None:
    check_topic("swinfuse", "tile_", "pipeline_", "loss")


@lru_cache(maxsize=2)
def weights(seed: int) -> dict[str, Tensor]:
    """The weights of the original's layout: `prelu` tells whose they are."""
    return by_key(meta_shapes(SwinFuse), seed, {"conv.weight": 0.15}) | {"prelu.weight": torch.full((1,), 0.25)}


@torch.inference_mode()
@each("swinfuse", "tile_")
def test_tile(path: Path) -> None:
    golden = np.load(path)
    net = from_state(weights(int(golden["seed"])), "recipe")
    assert net.stages == "first"
    images = [torch.from_numpy(golden[name].astype(np.float32))[None, None] for name in ("image1", "image2")]
    first, second = (net.encode((image - 127.5) / 127.5) for image in images)
    ours = {
        "enc1": first[0, ::12, ::8, ::8],
        "enc2": second[0, ::12, ::8, ::8],
        "autoencode1": net.decode(first)[0, 0, ::2, ::2],
    }
    for strategy in ("l1_mean", "l2_mean", "linf"):
        fused = blended(first, second, strategy)
        decoded = net.decode(fused)[0, 0]
        ours[f"{strategy}_fused"] = fused[0, ::12, ::8, ::8]
        ours[f"{strategy}_decoded"] = decoded[::2, ::2] if strategy == "linf" else decoded
    for strategy in ("l1_mean", "l2_mean"):
        both = (first, second)
        ours[f"{strategy}_row"] = torch.stack([activity(x.flatten(2), 2, strategy)[0, :, 0] for x in both])
        ours[f"{strategy}_col"] = torch.stack([activity(x, 1, strategy)[0, 0, ::4, ::4] for x in both])
    stored = set(ours) & set(golden)
    assert stored
    for name in sorted(stored):
        assert_close(ours[name], golden[name], atol=1e-4, err_msg=name)


@torch.inference_mode()
@each("swinfuse", "pipeline_")
def test_pipeline(path: Path, tmp_path: Path) -> None:
    """The method, which recognises whose checkpoint it is, makes the picture that the original saved."""
    golden = np.load(path)
    save_file(weights(int(golden["seed"])), tmp_path / "swinfuse.safetensors")
    method = get("swinfuse")(weights=str(tmp_path / "swinfuse.safetensors"))
    sources = [torch.from_numpy(golden[n].astype(np.float32) / 255)[None, None] for n in ("infrared", "visible")]
    fused = method.fuse(sources, scale=1, random=Random()).picture[0, 0].numpy()
    assert np.abs(np.round(fused * 255) - golden["saved"]).max() <= 1


@each("swinfuse", "loss")
@pytest.mark.parametrize("case", ["near", "range1"])
def test_loss(path: Path, case: str) -> None:
    golden = np.load(path)
    target = torch.from_numpy(golden["target"])
    near = torch.from_numpy(golden["near_output"]) if case == "near" else (0.4 * target + 0.3).clamp(-0.4, 1)
    output = near.requires_grad_()
    total = losses.loss(output, target, last_power=4)
    total.backward()
    assert output.grad is not None
    with torch.no_grad():
        top = losses.guessed_range(output)
        ours = {
            "msssim": losses.msssim(output, target, last_power=4),
            "ssim": losses.similarity(output, target, top=top).ssim.mean(),
            "l1": (output - target).abs().mean(),
            "total": total,
            "grad_abs_mean": output.grad.abs().mean(),
        }
        for name, value in ours.items():
            assert_close(value, golden[f"{case}_{name}"], rtol=1e-4, err_msg=name)

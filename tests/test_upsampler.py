"""SR3 in the place of bicubic for methods without super-resolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trifuse import fusion, weights
from trifuse.diffusion.model import METADATA, Behaviour
from trifuse.errors import OptionError
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet


@pytest.mark.parametrize("upsample", ["before", "after"])
def test_sr3_replaces_bicubic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upsample: fusion.Upsample) -> None:
    torch.manual_seed(0)
    shape = UNetConfig(in_channels=6, channels=8, multipliers=(1, 2), res_blocks=1, attention_levels=(), norm_groups=4)
    behaviour = Behaviour(prediction="x0", norm_groups=4, steps=1)
    file = tmp_path / "small.safetensors"
    save_file(SR3UNet(shape).state_dict(), file, metadata={METADATA: behaviour.model_dump_json()})
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path))
    weights.add("sr3", file)
    pictures = [fusion.Image(np.random.RandomState(k).rand(1, 5, 6).astype(np.float32)) for k in range(2)]
    fused = fusion.fuse(pictures, "mean", scale=2, upsample=upsample, upsampler="sr3")
    plain = fusion.fuse(pictures, "mean", scale=2, upsample=upsample)
    assert fused.image.space == plain.image.space == (10, 12)
    assert np.abs(fused.image.pixels - plain.image.pixels).max() > 0.01
    assert any("sr3" in note for note in fused.provenance["notes"])


def test_unknown_upsamplers_are_named() -> None:
    with pytest.raises(OptionError, match="bicubic or sr3"):
        fusion.Settings(upsampler="lanczos")  # type: ignore[arg-type]

"""TGFuse against its authors' generator, losses and inference with deterministic weights."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.golden.goldens import check_topic, each
from tests.golden.recipes import digest, meta_shapes, stream
from trifuse.core.random import Random
from trifuse.methods import get
from trifuse.methods.tgfuse import padded_reference
from trifuse.nets import vgg
from trifuse.nets.tgfuse import TGFuse, from_state
from trifuse.train.losses import tgfuse as losses
from trifuse.train.losses.ssim import similarity


def test_topic() -> None:
    check_topic("tgfuse", "tgfuse_layers_", "tgfuse_image_", "tgfuse_losses_")


@lru_cache(maxsize=1)
def weights(seed: int) -> dict[str, Tensor]:
    """All 137 million of them: ten seconds, kept for the next test."""
    return stream(meta_shapes(TGFuse), seed)


def tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.astype(np.float32)).reshape(-1, 1, *image.shape[-2:])


def relative(ours: Tensor, golden: np.ndarray, name: str) -> None:
    """Within 1e-4 of the layer's largest value."""
    np.testing.assert_allclose(ours, golden, rtol=0, atol=1e-4 * np.abs(golden).max(), err_msg=name)


@torch.inference_mode()
@each("tgfuse", "tgfuse_layers_")
def test_layers(path: Path) -> None:
    golden = np.load(path)
    state = weights(int(golden["seed"]))
    assert digest(state) == str(golden["weights_sha256"])
    net = from_state(state, "recipe")
    visible, infrared = tensor(golden["vi"]), tensor(golden["ir"])
    images = torch.cat([visible, infrared], dim=1)
    x0, x1, x2, x3 = net.encode(images)
    channel, spatial = net.ctrans3, net.strans3
    layers = {"conv_in": net.conv_in1(images), "x2": x2[:, ::8], "x3": x3}
    layers |= {"x0_mean": x0.mean(dim=1, keepdim=True), "x1_mean": x1.mean(dim=1, keepdim=True)}
    layers["channel_embedding"] = tokens = channel.embedding(x3)
    layers |= {"channel_block0": channel.en.blocks[0](tokens), "channel_encoded": channel.en(tokens)}
    layers["channel_out"] = related = channel(x3)
    tokens = spatial.embedding(related)
    layers |= {"spatial_embedding": tokens[..., ::16], "spatial_block0": spatial.en.blocks[0](tokens)[..., ::16]}
    layers |= {"spatial_encoded": spatial.en(tokens)[..., ::16], "relation_map": spatial(related)}
    stored = set(layers) & set(golden)
    assert stored
    for name in sorted(stored):
        relative(layers[name], golden[name], name)
    np.testing.assert_allclose(net(visible, infrared), golden["output"], rtol=0, atol=1e-3)


@torch.inference_mode()
@each("tgfuse", "tgfuse_image_")
def test_image(path: Path, tmp_path: Path) -> None:
    golden = np.load(path)
    state = weights(int(golden["seed"]))
    height, width = golden["vi"].shape
    padded = [padded_reference(tensor(golden[name])) for name in ("vi", "ir")]
    output = from_state(state, "recipe")(*padded)[0, 0, :height, :width]
    np.testing.assert_allclose(output, golden["output"], rtol=0, atol=1e-3)
    file = tmp_path / "tgfuse.safetensors"
    save_file(state, file)
    method = get("tgfuse")(weights=str(file), padding="reference")
    fused = method.fuse([tensor(golden[name]) / 255 for name in ("vi", "ir")], scale=1, random=Random()).picture
    file.unlink()
    off = np.abs(np.round(fused[0, 0].numpy() * 255) - golden["saved_uint8"])
    assert off.max() <= 1
    assert (off > 0).mean() <= 5e-3


@torch.inference_mode()
@each("tgfuse", "tgfuse_losses_")
def test_losses(path: Path) -> None:
    golden = np.load(path)
    visible, infrared, fused = (tensor(golden[name]) for name in ("vi", "ir", "fused"))
    variances = {"ir": losses.local_variance(infrared), "vi": losses.local_variance(visible)}
    both_flat = (golden["local_var_ir"] < 1) & (golden["local_var_vi"] < 1)
    for name, source in (("ir", infrared), ("vi", visible)):
        np.testing.assert_allclose(variances[name], golden[f"local_var_{name}"], rtol=0, atol=5e-2)
        ours = similarity(source, fused, top=losses.TOP, border="zeros").ssim.numpy()
        np.testing.assert_allclose(ours[~both_flat], golden[f"ssim_map_{name}"][~both_flat], rtol=0, atol=1e-4)
    np.testing.assert_allclose(losses.structural(fused, visible, infrared), golden["final_ssim"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(losses.generator(fused, visible, infrared), golden["generator_loss"], rtol=0, atol=1e-4)


@torch.inference_mode()
@each("tgfuse", "tgfuse_losses_")
def test_discriminators(path: Path) -> None:
    golden = np.load(path)
    state = stream(meta_shapes(vgg.VGGFeatures), int(golden["vgg_seed"]))
    assert digest(state) == str(golden["vgg_sha256"])
    net = vgg.from_state(state, "recipe")
    visible, infrared, fused = (tensor(golden[name]) for name in ("vi", "ir", "fused"))
    for name, slices, source in (("vi", 1, visible), ("ir", 3, infrared)):
        distance = losses.perceptual(lambda x, n=slices: net(x, n)[-1], fused, source) / len(fused)
        np.testing.assert_allclose(distance, golden[f"dis_{name}_l1"], rtol=1e-4)
    finest, _, third = net(fused, 3)
    relative(finest[:, ::8, ::4, ::4], golden["relu1_2_fused"], "relu1_2")
    relative(third[:, ::16], golden["relu3_3_fused"], "relu3_3")

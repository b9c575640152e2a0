"""CDDFuse against its authors' network, losses and saved pictures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden.goldens import assert_close, check_topic, each, files
from tests.golden.recipes import digest, meta_shapes, stream
from trifuse.core.random import Random
from trifuse.methods import get
from trifuse.nets.cddfuse import CDDFuse, from_state
from trifuse.nets.state import flat
from trifuse.train.losses import cddfuse as losses
from trifuse.weights import load

KINDS = ("cddfuse_layers_", "cddfuse_batch_", "cddfuse_image_", "cddfuse_losses_", "cddfuse_checkpoint_")
MODES = ("mif", "ivf", "ivf_on_medical")
STEPS = 1e-3
"""Adam divides gradients by their size, so that of rounding, other on each processor, becomes steps as long as any."""

GROUPS = ("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer")


def test_topic() -> None:
    check_topic("cddfuse", *KINDS)


@lru_cache(maxsize=2)
@torch.inference_mode(False)
def weights(seed: int) -> dict[str, Tensor]:
    return stream(meta_shapes(CDDFuse), seed)


def network(golden: np.lib.npyio.NpzFile) -> CDDFuse:
    return from_state({key: value.clone() for key, value in weights(int(golden["seed"])).items()}, "recipe")


def tensor(image: np.ndarray) -> Tensor:
    scaled = image.astype(np.float32) / 255 if image.dtype == np.uint8 else image
    return torch.from_numpy(scaled).reshape(-1, 1, *image.shape[-2:])


@torch.inference_mode()
@each("cddfuse", "cddfuse_layers_")
def test_layers(path: Path) -> None:
    golden = np.load(path)
    net = network(golden)
    assert digest(weights(int(golden["seed"]))) == str(golden["weights_sha256"])
    encoder, decoder = net.DIDF_Encoder, net.DIDF_Decoder
    visible, infrared = tensor(golden["vis"]), tensor(golden["ir"])
    layers = {"patch_embed": encoder.patch_embed(visible)}
    x = layers["patch_embed"]
    for index, block in enumerate(encoder.encoder_level1):
        layers[f"enc_block{index}"] = x = block(x)
    layers["base_attn"] = encoder.baseFeature.attn(x, encoder.baseFeature.norm1) - x
    for index, node in enumerate(encoder.detailFeature.net):
        layers[f"detail_node{index}"] = x = node(x)
    layers["vis_base"], layers["vis_detail"], layers["vis_shallow"] = encoder(visible)
    layers["ir_base"], layers["ir_detail"], _ = encoder(infrared)
    layers["fused_base"] = net.BaseFuseLayer(layers["vis_base"] + layers["ir_base"])
    layers["fused_detail"] = net.DetailFuseLayer(layers["vis_detail"] + layers["ir_detail"])
    layers["decoder_reduced"] = x = decoder.reduce_channel(
        torch.cat([layers["fused_base"], layers["fused_detail"]], dim=1)
    )
    for index, block in enumerate(decoder.encoder_level2):
        layers[f"dec_block{index}"] = x = block(x)
    stored = set(layers) & set(golden)
    assert stored
    for name in sorted(stored):
        assert_close(layers[name], golden[name], atol=2e-5, err_msg=name)
    assert_close(net([visible, infrared]), golden["output"], atol=2e-6)


@torch.inference_mode()
@each("cddfuse", "cddfuse_batch_")
def test_batch(path: Path) -> None:
    golden = np.load(path)
    net = network(golden)
    visible, infrared = tensor(golden["vis"]), tensor(golden["ir"])
    residuals = {"mif": None, "ivf": visible, "ivf_on_medical": visible + infrared}
    modes = [mode for mode in residuals if f"output_{mode}" in golden]
    assert modes
    for mode in modes:
        assert_close(net([visible, infrared], residuals[mode]), golden[f"output_{mode}"], atol=2e-6)
    base, detail, _ = net.DIDF_Encoder(torch.cat([visible, infrared]))
    for fuse, features, name in ((net.BaseFuseLayer, base, "base"), (net.DetailFuseLayer, detail, "detail")):
        fused = fuse(torch.add(*features.chunk(2)))
        if f"fused_{name}" in golden:
            assert_close(fused.mean(dim=(2, 3)), golden[f"fused_{name}"], atol=2e-5)


@pytest.mark.parametrize("kind", ["cddfuse_layers_", "cddfuse_image_"])
def test_pictures(kind: str, tmp_path: Path) -> None:
    """The method on a checkpoint in the authors' wrapping makes the pictures that their program saved."""
    for path in files("cddfuse", kind) or pytest.skip(f"no golden files {kind}*"):
        golden = np.load(path)
        grouped = {group: {} for group in GROUPS}
        for key, value in weights(int(golden["seed"])).items():
            group, _, name = key.partition(".")
            grouped[group][f"module.{name}"] = value
        torch.save(grouped, tmp_path / f"{path.stem}.pth")
        sources = [tensor(golden["vis"]), tensor(golden["ir"])]
        ends = {"": "mif"} if kind == "cddfuse_layers_" else {f"_{mode}": mode for mode in MODES}
        saved = [end for end in ends if f"saved_uint8{end}" in golden]
        assert saved, path.name
        for end in saved:
            mode, name = ends[end], f"saved_uint8{end}"
            method = get("cddfuse")(weights=str(tmp_path / f"{path.stem}.pth"), mode=mode)
            with torch.inference_mode():
                fused = method.fuse(sources, scale=1, random=Random()).picture[0, 0].numpy()
            off = np.abs(np.round(fused * 255) - golden[name].astype(float))
            assert off.max() <= 1, (path.name, mode)
            assert (off > 0).mean() <= 1e-3, (path.name, mode)
            if f"output{end}" in golden:
                raw = golden[f"output{end}"][0, 0]
                assert_close(fused, (raw - raw.min()) / (raw.max() - raw.min()), atol=2e-5)


@torch.inference_mode()
@each("cddfuse", "cddfuse_checkpoint_", suffix=".pth")
def test_checkpoint(path: Path) -> None:
    state = flat(load(path))
    net = from_state(state, str(path))
    made_with = [np.load(p) for p in files("cddfuse", "cddfuse_layers_")]
    same = [golden for golden in made_with if str(golden["weights_sha256"]) == digest(state)]
    assert sum(value.numel() for value in net.state_dict().values()) == 1_188_272
    for golden in same:
        assert_close(net([tensor(golden["vis"]), tensor(golden["ir"])]), golden["output"], atol=2e-6)


@each("cddfuse", "cddfuse_losses_")
def test_losses(path: Path) -> None:
    golden = np.load(path)
    net = network(golden)
    visible, infrared = tensor(golden["vis"]), tensor(golden["ir"])
    first, second = losses.stage1(net, visible, infrared), losses.stage2(net, visible, infrared)
    base, detail, _ = net.DIDF_Encoder(torch.cat([visible, infrared]))
    ours = {
        "cc_base": losses.correlation(*base.chunk(2)),
        "cc_detail": losses.correlation(*detail.chunk(2)),
        "ssim_vis": first.terms["ssim_visible"],
        "ssim_ir": first.terms["ssim_infrared"],
        "mse_vis": first.terms["mse_visible"],
        "mse_ir": first.terms["mse_infrared"],
        "gradient": first.terms["gradient"],
        "decomposition": first.terms["decomposition"],
        "phase1_total": first.total,
        "fusion_total": losses.fusion(tensor(golden["fused"]), visible, infrared).total,
        "fusion_intensity": second.terms["intensity"],
        "fusion_gradient": second.terms["gradient"],
        "phase2_total": second.total,
    }
    stored = set(ours) & set(golden)
    assert stored
    for name in sorted(stored):
        assert_close(ours[name], golden[name], rtol=1e-5, err_msg=name)
    for name in [name for name in ("vis", "ir") if f"{name}_hat" in golden]:
        reconstructed = net.DIDF_Decoder(*net.DIDF_Encoder(tensor(golden[name]))[:2], tensor(golden[name]))
        assert_close(reconstructed, golden[f"{name}_hat"], atol=2e-6)
    assert_close(net([visible, infrared], visible), golden["fused"], atol=2e-6)


@each("cddfuse", "cddfuse_losses_")
def test_training_steps(path: Path) -> None:
    """Steps of both stages, each module with its own Adam and its own clipping, follow the original's."""
    golden = np.load(path)
    net = network(golden).requires_grad_(True).train()
    visible, infrared = tensor(golden["vis"]), tensor(golden["ir"])
    modules = [net.DIDF_Encoder, net.DIDF_Decoder, net.BaseFuseLayer, net.DetailFuseLayer]
    optimisers = [torch.optim.Adam(module.parameters(), lr=1e-4) for module in modules]
    for stage, taking_part in ((1, 2), (2, 4)):
        for step, expected in enumerate(golden[f"phase{stage}_loss"]):
            net.zero_grad()
            loss = (losses.stage1 if stage == 1 else losses.stage2)(net, visible, infrared).total
            loss.backward()
            assert_close(loss.item(), expected, rtol=STEPS)
            for index in range(taking_part):
                norm = torch.nn.utils.clip_grad_norm_(modules[index].parameters(), 0.01)
                assert_close(norm.item(), golden[f"phase{stage}_grad_norm"][step, index], rtol=50 * STEPS)
                optimisers[index].step()
    with torch.no_grad():
        assert_close(net([visible, infrared], visible), golden["final_output"], atol=5 * STEPS)

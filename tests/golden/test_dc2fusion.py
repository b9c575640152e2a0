"""DC2Fusion against its authors' program with the deterministic weights of the goldens' README."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.golden.fsim import fsim
from tests.golden.goldens import check_topic, each
from tests.golden.recipes import shapes_of
from trifuse.core.random import Random
from trifuse.methods import dilran, get
from trifuse.methods.dc2fusion import RULES
from trifuse.metrics.mi import ten_bins
from trifuse.metrics.pixels import Pixels
from trifuse.metrics.psnr import psnr
from trifuse.metrics.q_mi import hundred_bins
from trifuse.metrics.ssim import ssim
from trifuse.nets.dc2fusion import CrossBlock, DC2Fusion, grid_of, sampled
from trifuse.nets.dc2fusion_layers import first, padded
from trifuse.train.brain_cubes import cubes, resized
from trifuse.train.losses import dc2fusion as losses
from trifuse.train.losses.ssim import similarity

KINDS = ("net_", "block_", "loss", "trainstep", "strategies", "prepare", "metrics")


BLOCK, NETWORK, LOSS, GRADIENT = 1e-4, 4e-3, 1e-4, 4e-3
"""Tolerances relative to the largest value: what single precision changes, times ten."""


def test_topic() -> None:
    check_topic("dc2fusion", *KINDS)


def drawn(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """An entry of the deterministic state dict."""
    n = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32).standard_normal(shape)
    if key.endswith("running_mean"):
        n = 0.1 * n
    elif key.endswith("running_var"):
        n = np.abs(1 + 0.3 * n) + 0.1
    elif len(shape) >= 2:
        n = n / np.sqrt(np.prod(shape[1:]))
        n *= 3 if key.endswith("conv_offset.3.weight") else 0.05 if key.endswith("out_conv.weight") else 1
    else:
        n = 1 + 0.1 * n if key.endswith("weight") else 0.05 * n
    return torch.from_numpy(np.asarray(n, dtype=np.float32))


def filled(net: nn.Module, seed: int) -> nn.Module:
    state = {key: drawn(key, s, seed) for key, s in shapes_of(net).items() if not key.endswith("num_batches_tracked")}
    net.load_state_dict(state, strict=False)
    return net.eval()


def network(golden: np.lib.npyio.NpzFile) -> nn.Module:
    return filled(DC2Fusion(int(golden["embed_dim"]), drop=0.0), int(golden["seed"]))


def volumes(golden: np.lib.npyio.NpzFile, *names: str) -> list[Tensor]:
    return [torch.from_numpy(golden[name]).reshape(-1, 1, *golden[name].shape[-3:]) for name in names]


def assert_close(ours: Tensor | np.ndarray, golden: np.ndarray, tolerance: float) -> None:
    """Relative to the largest value, as the goldens' README means it."""
    ours = np.asarray(ours.detach() if isinstance(ours, Tensor) else ours)
    assert ours.shape == golden.shape
    np.testing.assert_allclose(ours, golden, rtol=0, atol=tolerance * float(np.abs(golden).max()))


@torch.inference_mode()
@each("dc2fusion", "block_")
def test_block(path: Path) -> None:
    golden = np.load(path)
    block = CrossBlock(int(golden["dim"]), int(golden["heads"]))
    filled(block, int(golden["seed"]))
    seen: dict[str, Tensor] = {}
    for name in ("proj_q", "channel_interaction", "projection", "spatial_interaction"):
        block.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: seen.__setitem__(name, o))
    x, other = (torch.from_numpy(golden[name]) for name in ("x", "xa"))
    sides = [min(2, n) for n in x.shape[1:4]]
    xn, raw = padded(block.norm1(x), sides), padded(other, sides)
    offsets = block.offsets(xn, raw)
    ours = {
        "conv_offset": first(offsets),
        "sample_grid_xyz": grid_of(offsets).flip(-1),
        "reference_zyx": grid_of(torch.zeros_like(offsets))[0],
        "grid_sample_out_bcdhw": sampled(raw, grid_of(offsets)),
        "part1": block.blended(x, other),
        **{name: first(value) for name, value in seen.items()},
    }
    for name in sorted(set(ours) & set(golden)):
        assert_close(ours[name], golden[name], BLOCK)
    assert_close(block(x, other), golden["block_out"], BLOCK)


@torch.inference_mode()
@each("dc2fusion", "net_")
def test_network(path: Path) -> None:
    golden = np.load(path)
    net = network(golden)
    found: dict[str, Tensor] = {}
    for part in ("layers", "up_layers"):
        for number, stage in enumerate(getattr(net.swin, part)):
            key = f"{part}.{number}"
            stage.register_forward_hook(lambda m, i, o, key=key: found.update({f"{key}.0": o[0], f"{key}.1": o[1]}))
            if stage.downsample is not None:
                stage.downsample.register_forward_hook(
                    lambda m, i, o, key=key: found.__setitem__(f"{key}.{3 if f'{key}.2' in found else 2}", o)
                )
    mri, pet = volumes(golden, "mri", "pet")
    maps = net(mri, pet)
    for key in [key for key in found if key in golden.files]:
        assert_close(found[key], golden[key], NETWORK)
    if "out_conv" in golden.files:
        assert_close(maps, golden["out_conv"], NETWORK)
    assert_close(RULES["l1nw"](torch.stack(maps.chunk(2, dim=1))), golden["output"], NETWORK)


@torch.inference_mode()
@each("dc2fusion", "net_", holding="^output_from_float64$")
def test_network_in_double_precision(path: Path) -> None:
    golden = np.load(path)
    maps = network(golden).double()(*(volume.double() for volume in volumes(golden, "mri", "pet")))
    assert_close(RULES["l1nw"](torch.stack(maps.chunk(2, dim=1))), golden["output_from_float64"], 5e-5)


@torch.inference_mode()
@each("dc2fusion", "net_", holding="^output_first_alone$")
def test_a_batch_is_coupled(path: Path) -> None:
    golden = np.load(path)
    maps = network(golden)(*(volume[:1] for volume in volumes(golden, "mri", "pet")))
    assert_close(RULES["l1nw"](torch.stack(maps.chunk(2, dim=1))), golden["output_first_alone"], NETWORK)


@torch.inference_mode()
@each("dc2fusion", "net_", holding="^out_conv$")
def test_method_takes_official_keys(path: Path, tmp_path: Path) -> None:
    golden = np.load(path)
    checkpoint = tmp_path / "checkpoint.pth"
    torch.save(network(golden).state_dict(), checkpoint)
    method = get("dc2fusion")(weights=str(checkpoint), variant="reference")
    mri, pet = volumes(golden, "mri", "pet")
    if len(mri) > 1:
        mri, pet = mri[:1], pet[:1]  # the method takes patients one by one, the original couples them
    fused = method.fuse([mri, pet], scale=1, random=Random()).picture
    assert fused.shape == mri.shape
    if fused.shape == golden["output"].shape:
        assert_close(fused, golden["output"], NETWORK)


@each("dc2fusion", "loss")
def test_loss(path: Path) -> None:
    golden = np.load(path)
    batches = sorted({int(key[1:].split("_")[0]) for key in golden.files if key.endswith("_terms")})
    assert batches
    for batch in batches:
        fused, *sources = (torch.from_numpy(golden[name][:batch]) for name in ("fused", "mri", "pet"))
        fused.requires_grad_()
        terms = losses.terms(fused, sources, one_pass=True)
        total = terms.total()
        total.backward()
        ours = np.array([float(value.detach()) for part in terms for value in part])
        assert_close(ours, golden[f"b{batch}_terms"], LOSS)
        size = np.abs(ours * [2, 1, 2, 1, 2, 1]).sum()
        assert abs(float(total.detach()) - golden[f"b{batch}_total"]) < LOSS * size
        assert_close(fused.grad, golden[f"b{batch}_grad_fused"], GRADIENT)
        fast = losses.terms(fused.detach(), sources)
        assert_close(np.array([float(value) for part in fast for value in part]), golden[f"b{batch}_terms"], 5e-4)


@each("dc2fusion", "trainstep")
def test_training_step(path: Path) -> None:
    golden = np.load(path)
    net = network(golden)
    with torch.no_grad():
        net.out_conv.weight.mul_(0.05)
        net.out_conv.bias.mul_(0.05)
    net.train()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)
    mri, pet = volumes(golden, "mri", "pet")
    fused = RULES["l1nw"](torch.stack(net(mri, pet).chunk(2, dim=1)))
    terms = losses.terms(fused, [mri, pet], one_pass=True)
    total = terms.total()
    total.backward()
    assert_close(fused, golden["output"], 10 * LOSS)
    assert_close(np.array([float(value.detach()) for part in terms for value in part]), golden["terms"], LOSS)
    assert float(total.detach()) == pytest.approx(float(golden["total"]), rel=LOSS)
    parameters = dict(net.named_parameters())
    assert {name for name, p in parameters.items() if p.grad is None} == {str(name) for name in golden["none_grad"]}
    grads = [key.removeprefix("grad/") for key in golden.files if key.startswith("grad/")]
    assert grads
    for key in grads:
        assert_close(parameters[key].grad, golden[f"grad/{key}"], 2 * GRADIENT)
    state = net.state_dict()
    for key in (key.removeprefix("bn/") for key in golden.files if key.startswith("bn/")):
        assert_close(state[key], golden[f"bn/{key}"], 1e-4)
    optimiser.step()
    for key in (key.removeprefix("after/") for key in golden.files if key.startswith("after/")):
        np.testing.assert_allclose(parameters[key].detach(), golden[f"after/{key}"], rtol=0, atol=1e-6)


@each("dc2fusion", "strategies")
def test_strategies(path: Path) -> None:
    golden = np.load(path)
    compared = [key for key in golden.files if key.startswith(("2d_", "3d_"))]
    assert compared
    for key in compared:
        dims, rule = key.split("_")
        pair = [torch.from_numpy(golden[name]) for name in (("f1", "f2") if dims == "2d" else ("v1", "v2"))]
        ours = dilran.sfnn(torch.cat(pair)) if rule == "SFNN" else RULES[rule.lower()](torch.stack(pair))
        assert_close(ours, golden[key], 1e-5)


@each("dc2fusion", "prepare")
def test_preparation(path: Path) -> None:
    golden = np.load(path)
    mri, pet = (torch.from_numpy(golden[name]) for name in ("mri", "pet"))
    padded_to, sides = golden["pad_size"].tolist(), golden["out_size"].tolist()
    for ours, name in zip(cubes(mri, pet, padded_to, sides), ("mri", "pet"), strict=True):
        assert_close(ours, golden[f"{name}_out"], 1e-6)
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in (mri > 0).nonzero(as_tuple=True))
    assert_close(resized(pet[box], padded_to, sides), golden["pet_resized"], 1e-6)


TABLE = {"psnr": 1e-5, "ssim": 1e-4, "nmi": 1e-5, "mi": 1e-5, "fsim": 1e-4, "entropy": 1e-5}
"""Column of the table -> tolerance, relative to its largest value."""

SSIM_ROUNDING = 1e-4
"""What single precision, in which the originals compute SSIM, changes in it; our metric computes in double."""


def scores(fused: np.ndarray, source: np.ndarray) -> dict[str, float]:
    """The measures of the authors' program; its entropy counts distinct floats."""
    x, y = (Pixels(image.astype(np.float64) * 255) for image in (source, fused))
    maps = similarity(*(torch.from_numpy(image)[None, None] for image in (source, fused)))
    shares = np.unique(fused, return_counts=True)[1] / fused.size
    return {
        "psnr": psnr.measure(y, [x]).value,
        "ssim": float(maps.ssim.mean()),
        "nmi": hundred_bins.measure(x, y),
        "mi": ten_bins.measure(x, y),
        "fsim": fsim(source.astype(np.float64), fused.astype(np.float64)),
        "entropy": -float(np.sum(shares * np.log2(shares))),
    }


@each("dc2fusion", "metrics")
def test_metrics(path: Path) -> None:
    golden = np.load(path)
    assert golden["table"].shape == (len(golden["names"]), 2, len(TABLE))
    tolerances = np.abs(golden["table"]).max(axis=(0, 1)) * list(TABLE.values())
    for name, rows in zip(golden["names"], golden["table"], strict=True):
        fused = golden[f"pred_{name}"]
        for source, row in zip((golden["mri"], golden["pet"]), rows, strict=True):
            ours = scores(fused, source)
            for measure, value, tolerance in zip(TABLE, row, tolerances, strict=True):
                assert ours[measure] == pytest.approx(value, rel=0, abs=tolerance), f"{measure} of {name}"
            x, y = (Pixels(image.astype(np.float64) * 255) for image in (source, fused))
            assert ssim.measure(x, y) == pytest.approx(ours["ssim"], abs=SSIM_ROUNDING)

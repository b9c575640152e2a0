"""DILRAN against its authors' program with their weights."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from tests.golden.fsim import fsim
from tests.golden.goldens import GOLDEN, SHARED, check_topic, each, fixed
from trifuse.core.random import Random
from trifuse.methods import get
from trifuse.methods.dilran import RULES, largest_nuclear_norm
from trifuse.nets.dilran import DILRAN, from_state
from trifuse.nets.state import trained
from trifuse.train.losses import dilran as losses
from trifuse.train.losses.ssim import similarity

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


def assert_close(ours: Tensor, golden: np.ndarray, atol: float = 1e-4) -> None:
    np.testing.assert_allclose(ours, golden, rtol=0, atol=atol)


@torch.inference_mode()
@each("dilran", "pair_")
def test_pair(path: Path, net: DILRAN) -> None:
    golden = np.load(path)
    modes = [mode for mode in MODES if any(key.startswith(f"{mode}_") for key in golden)]
    assert modes
    for mode in modes:
        check_pair(golden, mode, net)


def check_pair(golden: np.lib.npyio.NpzFile, mode: str, net: DILRAN) -> None:
    """Everything that a file holds of a pair in one mode."""
    ct, mri = (tensor(golden[name]) for name in ("ct", "mri"))
    features = net.fe(torch.cat([ct, mri]), MODES[mode])
    if f"{mode}_recon_ct" in golden:
        assert_close(net.recon(features[:1])[0, 0], golden[f"{mode}_recon_ct"])
    for index, name in enumerate(("ct", "mri")):
        if f"{mode}_features_{name}" in golden:
            assert_close(features[index, ::16, ::4, ::4], golden[f"{mode}_features_{name}"])
    if f"{mode}_sfnn_w1_nuc1_nuc2" in golden:
        norms = torch.stack([largest_nuclear_norm(f.softmax(dim=0)) for f in features])
        w1, *nuclear = golden[f"{mode}_sfnn_w1_nuc1_nuc2"]
        np.testing.assert_allclose(norms, nuclear, rtol=1e-4)
        assert_close(norms[0] ** 2 / (norms**2).sum(), w1, atol=1e-5)
    for name in [name for name in RULE_NAMES if f"{mode}_{name}" in golden]:
        assert_close(net.recon(RULES[RULE_NAMES[name]](features))[0, 0], golden[f"{mode}_{name}"])


@torch.inference_mode()
@each("dilran", "pair_", holding="_SFNN$")
def test_method(path: Path, weights: str) -> None:
    golden = np.load(path)
    for mode, variant in (("batchstats", "reference"), ("evalmode", "corrected")):
        if f"{mode}_SFNN" in golden:
            method = get("dilran")(weights=weights, variant=variant)
            fused = method.fuse([tensor(golden["ct"]), tensor(golden["mri"])], scale=1, random=Random()).picture
            assert_close(fused[0, 0], golden[f"{mode}_SFNN"].clip(0, 1))


@each("dilran", "loss")
def test_losses(path: Path) -> None:
    golden = np.load(path)
    file, _, what = str(golden["source"]).partition(": ")
    ours, _, theirs = what.partition(" against ")
    pair = np.load(fixed("dilran", file))
    output = torch.from_numpy(pair[ours])[None, None]
    target = tensor(pair[theirs.removesuffix("/255")])
    assert_close(losses.sobel_loss(output, target), golden["sobel_loss"], atol=1e-5)
    assert_close(losses.loss(output, target, None, (0.0, 0.0)), golden["mse"], atol=1e-5)


@lru_cache(maxsize=1)
def cases() -> dict[str, tuple[Path, list[Path]]]:
    """CT and MRI pictures of the atlas, by the number that the authors' files have: patient and slice."""
    table = SHARED / "data" / "aanlib2d" / "pairs.csv"
    found: dict[str, tuple[Path, list[Path]]] = {}
    if table.is_file():
        with table.open(newline="") as rows:
            for row in csv.DictReader(rows):
                if row["other"] == "ct":
                    number = row["case"].removeprefix("c").removeprefix("0").replace("-", "")
                    ct, mri = (SHARED / "data" / row[f"path_{name}"] for name in ("other", "mri"))
                    found.setdefault(number, (ct, []))[1].append(mri)
    return found


def picture(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as file:
        return np.asarray(file.convert("L"))


def psnr(source: np.ndarray, fused: np.ndarray) -> float:
    return -10 * float(np.log10(np.mean((source - fused) ** 2)))


def scores(fused: np.ndarray, sources: list[np.ndarray]) -> dict[str, float]:
    """The measures of the authors' table, averaged over the sources.

    Their entropy counts distinct float values. The range of their PSNR as coded is the brightest source seen so far,
    which is 1 from the first picture of their test split on.
    """

    def entropies(source: np.ndarray, bins: int, span: list[list[float]] | None) -> tuple[float, float, float]:
        joint = np.histogram2d(source.ravel(), fused_values.ravel(), bins=bins, range=span)[0] / source.size
        return tuple(-float(np.sum(p[p > 0] * np.log(p[p > 0]))) for p in (joint.sum(1), joint.sum(0), joint))  # type: ignore[return-value]

    each: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for source in sources:
        fused_values = fused
        each["psnr_range1"].append(psnr(source, fused))
        each["psnr_as_coded"].append(each["psnr_range1"][-1])
        each["fsim"].append(fsim(source.astype(np.float64), fused.astype(np.float64)))
        maps = similarity(*(torch.from_numpy(image)[None, None] for image in (source, fused)))
        each["ssim"].append(float(maps.ssim.mean()))
        own, other, both = entropies(source, 100, None)
        each["nmi"].append((own + other) / both)
        own, other, both = entropies(source, 10, None)
        each["mi_10bins"].append(own + other - both)
        fused_values = np.floor(fused * 255)
        own, other, both = entropies(np.round(source * 255), 256, [[0, 255]] * 2)
        each["mi_256bins"].append(own + other - both)
    each["entropy"].append(entropy(fused))
    return {name: float(np.mean(values)) for name, values in each.items()}


COLUMNS = {
    "psnr_as_coded": 1e-3,
    "psnr_range1": 1e-3,
    "ssim": 1e-3,
    "nmi": 5e-3,
    "mi_256bins": 5e-3,
    "mi_10bins": 5e-3,
    "fsim": 1e-3,
    "entropy": 1e-3,
}
"""Column of the table -> tolerance."""


def entropy(image: np.ndarray) -> float:
    """Of the distinct floats of a picture, bits."""
    shares = np.unique(image, return_counts=True)[1] / image.size
    return -float(np.sum(shares * np.log2(shares)))


def rounding(fused: np.ndarray) -> float:
    """What noise in the last place changes in the entropy: it counts distinct floats, so 0.3 to 0.5 bits."""
    up = np.random.default_rng(0).integers(0, 2, fused.shape).astype(bool)
    return abs(entropy(np.where((fused > 0) & up, np.nextafter(fused, np.float32(2)), fused)) - entropy(fused))


@torch.inference_mode()
@each("dilran", "table_")
def test_table(path: Path, weights: str) -> None:
    """The published behaviour on the authors' test split, as far as its pictures are at hand (the MRI of a case may
    be any of its contrasts, of which the table belongs to one)."""
    golden = np.load(path)
    columns = [str(name) for name in golden["columns"]]
    assert set(columns) <= set(COLUMNS)
    known = {str(name).removesuffix(".png"): row for name, row in zip(golden["names"], golden["values"], strict=True)}
    at_hand = [number for number in known if number in cases()]
    if not at_hand:
        pytest.skip(f"none of the pictures is in {SHARED / 'data'}")
    method = get("dilran")(weights=weights)
    for number in at_hand:
        ct, contrasts = cases()[number]
        misses: list[dict[str, float]] = []
        for mri in contrasts:
            if {} in misses:
                break
            sources = [picture(ct).astype(np.float32) / 255, picture(mri).astype(np.float32) / 255]
            tensors = [torch.from_numpy(source)[None, None] for source in sources]
            fused = method.fuse(tensors, scale=1, random=Random()).picture[0, 0].numpy()
            errors = np.mean([psnr(source, fused) for source in sources])
            if abs(errors - known[number][columns.index("psnr_range1")]) > 0.1:
                continue  # of another contrast
            ours = scores(fused, sources)
            gaps = {name: abs(ours[name] - known[number][columns.index(name)]) for name in columns}
            allowed = COLUMNS | {"entropy": max(COLUMNS["entropy"], rounding(fused) / 20)}
            misses.append({name: gap for name, gap in gaps.items() if gap > allowed[name]})
        assert {} in misses, (number, misses)

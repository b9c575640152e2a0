"""BitonicX and its filters against the original programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import rank_filter

import trifuse
from tests.golden import goldens
from trifuse.core import colour
from trifuse.core.random import Random
from trifuse.filters.anisotropic import anisotropic_gaussian
from trifuse.filters.bitonic import Bitonic, bitonic_layers
from trifuse.filters.noise_estimate import noise_estimate
from trifuse.filters.pulse_coupled import (
    coupled_membranes,
    morphological_gradient,
    otsu_threshold,
    pulse_coupled,
    pulse_parameters,
)
from trifuse.filters.range_mask import MaskRule
from trifuse.filters.rank_opening import opened_by_rank, range_opening
from trifuse.filters.salience import clarity, majority, salience
from trifuse.filters.structure_tensor import StructureTensor, gaussian, gradients, structure_tensor
from trifuse.methods.bitonicx import clarities, fuse_greys, fuse_luma, luma_layers

KINDS = (
    "tensor_", "aniso_", "xrank_", "rank_", "noise_", "xbitonic_", "papcnn_", "cnp_", "detail_", "majority_", "fuse_",
    "pair_",
)  # fmt: skip
CLARITIES = ("constant", "detail", "random")
FLIPPED = 1e-3
"""Share of pixels on which decisions may differ on another compiler."""


def worst(ours: Any, theirs: Any) -> float:
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max())


def close(ours: Any, theirs: NDArray[Any]) -> bool:
    """Within 1e-9, or 1e-6 where the golden layer was stored in single precision."""
    return worst(ours, theirs) <= (1e-6 if theirs.dtype == np.float32 else 1e-9)


def agree(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    assert ours.shape == theirs.shape
    return float((ours != theirs).mean()) <= FLIPPED


def channels_first(image: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0), np.float64)


def luma_of(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    tensor = torch.from_numpy(np.moveaxis(rgb / 255, -1, 0).copy())[None]
    luma: NDArray[np.float64] = colour.split(tensor, "yuv")[0][0, 0].numpy()
    return luma


def coloured(luma: NDArray[np.float64], rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Bytes of a fused luma with the chroma of the coloured source."""
    tensor = torch.from_numpy(np.moveaxis(rgb / 255, -1, 0).copy())[None]
    fused = colour.join(torch.from_numpy(luma)[None, None], colour.split(tensor, "yuv")[1], "yuv")[0].numpy()
    return np.floor(np.clip(np.moveaxis(fused, 0, -1), 0, 1) * 255 + 0.5)


def in_bytes(fused: trifuse.Fused) -> NDArray[np.float64]:
    return np.floor(np.moveaxis(fused.image.pixels.astype(np.float64), 0, -1) * 255 + 0.5)


def test_topic_is_there() -> None:
    goldens.check_topic("bitonicx", *KINDS)


@goldens.each("bitonicx", "tensor_")
def test_structure_tensor(path: Path) -> None:
    golden = np.load(path)
    image, extent = golden["image"], float(golden["scale"])
    x, y = gradients(image)
    tensor = structure_tensor(image, extent, corner=True)
    turned = np.abs(tensor.direction - golden["direction"])
    assert worst(x, golden["grad_x"]) <= 1e-10
    assert worst(y, golden["grad_y"]) <= 1e-10
    assert worst(gaussian(image, extent), golden["gauss"]) <= 1e-10
    assert worst(tensor.anisotropy, golden["anisotropy"]) <= 1e-10
    assert np.minimum(turned, np.pi - turned).max() <= 1e-10
    if "corner" in golden:
        assert worst(tensor.corner, golden["corner"]) <= 1e-10


@goldens.each("bitonicx", "aniso_")
def test_anisotropic_gaussian(path: Path) -> None:
    golden = np.load(path)
    corner = golden.get("corner")
    tensor = StructureTensor(golden["anisotropy"], golden["direction"], corner)
    extent, alpha, threshold = (float(golden[key]) for key in ("scale", "alpha", "threshold"))
    filtered = anisotropic_gaussian(golden["image"], extent, alpha, threshold, tensor)
    assert worst(filtered, golden["filtered"]) <= 1e-12


@goldens.each("bitonicx", "xrank_")
def test_range_opening(path: Path) -> None:
    golden = np.load(path)
    image = golden["image"]
    integer = image.dtype.kind == "i"
    rule = MaskRule(int(golden["half_width"]), float(golden["threshold"]), int(golden["level"]), integer)
    centile = float(golden["centile"])
    opened, closed = range_opening(channels_first(image), golden["grey"], golden["guide"], rule, centile)
    assert np.array_equal(opened, channels_first(golden["opened"]))
    assert np.array_equal(closed, channels_first(golden["closed"]))


@goldens.each("bitonicx", "rank_")
def test_opening_by_rank(path: Path) -> None:
    golden = np.load(path)
    mask, rank = golden["mask"], int(golden["rank"])
    opposite = int(mask.sum()) + 1 - rank
    for key, first, second in (("opened", rank, opposite), ("closed", opposite, rank)):
        ours, theirs = opened_by_rank(golden["image"], mask, first), golden[key]
        if not golden["dual"]:  # the file holds the first of the two passes
            theirs = rank_filter(theirs, second - 1, footprint=mask, mode="nearest")
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


@goldens.each("bitonicx", "noise_")
def test_noise_estimate(path: Path) -> None:
    golden = np.load(path)
    image = golden["image"]
    deviation, noise = noise_estimate(channels_first(image), skip=int(golden["skip"]), integer=image.dtype.kind in "iu")
    assert worst(deviation, golden["noise_std"]) <= 1e-10
    assert worst(noise, golden["noise_map"]) <= 1e-10


@goldens.each("bitonicx", "xbitonic_")
def test_bitonic(path: Path) -> None:
    golden = np.load(path)
    image, half_width = golden["image"], int(golden["half_width"])
    whole = image.dtype.kind in "iu" and golden["threshold"].dtype.kind == "i"
    threshold = int(golden["threshold"]) if whole else float(golden["threshold"])
    layers = bitonic_layers(
        image,
        Bitonic(
            threshold=None if threshold < 0 else threshold,
            half_width=None if half_width < 0 else half_width,
            centile=float(golden["centile"]),
            noise=str(golden["noise"]),  # type: ignore[arg-type]
        ),
    )
    assert layers.filtered.dtype == golden["filtered"].dtype
    if image.dtype.kind in "iu":  # a level more or less where rounding decides
        assert agree(layers.filtered, golden["filtered"])
        assert worst(layers.filtered, golden["filtered"]) <= 1
    else:
        assert worst(layers.filtered, golden["filtered"]) <= 1e-10
    made = {
        "threshold_used": layers.threshold,
        "half_width_used": layers.half_width,
        "anisotropy": layers.tensor.anisotropy,
        "guide": layers.guide,
        "opened": layers.opened,
        "closed": layers.closed,
        "error_open": layers.error_open,
        "error_close": layers.error_close,
    }
    for key in set(made) & set(golden.files):
        ours = made[key]
        if np.ndim(ours) == 3:
            ours = ours[0] if golden[key].ndim == 2 else np.moveaxis(ours, 0, -1)
        assert worst(ours, golden[key]) <= 1e-10, key


@goldens.each("bitonicx", "papcnn_")
def test_pulse_coupled(path: Path) -> None:
    golden = np.load(path)
    fired = []
    for index, name in enumerate("ab"):
        detail = golden[f"detail_{name}"]
        fired.append(pulse_coupled(detail))
        assert worst(morphological_gradient(detail), golden[f"msmg_{name}"]) <= 1e-10
        assert worst(otsu_threshold(np.abs(detail)), golden["otsu"][index]) <= 1e-10
        assert worst(pulse_parameters(detail), golden[f"parameters_{name}"]) <= 1e-10
        assert agree(fired[-1], golden[f"fired_{name}"])
    fused = np.where(fired[0] >= fired[1], golden["detail_a"], golden["detail_b"])
    same = (fired[0] == golden["fired_a"]) & (fired[1] == golden["fired_b"])
    assert worst(fused[same], golden["fused"][same]) <= 1e-10


@goldens.each("bitonicx", "cnp_")
def test_coupled_membranes(path: Path) -> None:
    golden = np.load(path)
    assert agree(coupled_membranes(golden["image"]), golden["fired"])


@goldens.each("bitonicx", "detail_")
def test_salience_and_clarity(path: Path) -> None:
    golden = np.load(path)
    assert worst(salience(golden["detail"]), golden["gradient"]) <= 1e-12
    assert worst(clarity(golden["detail"]), golden["clarity"]) <= 1e-12


@goldens.each("bitonicx", "majority_")
def test_majority(path: Path) -> None:
    golden = np.load(path)
    assert np.array_equal(majority(golden["map"], int(golden["window"])), golden["filtered"])


@goldens.each("bitonicx", "fuse_")
def test_layers_of_the_fusion(path: Path) -> None:
    golden = np.load(path)
    noisy = float(golden["sigma"]) > 0
    first = fuse_greys(golden["a"] / 255, golden["b"] / 255, (noisy, noisy))
    layers = luma_layers(first.fused, luma_of(golden["colour"]), (False, noisy))
    outcomes = {
        mode: fuse_luma(layers, clarities(mode, layers.detail, Random(int(golden["seed"]))))  # type: ignore[arg-type]
        for mode in CLARITIES
    }
    images = {
        "a_low": first.low[0], "b_low": first.low[1], "a_low2": first.low2[0], "b_low2": first.low2[1],
        "fused_grey": first.fused, "fused_grey_low": layers.low[0], "luma_low": layers.low[1],
        "a_detail_denoised": first.detail[0], "b_detail_denoised": first.detail[1],
        "luma_detail_denoised": layers.detail[1], "fused_luma_constant": outcomes["constant"].fused,
    }  # fmt: skip
    decisions = {
        "fired_a": first.fired[0], "fired_b": first.fired[1], "coupled_a": first.coupled[0],
        "coupled_b": first.coupled[1], "map_detail": first.from_detail, "map_texture": first.from_texture,
        "map_energy": first.from_energy, "map_energy2": outcomes["constant"].from_energy,
        **{f"map_gec_{mode}": outcome.from_detail for mode, outcome in outcomes.items()},
        **{f"rgb_{mode}": coloured(outcome.fused, golden["colour"]) for mode, outcome in outcomes.items()},
    }  # fmt: skip
    for key in set(images) & set(golden.files):
        assert close(images[key], golden[key]), key
    for key in set(decisions) & set(golden.files):
        assert agree(decisions[key], golden[key]), key
    assert set(decisions) & set(golden.files)


@goldens.each("bitonicx", "fuse_")
def test_fusion_through_the_public_call(path: Path) -> None:
    golden = np.load(path)
    for mode in [mode for mode in ("constant", "random") if f"rgb_{mode}" in golden]:
        options = {"clarity": mode, "denoise": float(golden["sigma"]) > 0}
        sources = [golden["a"], golden["b"], golden["colour"]]
        fused = trifuse.fuse(sources, method="bitonicx", options=options, seed=int(golden["seed"]))
        assert agree(in_bytes(fused), golden[f"rgb_{mode}"]), mode


@goldens.each("bitonicx", "pair_")
def test_grey_and_colour(path: Path) -> None:
    golden = np.load(path)
    layers = luma_layers(golden["grey"] / 255, luma_of(golden["colour"]))
    for ours, key in zip(layers.low, ("grey_low", "luma_low"), strict=True):
        assert key not in golden or close(ours, golden[key]), key
    for mode in [mode for mode in CLARITIES if f"rgb_{mode}" in golden]:
        outcome = fuse_luma(layers, clarities(mode, layers.detail, Random(0)))  # type: ignore[arg-type]
        for key, check, ours in (
            (f"map_gec_{mode}", agree, outcome.from_detail),
            (f"fused_luma_{mode}", close, outcome.fused),
        ):
            assert key not in golden or check(ours, golden[key]), key
        fused = trifuse.fuse([golden["grey"], golden["colour"]], method="bitonicx", options={"clarity": mode})
        assert agree(in_bytes(fused), golden[f"rgb_{mode}"]), mode

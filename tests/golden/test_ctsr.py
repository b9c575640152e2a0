"""CTSR against the original program, run in GNU Octave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import trifuse
from tests.golden import goldens
from trifuse.filters.energy import choose_energy, sum_modified_laplacian
from trifuse.filters.rolling_guidance import rolling_guidance
from trifuse.filters.sparse_coding import Dictionary, batch_omp, fuse_textures
from trifuse.methods.ctsr import CTSR, Fusion

KINDS = ("dictionary", "rgf_", "aecs_", "omp_", "sparse_", "fuse_", "pair_")
YUV = np.array([[0.299, 0.587, 0.114], [-0.147, -0.289, 0.436], [0.615, -0.515, -0.100]])


@pytest.fixture(scope="module")
def path_of_atoms() -> Path:
    return goldens.fixed("ctsr", "dictionary.npz")


@pytest.fixture(scope="module")
def dictionary(path_of_atoms: Path) -> Dictionary:
    return Dictionary.of(np.load(path_of_atoms)["atoms"])


def error(ours: NDArray[np.float64], theirs: NDArray[np.generic]) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max())


def tolerance(golden: NDArray[np.generic]) -> float:
    return 1e-6 if golden.dtype == np.float32 else 1e-9


FLIPPED = 1e-3
"""Share of the patches whose atoms or choice may differ: where a residual meets its bound, rounding decides."""


def agree(ours: NDArray[np.generic], theirs: NDArray[np.generic]) -> bool:
    assert ours.shape == theirs.shape
    return float((ours != theirs).mean()) <= FLIPPED


def nearly(ours: NDArray[np.float64], theirs: NDArray[np.generic]) -> bool:
    """Within rounding, but for what other atoms of a few patches change."""
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    return bool(difference.max() <= 2e-3 and (difference > tolerance(theirs)).mean() <= 64 * FLIPPED)


def same_picture(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> bool:
    """Equal, but for pixels that rounding puts on the other side of a level."""
    off = np.abs(ours.astype(int) - theirs.astype(int))
    return bool(off.max() <= 1 and (off > 0).mean() <= FLIPPED)


def picture(x: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.floor(np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def test_topic_is_covered() -> None:
    goldens.check_topic("ctsr", *KINDS)


@goldens.each("ctsr", "dictionary")
def test_dictionary_has_unit_atoms(path: Path) -> None:
    atoms = np.load(path)["atoms"]
    assert error(Dictionary.of(atoms).atoms, atoms) < 1e-14


@goldens.each("ctsr", "rgf_")
def test_rolling_guidance(path: Path) -> None:
    golden = np.load(path)
    sigmas = float(golden["sigma_space"]), float(golden["sigma_range"])
    for iterations, smoothed in enumerate(golden["smoothed"], start=1):
        assert error(rolling_guidance(golden["image"], *sigmas, iterations), smoothed) < 1e-10
    if "smoothed_s4_r01_2" in golden:
        assert error(rolling_guidance(golden["image"], 4, 0.1, 2), golden["smoothed_s4_r01_2"]) < 1e-10


@goldens.each("ctsr", "aecs_")
def test_adaptive_energy_choosing(path: Path) -> None:
    golden = np.load(path)
    assert error(sum_modified_laplacian(golden["a"]), golden["sml_a"]) == 0
    assert error(sum_modified_laplacian(golden["b"]), golden["sml_b"]) == 0
    assert error(choose_energy(golden["a"], golden["b"], float(golden["threshold"])), golden["fused"]) == 0


@goldens.each("ctsr", "omp_")
def test_batch_omp(path: Path, dictionary: Dictionary) -> None:
    golden = np.load(path)
    signals = np.ascontiguousarray(golden["signals"].T)
    epsilon, sparsity = float(golden["epsilon"]), int(golden["sparsity"])
    bound = {"epsilon": epsilon} if sparsity < 0 else {"sparsity": sparsity}
    codes = batch_omp(signals, dictionary, **bound)  # type: ignore[arg-type]
    ours, theirs = np.zeros((2, len(signals), dictionary.atoms.shape[1]))
    for signal, count in enumerate(codes.counts):
        ours[signal, codes.atoms[signal, :count]] = codes.coefficients[signal, :count]
    theirs[golden["column"], golden["atom"]] = golden["coefficient"]
    same = ((ours != 0) == (theirs != 0)).all(axis=1)
    assert (~same).mean() <= FLIPPED
    assert error(ours[same], theirs[same]) < 1e-9


@goldens.each("ctsr", "sparse_")
def test_sparse_fusion_of_textures(path: Path, dictionary: Dictionary) -> None:
    golden = np.load(path)
    overlap, epsilon = int(golden["overlap"]), float(golden["epsilon"])
    texture = fuse_textures(golden["a"], golden["b"], dictionary, overlap=overlap, epsilon=epsilon)
    assert nearly(texture.fused, golden["fused"])
    for codes, name in zip(texture.codes, "ab", strict=True):
        counts, l1 = (values.reshape(texture.patches) for values in (codes.counts, codes.l1))
        assert agree(counts, golden[f"atoms_{name}"])
        same = counts == golden[f"atoms_{name}"]
        assert error(l1[same], golden[f"l1_{name}"][same]) < 1e-9


def check_fusion(fusion: Fusion, golden: Mapping[str, NDArray[np.generic]], keys: Mapping[str, str]) -> None:
    """Every intermediate that a file holds, under the name it has there."""
    first, second = fusion.texture.codes
    patches = fusion.texture.patches
    found = {
        "cartoon_first": fusion.cartoons[0],
        "cartoon_second": fusion.cartoons[1],
        "cartoon": fusion.cartoon,
        "texture": fusion.texture.fused,
        "fused": fusion.fused,
        "atoms_first": first.counts.reshape(patches),
        "atoms_second": second.counts.reshape(patches),
        "choice": (first.l1 < second.l1).reshape(patches),
    }
    for name, key in keys.items():
        if key in golden:
            if golden[key].dtype.kind in "bu":
                assert agree(found[name], golden[key]), key
            elif name.startswith("cartoon"):
                assert error(found[name], golden[key]) <= tolerance(golden[key]), key
            else:
                assert nearly(found[name], golden[key]), key


def keys_of(first: str, second: str, **others: str) -> dict[str, str]:
    return {
        "cartoon_first": f"cartoon_{first}",
        "cartoon_second": f"cartoon_{second}",
        "atoms_first": f"atoms_{first}",
        "atoms_second": f"atoms_{second}",
        **others,
    }


@goldens.each("ctsr", "fuse_")
def test_three_sources(path: Path, path_of_atoms: Path) -> None:
    golden = np.load(path)
    ctsr = CTSR(dictionary=str(path_of_atoms))
    greys = ctsr.fuse_pair(golden["a"] / 255.0, golden["b"] / 255.0)
    check_fusion(greys, golden, keys_of("a", "b", texture="texture_ab", fused="fused_grey", choice="choice_ab"))
    yuv = (golden["colour"] / 255.0) @ YUV.T
    final = ctsr.fuse_pair(greys.fused, np.ascontiguousarray(yuv[..., 0]))
    names = {"texture": "texture_final", "fused": "fused_luma", "choice": "choice_final"}
    check_fusion(final, golden, keys_of("grey", "luma", **names))
    yuv[..., 0] = final.fused
    assert same_picture(picture(yuv @ np.linalg.inv(YUV).T), golden["rgb"])


@goldens.each("ctsr", "pair_")
def test_grey_and_colour(path: Path, path_of_atoms: Path) -> None:
    golden = np.load(path)
    yuv = (golden["colour"] / 255.0) @ YUV.T
    fusion = CTSR(dictionary=str(path_of_atoms)).fuse_pair(golden["grey"] / 255.0, np.ascontiguousarray(yuv[..., 0]))
    names = {"texture": "texture", "cartoon": "cartoon", "fused": "fused_luma"}
    check_fusion(fusion, golden, keys_of("grey", "luma", **names))
    yuv[..., 0] = fusion.fused
    assert same_picture(picture(yuv @ np.linalg.inv(YUV).T), golden["rgb"])


@goldens.each("ctsr", "fuse_", "pair_")
def test_public_call(path: Path, path_of_atoms: Path) -> None:
    """fuse() hands float32 on; the method finds the 8-bit levels again, so that the picture is the original's."""
    golden = np.load(path)
    sources = [golden[key] for key in ("a", "b", "grey", "colour") if key in golden]
    fused = trifuse.fuse(sources, "ctsr", options={"dictionary": str(path_of_atoms)}).image.pixels
    assert same_picture(picture(np.moveaxis(fused, 0, -1)), golden["rgb"])

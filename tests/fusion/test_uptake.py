"""Uptake in colour: which sources are laid over, what the picture keeps of structures and of uptake."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.stats import spearmanr

import trifuse
from trifuse.core import palettes
from trifuse.core.errors import OptionError
from trifuse.core.image import Image, Modality
from trifuse.fusion.opacity import Opacity
from trifuse.fusion.uptake import Layer, laid_over, read_back

DATA = Path(os.environ.get("TRIFUSE_SHARED", "../shared")) / "data"
on_data = pytest.mark.skipif(not (DATA / "sts2d").is_dir(), reason="TRIFUSE_SHARED holds no patients")


def smooth(seed: int, reach: float) -> NDArray[np.float32]:
    values = gaussian_filter(np.random.default_rng(seed).normal(size=(64, 64)), reach)
    return ((values - values.min()) / np.ptp(values)).astype(np.float32)


@pytest.fixture(scope="module")
def structure() -> NDArray[np.float32]:
    return smooth(1, 1.5)


@pytest.fixture(scope="module")
def hot() -> NDArray[np.float32]:
    return smooth(2, 6)


def grey(values: NDArray[np.float32], modality: Modality = Modality.OTHER, top: float = 1.0) -> Image:
    return Image(values[None], modality=modality, window=(0.0, top))


def luma(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.tensordot(palettes.LUMA, rgb, axes=1))


def test_pet_is_laid_over_and_the_structure_is_shown_as_it_is(
    structure: NDArray[np.float32], hot: NDArray[np.float32]
) -> None:
    fused = trifuse.fuse([grey(structure, Modality.T1), grey(hot, Modality.PET, top=6)], "mean")
    pixels = fused.image.pixels
    assert pixels.shape == (3, 64, 64)
    cold = hot == 0
    np.testing.assert_allclose(pixels[:, cold], structure[None, cold].repeat(3, 0), atol=1e-6)
    assert np.corrcoef(luma(pixels).ravel(), structure.ravel())[0, 1] > 0.9
    (layer,) = fused.layers
    assert (layer.palette, layer.window) == ("ember", (0.0, 6.0))
    assert spearmanr(read_back(pixels, layer).ravel(), hot.ravel())[0] > 0.99
    assert fused.provenance["uptake"][0]["source"] == 2
    assert any("mean is not run" in note for note in fused.provenance["notes"])


def test_structures_are_fused_by_the_method(structure: NDArray[np.float32], hot: NDArray[np.float32]) -> None:
    other = smooth(3, 2)
    sources = [grey(structure), grey(other), grey(hot, Modality.SPECT)]
    alone = trifuse.fuse(sources[:2], "mean").image.pixels[0]
    (layer,) = (fused := trifuse.fuse(sources, "mean")).layers
    np.testing.assert_allclose(fused.image.pixels, laid_over(alone[None], hot, layer), atol=1e-6)


def test_luma_and_none_fuse_as_published(structure: NDArray[np.float32], hot: NDArray[np.float32]) -> None:
    sources = [grey(structure), grey(hot, Modality.PET)]
    for settings in ({"colour": "luma"}, {"functional": "none"}):
        fused = trifuse.fuse(sources, "mean", **settings)
        np.testing.assert_allclose(fused.image.pixels[0], (structure + hot) / 2, atol=1e-6)
        assert fused.layers == ()


def test_pictures_in_a_palette_keep_it_and_arrays_are_taken_as_they_are(
    tmp_path: Path, structure: NDArray[np.float32], hot: NDArray[np.float32]
) -> None:
    rgb = np.rint(np.moveaxis(palettes.paint(hot, "atlas-spect"), 0, -1) * 255).astype(np.uint8)
    Pillow.fromarray(rgb).save(tmp_path / "function.png")
    Pillow.fromarray(np.rint(structure * 255).astype(np.uint8)).save(tmp_path / "mr.png")
    fused = trifuse.fuse([tmp_path / "mr.png", tmp_path / "function.png"], "mean")
    (layer,) = fused.layers
    assert (layer.palette, layer.units) == ("atlas-spect", "of the palette")
    assert spearmanr(read_back(fused.image.pixels, layer).ravel(), hot.ravel())[0] > 0.99
    in_hot = trifuse.fuse([tmp_path / "mr.png", tmp_path / "function.png"], "mean", colour="hot").layers[0]
    assert in_hot.palette == "hot"
    assert trifuse.fuse([structure, rgb], "mean").layers == ()
    assert trifuse.fuse([structure, rgb], "mean", functional="2").layers[0].palette == "atlas-spect"


def test_volumes(structure: NDArray[np.float32], hot: NDArray[np.float32]) -> None:
    stack = [np.stack([plane, plane[::-1], plane[:, ::-1]], axis=-1) for plane in (structure, hot)]
    anatomy, function = Image(stack[0][None], np.eye(4)), Image(stack[1][None], np.eye(4), Modality.PET)
    fused = trifuse.fuse([anatomy, function], "laplacian")
    assert fused.image.space == (64, 64, 3)
    assert spearmanr(read_back(fused.image.pixels, fused.layers[0]).ravel(), stack[1].ravel())[0] > 0.99


def test_two_functional_sources_and_magnification(structure: NDArray[np.float32], hot: NDArray[np.float32]) -> None:
    sources = [grey(structure), grey(hot, Modality.PET), grey(smooth(5, 6), Modality.SPECT)]
    fused = trifuse.fuse(sources, "mean", scale=2)
    assert fused.image.space == (128, 128)
    assert [layer.palette for layer in fused.layers] == ["ember", "viridis"]


def test_without_structures_luma_is_fused(hot: NDArray[np.float32]) -> None:
    fused = trifuse.fuse([grey(hot, Modality.PET), grey(hot, Modality.SPECT)], "mean")
    assert fused.layers == ()
    assert any("no structural source" in note for note in fused.provenance["notes"])


@pytest.mark.parametrize("name", ["ember", "plasma", "viridis", "atlas-pet", "atlas-spect", "hot", "ge"])
def test_uptake_is_read_back_over_any_structure(
    name: str, structure: NDArray[np.float32], hot: NDArray[np.float32]
) -> None:
    layer = Layer(
        1, name, (0.0, 1.0), "", Opacity().of_uptake(hot, vivid=float(name in ("atlas-pet", "atlas-spect", "ge")))
    )
    pixels = np.rint(laid_over(structure[None], hot, layer) * 255) / np.float32(255)
    warm = hot > 0.05
    assert spearmanr(read_back(pixels, layer)[warm], hot[warm])[0] > 0.99


def test_opacity() -> None:
    uptake = np.array([0, 0.1, 0.25, 0.5, 1], dtype=np.float32)
    window = (0.0, 8.0)
    np.testing.assert_allclose(Opacity.parse("0.6").at(uptake, window), [0, 0.6, 0.6, 0.6, 0.6])
    np.testing.assert_allclose(Opacity.parse("threshold:2").at(uptake, window), [0, 0, 1, 1, 1])
    np.testing.assert_allclose(Opacity.parse("ramp:0:4:0.8").at(uptake, window), [0, 0.16, 0.4, 0.8, 0.8], atol=1e-6)
    assert str(Opacity.parse("ramp:0:4:0.8")) == "ramp:0:4:0.8"
    faint = Opacity.parse("ramp:2:4:0.8:0.2")
    np.testing.assert_allclose(faint.at(uptake, window), [0, 0.08, 0.2, 0.8, 0.8], atol=1e-6)
    assert str(faint) == "ramp:2:4:0.8:0.2"
    for wrong in ("ramp:1:4:0.5:0.6", "much", "1.2", "0", "ramp:4:1", "threshold"):
        with pytest.raises(OptionError, match="opacity"):
            Opacity.parse(wrong)


def test_ordinary_uptake_leaves_tissue_grey_and_hot_spots_are_full(structure: NDArray[np.float32]) -> None:
    uptake = np.full((64, 64), 0.4, np.float32)
    uptake[:8], uptake[30:34, 30:34] = 0, 0.9
    pixels = trifuse.fuse([grey(structure, Modality.T1), grey(uptake, Modality.PET)], "mean").image.pixels
    colour = np.ptp(pixels, axis=0) / np.maximum(np.ptp(palettes.paint(uptake, "ember"), axis=0), 1e-3)
    assert colour[20:24, 20:24].mean() < 0.35
    assert colour[30:34, 30:34].mean() > 0.55
    around = np.corrcoef(luma(pixels)[8:28].ravel(), structure[8:28].ravel())[0, 1]
    assert around > 0.99
    np.testing.assert_allclose(pixels[:, :8], structure[None, :8].repeat(3, 0), atol=1e-6)


def test_the_atlas_palettes_keep_saturation_and_leave_lightness(structure: NDArray[np.float32]) -> None:
    level = np.full((64, 64), 0.45, np.float32)
    for name in ("atlas-pet", "atlas-spect"):
        layer = Layer(1, name, (0.0, 1.0), "", Opacity().of_uptake(level, vivid=1.0))
        pixels = laid_over(structure[None], level, layer)
        slope = np.polyfit(structure.ravel(), luma(pixels).ravel(), 1)[0]
        assert slope > 0.5
        assert np.abs(palettes.read_overlay(pixels, name, lightness=0.0) - 0.45).mean() < 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"functional": "3"}, "names none of the 2 sources"),
        ({"functional": "pet"}, "names no source; give auto, none, or numbers"),
        ({"colour": "heat"}, "palette 'heat' is not known"),
        ({"opacity": "2"}, "opacity '2' shows nothing"),
    ],
)
def test_what_is_refused(structure: NDArray[np.float32], settings: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        trifuse.fuse([grey(structure), grey(structure, Modality.PET)], "mean", **settings)


@on_data
@pytest.mark.parametrize("anatomy", ["t1", "ct"])
def test_tumours_of_patients_stay_visible(anatomy: str) -> None:
    """The structure's own contrast in luma, the contrast in CIELAB against the best source's, and read-back."""
    from skimage.color import rgb2lab

    kept, seen, agreed = [], [], []
    for folder in sorted((DATA / "sts2d").glob("sts-*"))[::17]:
        mask = np.asarray(Pillow.open(folder / "tumour_mask.png").convert("L")) > 127
        if mask.sum() < 100:
            continue
        ring = binary_dilation(mask, iterations=8) & ~binary_dilation(mask, iterations=2)
        fused = trifuse.fuse([folder / f"{anatomy}.png", folder / "pet.png"])
        sources = [Image.of(folder / f"{name}.png").pixels[0] for name in (anatomy, "pet")]

        def contrast(x: NDArray[np.float32], mask: NDArray[np.bool_] = mask, ring: NDArray[np.bool_] = ring) -> float:
            return abs(float(x[mask].mean() - x[ring].mean())) / float(x[ring].std())

        def distance(rgb: NDArray[np.float32], mask: NDArray[np.bool_] = mask, ring: NDArray[np.bool_] = ring) -> float:
            lab = rgb2lab(np.moveaxis(rgb, 0, -1))
            return float(np.linalg.norm(lab[mask].mean(axis=0) - lab[ring].mean(axis=0)))

        kept.append(contrast(luma(fused.image.pixels)) / contrast(sources[0]))
        best = max(distance(np.repeat(x[None], 3, axis=0)) for x in sources)
        seen.append(distance(fused.image.pixels) / best)
        warm = sources[1] > 0.05
        agreed.append(spearmanr(read_back(fused.image.pixels, fused.layers[0])[warm], sources[1][warm])[0])
    assert len(kept) >= 10
    assert np.median(kept) >= 0.85
    assert np.median(seen) >= 1.2
    assert np.median(agreed) >= 0.99


@on_data
@pytest.mark.parametrize(
    ("case", "palette"), [("triplets/c10-014/spect-tc.png", "atlas-spect"), ("triplets/na-ax-072/pet.png", "atlas-pet")]
)
def test_uptake_of_the_atlas_is_read_from_the_nearest_colours(case: str, palette: str) -> None:
    """By a reader who knows the palette and nothing of how it was laid over."""
    path = DATA / "aanlib2d" / case
    source = Image.of(path).pixels
    anatomy = next(path.parent.glob("t2.*"))
    fused = trifuse.fuse([anatomy, path])
    assert fused.layers[0].palette == palette
    truth = palettes.read(source, palette).uptake
    inside = truth > 0.03
    for lightness in (0.25, 0.5, 1.0):
        found = palettes.read_overlay(fused.image.pixels, palette, lightness=lightness)
        assert spearmanr(found[inside], truth[inside])[0] > 0.95, lightness

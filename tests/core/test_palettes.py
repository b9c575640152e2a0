"""Palettes: uptake to colour, colour to uptake, which palette a picture is in."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from trifuse.core import palettes
from trifuse.core.errors import OptionError

SHARED = Path(os.environ.get("TRIFUSE_SHARED", "../shared"))
ATLAS = SHARED / "data" / "aanlib2d"
on_atlas = pytest.mark.skipif(not ATLAS.is_dir(), reason="TRIFUSE_SHARED holds no pictures of the atlas")


@pytest.fixture(scope="module")
def uptake() -> NDArray[np.float32]:
    """A head with a hot spot, smooth as PET is, from 0 to 1."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    head = 0.45 * (x**2 + (y / 0.85) ** 2 < 0.7) + 0.25 * (np.hypot(x - 0.1, y) < 0.3)
    noise = gaussian_filter(np.random.default_rng(3).normal(size=x.shape), 4)
    smooth = gaussian_filter(head + 0.3 * np.exp(-((x + 0.4) ** 2 + y**2) / 0.02) + 0.5 * noise * (head > 0), 3)
    return np.clip(smooth / smooth.max(), 0, 1).astype(np.float32)


def picture(rgb: NDArray[np.float32]) -> Pillow.Image:
    return Pillow.fromarray(np.rint(np.moveaxis(rgb, 0, -1) * 255).astype(np.uint8))


def pixels(image: Pillow.Image) -> NDArray[np.float32]:
    return np.moveaxis(np.asarray(image, dtype=np.float32), -1, 0) / 255


@pytest.mark.parametrize("name", palettes.names())
def test_colours_lead_back_to_uptake(name: str, uptake: NDArray[np.float32]) -> None:
    found = palettes.read(pixels(picture(palettes.paint(uptake, name))), name)
    assert found.off < 2
    assert found.doubtful == 0
    stepped = name in ("pet20", "siemens")  # steps, and a flat foot
    assert np.abs(found.uptake - uptake).max() < (0.051 if stepped else 0.02)


@pytest.mark.parametrize("name", palettes.names())
def test_a_palette_is_recognised(name: str, uptake: NDArray[np.float32]) -> None:
    assert palettes.recognise(pixels(picture(palettes.paint(uptake, name)))) == name


@pytest.mark.parametrize("name", ["atlas-pet", "atlas-spect", "ge", "siemens", "hot", "hot-iron", "inferno", "ember"])
def test_resampled_and_compressed_pictures_are_read_too(name: str, uptake: NDArray[np.float32]) -> None:
    drawn = picture(palettes.paint(uptake, name))
    packed = io.BytesIO()
    drawn.resize((131, 131), Pillow.Resampling.BICUBIC).save(packed, format="JPEG", quality=85)
    smeared = pixels(Pillow.open(packed))
    truth = np.asarray(Pillow.fromarray(uptake).resize((131, 131), Pillow.Resampling.BICUBIC))
    assert palettes.recognise(smeared) == name
    found = palettes.read(smeared, name)
    inside = truth > 0.05
    assert spearmanr(found.uptake[inside], truth[inside])[0] > 0.98
    assert np.percentile(np.abs(found.uptake - truth)[inside], 95) < 0.06
    assert found.off > 2  # and it says that it is not the original


def test_what_is_in_no_palette_is_none() -> None:
    random = np.random.default_rng(0)
    assert palettes.recognise(random.random((3, 48, 48))) is None
    grey = np.repeat(random.random((1, 48, 48)), 3, axis=0)
    assert palettes.recognise(grey) is None
    assert palettes.recognise(np.zeros((3, 8, 8))) is None
    sources = [gaussian_filter(random.normal(size=(48, 48)), 3) for _ in range(3)]
    assert palettes.recognise(np.stack([(s - s.min()) / np.ptp(s) for s in sources])) is None  # contrasts as channels


def test_volumes_are_read_as_pictures_are(uptake: NDArray[np.float32]) -> None:
    volume = np.stack([uptake, uptake[::-1], 0.5 * uptake], axis=-1)
    rgb = palettes.paint(volume, "atlas-spect")
    assert rgb.shape == (3, 96, 96, 3)
    assert palettes.recognise(rgb) == "atlas-spect"
    assert np.abs(palettes.read(rgb, "atlas-spect").uptake - volume).max() < 0.01


@pytest.mark.parametrize(
    ("name", "standard"),
    [("hot-iron", "1"), ("ge", "2"), ("hot-metal-blue", "3"), ("pet20", "4")],
)
def test_standard_palettes_are_those_of_dicom(name: str, standard: str) -> None:
    from pydicom.pixels import apply_color_lut

    theirs = apply_color_lut(np.arange(256, dtype=np.uint8)[None], palette=f"1.2.840.10008.1.5.{standard}")[0]
    ours = palettes.paint(np.arange(256) / 255, name).T * 255
    assert (
        np.abs(ours - theirs).max() <= 2.6 if name != "pet20" else (np.abs(ours - theirs).max(axis=1) > 3).sum() <= 20
    )


def test_ember_is_ordered_by_hue_alone() -> None:
    """Whatever the lightness, the hotter of two is told: colour without luma never comes back to where it was."""
    colours = palettes.table("ember")
    hue = colours - (colours @ palettes.LUMA)[:, None]
    hue /= np.linalg.norm(hue, axis=1, keepdims=True)
    turned = np.degrees(np.arccos(np.clip((hue[1:] * hue[:-1]).sum(axis=1), -1, 1))).cumsum()
    apart = np.degrees(np.arccos(np.clip(hue @ hue[0], -1, 1)))[1:]
    assert (np.diff(apart) > -1e-3).all()
    assert turned[-1] > 90


def test_a_palette_that_does_not_exist() -> None:
    with pytest.raises(OptionError, match=r"palette 'heat' is not known; choose one of atlas-pet"):
        palettes.paint(np.zeros((2, 2)), "heat")


@on_atlas
def test_lossless_pictures_of_the_atlas_lie_on_its_palettes() -> None:
    with (SHARED / "data" / "manifest.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["set"] == "aanlib2d" and r["lossy_file"] == "no"]
    functional = [r for r in rows if r["modality"] in ("pet", "spect-tc", "spect-tl") and int(r["colours"]) <= 135]
    assert len(functional) > 300
    for row in functional[::80]:
        rgb = pixels(Pillow.open(SHARED / "data" / row["path"]).convert("RGB"))
        name = palettes.recognise(rgb)
        pet = row["modality"] == "spect-tl" or (row["modality"] == "pet" and row["patient"] not in ("fdgb", "fdgc"))
        assert name == ("atlas-pet" if pet else "atlas-spect"), row["path"]
        found = palettes.read(rgb, name)
        again = palettes.paint(found.uptake, name)
        assert np.percentile(np.abs(again - rgb) * 255, 99) <= 1.6, row["path"]
        assert np.median(np.abs(again - rgb) * 255) <= 1.1


@on_atlas
@pytest.mark.parametrize(
    ("path", "name", "off"),
    [
        ("triplets/fdga-011/pet.png", "atlas-pet", 12),
        ("pairs/pet-mri/fdgc-901/pet.jpg", "atlas-spect", 14),
        ("pairs/spect-mri/c09-031/spect-tc.png", "atlas-spect", 20),
        ("triplets/tlb-031/spect-tl.png", "atlas-pet", 22),
    ],
)
def test_smeared_pictures_of_the_atlas(path: str, name: str, off: float) -> None:
    rgb = pixels(Pillow.open(ATLAS / path).convert("RGB"))
    assert palettes.recognise(rgb) == name
    found = palettes.read(rgb, name)
    assert 2 < found.off < off
    rough = np.abs(found.uptake - gaussian_filter(found.uptake, 1))
    assert np.percentile(rough, 99.5) < 0.12  # uptake is smooth: no pixel jumped to another branch of the palette

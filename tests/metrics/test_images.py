"""trifuse.evaluate on images: display range, grids, enlargement."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import trifuse
from trifuse.core.errors import GridError, InputError, OptionError
from trifuse.core.image import Image, scaled_affine
from trifuse.core.lineage import Lineage
from trifuse.core.resize import pillow
from trifuse.metrics import get
from trifuse.metrics.pixels import MetricWarning

RNG = np.random.default_rng(5)
LEVELS = RNG.integers(0, 256, (3, 44, 46), dtype=np.uint8)


def picture(levels: np.ndarray) -> Image:
    """An 8-bit picture as a file gives it."""
    values = levels[None] if levels.ndim == 2 else np.moveaxis(levels, -1, 0)
    return Image.from_native(values, window=(0, 255))


class Result:
    """What stands for a `Fused`: something with an image."""

    def __init__(self, image: Image) -> None:
        self.image = image


def test_pictures_are_measured_on_their_grey_levels() -> None:
    fused, *sources = (picture(x) for x in LEVELS)
    values = trifuse.evaluate(fused, sources, metrics=["mse", "vif", "mi"])
    for name, value in values.items():
        assert value == get(name)(LEVELS[0], list(LEVELS[1:]))
    assert trifuse.evaluate(Result(fused), sources, metrics="mse") == {"mse": values["mse"]}


def test_fused_floats_are_rounded_only_beside_8_bit_pictures() -> None:
    soft = Image(np.clip(LEVELS[:1] / 255 + 0.001, 0, 1).astype(np.float32))
    rounded = trifuse.evaluate(soft, [picture(LEVELS[0])], metrics="mse")["mse"]
    exact = trifuse.evaluate(soft, [Image((LEVELS[:1] / 255).astype(np.float32))], metrics="mse")["mse"]
    assert rounded == 0
    assert exact == pytest.approx(0.255**2, rel=0.02)


def test_reference_beside_sources() -> None:
    fused, source, reference = (picture(x) for x in LEVELS)
    values = trifuse.evaluate(fused, [source], reference, metrics=["mse", "en"])
    assert values["mse:reference"] == get("mse")(LEVELS[0], [LEVELS[2]])
    assert set(values) == {"mse", "mse:reference", "en"}
    assert trifuse.evaluate(fused, reference=reference, metrics="mse") == {"mse": values["mse:reference"]}


def test_colour_pictures() -> None:
    rgb = RNG.integers(0, 256, (44, 46, 3), dtype=np.uint8)
    values = trifuse.evaluate(picture(rgb), [picture(LEVELS[0])], metrics=["mse", "ssim"], colour="rgb")
    assert values == {name: get(name)(rgb, [LEVELS[0]], colour="rgb") for name in ("mse", "ssim")}


def test_sources_are_enlarged_by_bicubic_with_a_warning() -> None:
    source = picture(LEVELS[0][:22, :23])
    large = pillow(source.pixels, (44, 46)).clip(0, 1)
    fused = Image(large, affine=scaled_affine(source.affine, [2, 2]))
    with pytest.warns(MetricWarning, match="bicubic x2"):
        values = trifuse.evaluate(fused, [source], metrics="mse")
    assert values["mse"] == 0


def test_other_grids_raise_with_a_table() -> None:
    fused, source, other = (picture(x) for x in LEVELS)
    with pytest.raises(GridError, match=r"source 2 has size 44x40.*") as caught:
        trifuse.evaluate(fused, [source, picture(LEVELS[1][:, :40])], metrics="mse")
    assert caught.value.table.splitlines() == ["fused: 44x46", "source 1: 44x46", "source 2: 44x40"]
    with pytest.raises(GridError, match="reference has size"):
        trifuse.evaluate(fused, [source], picture(LEVELS[1][:22, :23]), metrics="mse")
    here = replace(source, affine=np.diag([2.0, 2, 2, 1]))
    there = replace(other, affine=np.diag([2.0, 2, 2, 1]) + np.eye(4, k=3) * 40)
    with pytest.raises(GridError, match="source 1 lies elsewhere"):
        trifuse.evaluate(here, [there], metrics="mse")
    assert trifuse.evaluate(here, [other], metrics="mse")["mse"] > 0
    with pytest.raises(GridError, match="source 1 has size 44x46x2"):
        trifuse.evaluate(fused, [Image(np.zeros((1, 44, 46, 2), np.float32))], metrics="mse")


def test_volumes() -> None:
    volumes = [Image(RNG.random((1, 12, 13, 14), dtype=np.float32), affine=np.diag([1.0, 1, 3, 1])) for _ in range(3)]
    values = trifuse.evaluate(volumes[0], volumes[1:], metrics=["ssim", "qabf", "mi"])
    levels = [volume.pixels[0].astype(np.float64) * 255 for volume in volumes]
    assert values == {name: get(name)(levels[0], levels[1:]) for name in values}


def test_unknown_metrics_raise() -> None:
    fused, source, _ = (picture(x) for x in LEVELS)
    with pytest.raises(OptionError, match="did you mean 'ssim'"):
        trifuse.evaluate(fused, [source], metrics="sism")


def test_a_volume_of_three_slices_is_no_colour_picture() -> None:
    rng = np.random.default_rng(5)
    a, b = (Image.from_native(rng.integers(0, 256, (1, 24, 20, 3), dtype=np.uint8), window=(0, 255)) for _ in range(2))
    expected = float(np.mean((a.native().astype(float) - b.native()) ** 2))
    assert trifuse.evaluate(a, [b], metrics=["mse"])["mse"] == pytest.approx(expected)


def test_16_bit_images_of_one_scanner_are_on_one_scale() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, top, (24, 20)).astype(np.uint16) for top in (900, 3000))
    with pytest.warns(MetricWarning, match=r"taken as 0\.\.4095"):
        scores = trifuse.evaluate(a, [b], metrics=["mae"])
    assert scores["mae"] == pytest.approx(np.abs(a.astype(float) - b).mean() / 4095 * 255, rel=1e-5)
    whole = (a.astype(float) / 1023 * 65535).astype(np.uint16)
    whole[0, 0] = 65535  # what spans all of 16 bits is measured as it is
    with warnings.catch_warnings():
        warnings.simplefilter("error", MetricWarning)
        trifuse.evaluate(whole, [b], metrics=["mae"])


def test_images_of_different_patients_are_not_measured_against_each_other() -> None:
    fused, source, reference = (picture(x) for x in LEVELS)
    mine, other = Lineage(("A1", "", "")), Lineage(("B2", "", ""))
    source, reference = replace(source, lineage=mine), replace(reference, lineage=other)
    with pytest.raises(InputError, match="the reference image is of another patient than source 1") as caught:
        trifuse.evaluate(fused, [source], reference, metrics="mse")
    assert "B2" not in str(caught.value)
    assert "mse" in trifuse.evaluate(fused, [source], reference, metrics="mse", different_patients=True)
    assert "mse" in trifuse.evaluate(fused, [source], replace(reference, lineage=mine), metrics="mse")

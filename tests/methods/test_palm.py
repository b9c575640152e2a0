"""PALM as a method: two grids, any ratio and size, convergence, divergence, denoisers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import trifuse
from trifuse.core.errors import GridError, InputError, OptionError, WeightsError
from trifuse.filters import link
from trifuse.filters.fourier_sr import FourierStep, blur_spectrum, difference_spectrum
from trifuse.methods.palm import PALM

Array = NDArray[np.float64]


def pair(coarse: tuple[int, int], ratio: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """An MRI, an ultrasound image that follows it at `ratio` times its size, with speckle, and without; 0..1."""
    rng = np.random.default_rng(seed)
    fine = gaussian_filter(rng.standard_normal([n * ratio for n in coarse]), 2.5 * ratio**0.5)
    fine = (fine - fine.min()) / np.ptp(fine)
    mri = fine.reshape(coarse[0], ratio, coarse[1], ratio).mean(axis=(1, 3))
    clean = 0.2 + 0.5 * fine + 0.1 * fine**2
    return mri, np.clip(clean + 0.05 * np.log(rng.rayleigh(size=fine.shape)), 0, 1), clean


@pytest.mark.parametrize(("coarse", "ratio"), [((17, 13), 3), ((16, 16), 6), ((31, 24), 1), ((9, 8), 2), ((10, 11), 5)])
@pytest.mark.parametrize("variant", ["corrected", "py", "ml"])
def test_any_ratio_and_size(coarse: tuple[int, int], ratio: int, variant: str) -> None:
    mri, us, _ = pair(coarse, ratio)
    options = {"variant": variant, "iterations": 2, "denoiser": "none"}
    fused = trifuse.fuse([mri, us], "palm", options=options)
    assert fused.image.space == us.shape
    assert np.isfinite(fused.image.pixels).all()


def test_order_is_free_where_sizes_differ() -> None:
    mri, us, _ = pair((12, 12), 4)
    options = {"denoiser": "none", "iterations": 2}
    assert (
        trifuse.fuse([mri, us], "palm", options=options).image.pixels
        == trifuse.fuse([us, mri], "palm", options=options).image.pixels
    ).all()


def test_geometry_of_the_finer_grid_is_kept() -> None:
    mri, us, _ = pair((12, 12), 4)
    fused = trifuse.fuse([mri, us], "palm", options={"denoiser": "none", "iterations": 1})
    assert (fused.image.affine == trifuse.Image.of(us).affine).all()
    assert "own grids" in " ".join(fused.provenance["notes"])


def test_sizes_that_do_not_divide_are_refused() -> None:
    mri, us, _ = pair((12, 12), 4)
    with pytest.raises(GridError):
        trifuse.fuse([mri, us[:45, :45]], "palm")
    with pytest.raises(InputError, match="does not divide"):
        PALM().pair(mri, us[:45, :45])


def test_corrected_cost_falls_in_every_step_and_the_rule_stops_it() -> None:
    mri, us, _ = pair((20, 20), 4)
    method = PALM(iterations=40, tolerance=1e-3, denoiser="none")
    record = method.solve(method.pair(mri, us)).record
    costs = [step.cost for step in record]
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(costs))
    assert record[-1].change < 1e-3
    assert len(record) < 40


def test_corrected_is_nearer_to_the_truth_than_its_ultrasound() -> None:
    mri, us, clean = pair((24, 24), 4)
    method = PALM(denoiser="none", tau1=0.01)
    fused = method.solve(method.pair(mri, us)).fused * us.max()
    assert np.std(fused - clean) < 0.7 * np.std(us - clean)


def test_super_resolved_mri_is_centred() -> None:
    """The reference samples the corner of each coarse pixel, so its x1 lies up and left of where it belongs."""
    mri, us, _ = pair((20, 20), 6)
    method = PALM(denoiser="none", iterations=3)
    images = method.pair(mri, us)
    inner = np.s_[20:-20, 20:-20]
    x1 = method.solve(images).super_resolved
    scores = {
        shift: np.corrcoef(np.roll(x1, shift, (0, 1))[inner].ravel(), images.interpolated[inner].ravel())[0, 1]
        for shift in ((-2, -2), (0, 0), (2, 2))
    }
    assert max(scores, key=lambda shift: scores[shift]) == (0, 0)


@pytest.mark.parametrize(("coarse", "ratio"), [((8, 6), 2), ((5, 7), 3), ((9, 9), 1)])
def test_fourier_step_solves_the_normal_equations(coarse: tuple[int, int], ratio: int) -> None:
    rng = np.random.default_rng(0)
    shape = (coarse[0] * ratio, coarse[1] * ratio)
    y, r = rng.random(coarse), rng.random(shape)
    blur = blur_spectrum(shape, shift=(ratio - 1) / 2)
    prior = 0.2 * difference_spectrum(shape) + 0.3
    x = FourierStep(y, ratio, blur, prior).solve(r)

    def filtered(z: Array, spectrum: NDArray[np.generic]) -> Array:
        return np.fft.ifft2(np.fft.fft2(z) * spectrum).real

    misfit = np.zeros(shape)
    misfit[::ratio, ::ratio] = filtered(x, blur)[::ratio, ::ratio] - y
    assert np.abs(filtered(misfit, np.conj(blur)) + filtered(x, prior) - r).max() < 1e-10


def test_derivative_is_the_slope_of_the_link() -> None:
    rng = np.random.default_rng(1)
    c, x, g = rng.standard_normal(15), rng.random((4, 5)), rng.random((4, 5))
    step = 1e-6
    slope = (link.polynomial(c, x + step, g) - link.polynomial(c, x - step, g)) / (2 * step)
    assert np.abs(slope - link.derivative(c, x, g)).max() < 1e-7
    assert np.abs(link.fit(x, g, link.polynomial(c, x, g), 1e-15) - c).max() < 1e-3


def test_divergence_is_reported(data: Path) -> None:
    """Norm-scaled coefficients at ratio 1 run away on data set 2, as the reference does."""
    folder = data / "mri-us" / "data2"
    mri, us = (
        scipy.io.loadmat(folder / f"{name}.mat")[key] for name, key in (("IRM_GT", "irm1_gt"), ("US_GT", "us1_gt"))
    )
    method = PALM(variant="py", normalisation="norm", denoiser="none")
    with pytest.raises(OptionError, match="diverged in iteration"):
        method.solve(method.pair(mri[:350], us[:350]))


def test_missing_denoiser_is_reported() -> None:
    mri, us, _ = pair((8, 8), 2)
    with pytest.raises(WeightsError, match="no such file"):
        trifuse.fuse([mri, us], "palm", options={"denoiser": "absent.pth"})


def test_constant_and_black_sources() -> None:
    black, flat = np.zeros((12, 12)), np.full((12, 12), 0.5)
    for sources in ((black, flat), (flat, black), (flat, flat)):
        for variant in ("corrected", "py", "ml"):
            fused = trifuse.fuse(list(sources), "palm", options={"variant": variant, "iterations": 2})
            assert np.isfinite(fused.image.pixels).all()


def test_real_pictures(data: Path) -> None:
    from PIL import Image as Pillow

    folder = data / "mri-us" / "data1" / "input_8bit"
    mri, us = (np.asarray(Pillow.open(folder / f"{name}.png").convert("L")) for name in ("irm", "us"))
    mri, us = mri[30:60, 30:60], us[180:360, 180:360]
    fused = trifuse.fuse([mri, us], "palm", options={"iterations": 3}).image.pixels[0]
    assert fused.shape == us.shape
    correlations = [np.corrcoef(fused.ravel(), x.ravel())[0, 1] for x in (us, np.kron(mri, np.ones((6, 6))))]
    assert correlations[0] > 0.5
    assert (fused.min(), fused.max()) == (0, 1)  # not in the range of the ultrasound, whose background is mid grey
    levels = [np.array(source, dtype=float) for source in (mri, us)]
    again = trifuse.fuse([x * 3.7 - 20 for x in levels], "palm", options={"iterations": 3}).image.pixels[0]
    gain, offset = np.polyfit(again.ravel(), fused.ravel(), 1)
    assert 20 * np.log10(1 / np.std(gain * again + offset - fused)) > 40  # any scale of the same pixels


def test_published_pictures_of_the_matlab_program(data: Path) -> None:
    """From the published denoised picture: the super-resolved MRI exactly, the fused picture within one level."""
    from PIL import Image as Pillow

    from trifuse.filters.palm import ML, solve

    folder = data / "mri-us" / "data1"

    def published(name: str) -> Array:
        return np.asarray(Pillow.open(folder / "published_palm" / f"{name}.png").convert("L"), dtype=np.float64)

    def levels(x: Array) -> Array:
        return np.floor(255 * np.clip(x, 0, 1) + 0.5)

    mri, us = (scipy.io.loadmat(folder / f"{name}.mat")[name] for name in ("irm", "us"))
    images = PALM(variant="ml").pair(mri, us)
    assert (levels(images.interpolated) == published("mri_super_resolution")).all()
    fused = solve(images, published("us_denoising") / 255, ML).fused
    difference = np.abs(levels(fused) - published("fusion"))
    assert difference.max() <= 1
    assert difference.mean() < 0.18


def matrix(path: Path) -> Array:
    """The one array of a MATLAB file."""
    return next(np.asarray(value, float) for key, value in scipy.io.loadmat(path).items() if not key.startswith("__"))


def psnr(image: Array, truth: Array) -> float:
    """PSNR in dB of the affine function of an image that is nearest to the truth."""
    gain, offset = np.polyfit(image.ravel(), truth.ravel(), 1)
    return float(20 * np.log10(np.ptp(truth) / np.std(gain * image + offset - truth)))


@pytest.mark.filterwarnings("ignore::trifuse.io.ranges.RangeWarning")
def test_as_near_to_the_clean_ultrasound_as_the_published_picture_from_arrays_and_pictures(data: Path) -> None:
    from PIL import Image as Pillow

    folder, part = data / "mri-us" / "data2", np.s_[220:412, 120:312]
    mri, us, clean = (matrix(folder / f"{name}.mat")[part] for name in ("IRM_observed", "US_observed", "US_GT"))
    published = np.asarray(Pillow.open(folder / "published_palm" / "fusion_observed.png").convert("L"), dtype=float)
    bytes_ = [np.rint(255 * (x - x.min()) / np.ptp(x)).astype(np.uint8) for x in (mri, us)]
    from_arrays = trifuse.fuse([3 * mri, 3 * us], "palm").image.pixels[0]
    from_pictures = trifuse.fuse(bytes_, "palm").image.pixels[0]
    assert psnr(from_arrays, clean) > psnr(published[part], clean) - 0.2
    assert psnr(from_pictures, clean) == pytest.approx(psnr(from_arrays, clean), abs=0.1)

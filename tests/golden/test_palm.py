"""PALM, its resize and DnCNN against the original programs (Python, and MATLAB's run in GNU Octave)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import fft

import trifuse
from tests.golden import goldens
from trifuse.core.resize import matlab
from trifuse.filters import link, palm
from trifuse.filters.fourier_sr import blur_spectrum, gaussian_kernel
from trifuse.filters.palm import ML, PY, Pair, Solution, Variant
from trifuse.methods.palm import PALM
from trifuse.nets import dncnn

KINDS = ("dncnn_", "resize_cubic", "palm_", "readme_metrics")
TAUS = {"t42": (2e-4, 1e-4), "t24": (1e-4, 2e-4)}
STEP_DEFAULTS = {"py": "t42", "ml": "t24"}
"""Weights of the runs whose keys name none, in `palm_steps`; those of `palm_data3` are all t42."""

Golden = Mapping[str, NDArray[np.float64]]


def relative(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Largest difference, relative to the largest golden value."""
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return goldens.fixed("palm", "dncnn_s25.npz")


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> dncnn.DnCNN:
    return dncnn.load(checkpoint)


def test_topic_is_covered() -> None:
    goldens.check_topic("palm", *KINDS)


@goldens.each("palm", "dncnn_s25")
def test_published_checkpoint_has_its_17_layers(path: Path) -> None:
    arrays = np.load(path)
    state = dncnn.load(path).state_dict()
    assert len(arrays.files) == sum(not key.endswith("num_batches_tracked") for key in state)
    assert all((state[key].numpy() == arrays[key]).all() for key in arrays.files)


@goldens.each("palm", "dncnn_io")
def test_dncnn(path: Path, network: dncnn.DnCNN) -> None:
    golden = np.load(path)
    assert np.abs(dncnn.denoise(network, golden["x"]) - golden["y"]).max() < 1e-5


@goldens.each("palm", "resize_cubic")
def test_resize(path: Path) -> None:
    golden = np.load(path)
    for key in golden.files:
        if key == "x":
            continue
        words = key.split("_")
        size = re.search(r"_out(\d+)x(\d+)", key)
        factors = re.search(r"_s([\d.]+)(?:x([\d.]+))?", key)
        if size:
            scale = None
        else:
            assert factors
            first, second = (_fraction(text) for text in (factors[1], factors[2] or factors[1]))
            scale = (first, second)
        resized = matlab(
            golden["x"],
            scale,
            size=(int(size[1]), int(size[2])) if size else None,
            kernel=words[0],  # type: ignore[arg-type]
            border="zeros" if words[-1] == "constant" else "mirror",
            antialias="noaa" not in words,
            centred=True,
        )
        assert resized.shape == golden[key].shape, key
        assert np.abs(resized - golden[key]).max() < 1e-12, key


def _fraction(text: str) -> float:
    return 1 / 3 if text == "0.3333" else float(text)


@goldens.each("palm", "palm_steps")
def test_operators(path: Path) -> None:
    golden = np.load(path)
    pair = Pair(golden["irm"], golden["us"], "zeros")
    blur = blur_spectrum(pair.us.shape)
    assert relative(fft.ifft2(blur * fft.fft2(pair.yu)).real, golden["HXconv_y"]) < 1e-12
    _, weights = gaussian_kernel()
    assert relative(np.outer(weights, weights), golden["B"]) < 1e-12
    assert relative(fft.ifft2(blur).real, golden["Bpad"]) < 1e-12
    c, x = np.abs(golden["cest_py"]), pair.interpolated
    assert relative(link.polynomial(c, x, PY.gradient(x)), golden["link2d_py"]) < 1e-9
    assert relative(link.polynomial(c, x, PY.flattened_gradient(x)), golden["linkvec_py"]) < 1e-9


@dataclass(frozen=True)
class Run:
    """One run of a program whose results a file holds.

    Attributes:
        prefix: of its keys, such as `py_t42`, `ml`, `d2_py`.
        pair: its images.
        denoised: its start.
        variant: with its weights.
        normalisation: what the link was fitted on.
        stride: of the stored images (1 = whole).
    """

    prefix: str
    pair: Pair
    denoised: NDArray[np.float64]
    variant: Variant
    normalisation: str = "norm"

    def solve(self, iterations: int) -> Solution:
        return palm.solve(
            self.pair,
            self.denoised,
            self.variant,
            iterations=iterations,
            normalisation=self.normalisation,  # type: ignore[arg-type]
        )


def weighted(name: str, taus: str) -> Variant:
    tau3, tau4 = TAUS[taus]
    variant = {"py": PY, "ml": ML}[name]
    return palm.with_weights(variant, replace(variant.weights, tau3=tau3, tau4=tau4))


def check_run(run: Run, golden: Golden, tolerance: float, final: float | None = None) -> None:
    """Compares everything that the file holds of a run; `final` is the tolerance of what the last iteration gives."""
    iterations = len(golden[f"{run.prefix}_fopt"])
    marks = (re.match(rf"{run.prefix}_x[12]_it(\d+)", key) for key in golden)
    counts = {iterations} | {int(m[1]) for m in marks if m}
    solutions = {count: run.solve(count) for count in sorted(counts)}
    found = {
        "yint": run.pair.interpolated,
        "gradY": run.variant.gradient(run.pair.interpolated),
        "x1": solutions[iterations].super_resolved,
        "x2": solutions[iterations].fused,
    }
    for count, solution in solutions.items():
        found |= {f"x1_it{count}": solution.super_resolved, f"x2_it{count}": solution.fused}
    compared = 0
    for name, image in found.items():
        bound = final if final and name in ("x1", "x2", f"x1_it{iterations}", f"x2_it{iterations}") else tolerance
        for key, stored in _stored(golden, f"{run.prefix}_{name}", image):
            assert relative(stored, golden[key]) < bound, key
            compared += 1
    assert compared
    record = solutions[iterations].record
    costs, updates = (np.array(values) for values in ([r.cost for r in record], [r.updates - 1 for r in record]))
    assert relative(costs, golden[f"{run.prefix}_fopt"]) < max(tolerance, final or 0, 1e-7)
    assert (updates == golden[f"{run.prefix}_niter"]).all()


def _stored(golden: Golden, key: str, image: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Under which keys a file holds an image, and the image in that form: whole, thinned out, or as statistics."""
    if key in golden:
        step = image.shape[0] // golden[key].shape[0]
        yield key, image[::step, ::step]
    if f"{key}_s4" in golden:
        yield f"{key}_s4", image[::4, ::4]
    if f"{key}_stat" in golden:
        yield f"{key}_stat", np.array([image.mean(), image.std(), image.min(), image.max()])


def coefficient_error(run: Run, theirs: NDArray[np.float64]) -> float:
    ours = palm.estimate(run.pair, run.variant, run.normalisation)  # type: ignore[arg-type]
    return float(np.abs(ours / theirs - 1).max())


@goldens.each("palm", "palm_steps")
@pytest.mark.parametrize("name", ["py", "ml"])
def test_steps(path: Path, name: str) -> None:
    golden = np.load(path)
    variant = weighted(name, STEP_DEFAULTS[name])
    run = Run(name, Pair(golden["irm"], golden["us"], variant.border), golden["xu0"], variant)
    coefficients = golden["cest_py" if name == "py" else "ml_cest"]
    assert coefficient_error(run, coefficients) < 1e-9
    check_run(run, golden, 1e-9, final=1e-9 if name == "py" else 1e-8)


def _raw(golden: Golden, *names: str) -> list[NDArray[np.float64]]:
    return [golden[name].astype(np.float64) for name in names]


@goldens.each("palm", "palm_data", holding=r"^(py|ml)_t\d\d_")
def test_crop(path: Path, network: dncnn.DnCNN) -> None:
    golden = np.load(path)
    mri, us = _raw(golden, "irm", "us")
    denoised = dncnn.denoise(network, us / us.max())
    for key, stored in _stored(golden, "xu0", denoised):
        assert relative(stored, golden[key]) < 1e-5
    prefixes = sorted({m[0] for key in golden.files if (m := re.match(r"(py|ml)_t\d\d(?=_)", key))})
    assert prefixes
    for prefix in prefixes:
        name, taus = prefix.split("_")
        variant = weighted(name, taus)
        run = Run(prefix, Pair(mri, us, variant.border), denoised, variant)
        key = "cest_py" if name == "py" else f"{prefix}_cest"
        if key in golden:
            assert coefficient_error(run, golden[key]) < 1e-8
        check_run(run, golden, 1e-5)


@goldens.each("palm", "palm_data", holding=r"^d\d_(py|ml)_x2")
def test_equal_and_halved_grids(path: Path, network: dncnn.DnCNN) -> None:
    golden = np.load(path)
    mri, us = _raw(golden, "irm", "us")
    denoised = dncnn.denoise(network, us / us.max())
    for key, stored in _stored(golden, "xu0", denoised):
        assert relative(stored, golden[key]) < 1e-5
    if "xu0_s2" in golden:
        assert relative(denoised[::2, ::2], golden["xu0_s2"]) < 1e-5
    prefixes = sorted({m[0] for key in golden.files if (m := re.match(r"d\d_(py|ml)(?=_x2)", key))})
    assert prefixes
    for prefix in prefixes:
        ratio, name = prefix.split("_")
        variant = weighted(name, "t42")
        coarse = mri if ratio == "d1" else golden["irm_half"]
        run = Run(prefix, Pair(coarse, us, variant.border), denoised, variant, "max" if ratio == "d1" else "norm")
        for key in (f"{prefix}_cest", f"{ratio}_cest_{name}", f"{ratio}_cest_{name}_max"):
            if key in golden:
                assert coefficient_error(run, golden[key]) < 1e-5, key
        check_run(run, golden, 1e-5)


@goldens.each("palm", "palm_data", holding="^irm_png$")
def test_published_pictures(path: Path, checkpoint: Path) -> None:
    """8-bit pictures through the method, then what the program does with the result before it writes it."""
    golden = np.load(path)
    mri, us = _raw(golden, "irm_png", "us_png")
    settings = PALM(variant="py", denoiser=str(checkpoint), tau3=1e-4, tau4=2e-4)
    pair = settings.pair(mri, us)
    denoised = settings.denoised(pair)
    for key, stored in _stored(golden, "xu0", denoised):
        assert relative(stored, golden[key]) < 1e-5
    if "cest_py" in golden:
        assert np.abs(palm.estimate(pair, PY) / golden["cest_py"] - 1).max() < 1e-8
    run = Run("", pair, denoised, weighted("py", "t24"))
    for iterations in _iterations(golden):
        fused = run.solve(iterations).fused
        for key, stored in _stored(golden, f"x2_iterations{iterations}", fused):
            assert relative(stored, golden[key]) < 1e-5, key
        for key in golden.files:
            if re.match(rf"published_{iterations}_palm_", key):
                picture = _written(fused, golden[key].shape)
                difference = np.abs(picture.astype(int) - golden[key].astype(int))
                assert difference.max() <= 1, key
                assert (difference == 0).mean() >= 0.9999, key


def _iterations(golden: Mapping[str, object]) -> list[int]:
    found = (re.match(r"(?:published_(\d+)_palm|x2_iterations(\d+))", key) for key in golden)
    return sorted({int(m[1] or m[2]) for m in found if m})


def _written(fused: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.uint8]:
    x = torch.from_numpy(fused.astype(np.float32))[None, None]
    resized = torch.nn.functional.interpolate(x, size, mode="bicubic")[0, 0].numpy()
    return ((resized - resized.min()) / (resized.max() - resized.min()) * 255).astype(np.uint8)


@goldens.each("palm", "palm_data", holding="^irm_png$")
def test_public_call_on_pictures(path: Path, checkpoint: Path) -> None:
    """fuse() takes the two sizes as they are and finds the 8-bit levels again."""
    golden = np.load(path)
    options = {"variant": "py", "denoiser": str(checkpoint), "tau3": 1e-4, "tau4": 2e-4, "iterations": 1}
    fused = trifuse.fuse([golden["irm_png"], golden["us_png"]], "palm", options=options).image.pixels[0]
    assert fused.shape == golden["us_png"].shape
    top = golden["us_png"].max() / 255
    stored = list(_stored(golden, "x2_iterations1", fused.astype(np.float64)))
    assert stored
    for key, ours in stored:
        if not key.endswith("_stat"):
            assert relative(ours, np.clip(golden[key] * top, 0, 1)) < 1e-5


@goldens.each("palm", "readme_metrics")
@pytest.mark.skipif(find_spec("trifuse.metrics.evaluate") is None, reason="this build has no metrics")
def test_published_tables(path: Path) -> None:
    """The metrics by which variants are compared here are those of the published table."""
    from trifuse.metrics import evaluate

    golden = np.load(path)
    sources = [golden[name].astype(np.float64) for name in ("us", "mri")]
    names = {
        "readme": ["en", "sd", "mi@palm", "vif", "qabf@palm", "ssim@palm"],
        "cddfuse": ["en", "sd", "sf", "mi@evaluator", "scd", "vif@evaluator", "qabf", "ssim@palm"],
    }
    compared = 0
    for key in golden.files:
        match = re.match(r"(\w+)_(readme|cddfuse)_metrics$", key)
        if match:
            metrics = names[match[2]]
            ours = evaluate.evaluate(golden[match[1]].astype(np.float64), sources, metrics=metrics)
            difference = np.abs(np.array([ours[name] for name in metrics]) - golden[key])
            assert (difference < 1e-4).all(), (key, difference)
            compared += 1
    assert compared

"""Every registered metric keeps the same promises."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.untrained import random_lpips
from trifuse.core.errors import InputError, OptionError, WeightsError
from trifuse.metrics import REGISTRY, get, names
from trifuse.metrics.base import Metric, Score, case_of

COLOURED = {"uptake_rank", "uptake_error"}
"""Metrics that need a source in colour; see `test_usefulness.py`."""

EVERY = [name for name in REGISTRY if name not in COLOURED]
UNGUARDED = {"q_y@liu", "q_c@liu"}
"""Variants that keep the original's 0/0 on purpose; they say so in a warning."""

BEST = {
    "ce": 0, "q_mi": 2, "q_mi@dc2": 2, "fmi_pixel": 1, "fmi_gradient": 1, "fmi_dct": 1, "fmi_wavelet": 1,
    "fmi_edge": 1, "vif": 2, "vif@evaluator": 2, "vif@matlab": 2, "vif@mean": 1, "nabf": 0, "cc": 1, "ncc": 1,
    "mse": 0, "mse@tang": 0, "rmse": 0, "rmse@vifb": 0, "rmse@tfs": 0, "mae": 0, "mae@tfs": 0, "nmse": 0,
    "psnr": np.inf, "psnr@evaluator": np.inf, "psnr@tang": np.inf, "psnr@vifb": np.inf, "psnr@mean": np.inf,
    "ssim": 1, "ssim@sum": 2, "ssim@evaluator": 2, "ssim@tang": 1, "ssim@palm": 2, "ms_ssim": 1, "mef_ssim": 1,
    "mef_ms_ssim": 1, "lpips": 0, "lpips@vgg": 0, "q_cv": 0, "q_cb": 1, "q_y": 1,
    "q_y@liu": 1, "q_s": 1, "q_s@liu": 1, "q_w": 1,
    "q_w@liu": 1, "q_e": 1, "q_c": 1, "q_c@liu": 1, "q_sf": 0, "q_m": 3, "qabf@palm": 2,
    "lesion_cnr": 1, "lesion_lab": 1, "edge_recall": 1, "edge_recall@head": 1, "speckle": 0,
    "speckle@head": 0, "background_lift": 0,
}  # fmt: skip
"""Value of a picture against two copies of itself."""


def picture(seed: int, *size: int) -> np.ndarray:
    """Smooth structure with noise, whole grey levels."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*[np.linspace(0, 3 + seed, n) for n in size], indexing="ij")
    waves = 110 + 80 * np.prod([np.cos(g * (k + 1)) for k, g in enumerate(grid)], axis=0)
    return np.rint(np.clip(waves + rng.normal(0, 12, size), 0, 255))


def side(name: str) -> int:
    return max(48, get(name).card.min_size)


def measure(name: str, fused: np.ndarray, sources: list[np.ndarray], **options: object) -> Score:
    if name.startswith("lpips"):
        options["weights"] = random_lpips("vgg" if name.endswith("vgg") else "alex")
    if get(name).mask == "lesion":
        options["mask"] = lesion(fused.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get(name).score(case_of(fused, sources, **options))


def lesion(shape: tuple[int, ...]) -> np.ndarray:
    """A mask of a few pixels off the centre."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(n // 3, n // 3 + max(2, n // 8)) for n in shape)] = True
    return mask


@pytest.mark.parametrize("name", list(REGISTRY))
def test_card_and_registry_agree(name: str) -> None:
    metric = get(name)
    assert isinstance(metric, Metric)
    assert metric.name == name
    registered = {other.partition("@")[2] for other in REGISTRY if other.startswith(f"{metric.card.name}@")}
    assert registered == set(metric.card.variants)
    assert metric.card.summary.endswith(".")
    assert metric.card.formula
    assert metric.measure.__doc__


@pytest.mark.parametrize("name", BEST)
def test_identical_images_have_the_best_value(name: str) -> None:
    x = picture(1, side(name), side(name))
    assert measure(name, x, [x, x]).value == pytest.approx(BEST[name], abs=2e-3 if "mef" in name else 1e-6)


@pytest.mark.parametrize("name", ["qabf", "qabf@corrected", "qabf@matr", "qabf@liu"])
def test_identical_images_come_near_the_best_value(name: str) -> None:
    x = picture(1, 64, 64)
    y = picture(2, 64, 64)
    assert 0.9 < measure(name, x, [x, x]).value <= 1
    assert measure(name, y, [x, x]).value < measure(name, x, [x, x]).value


@pytest.mark.parametrize("name", [n for n in EVERY if "@" not in n])
def test_order_of_sources_does_not_matter(name: str) -> None:
    n = side(name)
    fused, a, b = picture(0, n, n), picture(1, n, n), picture(2, n, n)
    first, second = measure(name, fused, [a, b]), measure(name, fused, [b, a])
    assert first.value == pytest.approx(second.value, rel=1e-9, abs=1e-12)
    assert first.per_source == pytest.approx(second.per_source[::-1], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_flat_images_stay_finite(name: str) -> None:
    n = side(name)
    zeros, ones = np.zeros((n, n)), np.ones((n, n))
    for fused in (zeros, ones):
        for source in (zeros, ones, picture(1, n, n)):
            value = measure(name, fused, [source, ones]).value
            equal = name.startswith("psnr") and (np.array_equal(fused, source) or np.array_equal(fused, ones))
            assert np.isfinite(value) or (equal and value == np.inf) or name in UNGUARDED


@pytest.mark.parametrize("name", sorted(UNGUARDED))
def test_unguarded_variants_warn_of_nan(name: str) -> None:
    x = np.zeros((32, 32))
    with pytest.warns(UserWarning, match="0/0 as in the original"):
        value = get(name)(x, [x, x])
    assert np.isnan(value)


@pytest.mark.parametrize("name", EVERY)
def test_three_sources_and_python_floats(name: str) -> None:
    n = side(name)
    score = measure(name, picture(0, n, n), [picture(k, n, n) for k in (1, 2, 3)])
    assert type(score.value) is float
    assert np.isfinite(score.value)
    assert len(score.per_source) in (0, 3)
    low, high = get(name).card.range
    if "@" not in name:
        bounded = score.per_source if score.per_source else (score.value,)
        assert all((low is None or v >= low - 1e-9) and (high is None or v <= high + 1e-9) for v in bounded)


@pytest.mark.parametrize(
    "name", [n for n in names() if n not in COLOURED and n not in ("ms_ssim", "lpips", "q_p", "mef_ms_ssim")]
)
def test_volumes(name: str) -> None:
    metric = get(name)
    shape = (44, 42, 4) if metric.card.volumes == "slices" else (14, 13, 12)
    volumes = [picture(k, *shape) for k in range(3)]
    score = measure(name, volumes[0], volumes[1:])
    assert np.isfinite(score.value)
    if metric.card.volumes == "slices" and name != "vif":
        slices = [measure(name, *_slice(volumes, z)).value for z in range(shape[2])]
        assert score.value == pytest.approx(np.mean(slices), rel=1e-12)


def _slice(volumes: list[np.ndarray], z: int) -> tuple[np.ndarray, list[np.ndarray]]:
    planes = [volume[:, :, z] for volume in volumes]
    return planes[0], planes[1:]


def test_vif_of_a_volume_pools_its_slices() -> None:
    x, y = picture(0, 44, 42, 4), picture(1, 44, 42, 4)
    flat = np.concatenate([x, np.full((44, 42, 5), 7.0)], axis=2)
    fused = np.concatenate([y, np.full((44, 42, 5), 9.0)], axis=2)
    assert measure("vif", fused, [flat]).value == pytest.approx(measure("vif", y, [x]).value, rel=1e-12)


@pytest.mark.parametrize("name", ["q_p", "ms_ssim", "lpips", "mef_ms_ssim"])
def test_large_volumes(name: str) -> None:
    metric = get(name)
    if metric.card.volumes == "generalised":
        with pytest.raises(InputError, match="at least 176 pixels per side"):
            metric(np.zeros((20, 20, 20)), [np.zeros((20, 20, 20))])
        return
    n = max(metric.card.min_size, 32)
    volumes = [picture(k, n, n, 2) for k in range(3)]
    expected = [measure(name, *_slice(volumes, z)).value for z in range(2)]
    assert measure(name, volumes[0], volumes[1:]).value == pytest.approx(np.mean(expected), rel=1e-6)


BAD = {
    "outside": (np.full((48, 48), 256.0), "leave 0..255"),
    "negative": (np.full((48, 48), -3), "leave 0..255"),
    "unit range": (np.linspace(0, 1, 48 * 48).reshape(48, 48), "look like 0..1"),
    "nan": (np.full((48, 48), np.nan), "NaN"),
    "complex": (np.full((48, 48), 1j), "not grey levels"),
    "words": (np.full((48, 48), "a"), "not grey levels"),
    "bools": (np.full((48, 48), True), "not grey levels"),
    "line": (np.zeros(48), "no image"),
    "four axes": (np.zeros((2, 48, 48, 2)), "no image"),
    "empty": (np.zeros((0, 48)), "no image"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_arrays_raise(what: str) -> None:
    array, message = BAD[what]
    for name in ("en", "vif", "q_p"):
        with pytest.raises(InputError, match=message):
            get(name)(array, [np.zeros((48, 48))])


@pytest.mark.parametrize("name", [n for n in EVERY if get(n).card.kind != "image"])
def test_other_sizes_and_missing_sources_raise(name: str) -> None:
    with pytest.raises(InputError, match="source 1 has size"):
        get(name)(np.zeros((48, 48)), [np.zeros((48, 47))])
    with pytest.raises(OptionError, match="give sources"):
        get(name)(np.zeros((200, 200)))


@pytest.mark.parametrize("name", [n for n in EVERY if get(n).card.min_size > 1])
def test_small_images_raise(name: str) -> None:
    small = np.zeros((get(name).card.min_size - 1, 200))
    with pytest.raises(InputError, match="pixels per side"):
        get(name)(small, [small])


def test_missing_and_wrong_weights_raise(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    x = picture(0, 64, 64)
    monkeypatch.delenv("TRIFUSE_LPIPS", raising=False)
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="weights add lpips"):
        get("lpips")(x, [x])
    with pytest.raises(WeightsError, match="there is no checkpoint"):
        get("lpips")(x, [x], weights=f"{tmp_path}/none.npz")
    np.savez(f"{tmp_path}/other.npz", a=np.zeros(3))
    with pytest.raises(WeightsError, match=r"lacks features\.0\.weight"):
        get("lpips")(x, [x], weights=f"{tmp_path}/other.npz")
    with open(f"{tmp_path}/bad.npz", "w") as file:
        file.write("no archive")
    with pytest.raises(WeightsError, match="get it again"):
        get("lpips")(x, [x], weights=f"{tmp_path}/bad.npz")


@pytest.mark.parametrize("name", [n for n in EVERY if "@" not in n])
def test_memory_stays_within_ten_times_the_input(name: str) -> None:
    n = 192
    images = [picture(k, n, n) for k in range(3)]
    measure(name, images[0], images[1:])
    tracemalloc.start()
    measure(name, images[0], images[1:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 10 * sum(image.nbytes for image in images)


@given(seed=st.integers(0, 10_000), gain=st.floats(0.2, 1), offset=st.integers(0, 40))
@settings(max_examples=15, deadline=None)
def test_invariances(seed: int, gain: float, offset: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 200, (2, 24, 20)).astype(np.float64)
    turned = gain * y + offset
    assert get("cc")(turned, [x]) == pytest.approx(get("cc")(y, [x]), abs=1e-9)
    assert get("ncc")(gain * y + 1, [x]) == pytest.approx(get("ncc")(gain * y + 1, [0.5 * x]), abs=1e-9)
    assert get("mi")(200 - y, [x]) == pytest.approx(get("mi")(y, [x]), abs=1e-9)
    assert get("sd")(turned) == pytest.approx(gain * get("sd")(y), rel=1e-9)
    assert get("sf")(turned) == pytest.approx(gain * get("sf")(y), rel=1e-9)
    assert get("mse")(y, [x]) == pytest.approx(get("rmse")(y, [x]) ** 2, rel=1e-9)
    assert get("mae")(y, [x]) <= get("rmse")(y, [x]) + 1e-12
    assert get("qabf@corrected")(y.T, [x.T]) == pytest.approx(get("qabf@corrected")(y, [x]), rel=1e-9)
    assert get("ssim")(y[::-1], [x[::-1]]) == pytest.approx(get("ssim")(y, [x]), rel=1e-9)
    assert get("ssim")(y, [x]) == pytest.approx(get("ssim")(x, [y]), rel=1e-9)
    assert 0 <= get("fmi_pixel")(y, [x]) <= 1

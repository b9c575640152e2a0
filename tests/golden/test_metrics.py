"""Metrics against the original programs: every value of every golden file of every kind.

Each key of a file is resolved to a metric, the sources it was computed on and a tolerance; a key that resolves to
nothing fails. What is known and not compared, with the reason:

- `LPIPS_vgg_*`: where no VGG-16 checkpoint lies beside the AlexNet one;
- `liu_` values of windowed metrics where sources have flat areas of other levels than black, as drawn pictures have:
  rounding noise of the originals;
- colour values of a source whose colour array the file lacks, if the source cannot have been grey (its
  `MSE_rgb_` differs from that of the grey levels).
"""

from __future__ import annotations

import itertools
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from tests.golden.goldens import SHARED, check_topic, each
from trifuse.core.errors import InputError
from trifuse.metrics import get
from trifuse.metrics.base import Case, case_of
from trifuse.metrics.fmi import wavelets
from trifuse.metrics.pixels import MetricWarning, Pixels

KINDS = ("metrics_", "fmi_", "mef_", "volume_")
LPIPS = SHARED / "weights" / "lpips"
CHECKPOINTS = {"alex": LPIPS / "lpips_alex_v0.1.npz", "vgg": LPIPS / "lpips_vgg_v0.1.npz"}

EVALUATOR = {
    "EN": "en", "SD": "sd", "SF": "sf", "AG": "ag", "MI": "mi@evaluator", "MSE": "mse", "CC": "cc",
    "PSNR": "psnr@evaluator", "SCD": "scd", "VIFF": "vif@evaluator", "Qabf": "qabf", "SSIM": "ssim@evaluator",
}  # fmt: skip
TANG = {
    "EN": "en", "SD": "sd", "SF": "sf", "AG": "ag@tang", "MI": "mi@tang", "MSE": "mse@tang", "PSNR": "psnr@tang",
    "CC": "cc", "SCD": "scd", "VIF": "vif@matlab", "Qabf": "qabf", "Nabf": "nabf", "FMI_pixel": "fmi_pixel@tang",
    "FMI_gradient": "fmi_gradient@tang", "FMI_dct": "fmi_dct@tang", "FMI_wavelet": "fmi_wavelet@tang",
    "MEF_SSIM": "mef_ssim", "MEF_MS_SSIM": "mef_ms_ssim",
}  # fmt: skip
LIU = {
    "Q_G": "qabf@liu", "Q_C": "q_c@liu", "Q_CB": "q_cb", "Q_CV": "q_cv", "Q_M": "q_m", "Q_NCIE": "q_ncie",
    "Q_P": "q_p", "Q_S": "q_s@liu", "Q_SF": "q_sf", "Q_W": "q_w@liu", "Q_Y": "q_y@liu",
}  # fmt: skip
MATR = {
    "Q_G": "qabf@matr", "Q_CV": "q_cv", "Q_MI": "q_mi", "Q_NCIE": "q_ncie", "Q_P": "q_p", "Q_TE": "q_te@liu",
    "Tsallis": "q_te@tsallis", "MS_SSIM": "ms_ssim",
}  # fmt: skip
VIFB = {
    "AG": "ag@tang", "CE": "ce", "EI": "ei", "EN": "en", "MI": "mi@vifb", "PSNR": "psnr@vifb", "Qabf": "qabf",
    "Qcb": "q_cb", "Qcv": "q_cv", "RMSE": "rmse@vifb", "SD": "sd", "SF": "sf@vifb", "SSIM": "ssim@sum",
}  # fmt: skip
PALM = {"EN": "en", "SD": "sd", "MI": "mi@palm", "VIF": "vif", "QABF": "qabf@palm", "SSIM": "ssim@palm"}
SPEC = {
    "EN": "en", "SD": "sd", "SF": "sf", "AG": "ag", "EI": "ei", "MI_bits_sum": "mi", "MI_bits": "mi",
    "MI_nats_sum": "mi@evaluator", "Q_MI": "q_mi", "Q_NCIE": "q_ncie", "Q_TE": "q_te", "CE": "ce", "MSE": "mse",
    "RMSE": "rmse", "MAE": "mae", "PSNR_mean": "psnr@mean", "PSNR_of_mean_MSE": "psnr", "CC": "cc", "SCD": "scd",
    "VIF_sum": "vif", "VIF": "vif", "VIF_mean": "vif@mean", "SSIM_mean": "ssim", "SSIM": "ssim", "SSIM_sum": "ssim@sum",
    "MS_SSIM_mean": "ms_ssim", "MEF_SSIM": "mef_ssim", "MEF_MS_SSIM": "mef_ms_ssim", "Qabf": "qabf",
    "Qabf_fixed": "qabf@corrected", "Qabf_3d": "qabf", "Nabf": "nabf", "Q_CV": "q_cv", "Q_CB": "q_cb", "Q_P": "q_p",
    "Q_S": "q_s", "Q_W": "q_w", "Q_Y": "q_y", "Q_C": "q_c", "Q_SF": "q_sf", "FMI_pixel": "fmi_pixel",
    "FMI_gradient": "fmi_gradient", "FMI_dct": "fmi_dct",
}  # fmt: skip
PROGRAMS: dict[str, tuple[dict[str, str], float]] = {
    "evaluator": (EVALUATOR, 1e-5),
    "tang": (TANG, 1e-9),
    "liu": (LIU, 1e-9),
    "matr": (MATR, 1e-9),
    "vifb": (VIFB, 1e-9),
    "palm": (PALM, 1e-9),
    "dc2": ({"NMI": "q_mi@dc2", "MI": "mi@dc2"}, 1e-6),
    "spec": (SPEC, 1e-9),
}
COLOUR = {
    "tfs_PSNR": "psnr", "tfs_SSIM": "ssim", "SSIM_rgb_mean": "ssim", "MSE_rgb": "mse", "MAE_rgb": "mae",
}  # fmt: skip
GUARDED = {"spec_Q_Y", "spec_Q_C", "spec_Q_S", "spec_Q_W"}
NOISE = {"liu_Q_S", "liu_Q_W", "liu_Q_C", "liu_Q_Y"}
ARRAYS = re.compile(r"([ABF]|S\d)(_rgb|_wavelet)?|mef_crop")
SOURCE = {"A": 0, "B": 1}


@dataclass(frozen=True)
class Task:
    """One golden value: the metric that must give it, from which sources, and how closely."""

    metric: str
    sources: tuple[int, ...]
    relative: float = 1e-9
    absolute: float = 0.0
    rgb: bool = False
    crop: bool = False


@dataclass
class File:
    """The images of a golden file, and the cases made of them so far."""

    path: Path
    cases: dict[tuple[object, ...], Case] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with np.load(self.path) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        pair = "A" in self.arrays
        self.names = ["A", "B"] if pair else sorted(n for n in self.arrays if re.fullmatch(r"S\d", n))

    def values(self) -> dict[str, float]:
        return {name: float(array) for name, array in self.arrays.items() if not ARRAYS.fullmatch(name)}

    def image(self, name: str, task: Task) -> np.ndarray:
        if task.crop:
            row, column, height, width = self.arrays["mef_crop"]
            return self.arrays[name][row : row + height, column : column + width]
        if task.metric == "fmi_wavelet@tang" and "F_wavelet" in self.arrays:
            height, width = (n - 60 for n in self.arrays["F_wavelet"].shape)
            return self.arrays[name][:height, :width]
        return self.arrays.get(f"{name}_rgb", self.arrays[name]) if task.rgb else self.arrays[name]

    def case(self, task: Task) -> Case:
        key = (task.sources, task.rgb, task.crop, task.metric == "fmi_wavelet@tang")
        if key not in self.cases:
            sources = [self.image(self.names[k], task) for k in task.sources]
            weights = CHECKPOINTS["vgg" if task.metric == "lpips@vgg" else "alex"]
            colour = "rgb" if task.rgb else "luma"
            self.cases[key] = case_of(self.image("F", task), sources, colour=colour, weights=weights)
        return self.cases[key]

    def has_flat_sources(self) -> bool:
        """Whether 8 x 8 windows of one level other than black are more than what saturation makes in real images."""
        sources = [self.arrays[name] for name in self.names if self.arrays[name].ndim == 2]
        flat = [(maximum_filter(x, 8) == minimum_filter(x, 8)) & (x > 0) for x in sources]
        return any(share.mean() > 0.01 for share in flat)

    def lacks_colour(self, task: Task) -> bool:
        """Whether the value was made from a coloured source of which the file holds the grey levels only."""
        name = self.names[task.sources[0]]
        if not task.rgb or f"{name}_rgb" in self.arrays:
            return False
        if f"MSE_rgb_{task.sources[0]}" not in self.arrays:
            return True  # it may have been grey; that cannot be known
        golden = float(self.arrays[f"MSE_rgb_{task.sources[0]}"])
        return abs(get("mse").score(self.case(task)).value - golden) > 1e-9 * golden


def resolve(key: str, count: int) -> Task:
    """What a key of a golden file stands for; KeyError if nothing."""
    everything = tuple(range(count))
    if match := re.fullmatch(r"LPIPS_(alex|vgg)_(rgb_)?([AB]|\d)", key):
        network, rgb, source = match.groups()
        which = SOURCE[source] if source in SOURCE else int(source)
        return Task("lpips" if network == "alex" else "lpips@vgg", (which,), 0.0, 1e-4, rgb=bool(rgb))
    if match := re.fullmatch(r"(.+)_(\d)", key):
        name, source = match.groups()
        if name in COLOUR:
            return Task(COLOUR[name], (int(source),), rgb=True)
    program, _, rest = key.partition("_")
    table, tolerance = PROGRAMS[program]
    crop = rest.startswith("mef_crop_")
    rest = rest.removeprefix("mef_crop_")
    sources = everything
    if match := re.match(r"pair(\d)(\d)_", rest):
        sources, rest = (int(match[1]), int(match[2])), rest[match.end() :]
    if rest not in table and (match := re.fullmatch(r"(.+)_([AB]|\d)", rest)):
        rest = match[1]
        sources = (SOURCE[match[2]] if match[2] in SOURCE else int(match[2]),)
    metric = table[rest]
    if metric == "q_cb":
        return Task(metric, sources, 0.0, 1e-4)
    if program == "spec" and metric.startswith("fmi_"):
        return Task(metric, sources, 1e-3)
    return Task(metric, sources, 1e-6 if key in GUARDED else tolerance, crop=crop)


def excused(file: File, key: str, task: Task) -> bool:
    """Whether a value is among those that the module's docstring leaves out."""
    if task.metric == "lpips@vgg" and not CHECKPOINTS["vgg"].is_file():
        return True
    if task.metric.startswith("lpips") and not CHECKPOINTS["alex"].is_file():
        return True
    if key in NOISE and file.has_flat_sources():
        return True
    return file.lacks_colour(task)


def mismatch(file: File, key: str, golden: float, task: Task) -> str:
    """What is wrong with our value, empty if nothing."""
    metric = get(task.metric)
    if np.isnan(golden) and task.metric.startswith("lpips"):
        with pytest.raises(InputError, match="at least 64"):
            metric.score(file.case(task))
        return ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = metric.score(file.case(task)).value
    if np.isnan(golden) and task.metric.endswith("ms_ssim"):
        warned = any(issubclass(w.category, MetricWarning) and "negative" in str(w.message) for w in caught)
        return "" if warned and 0 <= value <= 1 else f"{key}: {value}, the original is complex here"
    if np.isnan(golden) or np.isnan(value):
        return "" if np.isnan(golden) and np.isnan(value) else f"{key}: {value}, golden {golden}"
    error = abs(value - golden)
    if task.metric == "q_cb" and error > task.absolute:
        error -= rounding(file.case(task))
    if error <= task.absolute + task.relative * abs(golden):
        return ""
    return f"{key} ({task.metric}): {value!r}, golden {golden!r}, error {error:.2e}"


def rounding(case: Case) -> float:
    """What rounding alone does to Q_CB: the spread of its value over flips and turns, which should agree.

    On black background the contrast is a ratio of what rounding left, another on each processor and for each turn.
    """

    def transformed(image: Pixels, turns: int, mirrored: bool) -> np.ndarray:
        turned = np.rot90(image.values, turns)
        return np.ascontiguousarray(turned.T if mirrored else turned)

    values = [
        get("q_cb")
        .score(case_of(*(transformed(case.fused, *each), [transformed(source, *each) for source in case.sources])))
        .value
        for each in itertools.product(range(4), (False, True))
    ]
    return max(values) - min(values)


def test_topic_holds_known_kinds() -> None:
    check_topic("metrics", *KINDS)


@each("metrics", *KINDS)
def test_every_value_of_the_file(path: Path) -> None:
    file = File(path)
    tasks = {key: resolve(key, len(file.names)) for key in file.values()}
    assert tasks, f"{path.name} holds no value"
    compared = {key: task for key, task in tasks.items() if not excused(file, key, task)}
    assert compared, f"every value of {path.name} is excused"
    wrong = [mismatch(file, key, file.values()[key], task) for key, task in compared.items()]
    assert [line for line in wrong if line] == []


@each("metrics", "fmi_", holding="^F_wavelet$")
def test_wavelet_features(path: Path) -> None:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name in [name for name in "ABF" if f"{name}_wavelet" in arrays]:
        golden = arrays[f"{name}_wavelet"]
        height, width = (n - 60 for n in golden.shape)
        ours = wavelets(arrays[name][:height, :width].astype(np.float64))
        np.testing.assert_allclose(ours, golden, rtol=0, atol=1e-12)
        assert ours.min() == 0
        assert ours.max() == 1


def test_unknown_keys_fail() -> None:
    for key in ("spec_New", "other_EN", "evaluator_XX_A"):
        with pytest.raises(KeyError):
            resolve(key, 2)

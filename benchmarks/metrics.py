"""Metrics against straight procedures, in one run and on the same images.

    python -m benchmarks.metrics [--size 256] [--volume 128] [--repeat 5]

1. The twelve metrics of CDDFuse's Evaluator against the procedure of that program (2-D convolutions, nothing shared),
   at values that agree.
2. Every metric against the same formula with direct 2-D windows and without shared intermediate results.
3. With `--volume N`: seconds and peak memory of every metric on N^3 volumes.

CPU time of this process, the smallest of `--repeat` runs.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.signal import convolve2d
from scipy.sparse import coo_matrix

from trifuse.metrics import get, names, windows
from trifuse.metrics.base import case_of
from trifuse.metrics.evaluate import evaluate
from trifuse.metrics.pixels import Pixels
from trifuse.metrics.presets import PRESETS

Array = NDArray[np.float64]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="Metrics against straight procedures.")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--volume", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    fused, *sources = images(arguments.size, arguments.size)
    against_evaluator(fused, sources, arguments.repeat)
    against_direct_windows(fused, sources, arguments.repeat)
    if arguments.volume:
        volumes(*images(*[arguments.volume] * 3))


def images(*size: int) -> list[Array]:
    """Two smooth noisy images with black background, and their mean."""
    rng = np.random.default_rng(0)
    found = []
    for sigma in (3.0, 6.0):
        smooth = gaussian_filter(rng.normal(size=size), sigma)
        found.append(np.rint(np.clip(110 + 60 * smooth / smooth.std() + rng.normal(0, 6, size), 0, 255)))
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in size], indexing="ij", sparse=True)
    inside = np.asarray(sum(axis**2 for axis in axes)) < 0.8
    found = [image * inside for image in found]
    return [np.rint(sum(found) / 2), *found]


def seconds(work: Callable[[], Any], repeat: int) -> float:
    """Smallest CPU time of several runs, after one to warm up."""
    work()
    best = np.inf
    for _ in range(repeat):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return float(best)


def against_evaluator(fused: Array, sources: list[Array], repeat: int) -> None:
    """Prints the time of the Evaluator's twelve metrics, straight and ours."""
    singles = [image.astype(np.float32) for image in (fused, *sources)]
    theirs = straight_evaluator(singles[0], singles[1:])
    ours = evaluate(fused, sources, metrics="cddfuse")
    apart = max(abs(ours[name] - theirs[name]) / abs(theirs[name]) for name in ours)
    straight_s = seconds(lambda: straight_evaluator(singles[0], singles[1:]), max(repeat // 2, 1))
    ours_s = seconds(lambda: evaluate(fused, sources, metrics="cddfuse"), repeat)
    print(f"Evaluator, 12 metrics: straight {1e3 * straight_s:.0f} ms, ours {1e3 * ours_s:.1f} ms, ", end="")
    print(f"{straight_s / ours_s:.1f} times faster; values agree to {apart:.0e}\n")


def against_direct_windows(fused: Array, sources: list[Array], repeat: int) -> None:
    """Prints each metric's time with direct 2-D windows and ours, and of the whole default list."""
    print(f"{'metric':14} {'direct ms':>10} {'ours ms':>10} {'ratio':>7}")
    for name in (n for n in names() if n != "lpips" and get(n).card.min_size <= min(fused.shape)):
        work = lambda name=name: get(name)(fused, sources)  # noqa: E731
        ours = seconds(work, repeat)
        with straight_windows():
            direct = seconds(work, 1)
        print(f"{name:14} {1e3 * direct:10.2f} {1e3 * ours:10.2f} {direct / ours:7.1f}")
    wanted = [n for n in PRESETS["default"].metrics if n != "lpips" and get(n).card.min_size <= min(fused.shape)]
    ours = seconds(lambda: evaluate(fused, sources, metrics=wanted), repeat)
    with straight_windows():
        direct = seconds(lambda: [get(name)(fused, sources) for name in wanted], 1)
    print(f"{'together':14} {1e3 * direct:10.0f} {1e3 * ours:10.0f} {direct / ours:7.1f}")


@contextmanager
def straight_windows() -> Iterator[None]:
    """Windows by one direct 2-D correlation each, and no memory of intermediate results."""

    def direct(x: Array, weights: Array) -> Array:
        return np.asarray(convolve2d(x, np.outer(weights, weights), mode="valid"))

    with (
        patch.object(windows, "valid", direct),
        patch("trifuse.metrics.vif.valid", direct),
        patch("trifuse.metrics.fmi.mean_information", dense_information),
        patch.object(Pixels, "once", lambda self, key, make: make()),
    ):
        yield


def dense_information(x: Array, y: Array, rescaled_first: bool) -> float:
    """The window statistic of FMI on full 9 x 9 tables, a row of windows at a time."""
    return float(np.mean([dense_row(x[i : i + 3], y[i : i + 3]) for i in range(x.shape[0] - 2)]))


def dense_row(x: Array, y: Array) -> float:
    """Mean over the windows of three rows."""
    a, b = (sliding_window_view(z, (3, 3))[0].transpose(0, 2, 1).reshape(-1, 9) for z in (x, y))
    p, q = distributions(a), distributions(b)
    index = np.arange(1, 10)
    sp, sq = (np.sqrt(np.maximum(z @ index**2 - (z @ index) ** 2, 0)) for z in (p, q))
    dp, dq = p - p.mean(axis=1, keepdims=True), q - q.mean(axis=1, keepdims=True)
    cp, cq = np.cumsum(p, axis=1)[:, None, :], np.cumsum(q, axis=1)[:, :, None]
    with np.errstate(all="ignore"):
        c = np.sum(dp * dq, axis=1) / np.sqrt(np.sum(dp**2, axis=1) * np.sum(dq**2, axis=1))
        bound = np.where((c >= 0)[:, None, None], np.minimum(cq, cp), np.maximum(cq + cp - 1, 0))
        share = np.nan_to_num(c * sp * sq / np.sum(bound - cq * cp, axis=(1, 2)))[:, None, None]
        coupling = np.diff(np.diff(bound, axis=1, prepend=0), axis=2, prepend=0)
        joint = share * coupling + (1 - share) * q[:, :, None] * p[:, None, :]
        h = [-np.nansum(t * np.log2(np.abs(t)), axis=-1) for t in (p, q, joint.reshape(-1, 81))]
        value = np.nan_to_num(2 * (h[0] + h[1] - h[2]) / (h[0] + h[1]))
    flat = (np.ptp(a, axis=1) == 0) & (np.ptp(b, axis=1) == 0)
    return float(np.mean(np.where(flat | (a == b).all(axis=1), 1, value)))


def distributions(windows_: Array) -> Array:
    """Windows `(n, 9)` rescaled to 0..1 and to sum 1; constant ones are uniform."""
    span = np.ptp(windows_, axis=1, keepdims=True)
    scaled = np.where(span == 0, 1, (windows_ - windows_.min(axis=1, keepdims=True)) / np.where(span == 0, 1, span))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def volumes(fused: Array, *sources: Array) -> None:
    """Prints seconds and peak memory, as a multiple of the input's, of each metric on volumes."""
    print(f"\n{'metric':14} {'wall s':>8} {'memory / input':>15}   {'x'.join(map(str, fused.shape))}")
    total = 0.0
    for name in (n for n in names() if n != "lpips"):
        case = case_of(fused, sources)
        if get(name).unsuited(case):
            continue
        tracemalloc.start()
        start = time.perf_counter()
        get(name).score(case)
        spent = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1] / (fused.nbytes * (1 + len(sources)))
        tracemalloc.stop()
        total += spent
        print(f"{name:14} {spent:8.2f} {peak:15.1f}   {get(name).card.volumes}", flush=True)
    print(f"{'together':14} {total:8.1f}")


def straight_evaluator(fused: Any, sources: list[Any]) -> dict[str, float]:
    """The Evaluator's procedure for its twelve metrics, for two sources."""
    a, b = sources
    mse = (np.mean((a - fused) ** 2) + np.mean((b - fused) ** 2)) / 2
    counts, _ = np.histogram(fused.astype(np.uint8), bins=256, range=(0, 256))
    p = counts[counts > 0] / fused.size
    gy, gx = np.gradient(fused)
    values = {
        "en": -np.sum(p * np.log2(p)),
        "sd": fused.std(),
        "sf": np.sqrt(np.mean(np.diff(fused, axis=1) ** 2) + np.mean(np.diff(fused, axis=0) ** 2)),
        "ag": np.mean(np.sqrt((gx**2 + gy**2) / 2)),
        "mi@evaluator": sum(contingency_information(s, fused) for s in sources),
        "mse": mse,
        "cc": (correlation(a, fused) + correlation(b, fused)) / 2,
        "psnr@evaluator": 10 * np.log10(fused.max() ** 2 / mse),
        "scd": correlation(a, fused - b) + correlation(b, fused - a),
        "vif@evaluator": sum(straight_vif(s, fused) for s in sources),
        "qabf": straight_qabf(fused, sources),
        "ssim@evaluator": sum(straight_ssim(s, fused) for s in sources),
    }
    return {name: float(value) for name, value in values.items()}


def contingency_information(x: Array, y: Array) -> float:
    """Mutual information in nats from a sparse contingency table of labels."""
    _, rows = np.unique(x.ravel(), return_inverse=True)
    _, columns = np.unique(y.ravel(), return_inverse=True)
    table = coo_matrix((np.ones(rows.size), (rows, columns))).tocsr().toarray() / rows.size
    outer = np.outer(table.sum(axis=1), table.sum(axis=0))
    seen = table > 0
    return float(np.sum(table[seen] * np.log(table[seen] / outer[seen])))


def correlation(x: Array, y: Array) -> float:
    """Pearson correlation."""
    x, y = x - x.mean(), y - y.mean()
    return float(np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y)))


def straight_vif(ref: Array, dist: Array) -> float:
    """VIF by direct 2-D convolutions."""
    num = den = 0.0
    for scale in range(1, 5):
        n = 2 ** (5 - scale) + 1
        offset = np.arange(n) - n // 2
        weights = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * (n / 5) ** 2))
        weights /= weights.sum()
        if scale > 1:
            ref, dist = (np.asarray(convolve2d(x, weights, mode="valid")[::2, ::2]) for x in (ref, dist))
        mean1, mean2 = (convolve2d(x, weights, mode="valid") for x in (ref, dist))
        var1 = np.maximum(convolve2d(ref * ref, weights, mode="valid") - mean1**2, 0)
        var2 = np.maximum(convolve2d(dist * dist, weights, mode="valid") - mean2**2, 0)
        cov = convolve2d(ref * dist, weights, mode="valid") - mean1 * mean2
        gain = cov / (var1 + 1e-10)
        rest = var2 - gain * cov
        flat = var1 < 1e-10
        gain[flat], rest[flat], var1[flat] = 0, var2[flat], 0
        lost = var2 < 1e-10
        gain[lost], rest[lost] = 0, 0
        inverted = gain < 0
        rest[inverted], gain[inverted] = var2[inverted], 0
        rest = np.maximum(rest, 1e-10)
        num += np.sum(np.log10(1 + gain**2 * var1 / (rest + 2)))
        den += np.sum(np.log10(1 + var1 / 2))
    return num / den


def straight_qabf(fused: Array, sources: list[Array]) -> float:
    """Qabf by direct 2-D convolutions."""
    horizontal = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=np.float32)
    vertical = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], dtype=np.float32)

    def edges(x: Array) -> tuple[Array, Array]:
        gx, gy = (convolve2d(x, kernel, mode="same") for kernel in (horizontal, vertical))
        angle = np.full_like(x, np.pi / 2)
        angle[gx != 0] = np.arctan(gy[gx != 0] / gx[gx != 0])
        return np.hypot(gx, gy), angle

    strength, angle = edges(fused)
    above = below = 0.0
    for source in sources:
        other, direction = edges(source)
        ratio = np.where(other > strength, strength / np.where(other > 0, other, 1), strength)
        ratio = np.where(other < strength, other / np.where(strength > 0, strength, 1), ratio)
        agreement = 1 - np.abs(direction - angle) / (np.pi / 2)
        q = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5))) * 0.9879 / (1 + np.exp(-22 * (agreement - 0.8)))
        above += np.sum(q * other)
        below += np.sum(other)
    return above / below


def straight_ssim(x: Array, y: Array) -> float:
    """scikit-image's default procedure on float32 with a data range of 2."""
    mean1, mean2 = uniform_filter(x, 7), uniform_filter(y, 7)
    var1, var2 = uniform_filter(x * x, 7) - mean1**2, uniform_filter(y * y, 7) - mean2**2
    cov = uniform_filter(x * y, 7) - mean1 * mean2
    unbiased = 49 / 48
    above = (2 * mean1 * mean2 + 4e-4) * (2 * unbiased * cov + 3.6e-3)
    below = (mean1**2 + mean2**2 + 4e-4) * (unbiased * (var1 + var2) + 3.6e-3)
    return float((above / below)[3:-3, 3:-3].mean(dtype=np.float64))


if __name__ == "__main__":
    main()

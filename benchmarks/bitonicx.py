"""BitonicX, 256x256 triplet: ours side by side with a straight implementation of the published procedure.

The straight one does what the published programs do, compiled (numba) and on one core as their mex files are:
`xrankopen2` gathers each pixel's window and selects the rank from it, in both of its passes; `anisotropic2` visits all
pairs of a window, once per image; PAPCNN and CNP are 110 array steps each, CNP vectorised (the published loops are
300 times slower). Both give the same picture, which is checked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import convolve

from trifuse.core import colour
from trifuse.core.random import Random
from trifuse.filters import pulse_coupled as neurons
from trifuse.filters.anisotropic import anisotropic_gaussian, directional_terms, distance_weights
from trifuse.filters.bitonic import ALPHA, Bitonic, bitonic, bitonic_layers
from trifuse.filters.range_mask import MaskRule, range_masks
from trifuse.filters.rank_opening import range_opening
from trifuse.filters.salience import majority
from trifuse.filters.structure_tensor import Plane, StructureTensor, structure_tensor
from trifuse.filters.threads import threads
from trifuse.methods.bitonicx import LAYERING, BitonicX, LumaLayers, fuse_greys, fuse_luma, luma_layers

SIZE = 256
HALF, THRESHOLD, CENTILE = 15, 3.0, 0.08
EXTENT = 1.2 * HALF
REPEATS = 3


def phantom(size: int = SIZE) -> tuple[Plane, Plane, NDArray[np.float64]]:
    """Two grey images and one coloured of a head-like scene on black, 8-bit levels."""
    random = np.random.default_rng(0)
    r, c = np.mgrid[:size, :size] / size - 0.5

    def ellipse(y: float, x: float, height: float, width: float) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = ((r - y) / height) ** 2 + ((c - x) / width) ** 2 < 1
        return inside

    head, brain = ellipse(0, 0, 0.46, 0.38), ellipse(0, 0, 0.4, 0.32)
    folds = 0.12 * np.sin(60 * r + 4 * np.sin(35 * c)) * np.sin(48 * c)
    lesion = ellipse(0.12, 0.1, 0.06, 0.05)
    first = 0.9 * (head & ~brain) + brain * (0.45 + folds) + 0.3 * lesion
    second = 0.2 * (head & ~brain) + brain * (0.55 - folds) + 0.4 * ellipse(0, 0, 0.12, 0.05)
    glow = brain * np.clip(0.7 - 3 * np.hypot(r - 0.1, c - 0.1), 0, 1)
    greys = [head * np.clip(image + random.normal(0, 0.02, image.shape), 0, 1) for image in (first, second)]
    rgb = np.stack([glow, glow**2, 0.5 * brain * (1 - glow)])
    return np.rint(greys[0] * 255) / 255, np.rint(greys[1] * 255) / 255, np.rint(rgb * 255) / 255


@njit(nogil=True)
def gathered(values, guide, low, high, inverse, from_top):  # type: ignore[no-untyped-def]
    """The straight rank filter: per pixel gather the mask, select the rank."""
    height, width = values.shape
    chosen = np.empty((2 * HALF + 1) ** 2)
    result = np.empty_like(values)
    for r in range(height):
        for c in range(width):
            n = 0
            for y in range(max(0, r - HALF), min(height, r + HALF + 1)):
                for x in range(max(0, c - HALF), min(width, c + HALF + 1)):
                    if inverse:
                        inside = low[y, x] <= guide[r, c] <= high[y, x]
                    else:
                        inside = low[r, c] <= guide[y, x] <= high[r, c]
                    if inside:
                        chosen[n] = values[y, x]
                        n += 1
            rank = int(np.floor(CENTILE * (n - 1) + 0.5))
            if rank == 0 and n > 3:
                rank = 1
            rank = n - 1 - rank if from_top else rank
            result[r, c] = np.partition(chosen[:n], rank)[rank]
    return result


def straight_opening(image: Plane, guide: Plane) -> tuple[Plane, Plane]:
    """`xrankopen2` in the fusion's setting."""
    masks = range_masks(image[None], image, guide, MaskRule(HALF, THRESHOLD))
    limits = (guide, masks.guide_low, masks.guide_high)
    eroded, dilated = gathered(image, *limits, False, False), gathered(image, *limits, False, True)
    opened, closed = gathered(eroded, *limits, True, True), gathered(dilated, *limits, True, False)
    return np.maximum(eroded, opened), np.minimum(dilated, closed)


@njit(nogil=True, error_model="numpy")
def straight_smooth(image, across, along, base, threshold):  # type: ignore[no-untyped-def]
    """`anisotropic2`: all pairs of the window, each weight used for both of its ends."""
    height, width = image.shape
    half = base.shape[0] // 2
    total, share = image.copy(), np.ones_like(image)
    for r in range(height):
        for c in range(width):
            for u in range(min(half, height - 1 - r) + 1):
                for v in range(1 if u == 0 else max(-half, -c), min(half, width - 1 - c) + 1):
                    y, x = r + u, c + v
                    if abs(image[r, c] - image[y, x]) < threshold:
                        at_p = 1 + abs(v * along[r, c] - u * across[r, c])
                        at_q = 1 + abs(v * along[y, x] - u * across[y, x])
                        weight = base[u + half, v + half] / (at_p * at_q)
                        total[r, c] += weight * image[y, x]
                        share[r, c] += weight
                        total[y, x] += weight * image[r, c]
                        share[y, x] += weight
    return total / share


def straight_filter(image: Plane) -> Plane:
    """`xbitonic2(image, 3)`."""
    tensor = structure_tensor(image, EXTENT)
    across, along, _ = directional_terms(tensor, ALPHA)

    def smooth(values: Plane, threshold: float) -> Plane:
        smoothed: Plane = straight_smooth(values, across, along, distance_weights(EXTENT), threshold)
        return smoothed

    opened, closed = straight_opening(image, smooth(image, 3 * THRESHOLD))
    error_open, error_close = smooth(image - opened, 1.4 * THRESHOLD), smooth(closed - image, 1.4 * THRESHOLD)
    weight_open, weight_close = np.abs(error_open**3), np.abs(error_close**3)
    none = weight_open + weight_close == 0
    weight_open[none] = weight_close[none] = 0.5
    mixed: Plane = (weight_open * (closed - error_close) + weight_close * (opened + error_open)) / (
        weight_open + weight_close
    )
    return mixed


def straight_pulses(detail: Plane) -> NDArray[np.uint8]:
    """`PA_PCNN.m` as array steps."""
    decay, linking, amplitude, threshold_decay = neurons.pulse_parameters(detail)
    stimulus = neurons.morphological_gradient(detail)
    kernel = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]])
    energy, threshold, fires = np.zeros_like(detail), np.ones_like(detail), np.zeros_like(detail)
    fired = np.zeros(detail.shape, np.uint8)
    for _ in range(neurons.ITERATIONS):
        near = convolve(fires, kernel, mode="constant")
        energy = np.exp(-decay) * energy + stimulus * (1 + linking * near)
        fires = (energy > threshold).astype(np.float64)
        threshold = np.exp(-threshold_decay) * threshold + amplitude * fires
        fired += fires.astype(np.uint8)
    return fired


def straight_membranes(stimulus: Plane) -> NDArray[np.uint8]:
    """`CNP_test.m` as array steps."""
    offset = np.arange(-3, 4)
    distance = np.hypot(offset[:, None], offset[None, :])
    kernel = np.divide(1, distance, out=np.zeros_like(distance), where=distance > 0)
    feeding, linking, fires = np.zeros_like(stimulus), np.zeros_like(stimulus), np.zeros_like(stimulus)
    threshold = np.full_like(stimulus, 0.3)
    fired = np.zeros(stimulus.shape, np.uint8)
    for _ in range(neurons.ITERATIONS):
        near = convolve(fires, kernel, mode="constant")
        on = fires > 0
        feeding = stimulus + near + np.where(on, 0, feeding)
        linking = near + np.where(on, 0, linking)
        threshold[on] = 1
        fires = (feeding * (1 + linking) >= threshold).astype(np.float64)
        fired += fires.astype(np.uint8)
    return fired


def straight_fusion(first: Plane, second: Plane, rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """`main_for_trimodal_images.m` with constant clarity: RGB (3, H, W), not clipped."""
    low = straight_filter(first), straight_filter(second)
    detail = first - low[0], second - low[1]
    fused = np.where(straight_pulses(detail[0]) >= straight_pulses(detail[1]), *detail)
    low2 = straight_filter(low[0]), straight_filter(low[1])
    texture = low[0] - low2[0], low[1] - low2[1]
    counts = straight_membranes(np.abs(texture[0])), straight_membranes(np.abs(texture[1]))
    fused = fused + np.where(low2[0] > low2[1], *low2) + np.where(majority(counts[0] >= counts[1]), *texture)
    luma, chroma = colour.split(torch.from_numpy(rgb)[None], "yuv")
    y: Plane = luma[0, 0].numpy()
    lows = straight_filter(fused), straight_filter(y)
    outcome = fuse_luma(LumaLayers(lows, (fused - lows[0], y - lows[1])))
    joined: NDArray[np.float64] = colour.join(torch.from_numpy(outcome.fused)[None, None], chroma, "yuv")[0].numpy()
    return joined


def our_fusion(first: Plane, second: Plane, rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """The method, as `trifuse.fuse` calls it."""
    sources = [torch.from_numpy(image.astype(np.float32)) for image in (first[None], second[None], rgb)]
    fused = BitonicX().fuse([source[None] for source in sources], scale=1, random=Random(0)).picture
    pixels: NDArray[np.float64] = fused[0].double().numpy()
    return pixels


def seconds(work: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, float]:
    """Wall and CPU seconds of the fastest of some runs."""
    runs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in runs), min(cpu for _, cpu in runs)


def stages(first: Plane, second: Plane) -> dict[str, tuple[Callable[[], Any], Callable[[], Any] | None]]:
    """What to time: ours, and the straight counterpart where there is one."""
    layers = bitonic_layers(first, LAYERING)
    tensor: StructureTensor = layers.tensor
    across, along, _ = directional_terms(tensor, ALPHA)
    base, rule = distance_weights(EXTENT), MaskRule(HALF, THRESHOLD)
    detail, texture = first - layers.filtered, np.abs(layers.filtered - bitonic(layers.filtered, LAYERING))
    grey = fuse_greys(first, second).fused
    return {
        "structure tensor": (lambda: structure_tensor(first, EXTENT), None),
        "anisotropic Gaussian": (
            lambda: anisotropic_gaussian(first, EXTENT, ALPHA, 9.0, tensor),
            lambda: straight_smooth(first, across, along, base, 9.0),
        ),
        "range opening and closing": (
            lambda: range_opening(first[None], first, layers.guide, rule),
            lambda: straight_opening(first, layers.guide),
        ),
        "bitonic X filter": (lambda: bitonic(first, LAYERING), lambda: straight_filter(first)),
        "PAPCNN": (lambda: neurons.pulse_coupled(detail), lambda: straight_pulses(detail)),
        "CNP": (lambda: neurons.coupled_membranes(texture), lambda: straight_membranes(texture)),
        "stage 2": (lambda: fuse_luma(luma_layers(grey, second)), None),
        "filter with denoising": (lambda: bitonic(detail, Bitonic()), None),
    }


def main() -> None:
    """Prints seconds of the stages and of the whole, ours and straight, and the ratio; fails if the pictures differ."""
    start = time.perf_counter()
    our_fusion(*phantom(64))
    print(f"first call of ours, with compiling where the cache is empty: {time.perf_counter() - start:.2f} s")
    straight_fusion(*phantom(64))
    first, second, rgb = phantom()
    print(
        f"{SIZE}x{SIZE}, {threads()} threads of {os.cpu_count()} cores, fastest of {REPEATS}; seconds of wall (CPU)\n"
    )
    print(f"{'':28}{'ours':>16}{'straight, 1 core':>20}{'ratio':>8}")
    for name, (our, their) in stages(first, second).items():
        report(name, seconds(our), seconds(their, 1) if their else None)
    pictures: list[NDArray[np.float64]] = []
    whole = seconds(lambda: pictures.append(our_fusion(first, second, rgb)))
    report("whole fusion", whole, seconds(lambda: pictures.append(straight_fusion(first, second, rgb)), 1))
    worst = float(np.abs(pictures[0] - pictures[-1]).max())
    print(f"\nlargest difference between the two pictures: {worst:.1e} (float32 against float64)")
    if worst > 1e-6:
        raise AssertionError("the two procedures do not agree; the times above mean nothing")


def report(name: str, ours: tuple[float, float], straight: tuple[float, float] | None) -> None:
    """One line of the table; the ratio is of wall times."""
    line = f"{name:28}{ours[0]:8.3f} ({ours[1]:.3f})"
    if straight is not None:
        line += f"{straight[0]:11.3f} ({straight[1]:.3f}){straight[0] / ours[0]:8.1f}"
    print(line, flush=True)


if __name__ == "__main__":
    main()

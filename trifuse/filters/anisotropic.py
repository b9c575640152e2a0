"""The anisotropic Gaussian: smooths along the lines of an image, little across them.

Source: Treece, bitonic X filter, `xbitonic2` 1.0.3 (2021): `anisotropic2`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trifuse.core.compiled import compiled
from trifuse.filters.bounding_box import bounding_box
from trifuse.filters.structure_tensor import Plane, StructureTensor
from trifuse.filters.threads import over_parts

MOST_ANISOTROPY = 1.2
MOST_CORNER = 0.65


def anisotropic_gaussian(
    images: NDArray[np.float64], extent: float, alpha: float, threshold: float, tensor: StructureTensor
) -> NDArray[np.float64]:
    r"""Mean over a \((2\lfloor g \rfloor + 1)^2\) window, clipped at the border, weighted by distance and direction.

    Pixels p and q at offset (u, v), \(d = \sqrt{u^2 + v^2}\), weigh
    \(e^{-(2d/g)^2} / ((1 + a_p)(1 + a_q))\), \(a = |v k\cos\varphi - u k\sin\varphi| + d\,c/0.65\), with
    \(k = \min(an^2/\alpha^2, 1.2)\), \(\varphi = 3\pi/2 - direction\), c the cornerness up to 0.65; and nothing
    unless \(|I_p - I_q| <\) threshold.

    Args:
        images: (H, W), or (K, H, W) images that share the tensor; several at once cost little more than one.
        extent: g in pixels; below 1 the images are returned as they are.
        alpha: how strongly direction counts (0.1 and below: most).
        threshold: largest difference in grey that still counts; 0 = all.
    """
    if extent < 1:
        return images.copy()
    stack = images.reshape(-1, *images.shape[-2:]).astype(np.float64, copy=False)
    smoothed = np.zeros_like(stack)
    box = bounding_box(stack, 2 * int(extent))  # a window beyond half of the margin sees zeros only
    inside = np.ascontiguousarray(stack[:, *box])
    if inside.size:
        terms = [np.ascontiguousarray(term[box]) for term in directional_terms(tensor, alpha)]
        limit = threshold if threshold != 0 else 1e10
        filtered = np.empty_like(inside)
        over_parts(_filter_rows, inside.shape[1], inside, *terms, distance_weights(extent), limit, filtered)
        smoothed[:, *box] = filtered
    return smoothed.reshape(images.shape)


def directional_terms(tensor: StructureTensor, alpha: float) -> tuple[Plane, Plane, Plane]:
    """k sin phi, k cos phi and the corner term per pixel."""
    k = np.minimum(tensor.anisotropy**2 / max(alpha, 0.1) ** 2, MOST_ANISOTROPY)
    phi = np.mod(1.5 * np.pi - tensor.direction, np.pi)
    corner = np.zeros_like(k) if tensor.corner is None else np.minimum(tensor.corner, MOST_CORNER) / MOST_CORNER
    return np.ascontiguousarray(k * np.sin(phi)), np.ascontiguousarray(k * np.cos(phi)), np.ascontiguousarray(corner)


def distance_weights(extent: float) -> Plane:
    """Weight by distance alone, (2R+1, 2R+1); the two smallest windows are lifted away from the centre."""
    half = int(np.floor(extent))
    offset = np.arange(-half, half + 1)
    distance = np.hypot(offset[:, None], offset[None, :])
    weights = np.exp(-((2 * distance / extent) ** 2))
    if half <= 2:
        lift = np.divide(0.75 if half == 1 else 0.25, distance, out=np.zeros_like(distance), where=distance > 0)
        weights = lift + (1 - lift) * weights
    return weights


@compiled(error_model="numpy")
def _filter_rows(stack, across, along, corner, base, threshold, filtered, first, last):  # type: ignore[no-untyped-def]
    """The weight of a pair is the same both ways: half of the offsets do, each for both of its ends."""
    count, height, width = stack.shape
    half = base.shape[0] // 2
    reach = min(half, width - 1)
    weight = np.empty(width)
    share = np.full((count, last - first, width), base[half, half])
    filtered[:, first:last] = base[half, half] * stack[:, first:last]
    for r in range(max(0, first - half), last):
        for u in range(max(0, first - r), min(half, height - 1 - r) + 1):
            for v in range(1 if u == 0 else -reach, reach + 1):
                n = width - abs(v)
                p, q = slice(max(0, -v), max(0, -v) + n), slice(max(0, v), max(0, v) + n)
                _weigh(
                    across[r, p],
                    along[r, p],
                    corner[r, p],
                    across[r + u, q],
                    along[r + u, q],
                    corner[r + u, q],
                    u,
                    v,
                    base[u + half, v + half],
                    weight,
                )
                for k in range(count):
                    near, far = stack[k, r, p], stack[k, r + u, q]
                    if r >= first:
                        _add(near, far, weight, threshold, filtered[k, r, p], share[k, r - first, p])
                    if r + u < last:
                        _add(far, near, weight, threshold, filtered[k, r + u, q], share[k, r + u - first, q])
    filtered[:, first:last] /= share


@compiled(error_model="numpy")
def _weigh(across, along, corner, across_q, along_q, corner_q, u, v, base, weight):  # type: ignore[no-untyped-def]
    """Weights of a row's pixels for one offset; a loop of its own, so that the compiler can vectorise it."""
    distance = np.sqrt(float(u * u + v * v))
    down, right = float(u), float(v)
    for c in range(across.size):
        at_p = 1.0 + abs(right * along[c] - down * across[c]) + distance * corner[c]
        at_q = 1.0 + abs(right * along_q[c] - down * across_q[c]) + distance * corner_q[c]
        weight[c] = base / (at_p * at_q)


@compiled(error_model="numpy")
def _add(image, image_q, weight, threshold, total, share):  # type: ignore[no-untyped-def]
    """Adds one offset's share to a row; a loop of its own, so that the compiler can vectorise it."""
    for c in range(image.size):
        counted = weight[c] if abs(image[c] - image_q[c]) < threshold else 0.0
        total[c] += counted * image_q[c]
        share[c] += counted

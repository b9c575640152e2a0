"""The anisotropic Gaussian: smooths along the lines of an image, little across them.

Source: Treece, bitonic X filter, `xbitonic2` 1.0.3 (2021): `anisotropic2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trifuse.core.compiled import compiled, compiled_part
from trifuse.filters.bounding_box import bounding_box
from trifuse.filters.structure_tensor import Plane, StructureTensor
from trifuse.filters.threads import over_parts

MOST_ANISOTROPY = 1.2
MOST_CORNER = 0.65

Box = tuple[slice, slice]


class AnisotropicGaussian:
    r"""Mean over a \((2\lfloor g \rfloor + 1)^2\) window, clipped at the border, weighted by distance and direction.

    Pixels p and q at offset (u, v), \(d = \sqrt{u^2 + v^2}\), weigh
    \(e^{-(2d/g)^2} / ((1 + a_p)(1 + a_q))\), \(a = |v k\cos\varphi - u k\sin\varphi| + d\,c/0.65\), with
    \(k = \min(an^2/\alpha^2, 1.2)\), \(\varphi = 3\pi/2 - direction\), c the cornerness up to 0.65; and nothing
    unless \(|I_p - I_q| <\) threshold.
    """

    def __init__(self, extent: float, alpha: float, tensor: StructureTensor) -> None:
        """The filter of images with one structure tensor (H, W).

        Args:
            extent: g in pixels; below 1 the images are returned as they are.
            alpha: how strongly direction counts (0.1 and below: most).
        """
        self._extent = extent
        self._terms = directional_terms(tensor, alpha)
        self._cornered = tensor.corner is not None
        self._sum_of_weights: tuple[Box, Plane] | None = None

    def __call__(self, images: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
        """The images (H, W) or (K, H, W), smoothed.

        Args:
            threshold: largest difference in grey that still counts; 0 = all.
        """
        if self._extent < 1:
            return images.copy()
        stack = images.reshape(-1, *images.shape[-2:]).astype(np.float64, copy=False)
        smoothed = np.zeros_like(stack)
        box = bounding_box(stack, 2 * int(self._extent))  # a window beyond half of the margin sees zeros only
        inside = stack[:, *box]
        if inside.size:
            unlimited = threshold == 0 or bool(inside.max() - inside.min() < threshold)
            smoothed[:, *box] = self._unlimited(inside, box) if unlimited else self._limited(inside, box, threshold)
        return smoothed.reshape(images.shape)

    def _unlimited(self, inside: NDArray[np.float64], box: Box) -> NDArray[np.float64]:
        """Where no difference is too large all images share the weights, which are summed up once for a box."""
        if self._sum_of_weights is not None and self._sum_of_weights[0] == box:
            sums = self._sums(list(inside), box)
        else:
            *planes, weights = self._sums([*inside, np.ones_like(inside[0])], box)
            sums, self._sum_of_weights = np.stack(planes), (box, weights)
        smoothed: NDArray[np.float64] = sums / self._sum_of_weights[1]
        return smoothed

    def _limited(self, inside: NDArray[np.float64], box: Box, threshold: float) -> NDArray[np.float64]:
        smoothed = np.empty_like(inside)
        for image, out in zip(inside, smoothed, strict=True):
            total, weights = self._sums([image, np.ones_like(image)], box, threshold)
            np.divide(total, weights, out=out)
        return smoothed

    def _sums(self, planes: Sequence[Plane], box: Box, threshold: float | None = None) -> NDArray[np.float64]:
        """Weighted sums of planes (H, W), two at a time; `threshold` compares the first of two."""
        height, width = planes[0].shape
        window = _Window.of(self._extent, width)
        terms = [window.framed(term[box]) for term in self._terms]
        sums = np.empty((len(planes) + len(planes) % 2, height * width))
        for start in range(0, len(planes), 2):
            pair = [window.framed(planes[min(start + index, len(planes) - 1)]) for index in (0, 1)]
            corner = terms[2] if self._cornered else None
            shape = np.array([width, window.half, window.stride])
            over_parts(
                _sum_rows, height, *pair, *terms[:2], corner, window.steps, window.shifts, window.centre, threshold,
                shape, *sums[start : start + 2],
            )  # fmt: skip
        return sums[: len(planes)].reshape(-1, height, width)


def anisotropic_gaussian(
    images: NDArray[np.float64], extent: float, alpha: float, threshold: float, tensor: StructureTensor
) -> NDArray[np.float64]:
    """The images smoothed once; see `AnisotropicGaussian`."""
    return AnisotropicGaussian(extent, alpha, tensor)(images, threshold)


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


class _Window(NamedTuple):
    """The neighbours of a pixel in the order of summation, for planes in a frame of zeros.

    Attributes:
        half: half-width of the window and width of the frame.
        stride: from a row of the framed plane to the next.
        centre: weight of the pixel itself.
        steps: (M, 4), down, right, distance, weight by distance.
        shifts: (M,), the steps in the framed plane.
    """

    half: int
    stride: int
    centre: float
    steps: NDArray[np.float64]
    shifts: NDArray[np.uint64]

    @classmethod
    def of(cls, extent: float, width: int) -> _Window:
        base = distance_weights(extent)
        half, stride = len(base) // 2, width + len(base) // 2
        offsets = _summation_order(half)
        distance = np.sqrt((offsets * offsets).sum(axis=1).astype(np.float64))
        weights = base[offsets[:, 0] + half, offsets[:, 1] + half]
        shifts = (offsets[:, 0] * stride + offsets[:, 1]).astype(np.uint64)
        return cls(half, stride, float(base[half, half]), np.column_stack([offsets, distance, weights]), shifts)

    def framed(self, plane: Plane) -> NDArray[np.float64]:
        """A plane (H, W) in one line, with zeros between its rows and around it."""
        rows = np.pad(plane, ((self.half, self.half), (0, self.half)))
        return np.pad(rows.ravel(), self.half)


def _summation_order(half: int) -> NDArray[np.int64]:
    """Offsets (M, 2) of the window's pixels but the centre, as the published program adds them: sums round alike.

    Rows above from the right, the own row from the middle to both sides, rows below from the left.
    """
    across = range(-half, half + 1)
    above = [(u, -v) for u in range(-half, 0) for v in across]
    level = [(0, sign * v) for v in range(1, half + 1) for sign in (1, -1)]
    below = [(u, v) for u in range(1, half + 1) for v in across]
    return np.array([*above, *level, *below], dtype=np.int64)


@compiled(error_model="numpy")
def _sum_rows(  # type: ignore[no-untyped-def]
    image, other, across, along, corner, steps, shifts, centre, threshold, shape, image_sum, other_sum, first, last
):
    """Weighted sums for rows first..last, four neighbours at once (their number divides by four)."""
    width, half, stride = shape
    for r in range(first, last):
        begin = np.uint64((half + r) * stride + half)  # unsigned: no place counts from the end
        image_row, other_row = image_sum[r * width : (r + 1) * width], other_sum[r * width : (r + 1) * width]
        for c in range(np.uint64(width)):
            image_row[c], other_row[c] = centre * image[begin + c], centre * other[begin + c]
        for m in range(0, shifts.size, 4):
            s0, s1, s2, s3 = shifts[m], shifts[m + 1], shifts[m + 2], shifts[m + 3]
            t0, t1, t2, t3 = _step(steps, m), _step(steps, m + 1), _step(steps, m + 2), _step(steps, m + 3)
            for c in range(np.uint64(width)):
                p = begin + c
                w0 = _weight(image, across, along, corner, p, p + s0, t0, threshold)
                w1 = _weight(image, across, along, corner, p, p + s1, t1, threshold)
                w2 = _weight(image, across, along, corner, p, p + s2, t2, threshold)
                w3 = _weight(image, across, along, corner, p, p + s3, t3, threshold)
                a, b = image_row[c], other_row[c]
                a, b = a + w0 * image[p + s0], b + w0 * other[p + s0]
                a, b = a + w1 * image[p + s1], b + w1 * other[p + s1]
                a, b = a + w2 * image[p + s2], b + w2 * other[p + s2]
                image_row[c], other_row[c] = a + w3 * image[p + s3], b + w3 * other[p + s3]


@compiled_part
def _step(steps, m):  # type: ignore[no-untyped-def]
    return steps[m, 0], steps[m, 1], steps[m, 2], steps[m, 3]


@compiled_part
def _weight(image, across, along, corner, p, q, step, threshold):  # type: ignore[no-untyped-def]
    """Weight of the pair p, q; where corner or threshold is None the compiler leaves its terms out."""
    down, right, distance, weight = step
    at_p = 1.0 + abs(right * along[p] - down * across[p])
    at_q = 1.0 + abs(right * along[q] - down * across[q])
    if corner is not None:
        at_p, at_q = at_p + distance * corner[p], at_q + distance * corner[q]
    weight /= at_p * at_q
    if threshold is not None:
        return weight if abs(image[q] - image[p]) < threshold else 0.0
    return weight

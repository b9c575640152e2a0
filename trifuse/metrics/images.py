"""evaluate(): how good a fused image is, on images of any kind; the arithmetic is in `trifuse.metrics`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import GridError
from trifuse.core.image import PICTURE_AFFINE, Image, scaled_affine
from trifuse.core.lineage import check_one_patient
from trifuse.core.resize import magnified
from trifuse.metrics.evaluate import evaluate as evaluate_arrays
from trifuse.metrics.pixels import MetricWarning, pixels_of

TOLERANCE = 1e-2
"""How far corresponding voxels may lie apart, as a share of the spacing."""


def evaluate(
    fused: Any,
    sources: Sequence[Any] = (),
    reference: Any = None,
    metrics: str | Sequence[str] = "core",
    *,
    colour: str = "luma",
    mask: Any = None,
    per_source: bool = False,
    weights: str | Path | None = None,
    range: tuple[float, float] | None = None,
    different_patients: bool = False,
) -> dict[str, float]:
    """Measures a fused image against its sources, a reference, or both.

    Images are compared on display grey levels 0..255 (`pixels` * 255), rounded to whole levels if all of them but the
    fused one are 8-bit pictures. Where the fused image is an integer multiple larger, the sources are brought to its
    size by Pillow's bicubic, with a warning; a reference must have the fused image's size.

    Args:
        fused: a `Fused`, or anything that `Image.of` takes.
        sources: the images that were fused, likewise.
        reference: a ground truth, likewise.
        metrics: a preset (`core`, `default`, `all`, `cddfuse`, `tang`, `vifb`, `liu`, `ddfm-palm`, `tfs-diff`), a
            name, or a list of names; see `trifuse.metrics.evaluate.evaluate` for this and the other arguments.
        colour: "luma", or "rgb" for metrics that can compare channels.
        mask: None, "foreground", an array of the fused image's size, or an image or path on its grid, where all that
            is not 0 counts; metrics of lesions take it as the lesion.
        per_source: whether to give the values for each source too.
        weights: checkpoint for LPIPS.
        range: the values that are black and white in all arrays among the images, where they do not tell it.
        different_patients: whether images may be measured against each other whose headers name different patients,
            which is refused otherwise.

    Returns:
        Value by metric name. With sources and a reference, pair metrics against the reference are `name:reference`.

    Raises:
        InputError: an image cannot be read or used, is too small for a metric that was named, or is of another patient.
        GridError: the images do not share one grid.
        OptionError: a metric or option does not exist or cannot measure this case.
        WeightsError: a metric that was named lacks its checkpoint.
    """
    labels = ["fused", *(f"source {k}" for k, _ in enumerate(sources, start=1))]
    labels += [] if reference is None else ["reference"]
    given = [fused, *sources, *([] if reference is None else [reference])]
    image, *givens = Image.all_of(given, range=range, labels=labels)
    if not different_patients:
        named = [label if label.startswith("source") else f"the {label} image" for label in labels]
        check_one_patient([each.lineage for each in (image, *givens)], named)
    image, *givens = _on_one_depth([image, *givens])
    truth = None if reference is None else givens.pop()
    _tell_unmeasured(zip(labels, [image, *givens, *([] if truth is None else [truth])], strict=False))
    check_grid(image, givens, truth)
    others = [*givens, *([] if truth is None else [truth])]
    whole = bool(others) and all(is_8bit(other) for other in others)
    enlarged = [_enlarged(source, _factor(image, source)) for source in givens]
    return evaluate_arrays(
        grey_levels(image, whole),
        [grey_levels(source, whole) for source in enlarged],
        None if truth is None else grey_levels(truth, whole),
        metrics,
        colour=colour,
        mask=mask_on(image, mask),
        per_source=per_source,
        weights=weights,
    )


class Evaluator:
    """Measures many fused images against the same sources and reference: what is computed from those is kept.

    The values are those of `evaluate`.

    Attributes:
        sources: the images that were fused.
        reference: a ground truth, or None.
    """

    def __init__(self, sources: Sequence[Image], reference: Image | None = None) -> None:
        self.sources, self.reference = tuple(sources), reference
        others = [*self.sources, *([] if reference is None else [reference])]
        self._whole = bool(others) and all(is_8bit(other) for other in others)
        self._pixels = [pixels_of(grey_levels(other, self._whole)) for other in others]

    def measure(self, fused: Image, metrics: str | Sequence[str], mask: Any = None) -> dict[str, float]:
        """Scores of one fused image; see `evaluate` for `metrics`, `mask` and the errors raised."""
        if any(source.space != fused.space for source in self.sources):
            return evaluate(fused, self.sources, self.reference, metrics, mask=mask)
        check_grid(fused, self.sources, self.reference)
        count = len(self.sources)
        reference = self._pixels[count] if self.reference is not None else None
        area = mask_on(fused, mask)
        scores = evaluate_arrays(grey_levels(fused, self._whole), self._pixels[:count], reference, metrics, mask=area)
        self._pixels = [pixels.alone() for pixels in self._pixels]
        return scores


def mask_on(fused: Image, mask: Any) -> Any:
    """A mask as arrays are measured with: an image or a path becomes an array, anything else stays as it is.

    Raises:
        InputError: if it cannot be read.
        GridError: if it is on another grid than the fused image.
    """
    if mask == "foreground" if isinstance(mask, str) else not isinstance(mask, Path | Image):
        return mask
    image = Image.of(mask)
    if image.space != fused.space:
        raise GridError(
            f"the mask has size {_size(image)}, the fused image {_size(fused)}; bring it to the fused image's grid"
        )
    if not _same_place(fused, image, 1):
        raise GridError("the mask lies elsewhere in the patient than the fused image; bring it to its grid")
    return np.asarray(image.native() != 0).any(axis=0)


def grey_levels(image: Image, whole: bool) -> NDArray[np.float64]:
    """Display pixels as grey levels 0..255, `(*space)` or `(*space, 3)`; rounded if `whole`."""
    levels = np.clip(image.pixels.astype(np.float64) * 255, 0, 255)
    levels = np.rint(levels) if whole else levels
    # A grey volume of three slices would be mistaken for RGB: it is given its channels.
    if image.channels == 1 and not (image.dims == 3 and image.space[-1] == 3):
        grey: NDArray[np.float64] = levels[0]
        return grey
    return np.ascontiguousarray(np.moveaxis(np.broadcast_to(levels, (3, *image.space)), 0, -1))


def is_8bit(image: Image) -> bool:
    """Whether the image is a picture of whole grey levels 0..255 shown on their whole range."""
    return image.stored is not None and image.stored.dtype.kind in "iu" and image.window == (0.0, 255.0)


def check_grid(fused: Image, sources: Sequence[Image], reference: Image | None) -> None:
    """Compares sizes (a source may be an integer fraction of the fused image) and, where both are known, places.

    Raises:
        GridError: if an image does not fit; the table lists all of them.
    """
    named = [(f"source {index}", source) for index, source in enumerate(sources, start=1)]
    rows = [f"fused: {_size(fused)}"]
    problems = []
    for name, image in [*named, *([] if reference is None else [("reference", reference)])]:
        rows.append(f"{name}: {_size(image)}")
        factor = _factor(fused, image)
        if factor == 0 or (name == "reference" and factor != 1):
            problems.append(f"{name} has size {_size(image)}, the fused image {_size(fused)}")
        elif not _same_place(fused, image, factor):
            problems.append(f"{name} lies elsewhere in the patient than the fused image")
    if len({source.space for source in sources}) > 1 and not problems:
        problems.append("the sources differ in size")
    if problems:
        raise GridError(f"{problems[0]}; bring the images to one grid first", "\n".join(rows))


def _on_one_depth(images: list[Image]) -> list[Image]:
    """16-bit images of which the fused one, the first, does not span 0..65535: on one scale, with a warning.

    Each alone is taken to span the depth that holds it, which may differ although all are on the scanner's scale.
    """
    tops = {image.window[1] for image in images if _is_deep(image)}
    if len(tops) < 2 or not _is_deep(images[0]) or images[0].window[1] == _DEEPEST or not all(map(_is_deep, images)):
        return images
    top = max(tops)
    text = f"16-bit grey levels of all images taken as 0..{top:g}; give range=(low, high) where that is wrong"
    warnings.warn(text, MetricWarning, stacklevel=3)
    return [image.windowed(0, top) for image in images]


_DEEPEST = 65535.0


def _is_deep(image: Image) -> bool:
    return image.stored is not None and image.stored.dtype == np.uint16 and image.window[0] == 0


def _tell_unmeasured(images: Iterable[tuple[str, Image]]) -> None:
    """Warns of values that are not finite, which are measured as black."""
    for label, image in images:
        values = image.pixels if image.stored is None else image.stored
        lost = int(np.count_nonzero(~np.isfinite(values))) if values.dtype.kind == "f" else 0
        if lost:
            text = f"{label}: {lost} values of {values.size} are not finite (NaN or infinite); measured as black"
            warnings.warn(text, MetricWarning, stacklevel=3)


def _size(image: Image) -> str:
    return "x".join(map(str, image.space))


def _factor(fused: Image, image: Image) -> int:
    """How many times larger the fused image is along every axis; 0 if no whole number fits all."""
    if fused.dims != image.dims:
        return 0
    factor = fused.space[0] // image.space[0]
    return factor if all(f == factor * n for f, n in zip(fused.space, image.space, strict=True)) else 0


def _same_place(fused: Image, image: Image, factor: int) -> bool:
    """Whether corresponding corners coincide; pictures without geometry lie anywhere."""
    if any(np.array_equal(affine, PICTURE_AFFINE) for affine in (fused.affine, image.affine)):
        return True
    expected = scaled_affine(image.affine, [factor] * image.dims)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in (*fused.space, 1)[:3]])).reshape(3, -1)
    apart = (fused.affine - expected)[:3, :3] @ corners + (fused.affine - expected)[:3, 3:]
    return bool(np.linalg.norm(apart, axis=0).max() <= TOLERANCE * max(fused.spacing))


def _enlarged(source: Image, factor: int) -> Image:
    """The source at the fused image's size, by Pillow's bicubic, clipped to the display range."""
    if factor == 1:
        return source
    warnings.warn(f"sources brought to the fused size by bicubic x{factor}", MetricWarning, stacklevel=3)
    larger = magnified(source.pixels, factor).clip(0, 1)
    return source.with_pixels(larger, scaled_affine(source.affine, [factor] * source.dims))

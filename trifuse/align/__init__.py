"""One grid for all sources.

Images that share a grid (a size and an affine) are left alone. Others are refused with a table, unless the caller asks
for a registration (`trifuse.align.registration`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from trifuse.align.grid import differences, grid_table, placed_over, same_grid
from trifuse.align.trust import leaders, trusted
from trifuse.core.choices import Registration
from trifuse.core.errors import GridError, OptionError
from trifuse.core.image import Image


class Fit(NamedTuple):
    """How an image fits onto the reference: see `trifuse.align.registration.Registered`.

    Attributes:
        overlap: share of the smaller of the two tissue regions that both have in common, 0..1.
        moved_mm: mean distance that tissue was moved by.
        doubtful: whether the two may show different anatomy.
    """

    overlap: float
    moved_mm: float
    doubtful: bool


@dataclass(frozen=True)
class Aligned:
    """Images on one grid.

    Attributes:
        images: in the order given, all with the size and affine of the reference.
        notes: what was done to which source and how well it went, for provenance; without file names.
        fits: how each image that was brought onto the grid fits there.
    """

    images: list[Image]
    notes: list[str]
    fits: tuple[Fit, ...] = ()


def align(images: Sequence[Image], *, reference: int = 0, register: Registration = "none") -> Aligned:
    """All images on the grid of `images[reference]`.

    "resample" moves nothing: it puts every image onto the grid where its affine says it lies. "auto" trusts headers
    that name one frame of reference, unless a rigid registration is convincing, and registers others rigidly; a PET or
    SPECT follows the CT or MR of its own frame of reference (see `trifuse.align.trust.leaders`). With a
    registration every other image is registered, also where the grids agree, since equal grids do not make equal
    positions. It starts from where the affines place the images; images without geometry (plain pictures and arrays) of
    another size are first stretched over the reference's field of view. A movement that the pictures do not support
    (see `trifuse.align.support`) is reported and not made.

    Raises:
        GridError: if the grids differ and `register` is "none" (its table says what differs), or pictures are
            mixed with volumes, or the images have nothing in common to register.
        OptionError: if `register` is none of the six.
    """
    if register not in get_args(Registration):
        raise OptionError(f"register={register!r} is not known; choose {', '.join(get_args(Registration))}")
    grid = images[reference]
    lost = [str(number) for number, image in enumerate(images, start=1) if not image.placed]
    if lost and register in ("none", "resample"):
        raise GridError(
            f"source {', '.join(lost)} does not say where it lies in the patient; register it (--register rigid)"
        )
    if any(image.dims != grid.dims for image in images):
        message = "pictures (2D) and volumes (3D) cannot be mixed; give slices only, or volumes only"
        raise GridError(message, grid_table(images, reference))
    if register == "none":
        if not any(differences(image, grid) for image in images):
            return Aligned(list(images), [])
        message = (
            "the images lie on different grids; bring them onto one with --register rigid, "
            "or --register auto, which trusts headers of one frame of reference"
        )
        raise GridError(message, grid_table(images, reference))
    return _onto(grid, images, reference, register)


def _onto(grid: Image, images: Sequence[Image], reference: int, register: Registration) -> Aligned:
    """The images on the grid of the reference; those that others follow go first."""
    from trifuse.align.auto import by_trust
    from trifuse.align.registration import Registered, carried, registered

    led = leaders(images, reference) if register == "auto" else {}
    done: dict[int, Registered] = {}
    notes: dict[int, list[str]] = {}
    for index in sorted(range(len(images)), key=lambda index: index in led):
        image, number = images[index], index + 1
        if image is grid or (register == "resample" and same_grid(image, grid)):
            continue
        placed, remark = placed_over(image, grid)
        label, why = f"registering source {number}", ""
        if index in led and done[led[index]].information is not None:
            result = carried(placed, grid, done[led[index]])
            why = f"shares its frame of reference with source {led[index] + 1}, with which it was moved"
        elif register == "auto":
            result, why = by_trust(placed, grid, label)
        else:
            result = registered(placed, grid, register, label=label)
            if register != "resample" and "frame of reference" in trusted(image, grid):
                why = f"{trusted(image, grid)} by --register auto"
        done[index] = result
        notes[index] = [f"source {number} {text}" for text in (why, remark, *result.notes()) if text]
    fits = [Fit(fit.overlap, fit.displacement[0], fit.doubtful) for _, fit in sorted(done.items())]
    told = [text for _, texts in sorted(notes.items()) for text in texts]
    return Aligned([done[k].image if k in done else image for k, image in enumerate(images)], told, tuple(fits))

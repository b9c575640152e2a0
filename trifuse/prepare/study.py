"""One study: read, brought onto one grid, normalised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk  # noqa: N813

from trifuse.align.grid import lps, placed_over
from trifuse.align.itk import resampled
from trifuse.align.registration import Registered, registered
from trifuse.align.trust import trusted, untrusted
from trifuse.core.errors import InputError, UnitsError
from trifuse.core.finite import finite_notes
from trifuse.core.image import Image, Modality, guess_modality
from trifuse.core.lineage import check_one_patient
from trifuse.core.window import shown
from trifuse.io.many import Choices
from trifuse.io.request import Units
from trifuse.prepare.grid import cubic, upright, window_of
from trifuse.prepare.settings import Register, Settings
from trifuse.prepare.studies import Study

if TYPE_CHECKING:
    from trifuse.core.choices import Registration


@dataclass(frozen=True, eq=False)
class Source:
    """A prepared image.

    Attributes:
        name: of the source.
        image: on the study's grid.
        window: native values that became 0 and 1; None where native values were kept.
        fit: how it was registered; None for the reference.
        notes: what was done to it, in words, without patient data.
    """

    name: str
    image: Image
    window: tuple[float, float] | None
    fit: Registered | None
    notes: tuple[str, ...]


def prepared(study: Study, settings: Settings, register: Register) -> list[Source]:
    """The images of a study on one grid, the reference first.

    Args:
        study: its sources, the reference first.
        settings: what to do.
        register: way of registration of this study.

    Raises:
        InputError: if an image cannot be read or is no volume, or two have nothing in common to register.
    """
    native = {name: _read(name, study, settings) for name in study.sources}
    if not settings.different_patients:
        check_one_patient([image.lineage for image in native.values()])
    images = dict(zip(native, shown(list(native.values()), settings.windows, list(native)), strict=True))
    ends = {name: _ends(image, settings) if image is native[name] else image.window for name, image in images.items()}
    (first, reference), *others = images.items()
    reference = upright(reference)
    grid = _on_cubes(reference, settings.spacing) if settings.spacing else reference
    made = [_normalised(first, grid, reference, ends[first], None, ())]
    for name, image in others:
        way, reason = _way(image, images[first], register)
        placed, remark = placed_over(image, grid)
        fit = registered(placed, grid, way, label=f"registering {name}")
        notes = tuple(text for text in (reason, remark, *fit.notes()) if text)
        made.append(_normalised(name, fit.image, image, ends[name], fit, notes))
    return made


def _read(name: str, study: Study, settings: Settings) -> Image:
    choices = Choices(settings.series, settings.frames, settings.allow_gaps)
    path, names, own = study.sources[name], list(study.sources), study.choices(name)
    units: Units = "native" if settings.units == "native" else "suv"
    try:
        image = choices.read(path, name, names, own, units)
    except UnitsError as refusal:
        if settings.units == "suv":
            raise
        image = choices.read(path, name, names, own)
        reason = str(refusal).partition(": cannot be turned into SUV: ")[2].partition(";")[0]
        image = replace(image, notes=(*image.notes, f"is not in SUV: {reason or 'no DICOM header says how'}"))
    if image.dims != 3:
        raise InputError(f"{name}: a single slice; a study is prepared from volumes")
    if image.channels != 1:
        raise InputError(f"{name}: a colour image; a study is prepared from grey volumes")
    return image if image.modality is not Modality.OTHER else replace(image, modality=guess_modality(Path(name)))


def _way(image: Image, reference: Image, register: Register) -> tuple[Registration, str]:
    """How to bring an image onto the reference's grid, and why, where that was decided here."""
    if not image.placed and register in ("auto", "resample"):
        return "rigid", "does not say where it lies: registered"
    if register != "auto":
        return register, ""
    why = trusted(image, reference)
    return ("resample", why) if why else ("rigid", untrusted(image))


def _on_cubes(image: Image, spacing: float) -> Image:
    """The image on cubic voxels."""
    size, affine = cubic(image, spacing)
    grid = Image(np.broadcast_to(np.float32(0), (1, *size)), affine=affine)
    return resampled(image, grid, sitk.Transform(3, sitk.sitkIdentity), lps(image.affine), lps(affine))


def _ends(image: Image, settings: Settings) -> tuple[float, float] | None:
    """The native values that become 0 and 1; None where native values are kept."""
    return None if settings.normalise == "none" else window_of(image, settings.normalise)


def _normalised(
    name: str,
    image: Image,
    source: Image,
    window: tuple[float, float] | None,
    fit: Registered | None,
    notes: tuple[str, ...],
) -> Source:
    """The image on the grid with the values of its window brought to 0..1."""
    remarks = (*source.notes, *finite_notes([source], [name]), *notes)
    if window is None:
        return Source(name, image, None, fit, remarks)
    low, high = sorted(window)
    pixels = np.nan_to_num(image.windowed(low, high).pixels, nan=0.0)
    return Source(name, replace(image, pixels=pixels, stored=None, window=(0.0, 1.0), units=""), window, fit, remarks)

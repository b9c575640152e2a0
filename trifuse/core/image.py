"""A medical image: pixels that keep their place in the patient and their native units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trifuse.core.errors import InputError
from trifuse.core.lineage import Lineage
from trifuse.core.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

PICTURE_AFFINE = np.array([[0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=np.float64)
"""Affine of a picture without geometry: 1 mm pixels in radiological view, so that rows run from the
front of the patient to the back and columns from the patient's right to the left."""


CONVERTERS: Registry[Callable[..., list[Image]]] = Registry("converter", "trifuse", {"images": "io:to_images"})
"""What `Image.of` hands over to: an image needs no format to exist, formats need images."""

WINDOWS: Registry[Callable[[Image, str], Image]] = Registry("way", "trifuse.core", {"named": "window:in_window"})
"""What `Image.windowed` hands names over to."""


class Modality(StrEnum):
    """What made the image."""

    T1 = "T1"
    T2 = "T2"
    PD = "PD"
    FLAIR = "FLAIR"
    GAD = "GAD"
    CT = "CT"
    PET = "PET"
    SPECT = "SPECT"
    US = "US"
    OTHER = "OTHER"


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels on a display scale, with geometry and the way back to native units.

    Attributes:
        pixels: float32 `(C, *space)`, C = 1 (grey) or 3 (RGB), space = (H, W) or (X, Y, Z); display
            range 0..1 (0 and 1 are the ends of `window`; fused pictures and clipped displays stay inside).
        affine: float64 (4, 4), voxel indices -> RAS millimetres. A 2D image has indices (row, column, 0).
        modality: what made it.
        window: the native intensities shown as 0 and 1; the first is the greater one where low values are bright.
        stored: the values in native units as the file holds them, same shape as `pixels`, any dtype;
            None where `window` alone gives them back.
        origin: where it came from, for messages.
        notes: what a reader had to decide, in words, for provenance; no patient data.
        frame_of_reference: DICOM UID of the patient coordinate system (or of the atlas space, which NIfTI may name);
            None where the file names none.
        units: of the native values: "HU", "SUV", "Bq/ml"; "" where they have none or it is not known.
        placed: whether the affine says where the image lies; False where its header tells size and shape alone.
        known_place: whether a header says so outright, so that the identity, which arrays are given, is a place too.
        lineage: whose image it is and which DICOM objects it comes from; None where no header says.
    """

    pixels: NDArray[np.float32]
    affine: NDArray[np.float64] = field(default_factory=PICTURE_AFFINE.copy)
    modality: Modality = Modality.OTHER
    window: tuple[float, float] = (0.0, 1.0)
    stored: NDArray[Any] | None = None
    origin: str = "array"
    notes: tuple[str, ...] = ()
    frame_of_reference: str | None = None
    units: str = ""
    placed: bool = True
    known_place: bool = False
    lineage: Lineage | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.float32:
            object.__setattr__(self, "pixels", self.pixels.astype(np.float32))
        if self.pixels.ndim not in (3, 4) or self.pixels.shape[0] not in (1, 3):
            raise InputError(
                f"{self.origin}: pixels of shape {self.pixels.shape} are no image; "
                "give (C, H, W) or (C, X, Y, Z) with C = 1 or 3"
            )
        if self.pixels.size == 0:
            raise InputError(f"{self.origin}: the image is empty (shape {self.pixels.shape})")
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
            raise InputError(f"{self.origin}: the affine is not an invertible 4x4 matrix")
        object.__setattr__(self, "affine", affine)

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.pixels.shape[0])

    @property
    def space(self) -> tuple[int, ...]:
        """Size in pixels: (H, W) or (X, Y, Z)."""
        return tuple(int(n) for n in self.pixels.shape[1:])

    @property
    def dims(self) -> int:
        """2 (a slice or picture) or 3 (a volume)."""
        return len(self.space)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance in mm between neighbouring pixels along each axis of `space`."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, : self.dims], axis=0))

    def native(self) -> NDArray[Any]:
        """The values in native units (HU, SUV, Bq/ml, grey levels), `(C, *space)`, exactly as stored."""
        if self.stored is not None:
            return self.stored
        low, high = self.window
        values: NDArray[Any] = self.pixels.astype(np.float64)
        values *= high - low
        values += low
        return values

    def windowed(self, low: float | str, high: float | None = None, *, told: str = "") -> Image:
        """The same image with native intensities `low`..`high` shown as 0..1, clipped outside.

        Where low values are bright they stay so.

        Args:
            low, high: native values; or the name of a window alone ("brain", "suv6"), see `trifuse.core.window`.
            told: why, for the note; no note is taken if it is empty.

        Raises:
            InputError: if `low >= high`, or a named window is in other units than the image.
            OptionError: if no window has that name.
        """
        if isinstance(low, str):
            return WINDOWS.get("named")(self, low)
        if high is None or not low < high:
            raise InputError(f"{self.origin}: window {low}..{high} is empty; give low < high")
        native = self.native()
        ends = (float(low), float(high)) if self.window[0] < self.window[1] else (float(high), float(low))
        note = f"shown from {low:g} to {high:g}{f' {self.units}' if self.units else ''}, {told}"
        return replace(
            self,
            pixels=_scaled(native, ends[0], ends[1] - ends[0]),
            window=ends,
            stored=native,
            notes=(*self.notes, note) if told else self.notes,
        )

    def separated(self) -> list[Image]:
        """The channels as grey images of their own, for files whose channels are modalities and no colours.

        A grey image is its only channel.
        """
        if self.channels == 1:
            return [self]
        native = self.native()
        return [
            replace(
                self,
                pixels=self.pixels[index : index + 1],
                stored=native[index : index + 1],
                modality=Modality.OTHER,
                origin=f"{self.origin} [{index + 1}]",
                notes=(*self.notes, f"channel {index + 1} of {self.channels} taken as an image of its own"),
            )
            for index in range(self.channels)
        ]

    def noted(self, *notes: str) -> Image:
        """The same image with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def with_pixels(self, pixels: NDArray[np.float32], affine: NDArray[np.float64] | None = None) -> Image:
        """New display pixels in the same place (or at `affine`); native values follow from `window`."""
        return replace(self, pixels=pixels, stored=None, affine=self.affine if affine is None else affine)

    @classmethod
    def from_native(
        cls,
        values: NDArray[Any],
        *,
        affine: ArrayLike = PICTURE_AFFINE,
        modality: Modality = Modality.OTHER,
        window: tuple[float, float] | None = None,
        origin: str = "array",
        notes: tuple[str, ...] = (),
        frame_of_reference: str | None = None,
        units: str = "",
    ) -> Image:
        """Image from native values `(C, *space)` of any real dtype, which `native()` gives back exactly.

        Args:
            window: intensities shown as 0 and 1; the finite minimum and maximum if not given.
                Values outside are clipped in `pixels`. The first may be the greater one (low values
                bright). NaN is shown as 0, infinities as the ends of the window.

        Raises:
            InputError: if no value is finite, or the dtype is not real.
        """
        if values.dtype.kind not in "biuf":
            raise InputError(f"{origin}: values of type {values.dtype} are not intensities")
        if values.size == 0:
            raise InputError(f"{origin}: the image is empty (shape {values.shape})")
        low, high = window if window is not None else finite_range(values, origin)
        span = high - low if high != low else 1.0
        return cls(
            pixels=_scaled(values, low, span),
            affine=np.array(affine, dtype=np.float64),
            modality=modality,
            window=(float(low), float(low + span)),
            stored=values,
            origin=origin,
            notes=notes,
            frame_of_reference=frame_of_reference,
            units=units,
        )

    @classmethod
    def of(cls, source: Any, *, range: tuple[float, float] | None = None) -> Image:
        """Image from whatever a caller has: an `Image`, a path, a numpy array, a torch tensor, a
        nibabel or a SimpleITK image.

        Arrays: (H, W), (H, W, 3), (X, Y, Z) or (X, Y, Z, 3); tensors: (H, W), (1|3, H, W) or
        (1|3, X, Y, Z). uint8 and whole numbers up to 255 span 0..255, uint16 the smallest of 0..1023, 4095,
        16383 and 65535 that holds it; floats within 0..1, but for a little overshoot, are display values; Hounsfield
        units are shown from -200 to 800. Others are guessed, with a `RangeWarning`.

        Args:
            range: the values of an array that are black and white.

        Raises:
            InputError: if it is none of these.
            OptionError: if `range` is none.
        """
        return cls.all_of([source], range=range)[0]

    @classmethod
    def all_of(
        cls, sources: Sequence[Any], *, range: tuple[float, float] | None = None, labels: Sequence[str] = ()
    ) -> list[Image]:
        """Images that belong together, each as by `of`: an array that does not tell its range takes that of the others.

        Args:
            range: the values that are black and white in all arrays among them.
            labels: their names for warnings; "source 1", "source 2", ... if not given.

        Raises:
            InputError: if one is no image.
            OptionError: if `range` is none.
        """
        return CONVERTERS.get("images")(sources, range=range, labels=labels)


def _scaled(values: NDArray[Any], low: float, span: float) -> NDArray[np.float32]:
    """(values - low) / span clipped to 0..1, computed in float64; in blocks, so that no volume is held twice."""
    pixels = np.empty(values.shape, dtype=np.float32)
    step = max(1, 2**22 // max(1, values[:, :1].size))
    for start in range(0, values.shape[1], step):
        block = np.subtract(values[:, start : start + step], low, dtype=np.float64)
        np.divide(block, span, out=block)
        if values.dtype.kind == "f":
            np.nan_to_num(block, copy=False, nan=0.0)
        np.clip(block, 0, 1, out=block)
        pixels[:, start : start + step] = block
    return pixels


def finite_range(values: NDArray[Any], origin: str) -> tuple[float, float]:
    """Smallest and largest finite value.

    Raises:
        InputError: if there is none.
    """
    if values.dtype.kind in "biu":
        return float(values.min()), float(values.max())
    finite = np.isfinite(values)
    if not finite.any():
        raise InputError(f"{origin}: no finite value in the image")
    return float(values.min(where=finite, initial=np.inf)), float(values.max(where=finite, initial=-np.inf))


def scaled_affine(affine: NDArray[np.float64], factors: Sequence[float]) -> NDArray[np.float64]:
    """Affine of an image with `factors[k]` times as many pixels along axis k over the same field of view.

    Pixel edges coincide, so new index i lies at old index (i + 0.5) / factor - 0.5.
    """
    to_old = np.eye(4)
    for axis, factor in enumerate(factors):
        to_old[axis, axis] = 1 / factor
        to_old[axis, 3] = 0.5 / factor - 0.5
    return affine @ to_old


def guess_modality(path: Path) -> Modality:
    """Modality named in a file name (`t1.nii.gz`, `patient-7_PET.png`), OTHER if none is.

    The last word counts: `PET_CT_01_CT` is the CT of a PET/CT.
    """
    import re

    stem = path.name.upper().split(".")[0]
    for word in reversed(re.split(r"[^A-Z0-9]+", stem)):
        found = _WORDS.get(word, word)
        if found in Modality.__members__ and found != "OTHER":
            return Modality(found)
    return Modality.OTHER


_WORDS = {"MR1": "T1", "T1C": "GAD", "T1GD": "GAD", "T1W": "T1", "T1WI": "T1", "T2W": "T2", "T2WI": "T2", "GD": "GAD"}
_WORDS |= {"T1CE": "GAD", "MRGAD": "GAD", "MR2": "T2", "PDW": "PD", "PT": "PET", "FDG": "PET", "ULTRASOUND": "US"}
_WORDS |= {"CTRES": "CT", "CTAC": "CT", "SUV": "PET", "SUVBW": "PET", "T2FLAIR": "FLAIR"}
"""Words of file names that mean a modality beside its own."""

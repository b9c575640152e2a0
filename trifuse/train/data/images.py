"""Single pictures to learn super-resolution from: read once, kept in memory as bytes, drawn by modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from trifuse.core.errors import InputError
from trifuse.train.data import augment, degradations, palettes
from trifuse.train.data.augment import Pixels
from trifuse.train.data.degradations import Levels
from trifuse.train.data.drawn import note
from trifuse.train.settings.data import Volumes


@dataclass(frozen=True)
class Picture:
    """One picture to draw.

    Attributes:
        pixels: `(1 or 3, H, W)` uint8.
        kind: its modality in lower case, for drawing evenly.
        origin: file, for messages.
        patient: whose, for drawing evenly.
        painted: the uptake that it was painted from, where that is known.
        collection: the collection that it belongs to.
    """

    pixels: Pixels
    kind: str
    origin: str = ""
    patient: str = ""
    painted: NDArray[np.float32] | None = None
    collection: str = ""

    @cached_property
    def uptake(self) -> NDArray[np.float32] | None:
        """`(H, W)` 0..1 of a functional picture: what it was painted from, or as read from its palette."""
        if self.painted is not None or self.pixels.shape[0] == 1:
            return self.painted
        return palettes.uptake(self.pixels)


def load(path: Path) -> Pixels:
    """A picture file as `(1 or 3, H, W)` bytes; grey stored as colour or palette becomes one channel.

    Raises:
        InputError: if the file cannot be read as a picture.
    """
    try:
        with Pillow.open(path) as opened:
            rgb = np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a picture ({error}); give PNG, GIF or JPEG") from None
    if (rgb[..., :1] == rgb).all():
        return np.ascontiguousarray(rgb[None, ..., 0])
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))


def picture(path: Path, patient: str = "", collection: str = "") -> Picture:
    """A picture file; its modality is the beginning of the file name (`t1`, `spect-tc`)."""
    return Picture(load(path), path.stem.lower(), str(path), patient, collection=collection)


def of_folder(folder: Path) -> list[Picture]:
    """All pictures below a folder, whose name is their kind; those of more than 400 pixels at half their size.

    What is so large is finer than what it shows; every picture counts as a patient.

    Raises:
        InputError: if there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif"))
    if not files:
        raise InputError(f"{folder}: holds no pictures (PNG, GIF or JPEG)")
    return [Picture(_halved(load(path)), folder.name, str(path), str(path)) for path in files]


def _halved(pixels: Pixels) -> Pixels:
    return pixels if max(pixels.shape[1:]) <= 400 else augment.zoomed(pixels, 0.5)


def slices(volumes: Volumes) -> list[Picture]:
    """Axial slices of CT (soft-tissue window), T1 and PET volumes, PET at 1.2 mm and painted as the atlas does.

    Raises:
        InputError: if a volume is missing or damaged.
    """
    return [
        picture
        for patient in volumes.patients
        for kind in ("ct", "t1", "pet")
        for picture in _slices_of(volumes.folder / patient / f"{kind}.nii.gz", kind, volumes.every)
    ]


def _slices_of(path: Path, kind: str, every: int) -> list[Picture]:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from scipy.ndimage import zoom

    try:
        volume: Any = nibabel.load(path)
        values = np.asarray(volume.dataobj, dtype=np.float32)
    except (OSError, ImageFileError) as error:
        raise InputError(f"{path}: the volume cannot be read ({error})") from None
    low, high = (-160.0, 240.0) if kind == "ct" else (0.0, float(np.percentile(values, 99.7 if kind == "t1" else 99.9)))
    shown = np.clip((values - low) / (high - low), 0, 1)
    planes = [shown[:, :, index].T for index in range(1, shown.shape[2], every)]
    patient = path.parent.name
    if kind != "pet":
        return [Picture(np.rint(p * 255).astype(np.uint8)[None], f"sts-{kind}", str(path), patient) for p in planes]
    factor = float(volume.header.get_zooms()[0]) / 1.2
    fine = [np.rint(np.clip(zoom(p, factor, order=3), 0, 1) * 255) / 255 for p in planes]
    return [Picture(palettes.paint(p, "pet"), "sts-pet", str(path), patient, p.astype(np.float32)) for p in fine]


@dataclass(frozen=True, eq=False)
class PictureSampler:
    """Pictures, and how often each is drawn: `shares` says how often a kind is, kinds not named have share 1; a kind of
    one collection has its own share where it is named (`lgg2d/t1`).

    `augmentation` is how often contrast, palette and zoom are changed, 1 being as often as usual; with `by_patient`
    every patient of a kind is drawn as often as any other, however many pictures there are of each.
    """

    pictures: Sequence[Picture]
    shares: Mapping[str, float]
    augmentation: float = 1.0
    by_patient: bool = False

    @cached_property
    def kinds(self) -> dict[str, list[Picture]]:
        """The pictures by kind, kinds in alphabetical order."""
        kinds: dict[str, list[Picture]] = {}
        for picture in self.pictures:
            kinds.setdefault(self._kind(picture), []).append(picture)
        return dict(sorted(kinds.items()))

    def _kind(self, picture: Picture) -> str:
        own = f"{picture.collection}/{picture.kind}"
        return own if own in self.shares else picture.kind

    def draw(self, random: np.random.Generator) -> Picture:
        """A kind by its share, a patient if they count alike, then a picture."""
        share = np.array([self.shares.get(kind, 1.0) for kind in self.kinds])
        kind = list(self.kinds)[int(random.choice(len(self.kinds), p=share / share.sum()))]
        members = self.kinds[kind]
        if self.by_patient:
            patients = sorted({picture.patient for picture in members})
            chosen = patients[int(random.integers(len(patients)))]
            members = [picture for picture in members if picture.patient == chosen]
        picture = members[int(random.integers(len(members)))]
        note(picture.origin or picture.kind)
        return picture

    def patch(self, side: int, random: np.random.Generator) -> Pixels:
        """One augmented picture `(3, side, side)`: contrast or palette, zoom, crop, flip or quarter turn."""
        drawn = self.draw(random)
        pixels = drawn.pixels
        if drawn.uptake is not None and random.random() < 0.6 * self.augmentation:
            pixels = augment.repaint(drawn.uptake, random)
        elif drawn.pixels.shape[0] == 1 and random.random() < 0.5 * self.augmentation:
            pixels = augment.recontrast(pixels, random)
        if random.random() < 0.25 * self.augmentation:
            pixels = augment.zoomed(pixels, random.uniform(0.7, 1.3))
        square = augment.crop(augment.grey_to_rgb(pixels), side, random)
        return augment.turned(square, int(random.integers(8)))  # type: ignore[return-value]

    def batch(
        self, size: int, side: int, scale: int, random: np.random.Generator, *, exact: bool = True
    ) -> tuple[Levels, Levels, Pixels]:
        """`size` patches: small `(size, 3, side/scale, ...)`, bicubic and sharp `(size, 3, side, side)`.

        Bytes; made small in drawn ways where they are not to be `exact`, the first two are grey levels 0..255.
        """
        sharp = [self.patch(side, random) for _ in range(size)]
        pairs = [augment.degraded(p, scale) if exact else degradations.degraded(p, scale, random) for p in sharp]
        small, bicubic = (np.stack([pair[at] for pair in pairs]) for at in (0, 1))
        return small, bicubic, np.stack(sharp)  # type: ignore[return-value]

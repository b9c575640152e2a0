"""Small pictures as they come: other ways than Pillow's bicubic to make a picture small, with noise, JPEG and rounding.

Every way keeps the field of view: pixel centres of the small picture lie where `scale` x `scale` pixels of the large
one have their common centre.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from trifuse.core import resize

Plane = NDArray[np.float32]
"""`(C, H, W)`, grey levels 0..255."""

Levels = NDArray[np.uint8] | Plane
"""Grey levels 0..255, as bytes or not rounded."""

Shrink = Callable[[Plane, int, np.random.Generator], Plane]


def bicubic(picture: Plane, scale: int, random: np.random.Generator) -> Plane:
    """Pillow's bicubic, antialiased, not rounded."""
    return _by_pillow(picture, scale, Pillow.Resampling.BICUBIC)


def bilinear(picture: Plane, scale: int, random: np.random.Generator) -> Plane:
    """Pillow's bilinear, antialiased: a triangle of twice the scale."""
    return _by_pillow(picture, scale, Pillow.Resampling.BILINEAR)


def area(picture: Plane, scale: int, random: np.random.Generator) -> Plane:
    """The mean of scale x scale pixels, as a detector integrates."""
    return _by_pillow(picture, scale, Pillow.Resampling.BOX)


def bicubic_aliased(picture: Plane, scale: int, random: np.random.Generator) -> Plane:
    """A cubic spline's values at the new centres, without antialiasing."""
    return _sampled(picture, scale, "bicubic")


def bilinear_aliased(picture: Plane, scale: int, random: np.random.Generator) -> Plane:
    """The mean of the pixels around the new centres, without antialiasing."""
    return _sampled(picture, scale, "bilinear")


def blurred(picture: Plane, scale: int, random: np.random.Generator) -> Plane:
    """A Gaussian blur of 0.2 to 0.6 new pixels (standard deviation), then sampled."""
    sigma = float(random.uniform(0.2, 0.6)) * scale
    return _sampled(gaussian_filter(picture, (0, sigma, sigma)), scale, "bicubic")


def fourier(picture: Plane, scale: int, random: np.random.Generator) -> Plane:
    """The low frequencies alone, as a scanner acquires them: magnitudes, with the ringing that comes of it."""
    height, width = picture.shape[1:]
    small = (height // scale, width // scale)
    spectrum = np.fft.fft2(picture)
    kept = []
    for whole, part in zip((height, width), small, strict=True):
        frequencies = np.fft.fftfreq(part, 1 / part).astype(np.int64)
        kept.append((frequencies % whole, np.exp(2j * np.pi * frequencies * (scale - 1) / 2 / whole)))
    (rows, down), (columns, across) = kept
    low = spectrum[:, rows[:, None], columns] * down[:, None] * across / scale**2
    return np.abs(np.fft.ifft2(low)).astype(np.float32)


SHRINKS: dict[str, Shrink] = {
    "bicubic": bicubic,
    "bicubic-aliased": bicubic_aliased,
    "bilinear": bilinear,
    "bilinear-aliased": bilinear_aliased,
    "area": area,
    "blur": blurred,
    "fourier": fourier,
}
"""The ways by which a picture is made small."""


def gaussian_noise(picture: Plane, sigma: float, random: np.random.Generator) -> Plane:
    """Normal noise of `sigma` grey levels, alike in the channels of a grey picture."""
    return picture + _noise(picture, sigma, random)


def rician_noise(picture: Plane, sigma: float, random: np.random.Generator) -> Plane:
    """The magnitude of a complex signal with normal noise of `sigma` grey levels in both parts."""
    return np.asarray(np.hypot(picture + _noise(picture, sigma, random), _noise(picture, sigma, random)))


def jpeg(picture: Plane, quality: int) -> Plane:
    """Through JPEG and back."""
    grey = _is_grey(picture)
    pixels = np.rint(picture.clip(0, 255)).astype(np.uint8).transpose(1, 2, 0)
    file = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels)).save(file, "JPEG", quality=quality)
    with Pillow.open(file) as opened:
        read = np.asarray(opened.convert("RGB"), dtype=np.float32)
    return np.ascontiguousarray(read.transpose(2, 0, 1)[: len(picture)])


def drawn(pixels: NDArray[np.uint8], scale: int, random: np.random.Generator) -> Plane:
    """A picture `(3, H, W)` of bytes made small in a drawn way: `(3, H / scale, W / scale)`, grey levels 0..255.

    Half of the draws are noisy, by 1 to 8 grey levels; of the others a quarter goes through JPEG; half are rounded to
    bytes.
    """
    shrink = SHRINKS[str(random.choice(list(SHRINKS)))]
    small = shrink(pixels.astype(np.float32), scale, random)
    if random.random() < 0.5:
        add = gaussian_noise if random.random() < 0.5 else rician_noise
        small = add(small, float(random.uniform(1, 8)), random)
    elif random.random() < 0.25:
        return jpeg(small, int(random.integers(60, 96)))
    small = small.clip(0, 255)
    return np.rint(small) if random.random() < 0.5 else small


def degraded(pixels: NDArray[np.uint8], scale: int, random: np.random.Generator) -> tuple[Plane, Levels]:
    """A picture made small in a drawn way, and that enlarged again by Pillow's bicubic."""
    small = drawn(pixels, scale, random)
    return small, enlarged(small, pixels.shape[1:])


def enlarged(small: Levels, size: tuple[int, ...]) -> Levels:
    """A small picture enlarged by Pillow's bicubic, whole levels on 8 bits, as the network is given it."""
    whole = np.rint(small).astype(np.uint8) if (np.rint(small) == small).all() else small
    large: Levels = resize.pillow(whole, (size[0], size[1])).clip(0, 255)
    return large


def _by_pillow(picture: Plane, scale: int, kernel: Pillow.Resampling) -> Plane:
    size = (picture.shape[2] // scale, picture.shape[1] // scale)
    return np.stack([np.asarray(Pillow.fromarray(plane).resize(size, kernel)) for plane in picture])


def _sampled(picture: Plane, scale: int, mode: str) -> Plane:
    size = [n // scale for n in picture.shape[1:]]
    return functional.interpolate(torch.from_numpy(picture)[None], size, mode=mode, align_corners=False)[0].numpy()


def _noise(picture: Plane, sigma: float, random: np.random.Generator) -> Plane:
    shape: Sequence[int] = (1, *picture.shape[1:]) if _is_grey(picture) else picture.shape
    return (sigma * random.standard_normal(shape)).astype(np.float32)


def _is_grey(picture: Plane) -> bool:
    return bool((picture == picture[:1]).all())

"""Linear resampling from one grid to another, through SimpleITK."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from scipy import ndimage

from trifuse.align.grid import Matrix
from trifuse.core.image import Image, Modality
from trifuse.core.itk import itk_image, itk_values


def resampled(image: Image, grid: Image, transform: sitk.Transform, source: Matrix, target: Matrix) -> Image:
    """The image on the grid of another, linearly, pixels and stored values alike.

    Where the grid is coarser than the image, the image is smoothed first to the resolution of the grid, since
    skipping voxels would alias. Beyond the image's field of view pixels are 0, and stored values as dark as the
    image's own darkest (or the dark end of its window, if that is darker); those of PET and SPECT, which count decays,
    are 0 at most.

    Args:
        transform: points of the grid -> points of the image, in the space that both matrices lead to.
        source: indices of the image -> that space.
        target: indices of the grid -> that space.
    """
    dims = grid.dims
    steps = np.abs((np.linalg.inv(source) @ target)[:dims, :dims]).max(axis=1)
    # Voxels taken as Gaussians as wide (FWHM) as themselves: their variances differ by this much.
    sigma = [float(np.sqrt(step**2 - 1) / 2.355) if step > 1.2 else 0.0 for step in steps]
    reference = itk_image(np.broadcast_to(np.uint8(0), grid.space), target)

    def carried(values: NDArray[Any], outside: float) -> NDArray[Any]:
        channels = []
        for channel in values:
            smooth = ndimage.gaussian_filter(channel, sigma, mode="nearest") if any(sigma) else channel
            moved = sitk.Resample(itk_image(smooth, source), reference, transform, sitk.sitkLinear, outside)
            channels.append(itk_values(moved))
        return np.ascontiguousarray(np.stack(channels))

    stored = image.stored
    if stored is not None:
        exact = stored.astype(np.result_type(stored.dtype, np.float32))
        finite = exact[np.isfinite(exact)]
        stored = carried(exact, _outside(image, finite))
    return replace(image, pixels=carried(image.pixels, 0.0), stored=stored, affine=grid.affine.copy())


def _outside(image: Image, finite: NDArray[Any]) -> float:
    dark, bright = image.window
    if dark > bright:
        return max(dark, float(finite.max(initial=dark)))
    nothing = 0.0 if image.modality in (Modality.PET, Modality.SPECT) else dark
    return min(dark, nothing, float(finite.min(initial=dark)))

"""Between arrays with a matrix and SimpleITK images, which count the axes of an array backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray


def itk_image(values: NDArray[Any], matrix: NDArray[np.float64]) -> sitk.Image:
    """SimpleITK image of `(*space)`, or of `(*space, C)` as vectors; index (i, j, k) stays (i, j, k).

    Args:
        values: numbers at the indices that the matrix is about.
        matrix: (d + 1, d + 1): indices -> SimpleITK's millimetres, which count in LPS in 3D.
    """
    dims = len(matrix) - 1
    vectors = values.ndim > dims
    turned = values.transpose(*reversed(range(dims)), *([dims] if vectors else []))
    image = sitk.GetImageFromArray(np.ascontiguousarray(turned), isVector=vectors)
    spacing = np.linalg.norm(matrix[:dims, :dims], axis=0)
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(x) for x in matrix[:dims, dims]])
    image.SetDirection([float(x) for x in (matrix[:dims, :dims] / spacing).ravel()])
    return image


def itk_values(image: sitk.Image) -> NDArray[Any]:
    """Values of a scalar SimpleITK image, axes in the order of its indices; the inverse of `itk_image`."""
    return np.asarray(sitk.GetArrayFromImage(image).T)

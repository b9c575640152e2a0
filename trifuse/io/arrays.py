"""Images from what callers hold in memory, and fused images back in the same type.

| type | layouts |
|---|---|
| numpy | (H, W), (H, W, 3), (X, Y, Z), (X, Y, Z, 3) |
| torch | (H, W), (1 or 3, H, W), (1 or 3, X, Y, Z) |
| nibabel | any spatial image of 2 or 3 dimensions |
| SimpleITK | 2D or 3D, 1 or 3 components |
| Pillow | any picture |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.core.image import PICTURE_AFFINE, Image, Modality, finite_range
from trifuse.io.display import CT_WINDOW, depth_of, grey_if_equal, is_ct, levels, over_black, scan_view
from trifuse.io.guard import guarded
from trifuse.io.ranges import Range, among, told
from trifuse.io.request import Request

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM and ITK point left, back, up; NIfTI and this package right, front, up."""

_ACCEPTED = "a path, a numpy array, a torch tensor, or a nibabel, SimpleITK or Pillow image"


def to_image(source: Any) -> Image | Levels:
    """Image of an object in memory (the table above); of arrays, whose range others may tell, their values.

    Raises:
        InputError: if it is none of these, or its layout is ambiguous.
    """
    if isinstance(source, np.ndarray):
        return levels_of_array(source)
    # By name and not by isinstance, so that no library is loaded that the caller has not loaded.
    family = {base.__module__.split(".")[0] for base in type(source).__mro__}
    if "torch" in family:
        return _from_torch(source)
    if "SimpleITK" in family:
        return _from_itk(source)
    if "nibabel" in family and hasattr(source, "dataobj"):
        return _from_nibabel(source)
    if "PIL" in family:
        return _from_pillow(source)
    raise InputError(f"cannot make an image of {type(source).__name__}; give {_ACCEPTED}")


def like(image: Image, template: Any) -> Any:
    """The picture in the type of `template`, a source that a caller gave: type in, type out.

    numpy and torch get display values in the template's layout and number type (uint8 0..255, uint16 0 to the
    top of its window, floats and all others 0..1 as float); nibabel and SimpleITK get native values and geometry;
    paths and images get the `Image` itself. A colour result of a grey template gains the colour axis, and a grey
    result of a colour template is repeated into it.
    """
    if isinstance(template, np.ndarray):
        return _like_numpy(image, template)
    family = {base.__module__.split(".")[0] for base in type(template).__mro__}
    if "torch" in family:
        return _like_torch(image, template)
    if "SimpleITK" in family:
        return to_itk(image)
    if "nibabel" in family:
        from trifuse.io.nifti import to_nibabel

        return to_nibabel(image)
    if "PIL" in family:
        from PIL import Image as Pillow

        values = np.moveaxis(levels(image.pixels, 8), 0, -1)
        return Pillow.fromarray(np.ascontiguousarray(values[..., 0] if image.channels == 1 else values))
    return image


def to_itk(image: Image) -> Any:
    """`SimpleITK.Image` of an image: float32 native values, or 8-bit RGB vectors for colour.

    Raises:
        InputError: if the affine is sheared, which ITK cannot hold.
    """
    from trifuse.core.itk import itk_image

    values = levels(image.pixels, 8) if image.channels == 3 else image.native().astype(np.float32)
    lps = LPS_TO_RAS @ image.affine
    matrix = lps[: image.dims + 1, : image.dims + 1].copy()
    matrix[:-1, -1], matrix[-1] = lps[: image.dims, 3], [0] * image.dims + [1]
    if image.dims == 2:  # rows are the second axis of ITK
        matrix[:2, :2] = lps[:2, [1, 0]]
        values = values.swapaxes(1, 2)
        if _spacing(matrix).min() < 0.99 * np.linalg.norm(lps[:3, :2], axis=0).min():
            raise InputError(
                f"{image.origin}: a slice that is not axial has no place in a 2D ITK image; give a 3D volume"
            )
    direction = matrix[:-1, :-1] / _spacing(matrix)
    if not np.allclose(direction.T @ direction, np.eye(image.dims), atol=1e-4):
        raise InputError(f"{image.origin}: a sheared grid has no place in an ITK image; resample it first")
    return itk_image(np.moveaxis(values, 0, -1) if image.channels == 3 else values[0], matrix)


def _spacing(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of the steps along each axis of a `(d + 1, d + 1)` matrix."""
    steps: NDArray[np.float64] = np.linalg.norm(matrix[:-1, :-1], axis=0)
    return steps


@dataclass(frozen=True, eq=False)
class Levels:
    """Values of an array before their range is known.

    Attributes:
        values: `(C, *space)`, of any real number type.
        origin: for messages.
        own: the range as they tell it.
        modality: what made them.
    """

    values: NDArray[Any]
    origin: str
    own: Range
    modality: Modality = Modality.OTHER

    def image(self, found: Range) -> Image:
        """The image in a range; a copy, so that the caller may go on with the array."""
        ct = found.ends == CT_WINDOW and is_ct(self.values)
        return Image.from_native(
            self.values.copy(),
            window=found.ends,
            affine=_middle(self.values),
            origin=self.origin,
            modality=Modality.CT if ct else self.modality,
            units="HU" if ct else "",
            notes=(found.note,) if found.note else (),
        )


def image_of_array(array: NDArray[Any], origin: str, *, modality: Modality = Modality.OTHER) -> Image:
    """Image of an array in one of the layouts of numpy above, whose range it must tell itself.

    Raises:
        InputError: if its layout cannot be told.
    """
    held = levels_of_array(array, origin, modality=modality)
    return held.image(among(held.own, held.values, (), origin))


def levels_of_array(array: NDArray[Any], origin: str = "array", *, modality: Modality = Modality.OTHER) -> Levels:
    """Values of an array in one of the layouts of numpy above.

    Raises:
        InputError: if its layout cannot be told.
    """
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[-1] != 3 and min(array.shape[1:]) > 4:
        what = "a colour picture with channels first" if array.shape[0] == 3 else "a grey picture with a channel axis"
        way = "np.moveaxis(array, 0, -1)" if array.shape[0] == 3 else "array[0]"
        raise InputError(
            f"{origin}: shape {array.shape} may be {what} or a volume of {array.shape[0]} slices; give {way}, "
            "or Image.from_native(array[None], affine=...)"
        )
    if array.ndim == 3 and array.shape[-1] == 4 and array.dtype == np.uint8:
        raise InputError(
            f"{origin}: shape {array.shape} may be RGBA or a volume of 4 slices; give array[..., :3], "
            "or Image.from_native(array[None])"
        )
    if array.ndim not in (2, 3, 4) or (array.ndim == 4 and array.shape[-1] != 3):
        raise InputError(
            f"{origin}: no image has shape {array.shape}; give (H, W), (H, W, 3), (X, Y, Z) or (X, Y, Z, 3)"
        )
    coloured = array.ndim > 2 and array.shape[-1] == 3
    return _levels(np.moveaxis(array, -1, 0) if coloured else array[None], origin, modality)


def _from_torch(tensor: Any) -> Levels:
    shape = tuple(tensor.shape)
    batch_like = len(shape) == 4 and shape[0] == 1 and shape[1] in (1, 3)
    if len(shape) not in (2, 3, 4) or (len(shape) > 2 and shape[0] not in (1, 3)) or batch_like:
        raise InputError(
            f"tensor: no single image has shape {shape}; give (H, W), (1 or 3, H, W) or (1 or 3, X, Y, Z), "
            "without batch axis"
        )
    with guarded("tensor", "image"):
        values = tensor.detach().cpu()
        array = (values.float() if values.dtype.is_floating_point and values.dtype.itemsize < 4 else values).numpy()
    return _levels(array[None] if array.ndim == 2 else array, "tensor", Modality.OTHER)


def _levels(values: NDArray[Any], origin: str, modality: Modality) -> Levels:
    """Channel-first values of numpy or torch."""
    if values.dtype.kind not in "biuf" or values.size == 0:
        Image.from_native(values, origin=origin)  # which says what is wrong
    values = grey_if_equal(values)
    return Levels(values, origin, told(values, origin), modality)


def _middle(values: NDArray[Any]) -> NDArray[np.float64]:
    """Arrays have no geometry: pictures get `PICTURE_AFFINE`, volumes 1 mm voxels along right, front, up."""
    return PICTURE_AFFINE if values.ndim == 3 else np.eye(4)


def _from_nibabel(source: Any) -> Image:
    from trifuse.io.nifti import from_nibabel

    path = Path(source.get_filename() or "nibabel image")
    with guarded(str(path), "nibabel image"):
        return from_nibabel(source, Request(origin=str(path), path=path))


def _from_pillow(source: Any) -> Image:
    from trifuse.io.picture import as_image, pillow_values

    with guarded("picture", "Pillow image"):
        return as_image(*_in_order(pillow_values(source)))


def _in_order(values: tuple[NDArray[Any], tuple[str, ...]]) -> tuple[NDArray[Any], Request, tuple[str, ...]]:
    return values[0], Request(origin="picture", path=Path("picture")), values[1]


def _from_itk(source: Any) -> Image:
    import SimpleITK

    origin = "SimpleITK image"
    dims, components = source.GetDimension(), source.GetNumberOfComponentsPerPixel()
    if dims not in (2, 3) or components not in (1, 3, 4) or "complex" in source.GetPixelIDTypeAsString():
        raise InputError(
            f"{origin}: {dims}D with {components} components of {source.GetPixelIDTypeAsString()} is no image here; "
            "give 2D or 3D with 1 or 3 real components"
        )
    array = SimpleITK.GetArrayFromImage(source)
    values = array[None] if components == 1 else np.moveaxis(array, -1, 0)
    if dims == 3:
        values = values.swapaxes(1, 3)
    notes: tuple[str, ...] = ()
    if components == 4:
        values, notes = over_black(values[:3], values[3])
    values = grey_if_equal(values)
    modality, affine = _itk_modality(source), itk_affine(source, dims)
    if values.ndim == 4 and len(values) == 1:
        told_by_header = modality not in (Modality.CT, Modality.OTHER)
        seen = (modality, finite_range(values, origin), "") if told_by_header else scan_view(values, modality, origin)
        modality, window, note = seen
    else:
        found = among(told(values, origin), values, (), origin)
        window, note = found.ends, found.note
    return Image.from_native(
        values,
        affine=affine,
        modality=modality,
        window=window,
        origin=origin,
        notes=(*notes, note) if note else notes,
        units="HU" if modality is Modality.CT else "",
    )


def itk_affine(source: Any, dims: int) -> NDArray[np.float64]:
    """Affine to RAS of the first `dims` axes of a SimpleITK image, which may have further ones."""
    axes, lps = source.GetDimension(), np.eye(4)
    direction = np.array(source.GetDirection()).reshape(axes, axes) * np.array(source.GetSpacing())
    lps[:dims, :dims] = direction[:dims, :dims]
    lps[:dims, 3] = source.GetOrigin()[:dims]
    if dims == 2:
        lps = lps[:, [1, 0, 2, 3]]
    affine: NDArray[np.float64] = LPS_TO_RAS @ lps
    return affine


def _itk_modality(source: Any) -> Modality:
    code = source.GetMetaData("0008|0060").strip() if source.HasMetaDataKey("0008|0060") else ""
    return {"CT": Modality.CT, "PT": Modality.PET, "NM": Modality.SPECT, "US": Modality.US}.get(code, Modality.OTHER)


def _like_numpy(image: Image, template: NDArray[Any]) -> NDArray[Any]:
    coloured = template.ndim > 2 and template.shape[-1] == 3
    values = _displayed(image, template.dtype, template)
    if image.channels == 1 and not coloured:
        grey: NDArray[Any] = values[0]
        return grey
    return np.ascontiguousarray(np.moveaxis(_with_channels(values, 3), 0, -1))


def _like_torch(image: Image, template: Any) -> Any:
    import torch

    small_float = template.dtype.is_floating_point and template.dtype.itemsize < 4
    probe = np.empty(0, np.float32) if small_float else template.detach().cpu().numpy()
    values = _displayed(image, probe.dtype, probe)
    if template.ndim > 2:
        values = _with_channels(values, max(len(values), template.shape[0]))
    elif image.channels == 1:
        values = values[0]
    made = torch.from_numpy(np.ascontiguousarray(values)).to(template.device)
    return made.to(template.dtype) if small_float else made


def _with_channels(values: NDArray[Any], channels: int) -> NDArray[Any]:
    return np.repeat(values, channels, axis=0) if len(values) == 1 else values


def _displayed(image: Image, number_type: np.dtype[Any], template: NDArray[Any]) -> NDArray[Any]:
    """Display values in a number type; uint16 on the scale on which the template was read."""
    if number_type == np.uint8:
        return levels(image.pixels, 8)
    if number_type == np.uint16:
        top = depth_of(float(template.max()))
        clipped = np.clip(np.nan_to_num(image.pixels.astype(np.float64)), 0, 1)
        return np.floor(clipped * top + 0.5).astype(np.uint16)
    return image.pixels.astype(number_type if number_type.kind == "f" else np.float32)

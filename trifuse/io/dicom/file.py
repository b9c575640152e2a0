"""A single DICOM file: one frame, a volume of frames, or one of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.core.errors import InputError, one_line
from trifuse.core.image import Image
from trifuse.io.dicom import header as headers
from trifuse.io.dicom.codec import decoded
from trifuse.io.dicom.dynamic import time_points
from trifuse.io.dicom.frames import check_pixels, frame_count, is_image, load, native_values
from trifuse.io.dicom.stack import stacked
from trifuse.io.dicom.suv import in_suv
from trifuse.io.guard import guarded
from trifuse.io.picture import averaged
from trifuse.io.request import Request

if TYPE_CHECKING:
    from pydicom import Dataset


def read_file(request: Request) -> Image:
    """Single DICOM file as an image.

    One frame is a slice (row, column). Several frames that lie at equal distances are a volume (column, row, slice),
    sorted along their normal, or several over time, of which `frame` chooses one or their mean; others need `frame`,
    which gives that slice in file order.

    Raises:
        InputError: if it is damaged, too large, holds no image, or its frames are neither one nor a volume.
    """
    with guarded(request.origin, "DICOM"):
        dataset = load(request.path, request)
        if not is_image(dataset):
            what = one_line(dataset.SOPClassUID.name) if dataset.get("SOPClassUID") else "of unknown class"
            raise InputError(
                f"{request.origin}: this DICOM file holds no image ({what}); give an image file or series folder"
            )
        count = frame_count(dataset)
        check_pixels(dataset, count, request)
        image = _image(dataset, count, request)
        if request.units != "suv":
            return image
        return in_suv(image, [headers.whole_header(dataset, index) for index in range(count)], request)


def _image(dataset: Dataset, count: int, request: Request) -> Image:
    """The volume that the frames form, at one time or on average over time; or the one frame that is chosen."""
    flat = [headers.frame_header(dataset, index) for index in range(count)]
    placed = count > 1 and all(headers.is_placed(header) for header in flat)
    if placed and (not isinstance(request.frame, int) or len(time_points(flat)) > 1):
        frames = decoded(dataset, None, request.origin)
        return stacked(flat, lambda index: native_values(frames[index], dataset, flat[index]), request)
    chosen = request.choose(count)
    header = flat[chosen[len(chosen) // 2]]
    planes = [native_values(decoded(dataset, index, request.origin), dataset, flat[index]) for index in chosen]
    return headers.as_image(averaged(planes), headers.plane_affine(header), header, request)

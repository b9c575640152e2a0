"""What lets a PACS viewer blend the sources itself: a presentation state beside a DICOM result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse import io
from trifuse.core.errors import InputError
from trifuse.core.extras import ExtraError, need
from trifuse.core.files import beside
from trifuse.core.image import Image, finite_range

if TYPE_CHECKING:
    from trifuse.fusion.fused import Fused

DICOM = ("", ".dcm")
"""Ends of names of DICOM results."""


def write_state(
    fused: Fused, images: Sequence[Image], sources: Sequence[Path], output: Path, keep_patient: Path
) -> tuple[dict[str, Path], list[str]]:
    """Writes NAME-blending.dcm beside a DICOM result, in the study of `keep_patient`, where the sources allow it.

    It refers to the original of the first structural source, and to the functional one written anew as the series
    NAME-uptake, in its own units and on its own grid: most PET have a rescale slope for each slice, which a state
    cannot hold, and SUV and uptake read from colours are in no original.

    Args:
        fused: the result.
        images: the sources as they were read.
        sources: where from: files or folders.
        output: where the result is.
        keep_patient: whose study the state joins.

    Returns:
        What was written, and notes on why nothing was.
    """
    from trifuse.io.dicom.blending import Blended, write_state

    if output.suffix.lower() not in DICOM or len(fused.layers) != 1:
        return {}, []
    layer = fused.layers[0]
    structures = [k for k in range(len(images)) if k != layer.index and images[k].lineage is not None]
    if fused.provenance["settings"]["register"] not in ("none", "resample") or not structures:
        return {}, ["no blending presentation state: viewers can blend only DICOM sources that were not registered"]
    target = beside(output, "-blending").with_suffix(".dcm")
    under = Blended(_files(sources[structures[0]]), _uids(images[structures[0]]), images[structures[0]].window)
    over = Blended(_files(sources[layer.index]), _uids(images[layer.index]), layer.window, layer.palette)
    written: dict[str, Path] = {}
    try:
        need("dicom", "a blending presentation state")
        if images[layer.index].dims == 3:
            folder = beside(output, "-uptake").with_suffix("")
            written["uptake"] = io.write(_one_slope(images[layer.index]), folder, keep_patient=keep_patient)
            over = Blended(_files(folder), frozenset(), layer.window, layer.palette)
        written["blending"] = write_state(target, under, over)
    except ExtraError as error:
        return {}, [f"no blending presentation state: {error}"]
    except InputError as error:
        return written, [str(error)]
    return written, []


def _one_slope(image: Image) -> Image:
    """The image shown over its whole range, so that all slices are stored in equal steps."""
    low, high = finite_range(image.native(), image.origin)
    whole = image.windowed(low, high) if low < high else image
    return whole.with_pixels(whole.pixels)


def _files(source: Path) -> tuple[Path, ...]:
    return tuple(sorted(file for file in source.rglob("*") if file.is_file())) if source.is_dir() else (source,)


def _uids(image: Image) -> frozenset[str]:
    return frozenset() if image.lineage is None else frozenset(each.uid for each in image.lineage.instances)

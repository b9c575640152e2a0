"""The cases of a benchmark: images of one patient that belong together."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from trifuse.bench.recipe import Cases
from trifuse.core import resize
from trifuse.core.colour import LUMA
from trifuse.core.errors import InputError, OptionError, brief
from trifuse.core.files import read_text
from trifuse.core.image import Image, scaled_affine
from trifuse.core.lineage import check_one_patient
from trifuse.io.many import Choices


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name, patient: as tables show them.
        paths: of its sources.
        mask: path of its lesion's mask, if it has one.
        names: of its sources: columns, or their numbers.
        chosen: for each source "series" and "frame", where the table says which of several it is.
    """

    name: str
    patient: str
    paths: tuple[Path, ...]
    mask: Path | None = None
    names: tuple[str, ...] = ()
    chosen: tuple[Mapping[str, str], ...] = ()


def find(cases: Cases, data: Path) -> list[Case]:
    """The cases that a recipe names, in the table's order.

    Raises:
        InputError: if the table or a column is missing, or no row is left.
    """
    if cases.listed:
        found = [
            Case(name, name.split("-")[0], tuple(data / path for path in paths)) for name, paths in cases.listed.items()
        ]
    else:
        found = [_case(row, cases, data) for row in _rows(data / str(cases.table), cases)]
    if not found:
        raise InputError(f"{cases.table}: no row meets {cases.where}")
    if cases.limit is not None and len(found) > cases.limit:
        found = [found[int(i)] for i in np.linspace(0, len(found) - 1, cases.limit)]
    twice = [name for name, count in Counter(case.name for case in found).items() if count > 1]
    if twice:
        raise InputError(f"two cases are called {twice[0]}; add a column to `case` that tells them apart")
    for case in found:
        for path in (*case.paths, *([case.mask] if case.mask else [])):
            if not path.exists():
                raise InputError(f"{path}: missing (case {case.name}); name the data folder with --data")
    return found


def _rows(table: Path, cases: Cases) -> list[dict[str, str]]:
    if not table.is_file():
        raise InputError(f"{table}: no such table; name the data folder with --data")
    try:
        reader = csv.DictReader(StringIO(read_text(table, "table"), newline=""))
        columns, rows = reader.fieldnames or [], list(reader)
    except csv.Error as error:
        raise InputError(f"{table}: is no CSV table ({brief(error)})") from None
    else:
        wanted = [*cases.columns, *cases.case, *cases.where, *([cases.patient] if cases.patient else [])]
        missing = [column for column in wanted if column not in columns]
        if missing:
            raise InputError(f"{table}: has no column {', '.join(missing)}; it has {', '.join(columns)}")
        return [row for row in rows if all(row[column] in allowed for column, allowed in cases.where.items())]


def _case(row: dict[str, str], cases: Cases, data: Path) -> Case:
    name = "_".join(row[column] for column in cases.case).replace("/", "-")
    patient = row[cases.patient] if cases.patient else name
    paths = tuple(data / row[column] for column in cases.columns)
    chosen = tuple(
        {end: row[f"{column}_{end}"] for end in ("series", "frame") if row.get(f"{column}_{end}")}
        for column in cases.columns
    )
    return Case(name, patient, paths, _mask(row, cases, data), tuple(cases.columns), chosen)


def published(data: Path, pattern: str, case: Case, scale: int) -> Path:
    """Where somebody's picture of a case lies; `{case}` and `{scale}` are filled in, and nothing else is."""
    return data / pattern.replace("{case}", case.name).replace("{scale}", str(scale))


def _mask(row: dict[str, str], cases: Cases, data: Path) -> Path | None:
    """The mask that a column names, or the file of that name beside the first source; None where there is none."""
    if cases.mask is None:
        return None
    if cases.mask in row:
        return data / row[cases.mask] if row[cases.mask] else None
    beside = (data / row[cases.columns[0]]).with_name(cases.mask)
    return beside if beside.is_file() else None


def sources(case: Case, cases: Cases) -> list[Image]:
    """Reads the sources of a case.

    Raises:
        InputError: if one cannot be read, or they are of different patients by their headers.
    """
    names = case.names or tuple(str(number) for number, _ in enumerate(case.paths, start=1))
    chosen = case.chosen or tuple({} for _ in case.paths)
    choices = Choices(tuple(cases.series), tuple(cases.frames), cases.allow_gaps)
    read = [choices.read(path, name, names, own) for path, name, own in zip(case.paths, names, chosen, strict=True)]
    if not cases.different_patients:
        check_one_patient([image.lineage for image in read])
    return [prepared(image, cases.prepare) for image in read]


def prepared(image: Image, prepare: str) -> Image:
    """An image as a published table prepared it; see `Cases.prepare`.

    "minmax576": luma in float32, bicubic (OpenCV's, a = -0.75, no antialiasing) to 576 x 576 unless it has that
    size, stretched from its minimum and maximum to 0..255 and rounded.
    """
    if prepare == "none":
        return image
    grey = image.pixels[0] if image.channels == 1 else np.tensordot(LUMA, image.pixels, axes=1)
    if grey.shape != (576, 576):
        grey = _torch_bicubic(grey.astype(np.float32), (576, 576))
    low, high = float(grey.min()), float(grey.max())
    levels = np.rint((grey - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    return Image.from_native(levels[None], window=(0, 255), modality=image.modality, origin=image.origin)


def _torch_bicubic(grey: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """torch's bicubic has OpenCV's kernel (a = -0.75) and alignment."""
    import torch

    tensor = torch.from_numpy(grey)[None, None]
    larger = torch.nn.functional.interpolate(tensor, size, mode="bicubic", align_corners=False)
    result: NDArray[np.float32] = larger[0, 0].numpy()
    return result


def smaller(image: Image, scale: int) -> Image:
    """The image with 1 / `scale` of the pixels per side by Pillow's 8-bit bicubic, as the field makes its inputs.

    Raises:
        OptionError: for volumes, and sides that `scale` does not divide.
    """
    if scale == 1:
        return image
    if image.dims != 2 or any(n % scale for n in image.space):
        raise OptionError(f"{image.origin}: sides {image.space} cannot be divided by {scale}")
    height, width = image.space
    less = resize.pillow(_eight_bit(image), (height // scale, width // scale))
    affine = scaled_affine(image.affine, (1 / scale, 1 / scale))
    return Image.from_native(less, window=(0, 255), affine=affine, modality=image.modality, origin=image.origin)


def to_pillow(image: Image) -> Pillow.Image:
    """An 8-bit picture of an image, for pages."""
    levels = _eight_bit(image)
    return Pillow.fromarray(levels[0] if image.channels == 1 else np.moveaxis(levels, 0, -1))


def _eight_bit(image: Image) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.floor(image.pixels * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return levels

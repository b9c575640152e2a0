"""The bundled sample study: T1, T2 and FDG-PET of one head, on one grid, as volumes and as one slice.

Made by `scripts/make_samples.py`; origin, licence and content stand in the README beside this file. There is
no patient behind it: the anatomy is a group template, T2, PET and the lesion are simulated.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from trifuse.core.errors import OptionError
from trifuse.core.image import Modality

NAMES = {Modality.T1: "t1", Modality.T2: "t2", Modality.PET: "pet"}
SUFFIXES = {2: "png", 3: "nii.gz"}


def study(dims: int = 3) -> dict[Modality, Path]:
    """Files of the sample study by modality, in the order T1, T2, PET.

    Args:
        dims: 3 for the volumes (NIfTI, 2 mm; PET in SUV), 2 for one axial slice (PNG, 256 x 256, radiological
            view; PET in pseudo-colour).

    Raises:
        OptionError: if `dims` is neither.
    """
    if dims not in SUFFIXES:
        raise OptionError(f"the sample study has no {dims}D images; choose dims 2 or 3")
    folder = Path(str(files(__name__)))
    return {modality: folder / f"{name}.{SUFFIXES[dims]}" for modality, name in NAMES.items()}

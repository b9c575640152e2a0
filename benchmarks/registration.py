"""Registration of real patients: whether it spoils what headers have right, and finds motions put in on purpose.

    python -m benchmarks registration [--data FOLDER] [--patients sts-008 sts-025] [--motion 7 -5 4 3 -2 4]

The folder holds one folder per patient with `t1`, `ct`, `pet` and their tumour masks (`t1_tumour_mask` ...), NIfTI; by
default the sarcoma patients below TRIFUSE_SHARED. For each patient and image a line: distance in mm of the tumours'
centroids by the headers, after `rigid` (which `auto` does with such files, since they name no frame of reference) and
after `auto` where all name one; then how far from its truth a motion is found again that was put into the PET alone,
and into PET and CT together, as a scanner that made both would have it. The masks come from one set of contours, so
that they favour the headers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from trifuse import io
from trifuse.align.auto import by_trust
from trifuse.align.registration import Registered, carried, registered
from trifuse.core.image import Image

Points = NDArray[np.float64]


def main() -> None:
    """Prints the table, and the median and the largest of each column of distances."""
    parser = argparse.ArgumentParser(description="Registration of real patients against their headers.")
    shared = Path(os.environ.get("TRIFUSE_SHARED", "../shared")) / "data" / "volumes" / "sts"
    parser.add_argument("--data", type=Path, default=shared, help="folder of patients' folders")
    parser.add_argument("--patients", nargs="+", help="names of folders; all if not given")
    parser.add_argument("--motion", nargs=6, type=float, default=[7, -5, 4, 3, -2, 4], help="mm and degrees, x y z")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folders = [arguments.data / name for name in arguments.patients or sorted(os.listdir(arguments.data))]
    print("patient     image  " + "  ".join(f"{name:>7}" for name in COLUMNS))
    rows: dict[str, list[list[float]]] = {"pet": [], "ct": []}
    for folder in folders:
        for name, row in measured(folder, np.array(arguments.motion)).items():
            rows[name].append(row)
            print(f"{folder.name:<11} {name:<5}  " + "  ".join(f"{value:7.2f}" for value in row), flush=True)
    for name, table in rows.items():
        for what, of in (("median", statistics.median), ("largest", max)):
            print(f"{what:<11} {name:<5}  " + "  ".join(f"{of(column):7.2f}" for column in zip(*table, strict=True)))


COLUMNS = ("headers", "rigid", "auto", "alone", "session")
"""Centroids apart by the headers, after `rigid`, and after `auto` with one frame of reference; the motion's miss where
the image moved alone (`rigid`), and where PET and CT of one session moved together (`auto`)."""


def measured(folder: Path, motion: NDArray[np.float64]) -> dict[str, list[float]]:
    """A row of the table for each image of a patient."""
    images = {name: io.read(folder / f"{name}.nii.gz") for name in ("t1", "ct", "pet")}
    tumours = {name: centroid(folder / f"{name}_tumour_mask.nii.gz") for name in images}
    grid, session = images["t1"], moved(images["ct"], motion, images["t1"])
    still = {name: registered(images[name], grid, "rigid") for name in ("pet", "ct")}
    led = registered(session, grid, "rigid")
    rows = {}
    for name in ("pet", "ct"):
        image = images[name]
        named = by_trust(replace(image, frame_of_reference="1.2"), replace(grid, frame_of_reference="1.2"), "")[0]
        fits = (registered(image, grid, "resample"), still[name], named)
        apart = [distance(fit, tumours["t1"], tumours[name]) for fit in fits]
        shifted = moved(image, motion, grid)
        alone = led if name == "ct" else registered(shifted, grid, "rigid")
        together = led if name == "ct" else carried(shifted, grid, led)
        missed = [miss(alone, still[name], motion, grid), miss(together, still["ct"], motion, grid)]
        rows[name] = apart + missed
    return rows


def centroid(path: Path) -> Points:
    """Middle of a mask, RAS mm."""
    image = nib.load(path)
    inside = np.argwhere(np.asarray(image.dataobj) > 0.5)
    return np.asarray((image.affine @ [*inside.mean(axis=0), 1])[:3])


def distance(fit: Registered, reference: Points, image: Points) -> float:
    """How far the tumour of the image lies from where the registration looks for the reference's."""
    return float(np.linalg.norm(fit.move(reference[None])[0] - image))


def turned(motion: NDArray[np.float64], grid: Image) -> NDArray[np.float64]:
    """A motion about the middle of the grid as a matrix, RAS mm -> RAS mm."""
    middle = (grid.affine @ [*(np.array(grid.space) / 2), 1])[:3]
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", motion[3:], degrees=True).as_matrix()
    matrix[:3, 3] = middle + motion[:3] - matrix[:3, :3] @ middle
    return matrix


def moved(image: Image, motion: NDArray[np.float64], grid: Image) -> Image:
    """The image as if the patient had moved so."""
    return replace(image, affine=turned(motion, grid) @ image.affine)


def miss(found: Registered, still: Registered, motion: NDArray[np.float64], grid: Image) -> float:
    """Mean distance over the reference's tissue between what is found with the motion and without."""
    tissue = np.argwhere(grid.pixels[0] > 0.1)[::997]
    points = tissue @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    matrix = turned(motion, grid)
    expected = still.move(points) @ matrix[:3, :3].T + matrix[:3, 3]
    return float(np.linalg.norm(found.move(points) - expected, axis=1).mean())


if __name__ == "__main__":
    main()

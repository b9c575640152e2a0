"""Builds the bundled sample study: T1, T2 and FDG-PET of one head, as volumes and as one slice.

    python scripts/make_samples.py [FOLDER]        (default: trifuse/samples)

The anatomy is the ICBM 2009a symmetric template that ships inside nilearn (`pip install nilearn`): its T1, and its
grey and white matter probabilities, from which T2 and PET are simulated. A small lesion of our own, in the left
frontal white matter, shows on each modality in another way. The numbers are textbook values; nothing was measured.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import affine_transform, gaussian_filter

Volume = NDArray[np.float64]

CROP = ((18, 180), (18, 218), (0, 164))
"""Voxels of the template that are kept: the brain and a margin."""

SLICE_Z_MM = 24.0
SLICE_SIZE = 256
SLICE_SPACING_MM = 0.8

ECHO_MS = 100.0
REPETITION_MS = 4000.0
SPIN = {
    "grey": (0.82, 95.0, 950.0),
    "white": (0.70, 75.0, 650.0),
    "fluid": (1.0, 1500.0, 4300.0),
    "lesion": (0.9, 190.0, 1500.0),
}
"""Proton density, T2 and T1 in ms at 1.5 T."""

SUV = {"grey": 8.0, "white": 2.0, "fluid": 0.3, "lesion": 1.2, "nodule": 13.0}
"""FDG uptake: grey matter takes up four times as much as white; the oedema little, the nodule in it much."""

SCANNER_FWHM_MM = 5.0
RECONSTRUCTION_FWHM_MM = 3.3
"""Together, in quadrature, about 6 mm."""

COUNTS_PER_SUV = 12.0
"""Counts in a 2 mm voxel per SUV: sets the noise."""

T2_NOISE = 0.02
"""Standard deviation of either channel, as a share of the brightest fluid."""

OEDEMA_MM = ((-24.0, 30.0, 26.0), 12.0)
NODULE_MM = ((-25.0, 31.0, 25.0), 5.0)
"""Centre (RAS) and radius."""


@dataclass(frozen=True)
class Anatomy:
    """T1 and tissue shares 0..1 on the cropped 1 mm grid of the template."""

    t1: Volume
    shares: dict[str, Volume]
    affine: Volume


def anatomy() -> Anatomy:
    """The template with the lesion put in."""
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        sys.exit("make_samples: nilearn is not installed; its template is what the samples are made of")
    folder = Path(spec.origin).parent / "datasets" / "data"
    loaded = {m: nib.load(folder / f"mni_icbm152_{m}_tal_nlin_sym_09a_converted.nii.gz") for m in ("t1", "gm", "wm")}
    window = tuple(slice(*limits) for limits in CROP)
    t1, grey, white = (np.asarray(loaded[m].dataobj, dtype=np.float64)[window] / 255 for m in ("t1", "gm", "wm"))
    affine = loaded["t1"].affine.copy()
    affine[:3, 3] += [low for low, _ in CROP]
    lesion, nodule = (ball(t1.shape, affine, *where) for where in (OEDEMA_MM, NODULE_MM))
    lesion = np.minimum(lesion, white)
    shares = {"grey": grey, "white": white, "fluid": np.clip((t1 > 0) - grey - white, 0, 1)}
    shares = {tissue: share * (1 - lesion) for tissue, share in shares.items()}
    return Anatomy(t1 * (1 - 0.3 * lesion), shares | {"lesion": lesion, "nodule": nodule}, affine)


def ball(shape: tuple[int, ...], affine: Volume, centre: tuple[float, float, float], radius: float) -> Volume:
    """A lobed ball with soft edges, 0..1."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    offset = grid @ affine[:3, :3].T + affine[:3, 3] - centre
    distance = np.linalg.norm(offset, axis=-1)
    lobes = 1 + 0.18 * np.sin(offset[..., 0] / 3.1) * np.cos(offset[..., 1] / 4.3 + offset[..., 2] / 5.0)
    ball: Volume = 1 / (1 + np.exp((distance - radius * lobes) / 0.8))
    return ball


def t2_signal(shares: dict[str, Volume]) -> Volume:
    """Spin echo: density x (1 - exp(-TR/T1)) x exp(-TE/T2), summed over tissues."""
    signal = np.zeros_like(shares["grey"])
    for tissue, (density, t2, t1) in SPIN.items():
        signal += shares[tissue] * density * (1 - np.exp(-REPETITION_MS / t1)) * np.exp(-ECHO_MS / t2)
    return signal


def uptake(shares: dict[str, Volume]) -> Volume:
    """SUV as the scanner would see it without noise."""
    activity = sum(shares[tissue] * SUV[tissue] for tissue in SPIN)
    activity = activity * (1 - shares["nodule"]) + SUV["nodule"] * shares["nodule"]
    return blurred(activity, SCANNER_FWHM_MM, 1.0)


def blurred(values: Volume, fwhm_mm: float, spacing_mm: float) -> Volume:
    """Gaussian of a full width at half maximum."""
    smooth: Volume = gaussian_filter(values, fwhm_mm / 2.3548 / spacing_mm)
    return smooth


def rician(signal: Volume, sigma: float, random: np.random.RandomState) -> Volume:
    """Magnitude of a complex signal with Gaussian noise in both channels."""
    return np.hypot(signal + random.normal(0, sigma, signal.shape), random.normal(0, sigma, signal.shape))


def halved(values: Volume) -> Volume:
    """Means of 2 x 2 x 2 voxels."""
    x, y, z = (n // 2 for n in values.shape)
    means: Volume = values[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))
    return means


def cut(values: Volume, affine: Volume) -> Volume:
    """The axial slice as a picture: rows from front to back, columns from the patient's right to the left."""
    half = (SLICE_SIZE - 1) / 2 * SLICE_SPACING_MM
    onto = np.array([[0.0, -SLICE_SPACING_MM, half], [-SLICE_SPACING_MM, 0.0, half - 18.0], [0.0, 0.0, SLICE_Z_MM]])
    to_index = np.linalg.inv(affine)
    matrix, offset = to_index[:3, :3] @ onto, to_index[:3, 3]
    picture: Volume = affine_transform(
        values,
        np.column_stack([matrix[:, :2], np.zeros(3)]),
        matrix[:, 2] + offset,
        (SLICE_SIZE, SLICE_SIZE, 1),
        order=3,
    )
    return picture[..., 0]


def hot_iron(values: Volume) -> NDArray[np.uint8]:
    """RGB of 0..1 by a palette that runs over red and orange to white: red rises first, then green, then blue."""
    ramps = [np.clip(2 * values, 0, 1), np.clip(2 * values - 1, 0, 1), np.clip(4 * values - 3, 0, 1)]
    return np.round(255 * np.stack(ramps, axis=-1)).astype(np.uint8)


def grey_levels(values: Volume, highest: float) -> NDArray[np.uint8]:
    """0..highest as 0..255."""
    return np.round(255 * np.clip(values / highest, 0, 1)).astype(np.uint8)


def save_volume(values: NDArray[np.generic], affine: Volume, path: Path, slope: float = 1.0) -> None:
    """NIfTI of integers; `slope` leads back to the values that are meant."""
    image = nib.Nifti1Image(values, affine)
    image.set_qform(affine, code="mni")
    image.set_sform(affine, code="mni")
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(slope, 0)
    nib.save(image, path)


def main(folder: Path) -> None:
    """Writes the six files."""
    folder.mkdir(parents=True, exist_ok=True)
    head = anatomy()
    random = np.random.RandomState(2009)
    inside = head.t1 > 0
    coarse = head.affine @ np.array([[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1.0]])
    signal, activity = t2_signal(head.shares), uptake(head.shares)
    brightest = float(np.percentile(signal[inside], 99.5))
    sigma = T2_NOISE * brightest

    t2 = rician(halved(signal), sigma, random) * halved(inside.astype(float)).round()
    counts = random.poisson(halved(activity) * COUNTS_PER_SUV)
    suv = blurred(counts / COUNTS_PER_SUV, RECONSTRUCTION_FWHM_MM, 2.0)
    save_volume(np.round(255 * halved(head.t1)).astype(np.uint8), coarse, folder / "t1.nii.gz")
    save_volume(np.round(t2 / brightest * 1000).astype(np.int16), coarse, folder / "t2.nii.gz")
    save_volume(np.round(suv * 100).astype(np.int16), coarse, folder / "pet.nii.gz", slope=0.01)

    brain = cut(gaussian_filter(inside.astype(float), 0.7), head.affine) > 0.5
    t2_slice = rician(cut(signal, head.affine), sigma, random) * brain
    pictures = {
        "t1": grey_levels(cut(head.t1, head.affine) * brain, 1.0),
        "t2": grey_levels(t2_slice, 1.05 * brightest),
        "pet": hot_iron(np.clip(cut(suv, coarse) / np.percentile(suv, 99.9), 0, 1)),
    }
    for name, values in pictures.items():
        Pillow.fromarray(values).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    default = Path(__file__).resolve().parent.parent / "trifuse" / "samples"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)

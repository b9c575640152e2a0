"""Movements are made where parts of the pictures agree on them, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from trifuse import io, samples
from trifuse.align import align
from trifuse.align.registration import registered
from trifuse.align.support import is_supported
from trifuse.core.errors import OptionError
from trifuse.core.image import Image, Modality


def centroid(path: Path) -> np.ndarray:
    """Middle of a mask, RAS mm."""
    image = nib.load(path)
    inside = np.argwhere(np.asarray(image.dataobj) > 0.5)
    return np.asarray((image.affine @ [*inside.mean(axis=0), 1])[:3])


@pytest.mark.parametrize("patient", ["sts-008", "sts-025"])
def test_a_pet_stays_where_its_header_has_it(data: Path, patient: str) -> None:
    """Mutual information alone moves these by 12 mm: the fat of the limb is as dark in PET as air."""
    folder = data / "volumes" / "sts" / patient
    reference, pet = io.read(folder / "t1.nii.gz"), io.read(folder / "pet.nii.gz")
    result = registered(pet, reference, "rigid")
    where = result.move(centroid(folder / "t1_tumour_mask.nii.gz")[None])[0]
    assert np.linalg.norm(where - centroid(folder / "pet_tumour_mask.nii.gz")) < 1
    assert any("parts of the pictures disagree" in note for note in result.notes())


@pytest.mark.parametrize("name", ["t2", "pet"])
def test_a_motion_put_in_on_purpose_is_found(name: str) -> None:
    reference = io.read(samples.study()[Modality.T1])
    image = io.read(samples.study()[Modality(name.upper())])
    motion = np.eye(4)
    motion[:3, 3] = [9, -6, 5]
    moved = replace(image, affine=motion @ image.affine)
    result = registered(moved, reference, "rigid")
    middle = (reference.affine @ [*(np.array(reference.space) / 2), 1])[:3]
    assert np.linalg.norm(result.move(middle[None])[0] - (middle + motion[:3, 3])) < 1.5


@pytest.mark.parametrize(
    ("moved", "apart", "taken"), [(0.8, 6, True), (12, 8, False), (12, 1.9, True), (20, 2.9, True), (5, 2.1, False)]
)
def test_what_counts_as_agreement(moved: float, apart: float, taken: bool) -> None:
    assert is_supported(moved, apart) is taken


def test_auto_trusts_headers_of_one_frame_of_reference() -> None:
    random = np.random.default_rng(0)
    values = np.kron(random.random((6, 6, 6)), np.ones((4, 4, 4))).astype(np.float32)
    affine = np.diag([2.0, 2, 2, 1])
    first = Image(values[None], affine=affine, frame_of_reference="1.2.3")
    shifted = affine.copy()
    shifted[:3, 3] = 3.0
    second = Image(np.sqrt(values)[None], affine=shifted, frame_of_reference="1.2.3")
    notes = align([first, second], register="auto").notes
    assert any("frame of reference" in note for note in notes)
    with pytest.raises(OptionError, match="auto"):
        align([first, second], register="elastic")  # type: ignore[arg-type]

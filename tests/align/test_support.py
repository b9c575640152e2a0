"""Movements are made where parts of the pictures agree on them, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from trifuse import io, samples
from trifuse.align import align, auto
from trifuse.align.registration import registered
from trifuse.align.support import is_supported
from trifuse.align.trust import leaders
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


def test_a_pet_follows_the_ct_of_its_own_frame_of_reference() -> None:
    """Its uptake says little of where it lies; the CT that the same scanner made says it well."""
    reference = replace(io.read(samples.study()[Modality.T1]), frame_of_reference="1.2.3")
    motion = np.eye(4)
    motion[:3, 3] = [9, -6, 5]
    anatomy, pet = (io.read(samples.study()[Modality(name)]) for name in ("T2", "PET"))
    session = [replace(one, affine=motion @ one.affine, frame_of_reference="1.2.4") for one in (anatomy, pet)]
    aligned = align([reference, session[1], session[0]], register="auto")
    assert any(
        note == "source 2 shares its frame of reference with source 3, with which it was moved"
        for note in aligned.notes
    )
    led, followed = aligned.fits[1], aligned.fits[0]
    assert led.moved_mm == pytest.approx(followed.moved_mm)
    assert led.moved_mm == pytest.approx(np.linalg.norm([9, -6, 5]), abs=1.5)


def test_leaders_show_anatomy_and_lie_in_another_frame_than_the_reference() -> None:
    grid = Image(np.zeros((1, 4, 4, 4), np.float32), affine=np.diag([2.0, 2, 2, 1]))

    def of(modality: Modality, frame: str | None) -> Image:
        return replace(grid, modality=modality, frame_of_reference=frame)

    mr, ct, pet, spect = of(Modality.T1, "a"), of(Modality.CT, "b"), of(Modality.PET, "b"), of(Modality.SPECT, "c")
    assert leaders([mr, pet, ct, spect], 0) == {1: 2}
    assert leaders([mr, pet, spect], 0) == {}
    assert leaders([ct, pet, mr], 0) == {}, "its own frame is that of the reference"
    assert leaders([mr, of(Modality.PET, None), of(Modality.CT, None)], 0) == {}


def test_auto_looks_before_it_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the header is right, a coarse look says so, and no registration is run."""
    reference = replace(io.read(samples.study()[Modality.T1]), frame_of_reference="1.2.3")
    image = replace(io.read(samples.study()[Modality.T2]), frame_of_reference="1.2.3")
    ways: list[str] = []
    monkeypatch.setattr(auto, "registered", lambda *args, **_: ways.append(args[2]) or registered(*args))
    result, why = auto.by_trust(image, reference, "registering")
    assert ways == ["resample"]
    assert "its header is trusted" in why
    assert result.displacement == (0.0, 0.0)
    motion = np.eye(4)
    motion[:3, 3] = [12, -9, 8]
    result, why = auto.by_trust(replace(image, affine=motion @ image.affine), reference, "registering")
    assert "but was registered: that explains" in why
    assert result.displacement[0] > 10

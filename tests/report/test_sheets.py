"""Pictures for people: sides, proportions and values are those of the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from trifuse import fuse
from trifuse.core.errors import InputError, OptionError
from trifuse.core.image import Image
from trifuse.report import contact_sheet, map_sheet, middle, views

AFFINE = np.array([[2.0, 0, 0, -20], [0, 2, 0, -24], [0, 0, 3, -15], [0, 0, 0, 1]])


def volume(affine: np.ndarray = AFFINE) -> Image:
    """Dim, with one bright voxel on the patient's left, in front and above."""
    pixels = np.full((1, 21, 25, 11), 0.2, np.float32)
    pixels[0, 4, 20, 8] = 1
    return Image(pixels, affine=affine)


def reoriented(image: Image, axes: tuple[int, int, int], flips: tuple[int, ...]) -> Image:
    """The same anatomy with its axes permuted and some of them reversed."""
    pixels = np.flip(image.pixels.transpose(0, *(1 + a for a in axes)), [1 + f for f in flips])
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, old in enumerate(axes):
        turn[old, new] = -1 if new in flips else 1
        turn[old, 3] = pixels.shape[1 + new] - 1 if new in flips else 0
    return Image(np.ascontiguousarray(pixels), affine=image.affine @ turn)


BALL = np.array([2.0 * 4 - 20, 2 * 20 - 24, 3 * 8 - 15])


@pytest.mark.parametrize(
    ("axes", "flips"), [((0, 1, 2), ()), ((0, 1, 2), (0,)), ((2, 0, 1), (1, 2)), ((1, 2, 0), (0, 2))]
)
def test_slices_are_radiological_however_the_volume_is_stored(
    axes: tuple[int, int, int], flips: tuple[int, ...]
) -> None:
    axial, coronal, sagittal = views(reoriented(volume(), axes, flips), BALL)
    assert axial.pixels.shape == (25, 21)
    assert axial.marks == ("R", "L", "A")
    assert np.argwhere(axial.pixels == 1).tolist() == [[4, 16]]  # in front: near the top; left: right half
    assert coronal.pixels.shape == (11, 21)
    assert np.argwhere(coronal.pixels == 1).tolist() == [[2, 16]]
    assert sagittal.marks == ("A", "P", "S")
    assert np.argwhere(sagittal.pixels == 1).tolist() == [[2, 4]]
    assert sagittal.spacing == pytest.approx((3, 2))


def test_pictures_are_marked_only_if_they_know_their_sides() -> None:
    plain = Image(np.zeros((1, 8, 8), np.float32))
    assert views(plain, np.zeros(3))[0].marks == ("", "", "")
    placed = Image(
        np.zeros((1, 8, 8), np.float32), affine=np.array([[0, -2.0, 0, 9], [-2, 0, 0, 9], [0, 0, 2, 0], [0, 0, 0, 1]])
    )
    assert views(placed, np.zeros(3))[0].marks == ("R", "L", "A")


def test_middle_is_that_of_the_tissue() -> None:
    pixels = np.zeros((1, 21, 25, 11), np.float32)
    pixels[0, 3:6, 10:13, 2:5] = 0.7
    assert middle(Image(pixels, affine=AFFINE)) == pytest.approx([-12, -2, -6])


def test_sheet_shows_every_pixel_as_a_square(tmp_path: Path) -> None:
    values = np.zeros((1, 100, 80), np.float32)
    values[0, 10, 70] = 1
    path = contact_sheet({"one": Image(values), "two": Image(values)}, tmp_path / "sheet.png")
    sheet = np.asarray(Pillow.open(path).convert("L"))
    body = sheet[36:]
    white = np.argwhere(body > 250)
    assert len(white) == 2 * 5 * 5  # two dots, each enlarged five times, no grey around them
    assert np.count_nonzero((body > 5) & (body < 250)) == 0


def test_sheet_of_volumes_and_results(tmp_path: Path) -> None:
    fused = fuse([volume(), volume()], "mean")
    path = contact_sheet([("T1", volume()), ("fused", fused)], tmp_path / "new" / "sheet.png", title="Case 7: $x$")
    with Pillow.open(path) as sheet:
        assert sheet.width > 400
        assert np.asarray(sheet.convert("L"))[0].max() == 0
    assert [p.name for p in path.parent.iterdir()] == ["sheet.png"]


def test_sheet_wraps_and_pictures_of_one_view_have_one_size(tmp_path: Path) -> None:
    coarse, fine = Image(np.ones((1, 50, 50), np.float32)), Image(np.ones((3, 200, 200), np.float32))
    one = contact_sheet({"a": coarse, "b": fine}, tmp_path / "one.png", columns=2)
    two = contact_sheet({"a": coarse, "b": fine}, tmp_path / "two.png", columns=1)
    with Pillow.open(one) as wide, Pillow.open(two) as tall:
        assert wide.width > wide.height
        assert tall.height > tall.width
        white = np.asarray(wide.convert("L"))[40:] > 250
    widths = np.diff(np.flatnonzero(np.diff(np.pad(white[200], 1).astype(int))))[::2]
    assert widths.tolist() == [400, 400]


def test_sheets_refuse_what_cannot_be_shown(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="one image"):
        contact_sheet({}, tmp_path / "x.png")
    with pytest.raises(InputError, match="cannot mix"):
        contact_sheet({"a": volume(), "b": np.zeros((8, 8))}, tmp_path / "x.png")
    with pytest.raises(InputError, match="written in this format"):
        contact_sheet({"a": np.zeros((8, 8))}, tmp_path / "x.nii")
    with pytest.raises(InputError, match="one channel"):
        map_sheet(Image(np.zeros((3, 8, 8), np.float32)), tmp_path / "x.png", label="sd")
    assert list(tmp_path.iterdir()) == []


def test_maps_of_uncertainty_are_warm_and_errors_go_both_ways(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 0.3, 64, dtype=np.float32), (64, 1))
    spread = map_sheet(ramp, tmp_path / "spread.png", label="standard deviation", limit=0.3)
    error = map_sheet(ramp - 0.15, tmp_path / "error.png", label="error", title="fused - reference", limit=0.15)
    with Pillow.open(spread) as picture:
        row = np.asarray(picture.convert("RGB"))[200].astype(int)
    assert row[20].max() < 20  # dark where certain
    assert row[500].sum() > 500  # bright where not
    with Pillow.open(error) as picture:
        row = np.asarray(picture.convert("RGB"))[200].astype(int)
    assert row[100, 2] > row[100, 0] + 60  # blue below
    assert row[270].max() < 30  # black at no error
    assert row[430, 0] > row[430, 2] + 60  # red above

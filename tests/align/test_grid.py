"""One grid: which grids are equal, what the refusal says, and where images without geometry are put."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trifuse.align import align
from trifuse.align.grid import differences, grid_table, lps, orientation, placed_over, same_grid
from trifuse.core.errors import GridError, OptionError
from trifuse.core.image import PICTURE_AFFINE, Image

LAS_2MM = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
RAS_3MM = np.array([[3.0, 0, 0, -90], [0, 3, 0, -126], [0, 0, 3, -72], [0, 0, 0, 1]])


def volume(shape=(6, 7, 8), affine=LAS_2MM, **fields) -> Image:
    values = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
    return Image(values, affine=affine, **fields)


def test_equal_grids_pass_untouched() -> None:
    images = [volume(), volume()]
    aligned = align(images)
    assert aligned.images == images
    assert aligned.notes == []


def test_unlike_grids_are_refused_with_a_table() -> None:
    first = volume(origin="/data/john-doe/t1.nii.gz")
    other = volume((4, 5, 6), RAS_3MM, origin="pet.nii.gz")
    with pytest.raises(GridError, match="--register rigid") as caught:
        align([first, other])
    header, one, two = caught.value.table.splitlines()
    assert header.split()[0] == "image"
    assert " ".join(one.split()) == "1 t1.nii.gz 6x7x8 2 x 2 x 2 LAS 90, -126, -72 (reference)"
    assert two.split()[:3] == ["2", "pet.nii.gz", "4x5x6"]
    assert two.endswith("RAS          -90, -126, -72   size, spacing, orientation, origin")
    assert caught.value.table in str(caught.value)


def test_reference_chooses_the_row_that_others_differ_from() -> None:
    table = grid_table([volume(), volume((4, 5, 6), RAS_3MM)], 1).splitlines()
    assert "(reference)" in table[2]
    assert "orientation" in table[1]


def test_a_small_turn_is_reported_in_degrees() -> None:
    turn = np.eye(4)
    angle = np.deg2rad(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert "angle (3 degrees)" in differences(volume(affine=turn @ LAS_2MM), volume())


def test_another_frame_of_reference_is_refused_even_on_equal_grids() -> None:
    images = [volume(frame_of_reference="1.2.3"), volume(frame_of_reference="1.2.4")]
    with pytest.raises(GridError, match="frame of reference"):
        align(images)
    assert align([images[0], volume()]).images[0] is images[0]


def test_pictures_and_volumes_do_not_mix() -> None:
    with pytest.raises(GridError, match="cannot be mixed"):
        align([volume(), Image(np.zeros((1, 8, 8), np.float32))], register="rigid")


def test_unknown_registration_is_refused() -> None:
    with pytest.raises(OptionError, match="deformable"):
        align([volume(), volume()], register="elastic")  # type: ignore[arg-type]


def test_lps_is_its_own_inverse() -> None:
    assert np.array_equal(lps(lps(LAS_2MM)), LAS_2MM)
    assert np.array_equal(lps(LAS_2MM)[:, 3], [-90, 126, -72, 1])


def test_orientation_of_volumes_and_slices() -> None:
    assert orientation(volume()) == "LAS"
    assert orientation(Image(np.zeros((1, 4, 4), np.float32))) == "PL"


def test_picture_of_another_size_covers_the_reference() -> None:
    grid = Image(np.zeros((1, 100, 80), np.float32))
    picture = Image(np.zeros((3, 400, 320), np.float32), origin="us.png")
    placed, remark = placed_over(picture, grid)
    assert placed.spacing == pytest.approx((0.25, 0.25))
    edge = placed.affine @ [399.5, 319.5, 0, 1]
    assert edge == pytest.approx(PICTURE_AFFINE @ [99.5, 79.5, 0, 1])
    assert "field of view" in remark
    assert "proportions" not in remark
    assert "proportions" in placed_over(Image(np.zeros((1, 400, 400), np.float32)), grid)[1]


def test_same_grid_looks_at_the_far_corners() -> None:
    image = volume((200, 7, 8))
    stretched = LAS_2MM.copy()
    stretched[0, 0] *= 1.0001
    assert not same_grid(image, volume((200, 7, 8), stretched))
    assert same_grid(image, replace(image, affine=LAS_2MM + 1e-7))

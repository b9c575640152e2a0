"""The task of DC2Fusion: what it reads, what it shows the network, and that its weights fuse."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from trifuse.core.errors import InputError
from trifuse.fusion import fuse
from trifuse.train import train
from trifuse.train.data.cases import cases
from trifuse.train.data.volumes import cut, displaced, read, recontrasted, shared
from trifuse.train.draw import Draw
from trifuse.train.recipe import load, objective_of

RECIPE = """
name: volumes
data: {kind: studies, folder: ".", pairs: [[t1.nii.gz, pet.nii.gz]], train: [a], val: [b]}
model: {task: dc2fusion, width: 8, depths: [1, 1], sample: 0.5, val_side: 20}
schedule: {steps: 3, batch: 2, warmup: 0, sides: {1: 16}, check_every: 2, log_every: 1}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Two patients; PET is coarser and covers a part only."""
    random = np.random.default_rng(0)
    for patient in ("a", "b"):
        (tmp_path / patient).mkdir()
        for name, space, spacing in (("t1", (24, 26, 20), 1.0), ("pet", (10, 13, 10), 2.0)):
            values = gaussian_filter(random.random(space), 2) + 0.1
            image = nib.Nifti1Image(values.astype(np.float32), np.diag([spacing, spacing, spacing, 1]))
            nib.save(image, tmp_path / patient / f"{name}.nii.gz")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_batches_follow_from_seed_and_step(recipe: Path) -> None:
    batch, again = (objective_of(load(recipe)).batch(Draw(0, 4)) for _ in range(2))
    assert batch["first"].shape == batch["second"].shape == (2, 1, 16, 16, 16)
    assert 0 <= float(batch["first"].min()) <= float(batch["first"].max()) <= 1
    assert all(torch.equal(value, again[name]) for name, value in batch.items())


def test_pairs_lie_on_the_first_grid(recipe: Path) -> None:
    pair = read((recipe.parent / "a" / "t1.nii.gz", recipe.parent / "a" / "pet.nii.gz"))
    assert pair.shape[:3] == (2, 1, 1)
    assert all(n <= most for n, most in zip(pair.shape[3:], (24, 26, 20), strict=True))
    assert float(pair.amin()) >= 0
    assert float(pair.amax()) <= 1


def test_the_loss_contrast_needs_cubes_in_which_there_are_surroundings(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("sample: 0.5", "sample: 0.5, loss: contrast"))
    with pytest.raises(InputError, match="at least 25"):
        objective_of(load(recipe))


def test_the_six_weights_of_the_paper_are_settings(recipe: Path) -> None:
    def loss(settings: str) -> float:
        recipe.write_text(RECIPE.replace("sample: 0.5", f"sample: 0.5, loss: paper{settings}"))
        objective = objective_of(load(recipe))
        return float(objective.losses(objective.network, objective.batch(Draw(0, 0)), 0)["loss"].detach())

    usual = loss("")
    each = [loss(f", {name}: {pair}") for name in ("alpha", "beta", "gamma") for pair in ("[3, 1]", "[2, 2]")]
    assert loss(", alpha: [2, 1], beta: [2, 1], gamma: [2, 1]") == usual
    assert len({usual, *each}) == 7
    assert each[4] > usual  # a difference is never negative


def test_pairs_are_cut_to_what_both_show() -> None:
    pair = torch.zeros(2, 1, 1, 9, 9, 9)
    pair[0, ..., 1:8, 2:9, :] = 0.5
    pair[1, ..., 3:9, :7, 4:6] = 0.2
    assert shared(pair).shape == (2, 1, 1, 5, 5, 2)
    assert bool((shared(pair) > 0).all())
    assert shared(torch.zeros(2, 1, 1, 3, 4, 5)).shape == (2, 1, 1, 3, 4, 5)


def test_small_volumes_are_set_in_zeros() -> None:
    cube = cut(torch.ones(2, 1, 1, 5, 20, 9), 12, np.random.default_rng(0))
    assert cube.shape == (2, 1, 12, 12, 12)
    assert float(cube.sum()) == 2 * 5 * 12 * 9


def test_augmentation_keeps_order_and_place() -> None:
    volume = torch.linspace(0, 1, 512).reshape(1, 8, 8, 8)
    for seed in range(4):
        changed = recontrasted(volume, np.random.default_rng(seed)).flatten()
        assert bool((changed.diff() >= -1e-6).all())
    assert torch.allclose(displaced(volume, 0.0, np.random.default_rng(0)), volume, atol=1e-5)
    moved = displaced(volume, 1.0, np.random.default_rng(0))
    assert 0 < float((moved - volume).abs().max()) < 3 * 64 / 511 + 1e-3  # one voxel along each axis at most


def test_it_trains_and_its_weights_fuse(recipe: Path, tmp_path: Path) -> None:
    measured = train(recipe, tmp_path / "run")
    assert measured.keys() == {"psnr 1", "psnr 2", "ssim 1", "ssim 2"}
    assert (tmp_path / "run" / "samples" / "0000003.png").is_file()
    weights = str(tmp_path / "run" / "volumes.safetensors")
    volumes = list(np.random.default_rng(0).random((2, 9, 10, 11)).astype(np.float32))
    fused = fuse(volumes, "dc2fusion", options={"weights": weights})
    assert fused.image.space == (9, 10, 11)


def test_volumes_are_for_this_task_alone(recipe: Path) -> None:
    with pytest.raises(InputError, match="dc2fusion"):
        cases(load(recipe).data, "train")  # type: ignore[arg-type]
    recipe.write_text(RECIPE.replace("kind: studies", "kind: folder").split("data:")[0] + FOLDER)
    with pytest.raises(InputError, match="studies"):
        objective_of(load(recipe))


FOLDER = """data: {kind: folder, folder: ".", modalities: [a, b]}
model: {task: dc2fusion}
schedule: {steps: 1}
"""

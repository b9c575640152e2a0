"""Training as the published programs do, from their configuration files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.golden.goldens import each
from tests.train.data.test_official import folders
from trifuse.core.errors import InputError, TrainingWarning, WeightsError
from trifuse.diffusion.model import load as load_model
from trifuse.fusion import fuse
from trifuse.train import train
from trifuse.train.draw import Draw
from trifuse.train.export import restore, write
from trifuse.train.objectives.published import PublishedObjective
from trifuse.train.recipe import load, objective_of


def configuration(folder: Path, **unet: Any) -> Path:
    """An official configuration of a small network, x2 from 8 to 16 pixels."""
    shape = {"in_channel": 12, "out_channel": 3, "inner_channel": 8, "channel_multiplier": [1, 2], "attn_res": [8]}
    noise = {"schedule": "linear", "n_timestep": 40, "linear_start": 1e-4, "linear_end": 0.3}
    content = {
        "name": "fusion",
        "path": {"resume_state": None},
        "datasets": {
            "train": {"dataroot": "data", "l_resolution": 8, "r_resolution": 16, "batch_size": 2, "data_len": -1},
            "val": {"dataroot": "data", "l_resolution": 8, "r_resolution": 16},
        },
        "model": {
            "which_model_G": "sr3",
            "finetune_norm": False,
            "unet": {**shape, "res_blocks": 1, "dropout": 0.2, "norm_groups": 4, **unet},
            "beta_schedule": {"train": noise, "val": {**noise, "n_timestep": 5}},
            "diffusion": {"image_size": 16, "channels": 3, "conditional": True},
        },
        "train": {
            "n_iter": 3,
            "val_freq": 3,
            "print_freq": 1,
            "optimizer": {"type": "adam", "lr": 1e-4},
            "ema_scheduler": {"ema_decay": 0.9999},
        },
    }
    path = folder / "fusion.json"
    path.write_text(json.dumps(content))
    return path


def edited(path: Path, *keys: str, value: Any) -> Path:
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(content))
    return path


@each("tfs-diff", "tfs_loss_")
def test_the_loss_is_that_of_the_program(path: Path, tmp_path: Path) -> None:
    golden = np.load(path)
    network = np.load(path.with_name(str(golden["weights"])))
    shape = json.loads(str(network["config"]))
    file = configuration(tmp_path, **{name: shape[name] for name in shape if name not in ("image_size", "attn_res")})
    file = edited(edited(file, "model", "diffusion", "image_size", value=shape["image_size"]), "name", value="golden")
    file = edited(file, "model", "unet", "attn_res", value=shape["attn_res"])
    objective = objective_of(load(file))
    state = {key[3:]: torch.from_numpy(network[key]).float() for key in network.files if key.startswith("sd/")}
    betas = objective.network.state_dict()["betas"]
    restore(objective.network, write(tmp_path / "weights.safetensors", {**state, "betas": betas}, {}))
    level = torch.from_numpy(golden["level"])
    names = {"condition": "cond", "truth": "x_start", "noise": "noise"}
    batch = {ours: torch.from_numpy(golden[theirs]) for ours, theirs in names.items()}
    batch |= {"level": level.float().double().flatten(), "time": level.float().flatten()}
    terms = objective.losses(objective.network.eval(), batch, 0)
    assert float(terms["loss"].detach()) == pytest.approx(float(golden["l_pix_l1"]), rel=1e-5)
    assert float(terms["structure"]) == pytest.approx(float(golden["ssim_term_old"]), rel=1e-4)
    terms["loss"].backward()
    gradients = [p.grad for p in objective.network.parameters() if p.grad is not None]
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    assert float(norm) == pytest.approx(float(golden["grad_norm_l1"]), rel=1e-3)


def test_one_step_of_the_schedule_for_all_pictures_of_a_batch(tmp_path: Path) -> None:
    folders(tmp_path / "data")
    objective = objective_of(load(configuration(tmp_path)))
    assert isinstance(objective, PublishedObjective)
    levels, seen = objective.schedule.levels, set()
    for step in range(30):
        batch = objective.batch(Draw(0, step))
        first, second = (int(np.searchsorted(-levels, -float(level))) for level in batch["level"])
        assert first == second
        assert torch.equal(batch["time"], batch["level"].float())
        seen.add(first)
    assert len(seen) > 10
    assert objective.run.schedule.steps == 3


def test_the_weights_are_the_methods_with_their_configuration(tmp_path: Path) -> None:
    folders(tmp_path / "data")
    file = configuration(tmp_path)
    train(file, tmp_path / "run")
    weights = tmp_path / "run" / "fusion.safetensors"
    model = load_model(weights)
    assert (model.behaviour.prediction, model.behaviour.conditions, model.shape.config.se_scope) == (
        "noise",
        ("sources",),
        "input",
    )
    assert model.schedule.steps == 40
    assert np.allclose(model.schedule.betas, np.linspace(1e-4, 0.3, 40))
    sources = [np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8) for seed in range(3)]
    options = {"weights": str(weights), "config": str(file), "variant": "reference"}
    fused = fuse(sources, "tfs-diff", scale=2, options=options)
    assert fused.image.pixels.shape == (1, 16, 16)
    by_training = fuse(sources, "tfs-diff", scale=2, options={**options, "config": None})
    assert not np.array_equal(fused.image.pixels, by_training.image.pixels)  # 5 steps of its val schedule, not 40


def test_a_checkpoint_and_the_configuration_of_another(tmp_path: Path) -> None:
    folders(tmp_path / "data")
    file = configuration(tmp_path)
    objective = objective_of(load(file))
    weights = write(tmp_path / "w.safetensors", objective.network.state_dict(), objective.metadata())
    other = configuration(tmp_path, channel_multiplier=[1, 1])
    sources = [np.zeros((8, 8), np.uint8)] * 3
    with pytest.raises(WeightsError, match=r"w\.safetensors: has multipliers \(1, 2\), its configuration \(1, 1\)"):
        fuse(sources, "tfs-diff", scale=2, options={"weights": str(weights), "config": str(other)})


def test_what_is_not_followed_is_said(tmp_path: Path) -> None:
    with pytest.warns(TrainingWarning, match=r"path\.resume_state is not followed"):
        load(edited(configuration(tmp_path), "path", "resume_state", value="I10_E1"))
    with pytest.raises(InputError, match=r"train\.optimizer\.type: adam .* \(got 'sgd'\)"):
        load(edited(configuration(tmp_path), "train", "optimizer", "type", value="sgd"))
    with pytest.raises(InputError, match=r"datasets\.train\.data_len: .* \(got 7\)"):
        load(edited(configuration(tmp_path), "datasets", "train", "data_len", value=7))


def test_sr3_and_ddpm_configurations(tmp_path: Path) -> None:
    file = edited(configuration(tmp_path, in_channel=6), "model", "which_model_G", value="ddpm")
    objective = objective_of(load(file))
    assert isinstance(objective, PublishedObjective)
    levels, times = objective._levels(50, np.random.default_rng(0))
    assert np.allclose(levels, objective.schedule.levels[times.long() + 1])
    assert objective.network.state_dict()["network.time_mlp.1.weight"].shape == (32, 8)

"""The original programs' folders and configuration files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.golden.goldens import each
from trifuse.core.errors import GridError, InputError
from trifuse.diffusion.official import parse
from trifuse.train.data import official
from trifuse.train.objectives.published import Noise
from trifuse.train.objectives.published import Settings as Published
from trifuse.train.recipe import load
from trifuse.train.settings.data import OfficialLayout

CONFIGURATION = """
{
    "name": "fusion_x2", // name of the run
    "gpu_ids": [0],
    "datasets": {
        "train": {"dataroot": "dataset//train", "l_resolution": 128, "r_resolution": 256, "batch_size": 16},
        "val": {"dataroot": "dataset/val", "l_resolution": 128, "r_resolution": 256}
    },
    "model": { // "unused": 1,
        "unet": {"in_channel": 12, "out_channel": 3, "inner_channel": 64, "channel_multiplier": [1, 2, 4, 8, 8],
                 "attn_res": [16], "res_blocks": 2, "dropout": 0.2},
        "beta_schedule": {
            "train": {"schedule": "linear", "n_timestep": 2000, "linear_start": 1e-6, "linear_end": 1e-2}
        },
        "diffusion": {"image_size": 256, "channels": 3, "conditional": true}
    },
    "train": {"n_iter": 1000000, "val_freq": 1e4, "print_freq": 200,
              "optimizer": {"type": "adam", "lr": 1e-4}, "ema_scheduler": {"ema_decay": 0.9999}}
}
"""


def write(folder: Path, pixels: np.ndarray, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels).save(folder / name)


def lay_out(golden: np.lib.npyio.NpzFile, root: Path) -> tuple[int, int]:
    """Writes a golden's pictures as the official folders; returns the small and the full side."""
    high, low = golden["file_hr_0"].shape[0], golden["file_1_lr_0"].shape[0]
    for key in golden.files:
        part = key.split("_")
        if part[:2] == ["file", "hr"]:
            write(root / f"hr_{high}", golden[key], f"{int(part[2]):05d}.png")
        elif part[0] == "file":
            folder = f"{part[1]}_sr_{low}_{high}" if part[2] == "sr" else f"{part[1]}_lr_{low}"
            write(root / folder, golden[key], f"{int(part[3]):05d}.png")
    return low, high


@each("tfs-diff", "dataset_")
def test_items_equal_those_of_the_original(path: Path, tmp_path: Path) -> None:
    golden = np.load(path)
    low, high = lay_out(golden, tmp_path)
    checked = 0
    for key in golden.files:
        part = key.split("_")
        if part[0] == "val":
            item = official.OfficialFolder(tmp_path, low, high, small=True).item(int(part[1].removeprefix("item")))
            assert np.array_equal(item["_".join(part[2:])].numpy(), golden[key]), key
            checked += 1
        elif part[0] == "train":
            torch.manual_seed(int(part[2].removeprefix("seed")))
            folder = official.OfficialFolder(tmp_path, low, high)
            index = int(part[1].removeprefix("item"))
            item = folder.item(index, flip=bool(torch.rand(1) < 0.5))  # as the original draws it
            plain = folder.item(index)
            if part[3] == "flipped":
                assert torch.equal(item["HR"], plain["HR"]) == (not bool(golden[key])), key
            else:
                assert np.array_equal(item[{"HR": "HR", "cond": "1_2_3_SR"}[part[3]]].numpy(), golden[key]), key
            checked += 1
    assert checked > 0


def folders(root: Path, names: tuple[str, ...] = ("a", "b")) -> None:
    random = np.random.default_rng(0)
    for name in names:
        for folder in ("1_sr_8_16", "2_sr_8_16", "3_sr_8_16", "hr_16"):
            write(root / folder, random.integers(0, 256, (16, 16, 3), dtype=np.uint8), f"{name}.png")


def test_a_missing_partner_is_named_not_replaced_by_its_neighbour(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "2_sr_8_16" / "a.png").rename(tmp_path / "2_sr_8_16" / "c.png")
    with pytest.raises(InputError, match=r"2_sr_8_16: no picture called a"):
        official.OfficialFolder(tmp_path, 8, 16)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    folders(tmp_path)
    write(tmp_path / "3_sr_8_16", np.zeros((12, 16, 3), np.uint8), "b.png")
    folder = official.OfficialFolder(tmp_path, 8, 16)
    assert folder.item(0)["1_2_3_SR"].shape == (9, 16, 16)
    with pytest.raises(GridError, match=r"b\.png.*\(12, 16\)"):
        folder.item(1)


def test_an_official_configuration_is_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "x2.json"
    path.write_text(CONFIGURATION)
    recipe = load(path)
    assert isinstance(recipe.data, OfficialLayout)
    assert isinstance(recipe.model, Published)
    assert recipe.data.train == tmp_path / "dataset/train"
    assert (recipe.data.low, recipe.data.high, recipe.data.sources) == (128, 256, 3)
    assert recipe.model.noise == Noise(schedule="linear", steps=2000, start=1e-6, end=1e-2)
    assert (recipe.model.embedding, recipe.model.norm_groups, recipe.model.dropout) == ("level", 32, 0.2)
    assert recipe.model.multipliers == (1, 2, 4, 8, 8)
    assert recipe.model.attention_levels == (4,)
    assert recipe.schedule.sides == {2: 256}
    assert (recipe.schedule.steps, recipe.schedule.batch, recipe.schedule.learning_rate) == (1_000_000, 16, 1e-4)
    assert (recipe.schedule.ema, recipe.schedule.clip, recipe.schedule.beta2) == (0, None, 0.999)
    assert recipe.schedule.rate(0) == recipe.schedule.rate(999_999) == 1e-4


@pytest.mark.parametrize(
    ("text", "message"),
    [("{ // only a comment", "line 1: not valid JSON"), ('{"name": "x"}', "no section 'datasets'"), ("[1]", "object")],
)
def test_a_damaged_configuration_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load(path)


def test_comments_are_cut_outside_of_strings_only() -> None:
    assert parse('{"a": "http://x", // "b": 2,\n"c": 3}') == {"a": "http://x", "c": 3}

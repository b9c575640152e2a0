"""The cache of networks."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import trifuse
from trifuse.core.errors import WeightsError
from trifuse.diffusion import learned
from trifuse.nets.source_sr import SourceSR
from trifuse.train.export import write
from trifuse.weights import kept
from trifuse.weights.kept import MOST

MADE: list[tuple[Path, str]] = []


def make(path: Path, *options: str) -> object:
    MADE.append((path, path.read_text()))
    assert not torch.is_inference_mode_enabled()
    return object()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    MADE.clear()
    path = tmp_path / "weights"
    path.write_text("first")
    return path


def test_made_once_for_each_file_and_its_options(file: Path) -> None:
    with torch.inference_mode():
        first = kept(make, file)
        assert kept(make, str(file)) is first
        assert kept(make, file, "large") is not first
    assert len(MADE) == 2


def test_a_changed_file_is_read_again(file: Path) -> None:
    before = kept(make, file)
    file.write_text("other")
    os.utime(file, ns=(1, 1))  # written within one tick of the clock
    assert kept(make, file) is not before
    assert [text for _, text in MADE] == ["first", "other"]


def test_threads_wait_for_the_one_that_makes_it(file: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: kept(make, file), range(8)))
    assert all(each is found[0] for each in found)
    assert len(MADE) == 1


def test_the_one_not_used_for_longest_goes_first(file: Path) -> None:
    first = kept(make, file)
    for index in range(MOST - 1):
        kept(make, file, str(index))
    assert kept(make, file) is first
    kept(make, file, "one more")
    assert kept(make, file) is first
    kept(make, file, "0")
    assert len(MADE) == MOST + 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth: there is no such file"):
        kept(make, tmp_path / "nowhere.pth")


def test_every_loader_notices_a_changed_file(tmp_path: Path) -> None:
    path, seen = tmp_path / "up.safetensors", []
    for seed in range(2):
        torch.manual_seed(seed)
        write(path, SourceSR(8, 1, 4, (2,)).state_dict(), {"network": "source-sr"})
        os.utime(path, ns=(seed, seed))
        seen.append(learned.enlarged(torch.full((1, 3, 6, 6), 0.5), 2, checkpoint=str(path)))
    assert not torch.equal(*seen)
    pair = [np.random.default_rng(seed).random((12, 12), dtype=np.float32) for seed in range(2)]
    fused = []
    for side in (64, 80):
        table = np.random.default_rng(side).standard_normal((64, side))
        np.savez(tmp_path / "dictionary.npz", table / np.linalg.norm(table, axis=0))
        options = {"dictionary": str(tmp_path / "dictionary.npz")}
        fused.append(trifuse.fuse(pair, "ctsr", options=options).image.pixels)
    assert not np.array_equal(*fused)


def test_what_a_foreign_file_raises_is_one_line(file: Path) -> None:
    def stumbles(path: Path) -> None:
        raise KeyError("first\nsecond")

    with pytest.raises(WeightsError) as error:
        kept(stumbles, file)
    assert "\n" not in str(error.value)
    assert file.name in str(error.value)


def test_a_classifier_is_no_prior(tmp_path: Path) -> None:
    state = {"time_embed.0.weight": torch.zeros(32, 8), "input_blocks.0.0.weight": torch.zeros(8, 3, 3, 3)}
    torch.save(state | {"out.0.weight": torch.zeros(8)}, tmp_path / "classifier.pt")
    with pytest.raises(WeightsError, match="lacks output_blocks"):
        trifuse.fuse([np.zeros((40, 40))] * 2, "ddfm", options={"prior": str(tmp_path / "classifier.pt")})

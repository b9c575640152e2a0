"""The catalogue, safe reading, and the user's own weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trifuse import weights
from trifuse.core.errors import WeightsError
from trifuse.weights import catalogue, store

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def saved(folder: Path, suffix: str) -> Path:
    path = folder / f"state{suffix}"
    if suffix == ".safetensors":
        save_file(STATE, path, metadata={"trifuse": "{}"})
    elif suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in STATE.items()})
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=suffix == ".pth")
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth", ".pt"])
def test_every_kind_is_read(tmp_path: Path, suffix: str) -> None:
    found = weights.load(saved(tmp_path, suffix))
    assert set(found) == set(STATE)
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_nested_checkpoints_are_joined(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "encoder": STATE, "optimizer": [1, 2]}, tmp_path / "nested.pth")
    assert set(weights.load(tmp_path / "nested.pth")) == {"encoder.a.weight", "encoder.b"}


class Program:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_programs_are_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(Program()))
    torch.save({"x": Program()}, tmp_path / "bad.pth")
    np.savez(tmp_path / "bad.npz", x=np.array([Program()], dtype=object))
    for name in ("bad.pkl", "bad.pth", "bad.npz"):
        with pytest.raises(WeightsError) as caught:
            weights.load(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth"])
def test_damaged_files_are_one_line(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(WeightsError, match=path.name) as caught:
        weights.load(path)
    assert "\n" not in str(caught.value)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        weights.load(tmp_path / "none.pth")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(WeightsError, match="ends with"):
        weights.load(tmp_path / "a.txt")
    np.savez(tmp_path / "words.npz", x=np.array(["a"]))
    with pytest.raises(WeightsError, match="no tensor"):
        weights.load(tmp_path / "words.npz")


def test_added_weights_are_found_and_verified(tmp_path: Path, own_home: Path) -> None:
    original = saved(tmp_path, ".pth")
    copy = weights.add("mine", original)
    assert copy.is_relative_to(own_home)
    original.unlink()
    assert weights.path("mine") == copy
    assert weights.verify("mine")[0].state == "added"
    copy.write_bytes(copy.read_bytes() + b"x")
    assert weights.verify("mine")[0].state == "damaged"
    copy.unlink()
    assert weights.verify("mine")[0].state == "absent"


def test_adding_checks_first(tmp_path: Path, own_home: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no checkpoint")
    for name, file in (("mine", "broken.pth"), ("../mine", "state.npz")):
        saved(tmp_path, ".npz")
        with pytest.raises(WeightsError):
            weights.add(name, tmp_path / file)
    assert not own_home.exists()


def test_published_digest_is_demanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalogue.Entry("known", ("x",), "example.org/known.pth", "MIT", sha256="0" * 64)
    monkeypatch.setitem(catalogue.CATALOGUE, "known", entry)
    with pytest.raises(WeightsError, match=r"example\.org"):
        weights.add("known", saved(tmp_path, ".pth"))
    with pytest.raises(WeightsError, match="trifuse weights add known FILE"):
        weights.path("known")


def test_shipped_weights_come_from_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path, ".safetensors")
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    entry = catalogue.Entry("ours", ("x",), "trifuse", "Apache-2.0", file=file.name, sha256=weights.digest(file))
    monkeypatch.setitem(catalogue.CATALOGUE, "ours", entry)
    assert weights.path("ours") == file
    assert weights.verify("ours")[0].state == "shipped"
    with pytest.raises(WeightsError, match="come with the package"):
        weights.add("ours", file)


def test_a_path_is_its_own_name(tmp_path: Path) -> None:
    file = saved(tmp_path, ".npz")
    assert weights.path(str(file)) == file
    with pytest.raises(WeightsError, match="neither a file nor known"):
        weights.path("nowhere")


def test_catalogue_is_sound() -> None:
    for name, entry in weights.CATALOGUE.items():
        assert name == entry.name
        assert entry.origin
        assert entry.licence
        assert entry.file is None or entry.sha256 is not None
    assert {status.name for status in weights.verify()} >= set(weights.CATALOGUE)

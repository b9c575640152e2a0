"""`trifuse data`: lists of public collections, and a folder checked against them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.calls import trifuse
from trifuse.core.shelf import BENCHMARKS, TRAINING, shipped
from trifuse.prepare import collections
from trifuse.prepare.collections import COLLECTIONS, File, get


def test_what_recipes_look_into_is_listed() -> None:
    listed = {each["name"]: each for each in json.loads(trifuse("data", "--json").stdout)}
    assert listed["aanlib2d"]["files"] == 2009
    assert sum(listed["aanlib2d"]["splits"].values()) == 2009
    assert {"table1", "dual", "tfs-diff"} <= set(listed["aanlib2d"]["recipes"])
    assert listed["volumes/sts"]["licence"] == "CC BY 3.0"
    named = {name for each in listed.values() for name in each["recipes"]}
    texts = {name: path.read_text() for name, path in shipped((*TRAINING, *BENCHMARKS)).items()}
    assert {name for name, text in texts.items() if "/triplets.csv" in text or "/pairs.csv" in text} <= named
    assert "The Cancer Imaging Archive" in trifuse("data", "lgg2d").stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file that is right, one renamed, one changed, and none of a fourth."""
    contents = {f"sts2d/a/{k}.png": f"picture {k}".encode() for k in range(4)}
    known = [
        File(path, "a", "train", hashlib.sha256(content).hexdigest(), "somebody/images", path)
        for path, content in contents.items()
    ]
    monkeypatch.setattr(collections, "_manifest", lambda: tuple(known))
    data = tmp_path / "data"
    (data / "sts2d" / "a").mkdir(parents=True)
    (data / "sts2d/a/0.png").write_bytes(contents["sts2d/a/0.png"])
    (data / "clone.png").write_bytes(contents["sts2d/a/1.png"])
    (data / "sts2d/a/2.png").write_bytes(b"something else")
    return data


def test_a_folder_is_checked_by_names_and_bytes(folder: Path) -> None:
    found = json.loads(trifuse("data", "sts2d", "--check", folder, "--json", code=3).stdout)["sts2d"]
    assert found == {
        "whole": ["sts2d/a/0.png"],
        "renamed": {"sts2d/a/1.png": "clone.png"},
        "changed": ["sts2d/a/2.png"],
        "absent": ["sts2d/a/3.png"],
    }
    said = trifuse("data", "sts2d", "--check", folder, code=3)
    assert "rename: clone.png -> sts2d/a/1.png" in said.stderr
    assert "absent: sts2d/a/3.png" in said.stderr


def test_a_whole_folder_is_no_fault(folder: Path) -> None:
    (folder / "sts2d/a/1.png").write_bytes(b"picture 1")
    (folder / "sts2d/a/2.png").write_bytes(b"picture 2")
    (folder / "sts2d/a/3.png").write_bytes(b"picture 3")
    assert "4" in trifuse("data", "sts2d", "--check", folder).stdout


def test_lists_of_cases_are_written_where_they_lack(tmp_path: Path) -> None:
    mine = tmp_path / "aanlib2d" / "pairs.csv"
    mine.parent.mkdir()
    mine.write_text("mine")
    trifuse("data", "aanlib2d", "--tables", tmp_path)
    rows = list(csv.DictReader((tmp_path / "aanlib2d" / "triplets.csv").open()))
    assert {"case", "split", "path_1", "path_2", "path_3"} <= set(rows[0])
    assert mine.read_text() == "mine"
    held = {file.path: file.split for file in collections.files(get("aanlib2d"))}
    assert all(held[row[f"path_{k}"]] == row["split"] for row in rows for k in (1, 2, 3))


def test_the_division_of_tfs_diff_has_its_proportions() -> None:
    done = trifuse("data", "--split", "tfs-diff")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    parts = Counter(row["split"] for row in rows)
    assert len(rows) == 86
    for part, share in (("train", 84), ("val", 10), ("test", 25)):
        assert abs(parts[part] - 86 * share / 119) < 1
    assert "drawn by us" in done.stderr
    held = {file.path for file in collections.files(get("aanlib2d"))}
    assert all(row[f"path_{k}"] in held for row in rows for k in (1, 2, 3))


def test_what_is_not_known_is_one_line(tmp_path: Path) -> None:
    assert "did you mean 'lgg2d'" in trifuse("data", "lgg", code=2).stderr
    assert "no such folder" in trifuse("data", "--check", tmp_path / "none", code=2).stderr
    assert "there is: tfs-diff" in trifuse("data", "--split", "tang", code=2).stderr


def test_shipped_lists_hold_no_doubles() -> None:
    for each in COLLECTIONS:
        paths = [file.path for file in collections.files(each)]
        assert len(set(paths)) == len(paths) > 0

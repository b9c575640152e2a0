"""`trifuse doctor`: what a sound installation says, and what is wrong with others."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calls import trifuse
from trifuse.cli import doctor
from trifuse.core.version import __version__
from trifuse.weights import store


def test_it_says_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path / "home"))
    found = json.loads(trifuse("doctor", "--tight", "0", "--json").stdout)
    assert found["faults"] == []
    assert found["program"]["trifuse"] == __version__
    assert found["parts"]["numpy"] == np.__version__
    assert found["machine"]["devices"].startswith("cpu")
    assert found["folders"]["checkpoints"] == f"{tmp_path / 'home'} (not made yet)"
    assert found["checkpoints"]["tfs-diff"] == "shipped"
    assert not (tmp_path / "home").exists()


def test_an_extra_that_is_not_there_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    done = trifuse("doctor", "--tight", "0")
    assert "lacks pandas" in done.stdout
    assert "no fault found" in done.stderr


def test_faults_are_named_with_what_mends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = [store.Status("sr3", "damaged", Path("sr3.safetensors"))]
    monkeypatch.setattr(store, "verify", lambda: damaged)
    monkeypatch.setattr(doctor, "PARTS", ("numpy", "no-such-part"))
    said = trifuse("doctor", "--tight", "1e9", code=3).stderr
    assert "no-such-part is not installed" in said
    assert "checkpoint sr3 is damaged" in said
    assert "GB are free on the disk of here" in said

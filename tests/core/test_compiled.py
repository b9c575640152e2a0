"""Where compiled code is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from trifuse.core.compiled import caches, compiled

CODE = """
import sys
sys.path.insert(0, {folder!r})
from kernels import twice
assert twice(21) == 42
"""


def kept(folder: Path, **environment: str) -> list[Path]:
    """Files of numba that appear below a folder when a compiled function beside it is called once."""
    (folder / "kernels.py").write_text(
        "from trifuse.core.compiled import compiled\n@compiled()\ndef twice(x):\n    return 2 * x\n"
    )
    surroundings = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"} | environment
    subprocess.run([sys.executable, "-c", CODE.format(folder=str(folder))], check=True, env=surroundings, timeout=120)
    return list(folder.rglob("*.nbi"))


def test_compiled_code_is_kept_in_the_users_cache(tmp_path: Path) -> None:
    found = kept(tmp_path, TRIFUSE_HOME=str(tmp_path / "home"))
    assert len(found) == 1
    assert (tmp_path / "home" / "cache") in found[0].parents


def test_a_place_that_the_user_names_stays_his(tmp_path: Path) -> None:
    found = kept(tmp_path, TRIFUSE_HOME=str(tmp_path / "home"), NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    assert [path for path in found if tmp_path / "mine" in path.parents] == found != []


def test_the_cache_lies_where_the_platform_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIFUSE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert caches() == tmp_path / "trifuse"


def test_numbas_own_setting_is_left_alone() -> None:
    before = numba.config.CACHE_DIR

    @compiled()
    def plus(x: int) -> int:
        return x + 1

    assert plus(1) == 2
    assert before == numba.config.CACHE_DIR

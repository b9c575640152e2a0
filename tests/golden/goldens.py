"""Finds golden files: outputs of the original programs, in `$TRIFUSE_GOLDEN` or `$TRIFUSE_SHARED/golden`.

Where neither is there, the small set in `data` is taken, whose inputs are all synthetic.

A test takes every file of a kind (a file-name prefix), so that more files of a kind are more tests; a kind
that a folder lacks is no test and no failure. A topic folder that is there but matches no kind of the topic at
all fails: `check_topic` in each test file sees to it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("TRIFUSE_SHARED", REPOSITORY.parent / "shared")).resolve()
OWN = Path(__file__).resolve().parent / "data"
"""Goldens of synthetic inputs, which anyone has."""


def _golden() -> Path:
    named = os.environ.get("TRIFUSE_GOLDEN")
    if named:
        return Path(named).resolve()
    return SHARED / "golden" if (SHARED / "golden").is_dir() else OWN


GOLDEN = _golden()


def files(topic: str, *kinds: str, suffix: str = ".npz") -> list[Path]:
    """All golden files of a topic whose names begin with one of `kinds`, sorted."""
    folder = GOLDEN / topic
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.name.endswith(suffix) and p.name.startswith(kinds))


def each(topic: str, *kinds: str, suffix: str = ".npz", holding: str = "") -> pytest.MarkDecorator:
    """Parametrises `path` over the golden files of a kind; skips with the reason where there are none.

    Args:
        holding: pattern of a key that a file must hold to be a test.
    """
    found = files(topic, *kinds, suffix=suffix)
    if holding:
        found = [path for path in found if any(re.search(holding, key) for key in np.load(path).files)]
    if found:
        return pytest.mark.parametrize("path", found, ids=lambda p: p.name)
    what = f"{'/'.join(kinds)}*{f' with {holding}' if holding else ''}"
    reason = f"no golden files {what} in {GOLDEN / topic} (set TRIFUSE_SHARED or TRIFUSE_GOLDEN)"
    return pytest.mark.parametrize("path", [pytest.param(None, marks=pytest.mark.skip(reason=reason))])


def check_topic(topic: str, *kinds: str) -> None:
    """Fails if the topic's folder exists but holds no file of any of `kinds`; skips if it does not exist."""
    folder = GOLDEN / topic
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} (set TRIFUSE_SHARED or TRIFUSE_GOLDEN)")
    names = [p.name for p in folder.iterdir()]
    assert any(name.startswith(kinds) for name in names), f"{folder} holds none of the kinds {kinds}"


def fixed(topic: str, name: str) -> Path:
    """A fixed input of a topic (published weights, dictionaries), from the golden folder or the shared one."""
    for folder in (GOLDEN / topic, SHARED / "golden" / topic):
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"{name} is in neither {GOLDEN / topic} nor {SHARED / 'golden' / topic}")


def assert_close(ours: Any, golden: Any, atol: float = 0.0, rtol: float = 0.0, err_msg: str = "") -> None:
    """Fails unless every value is within `atol` + `rtol` x the golden one; neither given: equal."""
    np.testing.assert_allclose(np.asarray(ours), np.asarray(golden), rtol=rtol, atol=atol, err_msg=err_msg)

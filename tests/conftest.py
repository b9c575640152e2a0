"""Where the shared material lies, and how its absence is reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TRIFUSE_SHARED", REPOSITORY.parent / "shared")).resolve()
GOLDEN = Path(os.environ.get("TRIFUSE_GOLDEN", SHARED / "golden")).resolve()


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real images; the test is skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real images skipped: no folder {folder} (set TRIFUSE_SHARED)")
    return folder

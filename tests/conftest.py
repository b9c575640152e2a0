"""Where the shared material lies, and how its absence is reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TRIFUSE_SHARED", REPOSITORY.parent / "shared")).resolve()
GOLDEN = Path(os.environ.get("TRIFUSE_GOLDEN", SHARED / "golden")).resolve()


class Shared(type(Path())):  # type: ignore[misc]
    """A path in the shared material; naming something that is not there skips the test with the reason."""

    def __truediv__(self, name: str | os.PathLike[str]) -> Shared:
        below: Shared = super().__truediv__(name)
        if not below.exists():
            pytest.skip(f"real images skipped: no {below}")
        return below


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real images; a test is skipped where the folder, or what it needs in it, is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real images skipped: no folder {folder} (set TRIFUSE_SHARED)")
    return Shared(folder)

"""A small cohort: pictures of three cases, with a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow


def picture(path: Path, seed: int, size: int = 32) -> Path:
    """Writes noise that a seed makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.random.default_rng(seed).integers(0, 255, (size, size), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """cases.csv with three cases `p1`, `p2`, `p10` of t1 and pet, in a folder of their own."""
    rows = []
    for number, name in enumerate(("p1", "p2", "p10")):
        for kind, seed in (("t1", number), ("pet", 100 + number)):
            picture(tmp_path / "data" / f"{name}_{kind}.png", seed)
        rows.append(f"{name},{name}_t1.png,{name}_pet.png")
    listed = tmp_path / "data" / "cases.csv"
    listed.write_text("\n".join(["case,t1,pet", *rows]) + "\n")
    return listed

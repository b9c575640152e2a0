"""A small made-up data set: registered pictures of two grey modalities and a pseudo-coloured one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from trifuse.train.data import palettes
from trifuse.train.draw import Draw
from trifuse.train.loop import Trainer
from trifuse.train.objectives.base import Batch
from trifuse.train.recipe import Recipe, load, objective_of


def made(seed: int, side: int = 48) -> list[np.ndarray]:
    """Two smooth grey pictures `(1, side, side)` and a painted one `(3, side, side)`."""
    random = np.random.default_rng(seed)
    planes = []
    for blur in (1.5, 2.0, 4.0):
        plane = gaussian_filter(random.standard_normal((side, side)), blur)
        planes.append((plane - plane.min()) / np.ptp(plane))
    greys = [np.rint(plane * 255).astype(np.uint8)[None] for plane in planes[:2]]
    return [*greys, palettes.paint(planes[2], "pet")]


def save(pixels: np.ndarray, path: Path) -> Path:
    """Writes `(1 or 3, H, W)` as a picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(path)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of four training cases and one for validation, and its pictures."""
    rows = ["case,patient,split,kind,functional,path_1,path_2,path_3"]
    for number in range(5):
        names = [f"set/case{number}/{name}.png" for name in ("t1", "t2", "pet")]
        for pixels, name in zip(made(number), names, strict=True):
            save(pixels, tmp_path / name)
        split = "train" if number < 4 else "val"
        rows.append(f"case{number},p{number},{split},T1/T2/PET,yes,{','.join(names)}")
    path = tmp_path / "set" / "triplets.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def broken_off(recipe: Path | Recipe, output: Path, after: int) -> str:
    """Trains until the user stops it in the step after `after`; returns what he is told."""
    read = recipe if isinstance(recipe, Recipe) else load(recipe)
    objective = objective_of(read)
    plain = objective.batch

    def batch(draw: Draw) -> Batch:
        if draw.step == after:
            raise KeyboardInterrupt
        return plain(draw)

    objective.batch = batch  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt) as stopped:
        Trainer(read, objective, output).run()
    return str(stopped.value)

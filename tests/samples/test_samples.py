"""The sample study: complete, small, on one grid, and what the script makes."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Pillow

from trifuse.core.errors import OptionError
from trifuse.core.image import Modality
from trifuse.samples import study

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "trifuse" / "samples"


def values(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        return np.asarray(Pillow.open(path))
    return np.asarray(nib.load(path).dataobj)


def test_all_files_are_there_and_small() -> None:
    paths = [path for dims in (2, 3) for path in study(dims).values()]
    assert len(set(paths)) == 6
    assert all(path.is_file() for path in paths)
    assert sum(path.stat().st_size for path in paths) < 2_000_000
    assert "Louis Collins" in (FOLDER / "README.md").read_text(encoding="utf-8")
    with pytest.raises(OptionError, match="dims 2 or 3"):
        study(4)


def test_volumes_share_one_grid() -> None:
    loaded = [nib.load(path) for path in study(3).values()]
    assert len({image.shape for image in loaded}) == 1
    assert all(np.array_equal(image.affine, loaded[0].affine) for image in loaded)
    assert nib.aff2axcodes(loaded[0].affine) == ("R", "A", "S")


def test_slices_share_one_size_and_pet_is_in_colour() -> None:
    pictures = {modality: Pillow.open(path) for modality, path in study(2).items()}
    assert {picture.size for picture in pictures.values()} == {(256, 256)}
    assert [picture.mode for picture in pictures.values()] == ["L", "L", "RGB"]


def test_contrasts_are_those_of_the_modalities() -> None:
    t1, t2, pet = (values(study(3)[m]).astype(float) for m in (Modality.T1, Modality.T2, Modality.PET))
    affine = nib.load(study(3)[Modality.T1]).affine

    def at(volume: np.ndarray, *place: float) -> float:
        x, y, z = np.round(np.linalg.inv(affine) @ [*place, 1])[:3].astype(int)
        return float(volume[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2].mean())

    ventricle, white, cortex = (-6, 10, 12), (26, -20, 28), (0, -70, 30)
    lesion, nodule, mirrored = (-24, 22, 26), (-25, 31, 25), (25, 31, 25)
    assert at(t2, *ventricle) > 2 * at(t2, *white)
    assert at(t1, *ventricle) < 0.7 * at(t1, *white)
    assert at(pet, *cortex) > 2 * at(pet, *white)
    assert at(t2, *lesion) > 1.5 * at(t2, *white)
    assert at(pet, *nodule) > 2 * at(pet, *mirrored)  # on the patient's left only


@pytest.mark.slow
def test_the_script_makes_these_files(tmp_path: Path) -> None:
    pytest.importorskip("nilearn", reason="the template that the samples are made of ships inside nilearn")
    subprocess.run([sys.executable, REPOSITORY / "scripts" / "make_samples.py", tmp_path], check=True)
    for path in [*study(2).values(), *study(3).values()]:
        made, kept = values(tmp_path / path.name), values(path)
        assert made.dtype == kept.dtype
        # Rounding may fall otherwise with another build of SciPy, here and there.
        assert (np.abs(made.astype(float) - kept) > 0).mean() < 1e-3, path.name
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.slow
def test_a_wheel_carries_them(tmp_path: Path) -> None:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", ".gitignore"):
        shutil.copy(REPOSITORY / name, copy)
    shutil.copytree(REPOSITORY / "trifuse", copy / "trifuse", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], check=True, cwd=copy)
    wheel = next(tmp_path.glob("*.whl"))
    assert wheel.stat().st_size < 40e6
    archive = ZipFile(wheel)
    names = archive.namelist()
    assert {"trifuse/recipes/bench/dual.yaml", "trifuse/recipes/train/source-sr.yaml"} <= set(names)
    assert "trifuse/core/maps.npz" in names
    page = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", page) == []
    assert "Project-URL: Homepage" in page
    expected = {f"trifuse/samples/{p.name}" for dims in (2, 3) for p in study(dims).values()}
    assert expected | {"trifuse/samples/README.md"} <= set(names)

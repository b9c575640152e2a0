"""Seeds of the campaign: a small valid file of every kind that trifuse reads, and how each is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tests.io import makers
from trifuse import io
from trifuse.bench import recipe as bench_recipe
from trifuse.cohort import cases_of
from trifuse.core.image import Image
from trifuse.core.shelf import BENCHMARKS, TRAINING, shipped
from trifuse.prepare.studies import listed
from trifuse.train import checkpoint, plan
from trifuse.weights import files as weight_files


@dataclass(frozen=True)
class Seed:
    """A valid file.

    Attributes:
        name: with the suffix that it is read under.
        content: its bytes.
        kind: which mutations by structure it takes; see `mutations.BY_KIND`.
        read: what trifuse does with such a file.
    """

    name: str
    content: bytes
    kind: str
    read: Callable[[Path], object]


KINDS = {".png": "png", ".tif": "tiff", ".nii": "nifti", ".dcm": "dicom", ".gz": "gzip", ".mgz": "gzip"}
KINDS |= {".nrrd": "text", ".mha": "text", ".yaml": "text", ".csv": "text", ".json": "text", ".hdr": "nifti"}
KINDS |= {".pt": "zip", ".npz": "zip", ".safetensors": "text"}
"""Suffix -> kind; "fields" for the rest, binary formats whose headers are made of numbers."""


def seeds(folder: Path) -> list[Seed]:
    """All seeds; `folder` takes the files while they are made."""
    images = [*makers.valid_files(folder).values(), *_more_images(folder)]
    found = [_seed(path, _image) for path in images]
    found += [_seed(path, read) for path, read in _texts(folder).items()]
    return found + [_seed(path, read) for path, read in _checkpoints(folder).items()]


def _seed(path: Path, read: Callable[[Path], object]) -> Seed:
    return Seed(path.name, path.read_bytes(), KINDS.get(path.suffix, "fields"), read)


def _more_images(folder: Path) -> list[Path]:
    import h5py

    random = np.random.default_rng(1)
    volume = Image(random.random((1, 4, 5, 3), dtype=np.float32), affine=np.eye(4))
    deep = Image(random.random((3, 7, 5), dtype=np.float32))
    written = [io.write(volume, folder / name) for name in ("v.dcm", "v.nrrd", "v.mha", "v.nii")]
    written += [io.write(deep, folder / name, bits=16) for name in ("deep.png", "deep.tif")]
    held = Image(random.random((1, 6, 5), dtype=np.float32)).windowed(0.0, 1.0)
    written.append(io.write(held, folder / "map.dcm"))
    with h5py.File(folder / "v7.mat", "w") as file:
        file["image"] = makers.PICTURE.T
    makers.sample("pair", folder)
    return [*written, folder / "v7.mat", folder / "volume.hdr"]


def _image(path: Path) -> object:
    image = io.read(path)
    return image.native().sum(), io.write(
        image.with_pixels(image.pixels[..., :8, :8]), path.with_name("out.tif"), bits=32
    ) if image.dims == 2 else None


def _texts(folder: Path) -> dict[Path, Callable[[Path], object]]:
    made: dict[Path, Callable[[Path], object]] = {}
    for name in ("dual", "lesions"):
        made[_text(folder / f"bench-{name}.yaml", shipped(BENCHMARKS)[name].read_text())] = bench_recipe.load
    for name in ("cddfuse", "tfs-diff", "dncnn-small"):
        made[_text(folder / f"train-{name}.yaml", shipped(TRAINING)[name].read_text())] = plan.load
    official = {"name": "run", "model": {"which_model_G": "sr3", "unet": {"inner_channel": 64}}, "datasets": {}}
    made[_text(folder / "official.json", json.dumps(official, indent=1))] = plan.load
    table = "case,t1,pet,pet_series,scale,patient,split\np1,a.nii,b.nii,2,1,x,train\np2,c.nii,d.nii,,2,y,test\n"
    made[_text(folder / "cohort.csv", table)] = lambda path: cases_of([path])
    made[_text(folder / "studies.csv", table)] = listed
    rows = "\n  ".join(["cases:", "p1: {t1: a.nii, pet: b.nii}", "p2: {t1: c.nii, pet: d.nii, scale: 2}"])
    made[_text(folder / "cohort.yaml", rows)] = lambda path: cases_of([path])
    made[_text(folder / "studies.yaml", rows.replace("cases", "studies"))] = listed
    return made


def _text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def _checkpoints(folder: Path) -> dict[Path, Callable[[Path], object]]:
    tensors = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.zeros(3)}
    torch.save({"state_dict": tensors, "epoch": 3}, folder / "w.pt")
    save_file(tensors, folder / "w.safetensors", metadata={"kind": "x"})
    arrays: dict[str, Any] = {name: value.numpy() for name, value in tensors.items()}
    np.savez_compressed(folder / "w.npz", **arrays)
    state = checkpoint.State("{}", 1, 1, {"psnr": 1.0}, {"loss": [1.0]}, tensors, dict(tensors), {"state": {}})
    checkpoint.save(folder / "checkpoint.pt", state)
    loaded = {folder / name: weight_files.load for name in ("w.pt", "w.safetensors", "w.npz")}
    return {**loaded, folder / "checkpoint.pt": checkpoint.read}

"""Checkpoints as plain tensors, read without running any code that a file may hold."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trifuse.core.errors import WeightsError, brief

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".npz", ".pth", ".pt", ".pkl", ".ckpt", ".model", ".tar")
"""Kinds of files that are read; all but the first two hold what `torch.save` writes."""


def load(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint by name, on the CPU.

    safetensors, npz, and whatever `torch.save` wrote, as far as it is data: nested mappings are joined with dots
    (`encoder.conv.weight`), entries that are no tensors are left out, and files that would run code are refused.

    Raises:
        WeightsError: if the file is missing, damaged, of another kind, or holds no tensor.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; give a checkpoint ({', '.join(SUFFIXES)})")
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(f"{path}: a checkpoint ends with one of {', '.join(SUFFIXES)}")
    readers = {".safetensors": _safetensors, ".npz": _npz}
    try:
        tensors = readers.get(path.suffix.lower(), _torch)(path)
    except WeightsError:
        raise
    except Exception as error:  # damaged files raise whatever their parser stumbles over
        raise WeightsError(f"{path}: the checkpoint cannot be read ({brief(error, 160)}); fetch it again") from None
    if not tensors:
        raise WeightsError(f"{path}: the checkpoint holds no tensor")
    return tensors


def metadata(path: str | Path) -> dict[str, str]:
    """The text that a safetensors file carries beside its tensors; empty for other kinds.

    Raises:
        WeightsError: if the file is missing or damaged.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: the checkpoint cannot be read ({brief(error)}); fetch it again") from None


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


LARGEST = 2**32
"""Bytes that an archive of weights may unpack to."""


def _npz(path: Path) -> dict[str, Tensor]:
    import numpy as np
    import torch

    with zipfile.ZipFile(path) as archive:
        announced = sum(member.file_size for member in archive.infolist())
    if announced > LARGEST:
        raise WeightsError(f"{path}: unpacks to {announced / 2**30:.1f} GiB, more than any weights; fetch it again")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files if arrays[name].dtype.kind in "biuf"}


def _torch(path: Path) -> dict[str, Tensor]:
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path}: not a plain checkpoint (damaged, or a pickled program, which is not run); save its state_dict"
        ) from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a state_dict")
    return dict(_flattened(content, ""))


def _flattened(content: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Tensor]]:
    import torch

    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value.detach()
        elif isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")

"""Configuration files and folders of the original SR3 and TFS-Diff programs, so that their users can move over.

Source: the layout described by the two programs' data preparation; unlike there, files are matched by name and
their sizes are checked.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from trifuse.core.errors import GridError, InputError, OptionError, TrainingWarning, brief
from trifuse.diffusion.official import configuration

if TYPE_CHECKING:
    import torch

    from trifuse.train.settings.data import OfficialLayout

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp"})


def fields(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The fields of the recipe that an official configuration stands for: it trains as the program does.

    That is task `published-diffusion`, Adam with a constant rate, no clipping and no moving average (the programs never
    use their `ema_scheduler`).

    Raises:
        InputError: if a section is missing, or asks for what is not done here.
    """
    try:
        train, settings = content["datasets"]["train"], content["train"]
        low, high = train["l_resolution"], train["r_resolution"]
        _check_followed(content, path)
        described = configuration(content)
        beta = content["model"]["beta_schedule"]["train"]
        return {
            "name": content["name"],
            "data": {
                "kind": "official",
                "train": path.parent / train["dataroot"],
                "val": _val_root(content, path),
                "low": low,
                "high": high,
                "sources": 3 if described.shape.in_channels > 6 else 1,
            },
            "model": {
                "task": "published-diffusion",
                **described.shape.model_dump(exclude={"in_channels", "out_channels", "se_scope"}),
                "noise": {
                    "schedule": beta["schedule"],
                    "steps": beta["n_timestep"],
                    "start": beta["linear_start"],
                    "end": beta["linear_end"],
                },
            },
            "schedule": {
                "steps": settings["n_iter"],
                "learning_rate": settings["optimizer"]["lr"],
                "batch": train["batch_size"],
                "sides": {high // low: high},
                "check_every": settings["val_freq"],
                "log_every": settings["print_freq"],
                "warmup": 0,
                "beta2": 0.999,
                "clip": None,
                "ema": 0,
            },
        }
    except KeyError as error:
        raise InputError(f"{path}: the configuration has no section {error}") from None
    except (OptionError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise InputError(f"{path}: no such model ({brief(error)})") from None


def _check_followed(content: dict[str, Any], path: Path) -> None:
    """Says of what a configuration asks for and is not done here."""
    optimiser = content["train"]["optimizer"].get("type", "adam")
    if optimiser != "adam":
        raise InputError(f"{path}, field train.optimizer.type: adam is what the programs use (got {optimiser!r})")
    length = content["datasets"]["train"].get("data_len", -1)
    if length not in (-1, None):
        raise InputError(
            f"{path}, field datasets.train.data_len: the whole set is learned from; give -1 (got {length})"
        )
    if content.get("path", {}).get("resume_state"):
        unused = "path.resume_state is not followed: training starts anew, or goes on from its folder with --resume"
        warnings.warn(TrainingWarning(f"{path}: {unused}"), stacklevel=2)
    if content["model"].get("finetune_norm"):
        warnings.warn(TrainingWarning(f"{path}: model.finetune_norm is not followed: all weights learn"), stacklevel=2)


def _val_root(content: dict[str, Any], path: Path) -> Path | None:
    root = content["datasets"].get("val", {}).get("dataroot")
    return path.parent / root if root else None


class OfficialFolder:
    """A data set in the official layout; an item is what the original data set class gives.

    Args:
        root: the data root.
        low, high: sides in pixels of the small and the full-size pictures.
        sources: 3, or 1 for SR3's layout.
        small: whether to read the small pictures too (as the original validation does).

    Raises:
        InputError: if a folder is missing or files of one folder lack partners in another.
    """

    def __init__(self, root: Path, low: int, high: int, sources: Literal[1, 3] = 3, *, small: bool = False) -> None:
        marks = ("1_", "2_", "3_") if sources == 3 else ("",)
        self.low, self.high, self.small = low, high, small
        self.marks = [mark.rstrip("_") for mark in marks]
        self._hr = found(root / f"hr_{high}")
        self.names = sorted(self._hr)
        self._sr = [partners(root / f"{mark}sr_{low}_{high}", self.names) for mark in marks]
        self._lr = [partners(root / f"{mark}lr_{low}", self.names) for mark in marks] if small else []

    def __len__(self) -> int:
        return len(self.names)

    def pictures(self, index: int) -> dict[str, NDArray[np.uint8]]:
        """Item `index` as RGB bytes `(3, side, side)`: `HR`, and `1_SR`, `2_SR`, `3_SR` (and `1_LR` ...) or `SR`, `LR`.

        Raises:
            GridError: if a picture has not the size its folder promises, or the pictures differ.
        """
        name = self.names[index]
        hr = rgb(self._hr[name])
        read = {"HR": hr}
        for folder, kind, shrink in ((self._sr, "SR", 1), (self._lr, "LR", self.high // self.low)):
            for mark, files in zip(self.marks, folder, strict=False):
                pixels = rgb(files[name])
                wanted = tuple(n // shrink for n in hr.shape[1:])
                if pixels.shape[1:] != wanted:
                    raise GridError(
                        f"{files[name]}: {pixels.shape[1:]} pixels; {wanted} expected beside hr_{self.high}"
                    )
                read[f"{mark}_{kind}" if mark else kind] = pixels
        return read

    def item(self, index: int, *, flip: bool = False) -> dict[str, torch.Tensor]:
        """Item `index` as tensors in -1..1, with `1_2_3_SR` (and `1_2_3_LR`) concatenated along channels.

        Args:
            flip: mirror all pictures left to right.
        """
        import torch

        read = {key: pixels[..., ::-1] if flip else pixels for key, pixels in self.pictures(index).items()}
        tensors = {key: torch.from_numpy(np.ascontiguousarray(p)).float() / 255 * 2 - 1 for key, p in read.items()}
        if len(self.marks) == 3:
            for kind in ("SR", "LR") if self.small else ("SR",):
                tensors[f"1_2_3_{kind}"] = torch.cat([tensors[f"{mark}_{kind}"] for mark in self.marks])
        return tensors


def found(folder: Path) -> dict[str, Path]:
    """Picture files below a folder by stem.

    Raises:
        InputError: if there is no such folder or no picture in it, or two of the same name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; the official layout needs it")
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            if path.stem in files:
                raise InputError(f"{path}: a second picture called {path.stem} beside {files[path.stem]}")
            files[path.stem] = path
    if not files:
        raise InputError(f"{folder}: holds no picture ({', '.join(sorted(SUFFIXES))})")
    return files


def partners(folder: Path, names: list[str]) -> dict[str, Path]:
    """Picture files of a folder, one for each of `names`.

    Raises:
        InputError: if one is missing.
    """
    files = found(folder)
    missing = [name for name in names if name not in files]
    if missing:
        raise InputError(f"{folder}: no picture called {missing[0]} ({len(missing)} of {len(names)} missing)")
    return files


def rgb(path: Path) -> NDArray[np.uint8]:
    """A picture file as RGB bytes `(3, H, W)`.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with Pillow.open(path) as opened:
            return np.ascontiguousarray(np.asarray(opened.convert("RGB")).transpose(2, 0, 1))
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a picture ({error})") from None


def layout_of(data: OfficialLayout, phase: Literal["train", "val"]) -> OfficialFolder | None:
    """The data set of one phase, None where the recipe names no validation set."""
    root = data.train if phase == "train" else data.val
    return None if root is None else OfficialFolder(root, data.low, data.high, data.sources)

"""Configuration files and folders of the original SR3 and TFS-Diff programs, so that their users can move over.

Source: the layout described by the two programs' data preparation; unlike there, files are matched by name and
their sizes are checked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from trifuse.core.errors import GridError, InputError

if TYPE_CHECKING:
    import torch

    from trifuse.train.settings.data import OfficialLayout

SR3 = {"task": "sr3"}
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp"})


def parse(text: str, origin: str = "configuration") -> dict[str, Any]:
    """The content of an official configuration file; `//` starts a comment outside of strings.

    Raises:
        InputError: if it is not JSON otherwise.
    """
    lines = []
    for line in text.splitlines():
        quoted = False
        cut = len(line)
        for at, character in enumerate(line):
            if character == '"' and line[at - 1 : at] != "\\":
                quoted = not quoted
            elif not quoted and line.startswith("//", at):
                cut = at
                break
        lines.append(line[:cut])
    try:
        content = json.loads("\n".join(lines))
    except json.JSONDecodeError as error:
        raise InputError(f"{origin}, line {error.lineno}: not valid JSON ({error.msg})") from None
    if not isinstance(content, dict):
        raise InputError(f"{origin}: a configuration is a JSON object")
    return content


def fields(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The fields of the recipe that an official configuration stands for, with what both have in common.

    Kept: name, data roots and sizes, batch, number of steps, learning rate, validation interval and the U-Net's shape;
    the noise schedule and the loss are this package's (the published loss compares unlike things).

    Raises:
        InputError: if a section is missing.
    """
    try:
        train = content["datasets"]["train"]
        low, high = train["l_resolution"], train["r_resolution"]
        unet = content["model"]["unet"]
        sources = 3 if unet["in_channel"] > 6 else 1
        image_size = content["model"].get("diffusion", {}).get("image_size", high)
        multipliers = unet.get("channel_multiplier") or unet["channel_mults"]
        settings = content["train"]
        return {
            "name": content["name"],
            "data": {
                "kind": "official",
                "train": path.parent / train["dataroot"],
                "val": _val_root(content, path),
                "low": low,
                "high": high,
                "sources": sources,
            },
            "model": {
                **({"task": "tfs-diff", "condition": "bicubic", "se_scope": "condition"} if sources == 3 else SR3),
                "unshuffle": 1,
                "channels": unet["inner_channel"],
                "multipliers": multipliers,
                "attention_levels": [
                    level for level in range(len(multipliers)) if image_size // 2**level in (unet.get("attn_res") or [])
                ],
                "res_blocks": unet["res_blocks"],
                "norm_groups": unet.get("norm_groups") or 32,
                "dropout": unet.get("dropout") or 0.0,
            },
            "schedule": {
                "steps": settings["n_iter"],
                "learning_rate": settings["optimizer"]["lr"],
                "batch": train["batch_size"],
                "sides": {high // low: high},
                "check_every": settings["val_freq"],
                "log_every": settings["print_freq"],
                "ema": (settings.get("ema_scheduler") or {}).get("ema_decay", 0.9999),
            },
        }
    except KeyError as error:
        raise InputError(f"{path}: the configuration has no section {error}") from None


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

"""The books of a training run: CSV files and, where TensorBoard is installed, its log."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trifuse.core.errors import InputError, brief
from trifuse.core.files import write_text


class Log:
    """`log.csv` and `validation.csv` of a folder; rows after the step resumed from are dropped.

    Raises:
        InputError: if a file of that name holds something else.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        for name in ("log.csv", "validation.csv"):
            _keep_until(folder / name, step)
        self._board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def training(self, step: int, values: Mapping[str, float]) -> None:
        """A row of `log.csv`."""
        self._write("log.csv", "train", step, values)

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        """A row of `validation.csv`."""
        self._write("validation.csv", "val", step, values)

    def close(self) -> None:
        """Writes out what is pending."""
        if self._board is not None:
            self._board.close()

    def _write(self, name: str, group: str, step: int, values: Mapping[str, float]) -> None:
        path = self.folder / name
        try:
            new = not path.exists()
            with path.open("a", newline="") as opened:
                writer = csv.writer(opened, lineterminator="\n")
                if new:
                    writer.writerow(["step", *values])
                writer.writerow([step, *(f"{value:.6g}" for value in values.values())])
        except OSError as error:
            reason = error.strerror or brief(error)
            raise InputError(f"{path}: cannot be written ({reason}); make room, then go on with --resume") from error
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{group}/{key}", value, step)


def _keep_until(path: Path, step: int) -> None:
    if not path.exists():
        return
    try:
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        if not head.startswith("step"):
            raise ValueError
        kept = [row for row in rows if int(row.split(",")[0]) <= step]
    except ValueError:  # a decoding error is one too
        raise InputError(f"{path}: is no log of a training run; move it away, or give another folder") from None
    write_text(path, "\n".join([head, *kept, ""]))

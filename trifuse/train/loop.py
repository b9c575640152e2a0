"""The training loop: one process or many, resumable to the bit on a CPU.

Everything random in a step follows from seed, step and process number (`Draw`), and a checkpoint holds the network, its
moving average and the optimiser: a run that is broken off and resumed equals one that is not.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pillow
from torch import nn

from trifuse.core.errors import InputError
from trifuse.core.progress import track
from trifuse.train.recipe import Recipe
from trifuse.train.task import Draw, Task


class Average:
    """Exponential moving average of a network's weights; early on it forgets faster, so that the start fades."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Takes the weights in after a step (counted from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value.detach(), 1 - decay)
            else:
                self.state[name].copy_(value)


class Trainer:
    """Trains a task after a recipe, into a folder.

    The folder gets `checkpoint.pt` (to resume), `log.csv` and `validation.csv`, a TensorBoard log where TensorBoard is
    installed, `samples/` with contact sheets, and at the end `<name>.safetensors`.

    Args:
        recipe: the schedule and the seed.
        task: the network and what it learns.
        output: the folder.
        resume: go on from the folder's checkpoint.

    Raises:
        InputError: if there is nothing to resume, or the folder holds another run and `resume` is not set.
    """

    def __init__(self, recipe: Recipe, task: Task, output: Path, *, resume: bool = False) -> None:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        schedule = recipe.schedule
        self.recipe, self.task, self.output = recipe, task, output
        self.checkpoint = output / "checkpoint.pt"
        self._check(resume)
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="bf16" if schedule.precision == "bf16" else "no",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        optimiser = torch.optim.AdamW(
            task.network.parameters(), lr=schedule.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self.network, self.optimiser = self.accelerator.prepare(task.network, optimiser)
        self.average = Average(self.plain, schedule.ema)
        self.step = 0
        if resume:
            self._load()

    @property
    def plain(self) -> nn.Module:
        """The network without the wrapper for several processes."""
        plain: nn.Module = self.accelerator.unwrap_model(self.network)
        return plain

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return bool(self.accelerator.is_main_process)

    def run(self) -> dict[str, float]:
        """Trains to the last step; returns the last validation."""
        schedule = self.recipe.schedule
        log = Log(self.output, self.step) if self.leads else None
        measured: dict[str, float] = {}
        sums: dict[str, list[float]] = {}
        clock = time.perf_counter()
        for step in track(range(self.step, schedule.steps), f"training {self.recipe.name}"):
            for name, value in self._one(step).items():
                sums.setdefault(name, []).append(value)
            self.step = step + 1
            if self.step % schedule.log_every == 0 and log is not None:
                means = {name: sum(values) / len(values) for name, values in sums.items()}
                took = (time.perf_counter() - clock) / len(sums["loss"])
                log.training(self.step, means | {"rate": schedule.rate(step), "seconds_per_step": took})
                sums, clock = {}, time.perf_counter()
            if self.step % schedule.check_every == 0 or self.step == schedule.steps:
                self._save()
                measured = self._validated(log)
        if log is not None:
            log.close()
            self._export(measured)
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        return measured

    def _one(self, step: int) -> dict[str, float]:
        """One step; the means of the loss terms over this process's batch."""
        schedule = self.recipe.schedule
        draw = Draw(self.recipe.seed, step, self.accelerator.process_index)
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        torch.manual_seed(int(draw.torch.initial_seed()))  # dropout
        batch = {name: value.to(self.accelerator.device) for name, value in self.task.batch(draw).items()}
        self.network.train()
        with self.accelerator.autocast():
            terms = self.task.losses(self.network, batch, step)
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(terms["loss"])
        self.accelerator.clip_grad_norm_(self.network.parameters(), schedule.clip)
        self.optimiser.step()
        self.average.update(self.plain, step + 1)
        return {name: float(value.detach()) for name, value in terms.items()}

    def _validated(self, log: Log | None) -> dict[str, float]:
        """Measures of the averaged network, by the leading process."""
        measured: dict[str, float] = {}
        if log is not None:
            for network in self._averaged():
                measured = self.task.validate(network)
                log.validation(self.step, measured)
                sheet = self.task.pictures(network)
                if sheet is not None:
                    folder = self.output / "samples"
                    folder.mkdir(exist_ok=True)
                    Pillow.fromarray(sheet.transpose(1, 2, 0)).save(folder / f"{self.step:07d}.png")
        self.accelerator.wait_for_everyone()
        return measured

    def _averaged(self) -> Iterator[nn.Module]:
        """The network with the averaged weights in place, put back afterwards."""
        network = self.plain
        own = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.average.state)
        network.eval()
        try:
            yield network
        finally:
            network.load_state_dict(own)

    def _check(self, resume: bool) -> None:
        if resume and not self.checkpoint.is_file():
            raise InputError(f"{self.output}: holds no checkpoint to resume; start without --resume")
        if not resume and self.checkpoint.is_file():
            raise InputError(
                f"{self.output}: holds a run already; add --resume to go on with it, or name another folder"
            )
        self.output.mkdir(parents=True, exist_ok=True)

    def _save(self) -> None:
        if self.leads:
            partial = self.checkpoint.with_suffix(".part")
            torch.save(
                {
                    "step": self.step,
                    "net": self.plain.state_dict(),
                    "ema": self.average.state,
                    "opt": self.optimiser.state_dict(),
                },
                partial,
            )
            partial.replace(self.checkpoint)
        self.accelerator.wait_for_everyone()

    def _load(self) -> None:
        saved: dict[str, Any] = torch.load(self.checkpoint, map_location=self.accelerator.device, weights_only=True)
        self.plain.load_state_dict(saved["net"])
        self.average.state = saved["ema"]
        self.optimiser.load_state_dict(saved["opt"])
        self.step = saved["step"]

    def _export(self, measured: dict[str, float]) -> Path:
        """The averaged weights as safetensors with their metadata."""
        from trifuse.train.export import write

        metadata = self.task.metadata() | {"name": self.recipe.name, "steps": str(self.step)}
        return write(self.output / f"{self.recipe.name}.safetensors", self.average.state, metadata, measured)


class Log:
    """CSV files and, where TensorBoard is installed, its log; rows after the step resumed from are dropped."""

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

    def training(self, step: int, values: dict[str, float]) -> None:
        """A row of `log.csv`."""
        self._write("log.csv", "train", step, values)

    def validation(self, step: int, values: dict[str, float]) -> None:
        """A row of `validation.csv`."""
        self._write("validation.csv", "val", step, values)

    def close(self) -> None:
        """Writes out what is pending."""
        if self._board is not None:
            self._board.close()

    def _write(self, name: str, group: str, step: int, values: dict[str, float]) -> None:
        path = self.folder / name
        new = not path.exists()
        with path.open("a", newline="") as opened:
            writer = csv.writer(opened)
            if new:
                writer.writerow(["step", *values])
            writer.writerow([step, *(f"{value:.6g}" for value in values.values())])
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{group}/{key}", value, step)


def _keep_until(path: Path, step: int) -> None:
    if not path.exists():
        return
    head, *rows = path.read_text().splitlines()
    kept = [row for row in rows if int(row.split(",")[0]) <= step]
    path.write_text("\n".join([head, *kept, ""]))

"""The training loop: one process or many, resumable to the bit on a CPU.

Everything random in a step follows from seed, step and process number (`Draw`), and a checkpoint holds the network, its
moving average, the optimiser and the open row of the log: a run that is broken off and resumed equals one that is not.
"""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pillow
from torch import Tensor, nn

from trifuse.core.errors import InputError, Stopped, TrainingError, TrainingWarning
from trifuse.core.files import publish
from trifuse.core.progress import track
from trifuse.core.signals import uninterrupted
from trifuse.train import checkpoint
from trifuse.train.average import Average
from trifuse.train.data.drawn import recorded
from trifuse.train.draw import Draw
from trifuse.train.export import write
from trifuse.train.log import Log
from trifuse.train.objectives.base import Objective
from trifuse.train.recipe import Recipe


class Trainer:
    """Trains an objective after a recipe, into a folder.

    The folder gets `checkpoint.pt` (to resume), `log.csv` and `validation.csv`, a TensorBoard log where TensorBoard is
    installed, `samples/` with contact sheets, and at the end `<name>.safetensors`.

    Args:
        recipe: the schedule and the seed.
        objective: the network and what it learns.
        output: the folder.
        resume: go on from the folder's checkpoint.

    Raises:
        InputError: if there is nothing to resume, or a run by another recipe, or a damaged one; or the folder holds a
            run and `resume` is not set.
    """

    def __init__(self, recipe: Recipe, objective: Objective[Any], output: Path, *, resume: bool = False) -> None:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from accelerate.utils import DistributedDataParallelKwargs

        schedule = recipe.schedule
        self.recipe, self.objective, self.output = recipe, objective, output
        self.record = checkpoint.record(recipe)
        self.checkpoint = output / "checkpoint.pt"
        self._check(resume)
        AcceleratorState._reset_state()  # else the precision of the stage before would have to be this one's
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="bf16" if schedule.precision == "bf16" else "no",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        optimiser = torch.optim.AdamW(
            objective.network.parameters(), lr=schedule.learning_rate, betas=(0.9, schedule.beta2), weight_decay=0.0
        )
        self.network, self.optimiser = self.accelerator.prepare(objective.network, optimiser)
        self.average = Average(self.plain, schedule.ema)
        self.step, self.saved, self.validated = 0, 0, 0
        self.measured: dict[str, float] = {}
        self.sums: dict[str, list[float]] = {}
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

    @property
    def weights(self) -> Path:
        """The file of the trained weights."""
        return self.output / f"{self.recipe.name}.safetensors"

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.step >= self.recipe.schedule.steps and self.weights.is_file()

    def run(self) -> dict[str, float]:
        """Trains to the last step; returns the last validation.

        Raises:
            TrainingError: if the loss or its gradient is not finite.
            KeyboardInterrupt, Stopped: if the user stops it; the text says how far it came and how to go on.
        """
        if self.finished:
            warnings.warn(
                TrainingWarning(f"{self.output}: the run is finished ({self.step} steps), nothing is left to do"),
                stacklevel=2,
            )
            return self.measured
        log = Log(self.output, self.step) if self.leads else None
        try:
            self._train(log)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._stopped()) from None
        except Stopped as stop:
            raise Stopped(self._stopped(), stop.code) from None
        finally:
            if log is not None:
                log.close()
        if self.leads:
            metadata = self.objective.metadata() | {"name": self.recipe.name, "steps": str(self.step)}
            write(self.weights, self.average.state, metadata, self.measured)
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        return self.measured

    def _train(self, log: Log | None) -> None:
        schedule = self.recipe.schedule
        self._check_point(log)
        clock, done = time.perf_counter(), 0
        for step in track(range(self.step, schedule.steps), f"training {self.recipe.name}"):
            self._one(step)
            done += 1
            if self.step % schedule.log_every == 0:
                means = {name: sum(values) / len(values) for name, values in self.sums.items()}
                rate = {"rate": schedule.rate(step), "seconds_per_step": (time.perf_counter() - clock) / done}
                if log is not None:
                    log.training(self.step, means | rate)
                self.sums, clock, done = {}, time.perf_counter(), 0
            self._check_point(log)

    def _one(self, step: int) -> None:
        """One step; the loss terms of this process's batch join the sums."""
        schedule = self.recipe.schedule
        draw = Draw(self.recipe.seed, step, self.accelerator.process_index)
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        torch.manual_seed(int(draw.torch.initial_seed()))  # dropout
        batch = {name: value.to(self.accelerator.device) for name, value in self.objective.batch(draw).items()}
        self.network.train()
        with self.accelerator.autocast():
            terms = self.objective.losses(self.network, batch, step)
        self._check_finite("loss", terms["loss"], draw)
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(terms["loss"])
        norm = self.accelerator.clip_grad_norm_(self.network.parameters(), schedule.clip or math.inf)
        self._check_finite("gradient", norm, draw)
        with uninterrupted():
            self.optimiser.step()
            self.average.update(self.plain, step + 1)
            for name, value in terms.items():
                self.sums.setdefault(name, []).append(float(value.detach()))
            self.step = step + 1

    def _check_finite(self, what: str, value: Tensor | None, draw: Draw) -> None:
        number = 0.0 if value is None else float(value.detach())
        if math.isfinite(number):
            return
        with recorded() as names:
            self.objective.batch(draw)
        held = f"the last good checkpoint is {self.checkpoint}, of step {self.saved}"
        raise TrainingError(
            f"{self.recipe.name}, step {draw.step + 1}: the {what} is {number}, of {', '.join(names) or 'a case'}; "
            f"{held if self.saved else 'no checkpoint was saved'}; look at these cases, or lower schedule.learning_rate"
        )

    def _check_point(self, log: Log | None) -> None:
        """Validates and saves where that is due: the rows first, so that a checkpoint counts none that is not there."""
        schedule = self.recipe.schedule
        due = self.step > 0 and (self.step % schedule.check_every == 0 or self.step == schedule.steps)
        if not due or self.validated == self.step:
            return
        if log is not None:
            with self.average.inside(self.plain) as network:
                self.measured = self.objective.validate(network)
                sheet = self.objective.pictures(network)
            with uninterrupted():
                log.validation(self.step, self.measured)
                if sheet is not None:
                    picture = Pillow.fromarray(sheet.transpose(1, 2, 0))
                    target = self.output / "samples" / f"{self.step:07d}.png"
                    publish(target, lambda draft: picture.save(draft, format="PNG"), None)
                self.validated = self.step
                self._save()
        else:
            self.validated = self.step
        self.accelerator.wait_for_everyone()

    def _stopped(self) -> str:
        """Saves what was done, where one process can, and says how to go on."""
        if self.accelerator.num_processes == 1 and self.step > self.saved:
            with uninterrupted():
                self._save()
        if not self.saved:
            return f"stopped before the first step was done; {self.output} holds no checkpoint, so start again"
        return (
            f"stopped after step {self.saved} of {self.recipe.schedule.steps}, which {self.checkpoint} holds; "
            "call again with --resume to go on"
        )

    def _check(self, resume: bool) -> None:
        if resume and not self.checkpoint.is_file():
            raise InputError(f"{self.output}: holds no checkpoint to resume; start without --resume")
        if not resume and self.checkpoint.is_file():
            raise InputError(
                f"{self.output}: holds a run already; add --resume to go on with it, or name another folder"
            )
        try:
            self.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.output}: the folder cannot be made ({error.strerror}); name another") from None

    def _save(self) -> None:
        net, opt = self.plain.state_dict(), self.optimiser.state_dict()
        state = checkpoint.State(
            self.record, self.step, self.validated, self.measured, self.sums, net, self.average.state, opt
        )
        checkpoint.save(self.checkpoint, state)
        self.saved = self.step

    def _load(self) -> None:
        state = checkpoint.read(self.checkpoint, self.accelerator.device)
        checkpoint.check_same(state.recipe, self.record, self.checkpoint)
        try:
            self.plain.load_state_dict(state.net)
            self.optimiser.load_state_dict(state.opt)
        except (RuntimeError, ValueError, KeyError, AttributeError, TypeError):
            raise InputError(
                f"{self.checkpoint}: does not fit the network of the recipe; start anew in another folder"
            ) from None
        self.average.state = state.ema
        self.step = self.saved = state.step
        self.validated, self.measured, self.sums = state.validated, state.measured, state.sums

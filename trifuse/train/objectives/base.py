"""What every objective shares: a network, what it learns, and what the loop needs to know of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from trifuse.core.errors import InputError, brief
from trifuse.train.data.augment import Pixels
from trifuse.train.draw import Draw
from trifuse.train.losses import lpips
from trifuse.train.settings.part import Part
from trifuse.train.settings.run import Run

Batch = Mapping[str, Tensor]


class Patches(NamedTuple):
    """The patches that a network can take.

    Attributes:
        least: smallest side in pixels.
        multiple: of which the side is one.
        scales: whether the objective has scales; without them `sides` has one entry, that of scale 1.
    """

    least: int
    multiple: int = 1
    scales: bool = False


Trained = tuple[dict[str, Tensor], dict[str, str]]
"""Weights and metadata of a file."""

S = TypeVar("S", bound=Part)


class Objective(ABC, Generic[S]):
    """A network and what it learns.

    Attributes:
        Settings: what the section `model` of a recipe may say of it; its field `task` names the objective.
        terms: terms of a recipe's loss that it uses.
        joins: whether the weights of several networks can be put together in one.
        network: to be trained.

    Args:
        settings: the section `model`.
        run: the other sections.

    Raises:
        InputError: if the recipe asks for what the network cannot take, or for what this objective does not use.
        WeightsError: if weights are needed that are not there.
    """

    Settings: ClassVar[type[Part]]
    terms: ClassVar[frozenset[str]] = frozenset()
    joins: ClassVar[bool] = False

    def __init__(self, settings: S, run: Run) -> None:
        self.settings, self.run = settings, run
        self._check_terms()
        self.check()
        self._check_sides()
        torch.manual_seed(run.seed)
        try:
            self.network: nn.Module = self.build()
        except (ValueError, RuntimeError, IndexError) as error:
            raise InputError(f"field model: no such network can be built ({brief(error)})") from None

    @property
    @abstractmethod
    def patches(self) -> Patches:
        """The patches that the network can take."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A new network, with whatever else has to be trained beside it."""

    @abstractmethod
    def batch(self, draw: Draw) -> Batch:
        """The pictures of one step, on the CPU."""

    @abstractmethod
    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """The loss terms by name; `loss` is minimised. `network` may be wrapped for several processes."""

    @abstractmethod
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measures on the validation cases, by name; PSNR gains in dB."""

    @abstractmethod
    def pictures(self, network: nn.Module) -> Pixels | None:
        """A contact sheet `(3, H, W)` of a few validation cases, None where there are none."""

    @abstractmethod
    def metadata(self) -> dict[str, str]:
        """What a file of the weights must say besides the tensors."""

    @classmethod
    def joined(cls, parts: Mapping[str, Trained]) -> Trained:
        """Weights of several networks, by their names in the recipe, as those of one; for objectives with `joins`."""
        raise TypeError(f"{cls.__name__} joins no networks; it says so in `joins`")

    def check(self) -> None:
        """Refuses settings that do not go together, and files that are not there, before anything is computed."""

    @property
    def task(self) -> str:
        """Its name in recipes."""
        return str(getattr(self.settings, "task", ""))

    @property
    def side(self) -> int:
        """Side of the patches of an objective without scales."""
        return max(self.run.schedule.sides.values())

    @property
    def scales(self) -> tuple[int, ...]:
        """Scales of the patches; steps take them in turn."""
        return tuple(self.run.schedule.sides)

    def _check_terms(self) -> None:
        unused = sorted(self.run.loss.model_fields_set - self.terms)
        if unused:
            used = ", ".join(sorted(self.terms))
            instead = f"uses {used}" if used else "has a loss of its own, that of its paper"
            raise InputError(f"field loss.{unused[0]}: {self.task} {instead}; leave it out of the recipe")
        if "lpips" in self.terms and self.run.loss.lpips:
            lpips.check()

    def _check_sides(self) -> None:
        takes, sides = self.patches, self.run.schedule.sides
        if not takes.scales and list(sides) != [1]:
            raise InputError(
                f"field schedule.sides: pictures are not enlarged here, so give one side, that of scale 1: "
                f"{{1: {takes.multiple * -(-max(takes.least, 64) // takes.multiple)}}} (got {sides})"
            )
        least = max(takes.least, lpips.LEAST) if "lpips" in self.terms and self.run.loss.lpips else takes.least
        for side in sides.values():
            if side < least or side % takes.multiple:
                wanted = f"at least {least}" + (f" and a multiple of {takes.multiple}" * (takes.multiple > 1))
                raise InputError(f"field schedule.sides: patches need a side of {wanted} (got {side})")


def check_file(path: Path | None, field: str) -> None:
    """Refuses a file that a recipe names and that is not there.

    Raises:
        InputError: naming the field.
    """
    if path is not None and not path.is_file():
        raise InputError(f"field {field}: there is no file {path}")

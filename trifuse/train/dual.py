"""The task of the dual-modal networks: pairs of registered pictures, without a truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trifuse.core.errors import InputError
from trifuse.metrics.evaluate import evaluate
from trifuse.train import augment
from trifuse.train.augment import Pixels
from trifuse.train.cases import Case, Deck, Phase, cases, drawn_pair
from trifuse.train.images import load
from trifuse.train.lessons import lesson_of
from trifuse.train.recipe import Recipe
from trifuse.train.settings.data import OfficialLayout
from trifuse.train.settings.dual import DualModal
from trifuse.train.task import Batch, Draw, tensor

VIEW = 140
"""Side in pixels of the middle of a validation pair that is measured and shown."""

MEASURES = ("ssim", "vif", "qabf")


class DualModalTask:
    """A dual-modal network; see `Task`."""

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.model, DualModal)
        self.recipe, self.settings = recipe, recipe.model
        self.side = max(recipe.schedule.sides.values())
        self.lesson = lesson_of(self.settings)
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = self.lesson.network()

    def _cases(self, phase: Phase) -> list[Case]:
        if isinstance(self.recipe.data, OfficialLayout):
            raise InputError("field data: the dual-modal networks learn from tables or a folder of pairs")
        return cases(self.recipe.data, phase)

    @cached_property
    def deck(self) -> Deck:
        """The training cases."""
        return Deck(self._cases("train"), self.settings.shares, self.settings.by_patient)

    @cached_property
    def held_out(self) -> list[Tensor]:
        """Middles of validation pairs, each `(2, 1, h, w)` in 0..1."""
        pairs = [_pair(case) for case in self._cases("val")[:: self.settings.val_every]]
        return [tensor(_middle(pair)[:, None]) for pair in pairs]

    def batch(self, draw: Draw) -> Batch:
        """Registered patches of pairs in 0..1, `first` and `second`."""
        patches = np.stack([self._patch(draw.numpy) for _ in range(self.recipe.schedule.batch)])
        return {"first": tensor(patches[:, :1]), "second": tensor(patches[:, 1:])}

    def _patch(self, random: np.random.Generator) -> Pixels:
        """A square `(2, side, side)` of a pair, contrast changed at times, in any orientation."""
        pair = _lumas(drawn_pair(self.deck.draw(random), random))
        for index in range(2):
            if random.random() < 0.3:
                pair[index] = augment.recontrast(pair[index], random)
        square = augment.crop(pair, self.side, random)
        return np.asarray(augment.turned(square, int(random.integers(8))), dtype=np.uint8)

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """Those of the lesson."""
        return self.lesson.losses(network, batch["first"], batch["second"], step)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean SSIM, VIF and Qabf of fused validation pairs, by their definitions in `trifuse.metrics`."""
        measured = [
            evaluate(_levels(self._fused(network, pair)), [_levels(source) for source in pair], metrics=MEASURES)
            for pair in self.held_out
        ]
        return {name: float(np.mean([values[name] for values in measured])) for name in MEASURES} if measured else {}

    def _fused(self, network: nn.Module, pair: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.lesson.fused(network, pair[:1], pair[1:])[0].clamp(0, 1)

    def pictures(self, network: nn.Module) -> Pixels | None:
        """First source, second source and their fusion side by side, up to three pairs."""
        shown = self.held_out[:: max(1, len(self.held_out) // 3)][:3]
        rows = [np.concatenate([*map(_levels, pair), _levels(self._fused(network, pair))], axis=1) for pair in shown]
        if not rows:
            return None
        width = max(row.shape[1] for row in rows)
        sheet = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows])
        return np.repeat(np.rint(sheet).astype(np.uint8)[None], 3, axis=0)

    def metadata(self) -> dict[str, str]:
        """Which network it is."""
        return {"network": self.settings.task}


def _pair(case: Case) -> Pixels:
    """First and last source of a case as luma, `(2, H, W)`."""
    return _lumas((case.sources[0], case.sources[-1]))


def _lumas(paths: Sequence[Path]) -> Pixels:
    return np.concatenate([augment.luma(load(path)) for path in paths])


def _middle(pair: Pixels) -> Pixels:
    """The middle of a pair, at most `VIEW` pixels a side."""
    top, left = (max(0, n - VIEW) // 2 for n in pair.shape[1:])
    return pair[:, top : top + VIEW, left : left + VIEW]


def _levels(image: Tensor) -> NDArray[np.float64]:
    """`(1, H, W)` in 0..1 -> grey levels `(H, W)`, 0..255."""
    return np.asarray(image[0].double().numpy() * 255)

"""How a task's conditions are made, and the stacks of prepared cases that it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trifuse.core.errors import InputError
from trifuse.diffusion import learned as learning
from trifuse.diffusion.learned import SELF_ENSEMBLE
from trifuse.nets.source_sr import SourceSR
from trifuse.train import export
from trifuse.train.augment import Pixels
from trifuse.train.cases import Deck, Phase, cases
from trifuse.train.prepared import Maker, Square, Whole, bytes_of
from trifuse.train.recipe import Recipe
from trifuse.train.settings.data import OfficialLayout
from trifuse.train.settings.prepared import Prepared
from trifuse.train.source_sr import enlarge
from trifuse.train.stacks import SquareStacks, Stacks, WholeStacks
from trifuse.train.task import tensor


def bicubic(settings: Prepared) -> Maker:
    """Bicubic sources alone."""
    return Maker(settings.truth, lambda _, large: np.asarray(large / 255, np.float32), False, settings.cache, "bicubic")


def learned(settings: Prepared, *, closed_form: bool, rule: Path | None = None) -> Maker:
    """Sources enlarged by the recipe's network, by self-ensemble where their analytic fusion is added.

    Args:
        closed_form: whether it is.
        rule: weights of a fusion-rule network that corrects it.

    Raises:
        InputError: if the recipe names no network.
        WeightsError: if its weights cannot be read.
    """
    if settings.upsampler is None:
        raise InputError("field model.upsampler: a learned condition needs the weights of a source-sr network")
    state, _ = export.read(settings.upsampler)
    network = SourceSR.from_state(state).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    key = f"{export.digest(state)} {sorted(SELF_ENSEMBLE.items())} consistent, black kept"

    def larger(small: Pixels, large: Pixels) -> NDArray[np.float32]:
        ensemble = SELF_ENSEMBLE.get(large.shape[-1] // small.shape[-1], 1) if closed_form else 1
        return enlarge(network, small, large, ensemble)

    def corrected(stack: Pixels, scale: int) -> Pixels:
        fused = learning.corrected(tensor(stack[None, :12]), scale, checkpoint=str(rule))
        return np.concatenate([stack[:9], bytes_of(fused[0].numpy()), stack[12:]])

    change = None if rule is None else corrected
    return Maker(settings.truth, larger, closed_form, settings.cache, key, change)


def stacks(recipe: Recipe, settings: Prepared, maker: Maker, phase: Phase) -> Stacks:
    """Squares of the training cases, or every `val_every`-th validation case whole.

    Raises:
        InputError: if the recipe's data are of a kind without sharp sources.
    """
    if isinstance(recipe.data, OfficialLayout):
        raise InputError("field data: fusing sharp sources is learned here, and the official layout does not hold them")
    found = cases(recipe.data, phase)
    if phase == "val":
        return WholeStacks([Whole(case) for case in found[:: settings.val_every]], maker)
    deck = Deck(found, settings.shares)
    squares: Sequence[Square] = [
        Square(deck, number, recipe.seed, settings.square) for number in range(settings.squares)
    ]
    return SquareStacks(squares, maker, tuple(recipe.schedule.sides))

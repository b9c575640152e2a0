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
from trifuse.methods import get
from trifuse.methods.base import configure
from trifuse.nets.source_sr import SourceSR
from trifuse.train import export
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import CaseSampler, Phase, cases
from trifuse.train.data.prepared import Maker, Square, Whole, bytes_of
from trifuse.train.data.single import enlarge
from trifuse.train.data.stacks import SquareStacks, Stacks, WholeStacks
from trifuse.train.data.tensors import tensor
from trifuse.train.settings.data import OfficialLayout, Studies
from trifuse.train.settings.prepared import Prepared
from trifuse.train.settings.run import Run

CACHE = Path("cache")
"""Where prepared cases are kept if nobody says where."""


def bicubic(settings: Prepared) -> Maker:
    """Bicubic sources alone."""
    return Maker(
        settings.truth, lambda _, large: np.asarray(large / 255, np.float32), False, settings.cache or CACHE, "bicubic"
    )


def learned(settings: Prepared, *, analytic: bool, rule: Path | None = None) -> Maker:
    """Sources enlarged by the recipe's network, by self-ensemble where their analytic fusion is added.

    Args:
        analytic: whether it is.
        rule: weights of a fusion-rule network that corrects it.

    Raises:
        InputError: if the recipe names no network.
        WeightsError: if its weights cannot be read.
    """
    check_upsampler(settings)
    assert settings.upsampler is not None
    state, _ = export.read(settings.upsampler)
    network = SourceSR.from_state(state).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    key = f"{export.digest(state)} {sorted(SELF_ENSEMBLE.items())} consistent, black kept"

    def larger(small: Pixels, large: Pixels) -> NDArray[np.float32]:
        ensemble = SELF_ENSEMBLE.get(large.shape[-1] // small.shape[-1], 1) if analytic else 1
        return enlarge(network, small, large, ensemble)

    def corrected(stack: Pixels, scale: int) -> Pixels:
        fused = learning.corrected(tensor(stack[None, :12]), scale, checkpoint=str(rule))
        return np.concatenate([stack[:9], bytes_of(fused[0].numpy()), stack[12:]])

    change = None if rule is None else corrected
    return Maker(settings.truth, larger, analytic, settings.cache or CACHE, key, change)


def check(run: Run, settings: Prepared) -> None:
    """Refuses what cases cannot be prepared from.

    Raises:
        InputError: if the data hold no sharp sources, or there are fewer squares than scales or larger patches.
        OptionError: if the method that is to make the truth does not exist.
    """
    if isinstance(run.data, OfficialLayout | Studies):
        held = "the official layout does not hold them" if isinstance(run.data, OfficialLayout) else "these are volumes"
        raise InputError(f"field data: fusing sharp sources is learned here, and {held}")
    scales, largest = len(run.schedule.sides), max(run.schedule.sides.values())
    if settings.squares < scales:
        raise InputError(
            f"field model.squares: {settings.squares} are too few for {scales} scales; give {scales} or more"
        )
    if settings.square < largest:
        raise InputError(
            f"field model.square: patches of {largest} pixels (schedule.sides) do not fit squares of {settings.square}"
        )
    configure(get(settings.truth.method), settings.truth.options)


def check_upsampler(settings: Prepared) -> None:
    """Refuses settings without the network that enlarges sources.

    Raises:
        InputError: if none is named.
        WeightsError: if it cannot be read.
    """
    if settings.upsampler is None:
        raise InputError("field model.upsampler: a learned condition needs the weights of a source-sr network")
    export.read(settings.upsampler)


def stacks(run: Run, settings: Prepared, maker: Maker, phase: Phase) -> Stacks:
    """Squares of the training cases, or every `val_every`-th validation case whole."""
    assert not isinstance(run.data, OfficialLayout)
    found = cases(run.data, phase)
    if phase == "val":
        return WholeStacks([Whole(case) for case in found[:: settings.val_every]], maker)
    sampler = CaseSampler(found, settings.shares)
    squares: Sequence[Square] = [
        Square(sampler, number, run.seed, settings.square) for number in range(settings.squares)
    ]
    return SquareStacks(squares, maker, tuple(run.schedule.sides))

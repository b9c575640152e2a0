"""What the dual-modal networks share: pairs of registered pictures, without a truth.

Such an objective sees grey patches `(B, 1, H, W)` in 0..1: the structural picture (MRI) first, then the other one (CT,
PET, SPECT).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from trifuse.core.errors import InputError
from trifuse.metrics.evaluate import evaluate
from trifuse.nets import vgg
from trifuse.nets.state import flat
from trifuse.nets.vgg import VGGFeatures
from trifuse.train.data import augment
from trifuse.train.data.augment import Pixels
from trifuse.train.data.cases import Case, CaseSampler, Phase, cases, drawn_pair
from trifuse.train.data.images import load
from trifuse.train.data.tensors import tensor
from trifuse.train.draw import Draw
from trifuse.train.losses.black import lifted
from trifuse.train.losses.cddfuse import regional
from trifuse.train.losses.derivatives import derivatives
from trifuse.train.losses.regional import SMALLEST
from trifuse.train.objectives.base import Batch, Objective
from trifuse.train.settings.data import OfficialLayout, Studies
from trifuse.train.settings.part import Expanded, Part
from trifuse.weights import load as load_weights

VIEW = 140
"""Side in pixels of the middle of a validation pair that is measured and shown."""

MEASURES = ("ssim", "vif", "qabf")

Features = Callable[[Tensor], Sequence[Tensor]]
Terms = dict[str, Tensor]


class Pairs(Part):
    """Settings of every dual-modal network.

    Attributes:
        shares: how often cases of a kind (column `kind` of a table) are drawn; 1 where not named.
        by_patient: every patient of a kind is drawn as often as any other, instead of every case.
        val_every: which of the validation pairs are measured during training.
    """

    shares: dict[str, float] = Field(default_factory=dict)
    by_patient: bool = False
    val_every: int = Field(default=1, ge=1)


class PairsWithFeatures(Pairs):
    """Settings of those whose loss compares features.

    Attributes:
        vgg: weights of VGG-16 (`trifuse.nets.vgg`); fixed derivative filters (`trifuse.train.losses.derivatives`)
            stand in for it if not given, as ImageNet's weights cannot be shipped.
    """

    vgg: Expanded | None = None


def features_of(path: Path | None) -> Features:
    """The features that losses compare: those of VGG-16 from a file, or derivatives.

    Raises:
        WeightsError: if the file cannot be used.
    """
    return derivatives if path is None else vgg_of(path)


def vgg_of(path: Path) -> VGGFeatures:
    """VGG-16 from a file.

    Raises:
        WeightsError: if the file cannot be used.
    """
    return vgg.from_state(flat(load_weights(path)), str(path))


def with_regional(terms: Terms, weight: float, fused: Tensor, first: Tensor, second: Tensor) -> Terms:
    """Terms of a loss, and `weight` times the distance of a fused batch in 0..1 from the regional target."""
    near = regional(fused, first, second).total
    return terms | {"loss": terms["loss"] + weight * near, "regional": near.detach()}


def with_black(terms: Terms, weight: float, fused: Tensor, first: Tensor, second: Tensor) -> Terms:
    """Terms of a loss, and `weight` times what a fused batch in 0..1 shows where both sources are black."""
    shown = lifted(fused, first, second)
    return terms | {"loss": terms["loss"] + weight * shown, "black": shown.detach()}


P = TypeVar("P", bound=Pairs)


class PairObjective(Objective[P]):
    """A dual-modal network; see `Objective`. A new one says its `patches`, `build`, `terms_of` and `fused`."""

    @abstractmethod
    def terms_of(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """The loss terms of a batch by name; `loss` is minimised."""

    @abstractmethod
    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """One pair `(1, 1, H, W)` fused as the method does, in 0..1."""

    def check(self) -> None:
        """See `Objective`.

        Raises:
            InputError: if the data are no pairs of pictures.
        """
        if isinstance(self.run.data, OfficialLayout | Studies):
            raise InputError("field data: the dual-modal networks learn from tables or a folder of pairs")
        if getattr(self.settings, "regional", 0) and self.side < SMALLEST:
            raise InputError(
                f"field schedule.sides: the regional loss needs patches with a side of at least {SMALLEST}"
            )

    def _cases(self, phase: Phase) -> list[Case]:
        assert not isinstance(self.run.data, OfficialLayout)
        return cases(self.run.data, phase)

    @cached_property
    def sampler(self) -> CaseSampler:
        """The training cases."""
        return CaseSampler(self._cases("train"), self.settings.shares, self.settings.by_patient)

    @cached_property
    def held_out(self) -> list[Tensor]:
        """Middles of validation pairs, each `(2, 1, h, w)` in 0..1."""
        pairs = [_pair(case) for case in self._cases("val")[:: self.settings.val_every]]
        return [tensor(_middle(pair)[:, None]) for pair in pairs]

    def batch(self, draw: Draw) -> Batch:
        """Registered patches of pairs in 0..1, `first` and `second`."""
        patches = np.stack([self._patch(draw.numpy) for _ in range(self.run.schedule.batch)])
        return {"first": tensor(patches[:, :1]), "second": tensor(patches[:, 1:])}

    def _patch(self, random: np.random.Generator) -> Pixels:
        """A square `(2, side, side)` of a pair, contrast changed at times, in any orientation."""
        pair = _lumas(drawn_pair(self.sampler.draw(random), random))
        for index in range(2):
            if random.random() < 0.3:
                pair[index] = augment.recontrast(pair[index], random)
        square = augment.crop(pair, self.side, random)
        return np.asarray(augment.turned(square, int(random.integers(8))), dtype=np.uint8)

    def losses(self, network: nn.Module, batch: Batch, step: int) -> Terms:
        """Those of the network's paper."""
        return self.terms_of(network, batch["first"], batch["second"], step)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean SSIM, VIF and Qabf of fused validation pairs, by their definitions in `trifuse.metrics`."""
        measured = [
            evaluate(_levels(self._fused(network, pair)), [_levels(source) for source in pair], metrics=MEASURES)
            for pair in self.held_out
        ]
        return {name: float(np.mean([values[name] for values in measured])) for name in MEASURES} if measured else {}

    def _fused(self, network: nn.Module, pair: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.fused(network, pair[:1], pair[1:])[0].clamp(0, 1)

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
        return {"network": self.task}


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

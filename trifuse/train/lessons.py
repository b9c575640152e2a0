"""What each dual-modal network is taught, and how it then fuses: one lesson per network.

A lesson sees pairs of registered grey patches `(B, 1, H, W)` in 0..1: the structural picture (MRI) first, then the
other one (CT, PET, SPECT).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trifuse.methods.dilran import sfnn
from trifuse.methods.swinfuse import fused_whole
from trifuse.methods.tgfuse import padded_minimal
from trifuse.nets import vgg
from trifuse.nets.cddfuse import CDDFuse
from trifuse.nets.dilran import DILRAN
from trifuse.nets.state import flat
from trifuse.nets.swinfuse import SwinFuse
from trifuse.nets.tgfuse import TGFuse
from trifuse.nets.u2fusion import U2Fusion
from trifuse.nets.vgg import VGGFeatures
from trifuse.train.derivatives import derivatives
from trifuse.train.losses import cddfuse, dilran, swinfuse, tgfuse, u2fusion
from trifuse.train.settings.dual import DualModal
from trifuse.weights import load

GREY = 100.0
"""Scale of the picture that a new TGFuse makes, in levels of 0..255."""

Features = Callable[[Tensor], Sequence[Tensor]]
Terms = dict[str, Tensor]


class Lesson(Protocol):
    """How a network is taught."""

    def network(self) -> nn.Module:
        """A new network, with whatever else has to be trained beside it."""
        ...

    def losses(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """The loss terms by name; `loss` is minimised."""
        ...

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """One pair `(1, 1, H, W)` fused as the method does, in 0..1."""
        ...


def lesson_of(settings: DualModal) -> Lesson:
    """The lesson that settings describe.

    Raises:
        WeightsError: if the weights of VGG that they name cannot be used.
    """
    features = derivatives if settings.vgg is None else _features(settings)
    lessons: dict[str, Callable[[], Lesson]] = {
        "u2fusion": lambda: U2FusionLesson(features, settings.temperature),
        "dilran": lambda: DILRANLesson(features),
        "cddfuse": lambda: CDDFuseLesson(settings),
        "tgfuse": lambda: TGFuseLesson(settings),
        "swinfuse": lambda: SwinFuseLesson(settings.depth, settings.structure),
    }
    return lessons[settings.task]()


def _features(settings: DualModal) -> VGGFeatures:
    assert settings.vgg is not None
    return vgg.from_state(flat(load(settings.vgg)), str(settings.vgg))


@dataclass(frozen=True, eq=False)
class U2FusionLesson:
    """Keep of each source what its information measure says (Xu et al., TPAMI 2022, section 3.3).

    Attributes:
        features: what information is measured on.
        temperature: c of eq. 2, for features of images in 0..255.
    """

    features: Features
    temperature: float

    def network(self) -> nn.Module:
        """See `Lesson`."""
        return U2Fusion()

    def losses(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `Lesson`; the sources change places in every other step, as in the original's batches."""
        if step % 2:
            first, second = second, first
        with torch.no_grad():
            one, other = (u2fusion.information(list(self.features(255 * source))) for source in (first, second))
            degrees = u2fusion.preservation(one, other, self.temperature)
        return {"loss": u2fusion.loss((first, second), network(first, second), degrees)}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `Lesson`."""
        image: Tensor = network(first, second)
        return image


@dataclass(frozen=True, eq=False)
class DILRANLesson:
    """Reproduce single pictures, with their edges and features (Zhou et al. 2022, section 2.4)."""

    features: Features

    def network(self) -> nn.Module:
        """See `Lesson`."""
        return DILRAN()

    def losses(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `Lesson`."""
        pictures = torch.cat([first, second])
        output = network(pictures)
        error = (output.detach() - pictures).square().mean()
        return {"loss": dilran.loss(output, pictures, self.features), "mse": error}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `Lesson`."""
        net = cast(DILRAN, network)
        image: Tensor = net.recon(sfnn(net.fe(torch.cat([first, second]), batch_statistics=True)))
        return image


@dataclass(frozen=True, eq=False)
class CDDFuseLesson:
    """First take images apart and put them together again, then fuse them (Zhao et al., CVPR 2023, eq. 8-13).

    In the second stage the decoder gets no residual, as the medical weights are used.

    Attributes:
        settings: `first_stage`, `residual`, `loss`.
    """

    settings: DualModal

    def network(self) -> nn.Module:
        """See `Lesson`."""
        return CDDFuse()

    def losses(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `Lesson`."""
        net = cast(CDDFuse, network)
        if step < self.settings.first_stage:
            total, terms = cddfuse.stage1(net, first, second, residual=self.settings.residual)
        else:
            match = {"paper": cddfuse.fusion, "regional": cddfuse.regional}[self.settings.loss]
            total, terms = cddfuse.stage2(net, first, second, residual=False, match=match)
        return {"loss": total, "decomposition": terms["decomposition"]}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `Lesson`."""
        image: Tensor = network([first, second])
        return image


class Critics(nn.Module):
    """A generator and the two extractors of features that judge it; only the generator is kept in the end."""

    def __init__(self, network: TGFuse, critics: Sequence[VGGFeatures]) -> None:
        super().__init__()
        self.network = network
        self.critics = nn.ModuleList(critics)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """What the generator makes."""
        fused: Tensor = self.network(visible, infrared)
        return fused


@dataclass(frozen=True, eq=False)
class TGFuseLesson:
    """Be like the livelier source, and do not let two critics tell the fused image from the sources.

    The generator minimises (1 - S), and after a first stage the distances of VGG features too, relu1_2 to the visible
    and relu3_3 to the infrared image; each critic maximises its own distance, which is in units of the mean feature of
    the source, and bounded (d / (1 + d)), so that a critic gains ever less by growing. The published program lets both
    minimise it and never shows it to the generator.

    Source: Rao et al., IEEE TIP 2023, section III-C.
    """

    settings: DualModal

    def network(self) -> nn.Module:
        """See `Lesson`."""
        given = self.settings.vgg is not None
        critics = [_features(self.settings) if given else VGGFeatures() for _ in range(2)]
        for critic in critics:
            critic.train().requires_grad_(True)
        network = TGFuse(self.settings.spatial_width)
        with torch.no_grad():  # pictures are in 0..255, the output of a new network in -1..1
            network.conv_out.conv2d.weight.mul_(GREY)
        return Critics(network, critics)

    def losses(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `Lesson`."""
        visible, infrared = 255 * first, 255 * second
        fused = network(visible, infrared)
        pair = cast(Critics, getattr(network, "module", network))
        structure = 1 - tgfuse.structural(fused, visible, infrared, ties=1)
        if step < self.settings.first_stage:
            return {"loss": structure, "structure": structure.detach(), "critics": torch.zeros(())}
        loss, contest = structure, torch.zeros_like(structure)
        for critic, source, slices, weight in zip(
            pair.critics, (visible, infrared), (1, 3), self.settings.perceptual, strict=True
        ):
            frozen = {name: value.detach() for name, value in critic.named_parameters()}
            loss = loss + weight * _distance(critic, frozen, fused, source, slices)
            contest = contest - _distance(critic, dict(critic.named_parameters()), fused.detach(), source, slices)
        return {"loss": loss + contest, "structure": structure.detach(), "critics": -contest.detach()}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `Lesson`."""
        height, width = first.shape[2:]
        image: Tensor = network(padded_minimal(255 * first), padded_minimal(255 * second))
        return image[:, :, :height, :width] / 255


def _distance(critic: nn.Module, weights: dict[str, Tensor], fused: Tensor, source: Tensor, slices: int) -> Tensor:
    """d / (1 + d) of the mean absolute distance d of features, in units of the source's mean; images in 0..255."""
    both = torch.cat([fused, source]) / 255
    ours, theirs = functional_call(critic, weights, (both, slices))[-1].chunk(2)
    relative: Tensor = (ours - theirs).abs().mean() / theirs.abs().mean().clamp_min(1e-6)
    return relative / (1 + relative)


@dataclass(frozen=True, eq=False)
class SwinFuseLesson:
    """Reproduce single pictures in -1..1 by L1 and multi-scale SSIM (Wang et al., TIM 2022, section III-C).

    Patches are smaller than the original's 224 pixels, so that fewer scales fit.

    Attributes:
        depth: blocks per stage.
        structure: weight of the similarity.
    """

    depth: int
    structure: float

    def network(self) -> nn.Module:
        """See `Lesson`."""
        return SwinFuse(self.depth)

    def losses(self, network: nn.Module, first: Tensor, second: Tensor, step: int) -> Terms:
        """See `Lesson`."""
        pictures = 2 * torch.cat([first, second]) - 1
        output = network(pictures)
        error = (output.detach() - pictures).square().mean() / 4
        return {"loss": swinfuse.loss(output, pictures, weight=self.structure), "mse": error}

    def fused(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """See `Lesson`."""
        return fused_whole(cast(SwinFuse, network), [2 * first - 1, 2 * second - 1], "l1_mean")

"""One-pass super-resolution of a single source, grey or pseudo-coloured, at x2, x4 and x8.

A compact residual network in the manner of EDSR (Lim et al., "Enhanced Deep Residual Networks for Single Image
Super-Resolution", CVPRW 2017): the trunk works on the small image, sub-pixel convolution (Shi et al., CVPR 2016)
brings its features to full size, and two narrow convolutions there see the features beside the bicubic picture. The
full-size part is non-linear because pseudo-colour is: a palette bends where uptake does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.filters.bounding_box import bounding_box
from trifuse.nets.consistency import consistent, lit

MARGIN = 6
"""Black pixels of the small picture around what is enlarged; more changes no grey level to speak of."""


class Residual(nn.Module):
    """Convolution, ReLU, convolution, added to the input; no normalisation (it costs sharpness in super-resolution)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():  # every block starts near the identity
            self.second.weight.mul_(0.1)
            self.second.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor, change: Tensor | None = None) -> Tensor:
        """`(B, width, h, w)` in and out; `change` `(2, width)` is a gain less one and a shift of what is between."""
        between = self.first(x)
        if change is not None:
            gain, shift = change[:, :, None, None]
            between = between * (1 + gain) + shift
        y: Tensor = x + self.second(functional.relu(between))
        return y


class Head(nn.Module):
    """The part of one scale: into the trunk, and out of it to full size."""

    def __init__(self, scale: int, width: int, fine: int) -> None:
        super().__init__()
        self.scale = scale
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.widen = nn.Conv2d(width, fine * scale * scale, 1 if scale == 8 else 3, padding=0 if scale == 8 else 1)
        self.refine = nn.Conv2d(fine + 3, fine, 3, padding=1)
        self.leave = nn.Conv2d(fine, 3, 3, padding=1)
        with torch.no_grad():  # training starts from bicubic
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()  # type: ignore[union-attr]

    def finish(self, features: Tensor, bicubic: Tensor) -> Tensor:
        """Trunk features `(B, width, h, w)` and bicubic `(B, 3, sh, sw)` -> enlarged `(B, 3, sh, sw)`."""
        fine = functional.relu(functional.pixel_shuffle(self.widen(features), self.scale))
        residual: Tensor = self.leave(functional.relu(self.refine(torch.cat([fine, bicubic], dim=1))))
        return bicubic + residual


class SourceSR(nn.Module):
    """Enlarges one source; the trunk is shared by all modalities, and by all scales that have none of their own.

    Args:
        width: channels of the trunk.
        blocks: residual blocks of the trunk.
        fine: channels at full size.
        scales: the magnifications it has heads for.
        own: blocks of the trunks that single scales have to themselves.
        adapts: whether it has a second way for small pictures that were not made by Pillow's bicubic: in it the middle
            of every block is changed by a gain and a shift per channel.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 6,
        fine: int = 16,
        scales: Sequence[int] = (2, 4, 8),
        own: Mapping[int, int] | None = None,
        adapts: bool = False,
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({str(scale): Head(scale, width, fine) for scale in scales})
        self.trunk = _trunk(width, blocks)
        self.trunks = nn.ModuleDict({str(scale): _trunk(width, depth) for scale, depth in (own or {}).items()})
        depths = {scale: (own or {}).get(scale, blocks) for scale in scales} if adapts else {}
        changes = {str(scale): nn.Parameter(torch.zeros(depth, 2, width)) for scale, depth in depths.items()}
        self.changes = nn.ParameterDict(changes)

    def forward(self, small: Tensor, bicubic: Tensor, *, exact: bool = True) -> Tensor:
        """Enlarges a batch.

        Args:
            small: `(B, 3, h, w)`, RGB in 0..1 (grey: three equal channels).
            bicubic: `(B, 3, s*h, s*w)`, the same enlarged by Pillow's bicubic; its size tells the scale s.
            exact: whether the small picture was made by Pillow's bicubic; else a network that adapts does so.

        Returns:
            `(B, 3, s*h, s*w)`, not clipped.
        """
        scale = str(bicubic.shape[-1] // small.shape[-1])
        head = self.heads[scale]
        assert isinstance(head, Head)
        alone = scale in self.trunks
        trunk = self.trunks[scale] if alone else self.trunk
        entered = head.enter(small - 0.25)  # most pixels are dark: roughly zero mean
        if exact or scale not in self.changes:
            return head.finish(entered + trunk(entered), bicubic)
        features = entered
        for block, change in zip(trunk, self.changes[scale], strict=True):  # type: ignore[call-overload]
            features = block(features, change)
        return head.finish(entered + features, bicubic)

    def enlarged(self, small: Tensor, bicubic: Tensor, ensemble: int = 1, *, exact: bool = True) -> Tensor:
        """The mean of `forward` over a geometric self-ensemble of 1 to 8, consistent with the small picture.

        One that bicubic did not make says less of what the large one must be: only its black is kept.

        Source: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", CVPR 2016.

        Returns:
            `(B, 3, s*h, s*w)` float32 in 0..1.
        """
        scale = bicubic.shape[-1] // small.shape[-1]
        whole = torch.zeros_like(bicubic, dtype=torch.float32)
        rows, columns = bounding_box(small.float().cpu().numpy(), MARGIN)
        if rows.start == rows.stop:
            return whole
        large_rows, large_columns = (slice(scale * each.start, scale * each.stop) for each in (rows, columns))
        here, there = small[..., rows, columns], bicubic[..., large_rows, large_columns]
        outputs = [
            _transformed(self(_transformed(here, each), _transformed(there, each), exact=exact), each, back=True)
            for each in TRANSFORMS[:ensemble]
        ]
        mean = torch.stack(outputs).mean(dim=0) if ensemble > 1 else outputs[0]
        whole[..., large_rows, large_columns] = mean.float().clamp(0, 1)
        return consistent(whole, small.float()) if exact else whole * lit(small.float(), whole.shape[2:])

    def grown(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of another network as weights of this one: the further blocks of its trunk do nothing yet.

        Of scales and blocks that this one does not have nothing is kept; its only scale goes on from a trunk of that
        scale's own.
        """
        own = self.state_dict()
        kept = {name: value for name, value in state.items() if name in own}
        if len(self.heads) == 1:
            alone = _renamed(state, f"trunks.{next(iter(self.heads))}.", "trunk.")
            kept |= {name: value for name, value in alone.items() if name in own}
        further = {name: value for name, value in self.trunk.state_dict(prefix="trunk.").items() if name not in kept}
        changes = {name: value for name, value in own.items() if name.startswith("changes.") and name not in kept}
        return {**kept, **changes, **{name: value * (".first." in name) for name, value in further.items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> SourceSR:
        """The network a state_dict belongs to, its sizes read from the shapes, with the weights loaded."""
        scales = sorted({int(key.split(".")[1]) for key in state if key.startswith("heads.")})
        alone = sorted({int(key.split(".")[1]) for key in state if key.startswith("trunks.")})
        own = {scale: _depth(state, f"trunks.{scale}.") for scale in alone}
        leave = state[f"heads.{scales[0]}.leave.weight"]
        width = state["trunk.0.first.weight"].shape[0]
        adapts = any(key.startswith("changes.") for key in state)
        network = cls(width, _depth(state, "trunk."), leave.shape[1], scales, own, adapts)
        network.load_state_dict(state)
        return network


def joined(state: Mapping[str, Tensor], single: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Weights of a network of several scales, those of networks of a single scale in the place of its own."""
    whole = dict(state)
    for scale, alone in single.items():
        whole |= _renamed(alone, f"heads.{scale}.", f"heads.{scale}.") | _renamed(alone, "trunk.", f"trunks.{scale}.")
        whole |= _renamed(alone, "changes.", "changes.")
    return whole


def _trunk(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(width) for _ in range(blocks)))


def _depth(state: Mapping[str, Tensor], trunk: str) -> int:
    """Blocks of a trunk, whose names begin so."""
    return 1 + max(int(name.removeprefix(trunk).split(".")[0]) for name in state if name.startswith(trunk))


def _renamed(state: Mapping[str, Tensor], begin: str, instead: str) -> dict[str, Tensor]:
    """The entries whose names begin in one way, beginning in another."""
    return {instead + name.removeprefix(begin): value for name, value in state.items() if name.startswith(begin)}


TRANSFORMS = tuple((flips, swapped) for swapped in (False, True) for flips in ((), (3,), (2,), (2, 3)))
"""The eight transforms of a self-ensemble: axes that are flipped, and whether a transpose follows."""


def _transformed(x: Tensor, transform: tuple[tuple[int, ...], bool], *, back: bool = False) -> Tensor:
    """A picture `(B, C, H, W)` transformed, or transformed back."""
    flips, swapped = transform
    if back:
        return (x.transpose(2, 3) if swapped else x).flip(flips)
    x = x.flip(flips)
    return (x.transpose(2, 3) if swapped else x).contiguous(memory_format=torch.channels_last)

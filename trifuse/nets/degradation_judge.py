"""Tells from a small picture whether it was made by Pillow's bicubic, as far as that matters to what enlarges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from trifuse.core.colour import LUMA
from trifuse.filters.traces import COUNT, traces

LEAST = 16
"""Smallest side in pixels that can be judged; less is taken for bicubic."""


CENTRE = (*(-3.0,) * 7, 6.0, 0.0, -1.0, 0.3, 0.5, 0.0)
SPREAD = (*(2.0,) * 7, 2.0, 1.0, 1.0, 0.3, 0.5, 0.3)
"""Middle and spread of the traces, roughly."""


class DegradationJudge(nn.Module):
    """From the traces of a small picture and the magnification to one number, large where bicubic is the better guess.

    Args:
        width: of its hidden layer.
        margin: at x2, x4 and x8, above which number a picture is taken for bicubic.
    """

    margin: Tensor

    def __init__(self, width: int = 16, margin: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        super().__init__()
        self.register_buffer("margin", torch.tensor(margin, dtype=torch.float32))
        self.enter = nn.Linear(COUNT + 1, width)
        self.leave = nn.Linear(width, 1)

    def forward(self, found: Tensor, scale: int) -> Tensor:
        """Traces `(B, COUNT)` -> `(B,)`."""
        standard = ((found - found.new_tensor(CENTRE)) / found.new_tensor(SPREAD)).clamp(-4, 4)
        told = torch.full_like(found[:, :1], float(np.log2(scale)) - 2)
        out: Tensor = self.leave(torch.tanh(self.enter(torch.cat([standard, told], dim=1))))
        return out[:, 0]

    def is_bicubic(self, small: Tensor, scale: int) -> bool:
        """Whether a picture `(1, 1|3, h, w)`, values 0..1, is better taken for one that Pillow's bicubic made."""
        if min(small.shape[2:]) < LEAST:
            return True
        with torch.inference_mode():
            return bool(self(traces_of(small), scale)[0] > self.margin[int(np.log2(scale)) - 1])

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> DegradationJudge:
        """The judge a state_dict belongs to, with the weights loaded."""
        judge = cls(state["leave.weight"].shape[1])
        judge.load_state_dict(state)
        return judge


def traces_of(small: Tensor) -> Tensor:
    """Traces of the luma of pictures `(B, 1|3, h, w)`, values 0..1: `(B, COUNT)`."""
    pictures = small.detach().float().cpu().numpy() * 255
    lumas = pictures[:, 0] if (pictures == pictures[:, :1]).all() else np.tensordot(pictures, LUMA, axes=(1, 0))
    return torch.from_numpy(np.stack([traces(luma) for luma in lumas]))

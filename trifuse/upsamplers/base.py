"""What an upsampler is: a card, and one function that magnifies a tensor.

NEAREST = Upsampler(Card(name="nearest", ...), nearest)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from trifuse.core.cost import Cost
from trifuse.core.random import Random


@dataclass(frozen=True)
class Card:
    """What an upsampler is and what it takes.

    Attributes:
        name: how users call it, lower case with hyphens.
        title: what it is, in a few words.
        dims: 2 (pictures and slices) and/or 3 (volumes).
        paper: citation with year, or None for a textbook rule.
        weights: name of its entry in the catalogue of checkpoints, or None.
        cost: what it takes of the computer, by the pixels that it makes, measured.
    """

    name: str
    title: str
    dims: frozenset[int] = frozenset({2})
    paper: str | None = None
    weights: str | None = None
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class Upsampler:
    """A way to magnify.

    Attributes:
        card: what it takes.
        magnify: from `(B, 1|3, *space)`, values 0..1, a scale (2, 4 or 8) and the run's randomness to
            `(B, 1|3, *scaled space)` of as many channels, not necessarily clipped. It raises a `WeightsError` where it
            lacks its weights.
    """

    card: Card
    magnify: Callable[[Tensor, int, Random], Tensor]


def fault(found: object, name: str) -> str | None:
    """What is wrong with what a plugin gives for an upsampler of this name, None if nothing is."""
    if not isinstance(found, Upsampler):
        return "is no upsampler (a `trifuse.upsamplers.base.Upsampler`)"
    return None if found.card.name == name else f"has a card that calls it {found.card.name!r}"

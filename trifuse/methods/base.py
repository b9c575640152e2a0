"""What a fusion method is: a card that says what it takes, and one verb, `fuse`.

A method is a frozen dataclass whose fields are its options (plain types with defaults), so that the
command line, recipes and provenance can set, list and record them without knowing the method:

    @method
    @dataclass(frozen=True)
    class Mean:
        card: ClassVar[Card] = Card(name="mean", ...)

        def fuse(self, sources, *, scale, random): ...

Everything a method does not handle itself (files, geometry, luma and chroma, folding sources in pairs, slices
of a volume, padding, missing scales) is adapted by `trifuse.fusion` from what the card says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from trifuse.core.errors import OptionError
from trifuse.core.random import Random

if TYPE_CHECKING:
    from torch import Tensor


class Card(BaseModel):
    """What a method is and what it takes.

    Attributes:
        name: how users call it, lower case with hyphens.
        title: its name in the literature.
        summary: one or two sentences: what it does, for whom.
        paper: citation with year, or None for a textbook rule.
        sources: smallest and largest number of sources it fuses at once; None = no upper limit.
            More sources than the largest are folded from left to right.
        dims: 2 (slices) and/or 3 (volumes); a volume goes slice by slice through a 2D method.
        scales: magnifications it makes itself; others are met by an upsampler.
        colour: "grey": it fuses luma, and chroma is carried round it; "rgb": it takes grey and colour.
        min_size: smallest side it handles; smaller images are padded to it and cropped back.
        effective_size: smallest side at which it does what its paper means; below, the result comes with a note.
        size_multiple: sides are padded (mirrored) to a multiple of this and cropped back.
        weights: name of its entry in the catalogue of checkpoints, or None.
        stochastic: whether the result depends on the seed.
        native_grids: whether it takes 2D sources of one field of view whose sizes are whole multiples of the
            smallest, each on its own grid; the result has the finest.
        notes: what a careful user should know: modes, generalisations, limits, defaults and why.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    summary: str
    paper: str | None = None
    sources: tuple[int, int | None] = (2, None)
    dims: frozenset[int] = frozenset({2})
    scales: frozenset[int] = frozenset({1})
    colour: Literal["grey", "rgb"] = "grey"
    min_size: int = 1
    effective_size: int = 1
    size_multiple: int = 1
    weights: str | None = None
    stochastic: bool = False
    native_grids: bool = False
    notes: str = ""


class Spread(NamedTuple):
    """A fused tensor together with its per-pixel standard deviation, for methods that know their own."""

    mean: Tensor
    std: Tensor


@runtime_checkable
class Method(Protocol):
    """A fusion method: an instance carries its options, `card` describes the class."""

    card: ClassVar[Card]

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Tensor | Spread:
        """Fuses registered sources.

        Args:
            sources: float32 tensors `(B, C, *space)` with values 0..1 of equal B and space; C = 1 for every
                source if `card.colour` is "grey", else 1 or 3 for each. With `card.native_grids` their space may
                differ by whole factors.
            scale: one of `card.scales`.
            random: where all random numbers come from.

        Returns:
            `(B, 1 or 3, *scaled space)`, not necessarily clipped.
        """
        ...


@runtime_checkable
class Drawer(Method, Protocol):
    """A stochastic method that shares work between draws, or knows a better estimate than their mean."""

    def draws(self, sources: Sequence[Tensor], *, scale: int, random: Random, count: int) -> Spread:
        """The best estimate and the standard deviation `(B, 1, *space)` over `count` draws; else like `fuse`."""
        ...


@runtime_checkable
class Stretcher(Method, Protocol):
    """A method that stretches its result by the range of the picture: `fuse` is `shown` of `raw` by its own range.

    Of a volume all slices are stretched by the range of the volume, so that they do not flicker.
    """

    def raw(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Tensor:
        """The fusion before it is stretched; else like `fuse`."""
        ...

    def shown(self, raw: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """The fusion stretched from `low`..`high`, `(B, 1, 1, 1)`; as it is where the options stretch nothing."""
        ...


def own_range(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest value `(B, 1, 1, 1)` of each picture `(B, C, H, W)`."""
    return raw.amin(dim=(1, 2, 3), keepdim=True), raw.amax(dim=(1, 2, 3), keepdim=True)


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A drawer whose `fuse` makes several draws, for the route.

    Attributes:
        method: what draws.
        count: number of draws.
    """

    method: Drawer
    count: int

    @property
    def card(self) -> Card:
        """The method's."""
        return self.method.card

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Spread:
        """See `Drawer.draws`."""
        return self.method.draws(sources, scale=scale, random=random, count=self.count)


M = TypeVar("M", bound=type)


def method(cls: M) -> M:
    """Checks that a class is a method (a frozen dataclass with a card and a verb) and returns it.

    Raises:
        TypeError: if it is not; that is a fault of the file that defines it.
    """
    if not dataclasses.is_dataclass(cls) or not isinstance(getattr(cls, "card", None), Card):
        raise TypeError(f"{cls.__name__} must be a dataclass with a class attribute `card`")
    if not callable(getattr(cls, "fuse", None)):
        raise TypeError(f"{cls.__name__} has no method `fuse`")
    return cls


def fault(found: object, name: str) -> str | None:
    """What is wrong with what a plugin gives for a method of this name, None if nothing is."""
    card = getattr(found, "card", None)
    if not isinstance(found, type) or not isinstance(card, Card):
        return "is no method (a class under `trifuse.methods.base.method`)"
    return None if card.name == name else f"has a card that calls it {card.name!r}"


class Option(NamedTuple):
    """One option of a method: its name, type as text, default and meaning."""

    name: str
    type: str
    default: Any
    help: str


def options_of(cls: type[Method]) -> list[Option]:
    """The options of a method, read from the fields of its dataclass (`metadata={"help": ...}`)."""
    return [
        Option(field.name, str(field.type), field.default, str(field.metadata.get("help", "")))
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
    ]


def configure(cls: type[Method], options: Mapping[str, Any]) -> Method:
    """An instance of a method with the given options; strings are converted to the fields' types.

    Raises:
        OptionError: if an option does not exist or has no such value; the message names those that do.
    """
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            offered = ", ".join(known) if known else "none"
            raise OptionError(f"method {cls.card.name} has no option {name!r}; it has: {offered}")
    try:
        return TypeAdapter(cls).validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OptionError(f"method {cls.card.name}, option {where}: {first['msg']} (got {first['input']!r})") from None

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
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from trifuse.core.cost import Cost, Tiling
from trifuse.core.errors import OptionError
from trifuse.core.random import Random
from trifuse.methods import ranges

if TYPE_CHECKING:
    from torch import Tensor


class Card(BaseModel):
    """What a method is and what it takes.

    Attributes:
        name: how users call it, lower case with hyphens.
        title: its name in the literature.
        summary: one or two sentences: what it does, for whom.
        paper: citation with year, or None for a textbook rule.
        cites: what `trifuse cite` prints for it: keys of `references.bib`, or whole BibTeX entries.
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
        cost: what it takes of the computer, measured.
        tiling: how it fuses pictures that are too large for the memory; None if it needs them in one piece.
        notes: what a careful user should know: modes, generalisations, limits, defaults and why.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    summary: str
    paper: str | None = None
    cites: tuple[str, ...] = ()
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
    cost: Cost = Cost()
    tiling: Tiling | None = None
    notes: str = ""


Stretch = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
"""From a fusion `(B, C, H, W)` and the least and largest value, `(B, 1, 1, 1)`, to how it is shown."""


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """What a method makes of the sources.

    Attributes:
        mean: the fusion, `(B, 1 or 3, *space)`, not necessarily clipped.
        std: its standard deviation at every pixel, `(B, 1, *space)`, of methods that know their own.
        stretch: how the fusion is shown by its range, of methods that stretch theirs; None shows it as it is. Of a
            volume all slices are stretched by the range of the volume, so that they do not flicker.
    """

    mean: Tensor
    std: Tensor | None = None
    stretch: Stretch | None = None

    def stretched(self, low: Tensor, high: Tensor) -> Estimate:
        """The fusion stretched from `low`..`high`, `(B, 1, 1, 1)`."""
        return self if self.stretch is None else Estimate(self.stretch(self.mean, low, high), self.std)

    @property
    def picture(self) -> Tensor:
        """The fusion as it is shown alone: stretched by its own range where it is to be stretched."""
        return self.stretched(*range_of(self.mean)).mean if self.stretch else self.mean

    def each(self, step: Callable[[Tensor], Tensor]) -> Estimate:
        """A step taken with the fusion, which is stretched already, and with its standard deviation."""
        return Estimate(step(self.mean), None if self.std is None else step(self.std))


def range_of(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest value `(B, 1, 1, 1)` of each picture `(B, C, H, W)`."""
    return pictures.amin(dim=(1, 2, 3), keepdim=True), pictures.amax(dim=(1, 2, 3), keepdim=True)


@runtime_checkable
class Method(Protocol):
    """A fusion method: an instance carries its options, `card` describes the class.

    A method whose card depends on its options has `own_card(self) -> Card` as well; see `card_of`.
    """

    card: ClassVar[Card]

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        """Fuses registered sources.

        Args:
            sources: float32 tensors `(B, C, *space)` with values 0..1 of equal B and space; C = 1 for every
                source if `card.colour` is "grey", else 1 or 3 for each. With `card.native_grids` their space may
                differ by whole factors.
            scale: one of `card.scales`.
            random: where all random numbers come from.

        Returns:
            An estimate of `(B, 1 or 3, *scaled space)`.
        """
        ...


@runtime_checkable
class Drawer(Method, Protocol):
    """A stochastic method that shares work between draws, or knows a better estimate than their mean."""

    def draws(self, sources: Sequence[Tensor], *, scale: int, random: Random, count: int) -> Estimate:
        """The best estimate and the standard deviation `(B, 1, *space)` over `count` draws; else like `fuse`."""
        ...


@runtime_checkable
class Calibrated(Protocol):
    """A method that knows how many of its standard deviations hold the truth how often."""

    def intervals(self, scale: int, coloured: bool) -> dict[int, float]:
        """Half widths in standard deviations, by the share of pixels in percent; empty where it does not know."""
        ...


def card_of(method: Method) -> Card:
    """The card of a method with the options that it has."""
    own = getattr(method, "own_card", None)
    return method.card if own is None else own()


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
    ranges.checked(cls)
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
        Option(field.name, str(field.type), field.default, _help(field))
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
    ]


def _help(field: dataclasses.Field[Any]) -> str:
    wanted = ranges.range_of(field)
    return str(field.metadata.get("help", "")) + ("" if wanted == ranges.ANY else f" ({wanted})")


def configure(cls: type[Method], options: Mapping[str, Any]) -> Method:
    """An instance of a method with the given options; strings are converted to the fields' types.

    Raises:
        OptionError: if an option does not exist or has no such value; the message names those that do, or the range.
    """
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            offered = ", ".join(known) if known else "none"
            raise OptionError(f"method {cls.card.name} has no option {name!r}; it has: {offered}")
    try:
        made = TypeAdapter(cls).validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OptionError(f"method {cls.card.name}, option {where}: {first['msg']} (got {first['input']!r})") from None
    ranges.check(made, cls.card.name)
    return made

"""Ranges of options, declared beside them and checked whenever a method is made.

radius: int = field(default=7, metadata={"help": "...", "within": Within(at_least=1)})
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

from trifuse.core.errors import OptionError


@dataclass(frozen=True)
class Within:
    """The numbers that an option takes; none is ever NaN or infinite.

    Attributes:
        at_least, above: least number, or one that is just too small.
        at_most, below: greatest number, or one that is just too great.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def holds(self, number: float) -> bool:
        """Whether a number is in the range."""
        return (
            math.isfinite(number)
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least:g} to {self.at_most:g}"
        ends = {"{:g} or more": self.at_least, "above {:g}": self.above, "{:g} or less": self.at_most}
        ends["below {:g}"] = self.below
        return " and ".join(text.format(end) for text, end in ends.items() if end is not None) or "a finite number"


ANY = Within()


def option(default: Any, help: str, **ends: float) -> Any:
    """A field of a method: an option that takes numbers.

    Args:
        default: its value where none is given; None where the method then finds one.
        help: what it means.
        ends: of its range, see `Within`.
    """
    return dataclasses.field(default=default, metadata={"help": help, "within": Within(**ends)})


def range_of(field: dataclasses.Field[Any]) -> Within:
    """The range declared beside an option, or that of all finite numbers."""
    found = field.metadata.get("within", ANY)
    return found if isinstance(found, Within) else ANY


def check(method: Any, name: str) -> None:
    """Checks the options of a method against their ranges.

    Raises:
        OptionError: if one is out of its range; the message names it.
    """
    for field in dataclasses.fields(method):
        value, wanted = getattr(method, field.name), range_of(field)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if not wanted.holds(value):
            raise OptionError(f"method {name}, option {field.name}: {value} is out of range; give {wanted}")


def checked(cls: type) -> None:
    """Makes a dataclass check its options as soon as it is made by hand."""
    make = cls.__init__  # type: ignore[misc]

    @functools.wraps(make)
    def init(self: Any, *values: Any, **named: Any) -> None:
        make(self, *values, **named)
        check(self, cls.card.name)  # type: ignore[attr-defined]

    setattr(cls, "__init__", init)  # noqa: B010

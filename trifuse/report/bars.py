"""Colour bars of uptake: which colour stands for which native value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trifuse.core import palettes

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable


@dataclass(frozen=True)
class Bar:
    """A palette over native values.

    Attributes:
        palette: name.
        low, high: native values at its ends.
        label: what the values are.
    """

    palette: str
    low: float
    high: float
    label: str

    def colours(self) -> ScalarMappable:
        """What matplotlib draws a colour bar of."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        return ScalarMappable(Normalize(self.low, self.high), ListedColormap(palettes.table(self.palette) / 255))


def uptake_bars(results: Sequence[Any]) -> list[Bar]:
    """One bar for each palette and range that fused results show uptake in."""
    layers = [layer for result in results for layer in getattr(result, "layers", ())]
    found = [
        Bar(
            layer.palette,
            layer.window[0],
            layer.window[1],
            f"uptake, {layer.units or 'native units'} ({layer.palette})",
        )
        for layer in layers
    ]
    return list(dict.fromkeys(found))

"""What magnifies where a method lacks the scale, one file each. A new one is a new file and one line here, or an entry
point `trifuse.upsamplers`.

Files are imported when an upsampler is asked for. `trifuse.upsamplers()` lists the cards of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.core.registry import Registry, callable_package

if TYPE_CHECKING:
    from trifuse.upsamplers.base import Upsampler

REGISTRY: Registry[Upsampler] = Registry(
    "upsampler",
    "trifuse.upsamplers",
    {
        "bicubic": "bicubic:BICUBIC",
        "source-sr": "source_sr:SOURCE_SR",
        "sr3": "sr3:SR3",
    },
    plugins="trifuse.upsamplers",
    fault="base:fault",
)
"""Name on the card -> file and upsampler, in the order in which lists show them."""

names = REGISTRY.names
get = REGISTRY.get
origin = REGISTRY.origin

callable_package(__name__)

"""The methods, one file each. A new method is a new file and one line here, or an entry point `trifuse.methods`.

Files are imported when a method is asked for, so that listing the names costs nothing. `trifuse.methods()` lists the
cards of all methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.core.registry import Registry, callable_package

if TYPE_CHECKING:
    from trifuse.methods.base import Method

REGISTRY: Registry[type[Method]] = Registry(
    "method",
    "trifuse.methods",
    {
        "bitonicx": "bitonicx:BitonicX",
        "tfs-diff": "tfs_diff:TFSDiff",
        "ctsr": "ctsr:CTSR",
        "palm": "palm:PALM",
        "ddfm": "ddfm:DDFM",
        "ddfm-palm": "ddfm_palm:DDFMPALM",
        "cddfuse": "cddfuse:CDDFuse",
        "tgfuse": "tgfuse:TGFuse",
        "u2fusion": "u2fusion:U2Fusion",
        "swinfuse": "swinfuse:SwinFuse",
        "dilran": "dilran:DILRAN",
        "dc2fusion": "dc2fusion:DC2Fusion",
        "gradient-domain": "gradient_domain:GradientDomain",
        "laplacian": "laplacian:Laplacian",
        "dwt": "dwt:DWT",
        "guided-filter": "guided_filter:GuidedFilter",
        "mean": "mean:Mean",
        "max": "max:Max",
    },
    plugins="trifuse.methods",
    fault="base:fault",
)
"""Name on the card -> file and class, in the order in which lists show them."""

DEFAULT = "gradient-domain"
"""What fuses where nobody says; docs/gradient-domain.md says why."""

names = REGISTRY.names
get = REGISTRY.get
origin = REGISTRY.origin

callable_package(__name__)

"""trifuse: fuses the medical images of one patient into one picture, with super-resolution.

    import trifuse
    fused = trifuse.fuse(["t1.nii.gz", "t2.nii.gz", "pet.nii.gz"])
    fused.save("fused.nii.gz")
    trifuse.evaluate(fused, sources=["t1.nii.gz", "t2.nii.gz", "pet.nii.gz"])

The names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trifuse.core.version import __version__

if TYPE_CHECKING:
    from trifuse import methods, metrics, upsamplers
    from trifuse.core.errors import TrifuseError
    from trifuse.core.image import Image, Modality
    from trifuse.fusion import Fused, Run, fuse
    from trifuse.fusion.compare import compare
    from trifuse.io import read
    from trifuse.metrics.images import evaluate

_HOMES = {
    "Fused": "fusion",
    "Image": "core.image",
    "Modality": "core.image",
    "Run": "fusion",
    "TrifuseError": "core.errors",
    "compare": "fusion.compare",
    "evaluate": "metrics.images",
    "fuse": "fusion",
    "read": "io",
}
_PACKAGES = ("methods", "metrics", "upsamplers")

__all__ = [
    "Fused",
    "Image",
    "Modality",
    "Run",
    "TrifuseError",
    "__version__",
    "compare",
    "evaluate",
    "fuse",
    "methods",
    "metrics",
    "read",
    "upsamplers",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"trifuse.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'trifuse' has no attribute {name!r}")
    return getattr(import_module(f"trifuse.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

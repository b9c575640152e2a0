"""trifuse: fuses the medical images of one patient into one picture, with super-resolution.

    import trifuse
    fused = trifuse.fuse(["t1.nii.gz", "t2.nii.gz", "pet.nii.gz"], method="bitonicx")
    fused.save("fused.nii.gz")
    trifuse.evaluate(fused, sources=["t1.nii.gz", "t2.nii.gz", "pet.nii.gz"])

The names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trifuse import methods, metrics
    from trifuse.comparison import compare
    from trifuse.errors import TrifuseError
    from trifuse.evaluation import evaluate
    from trifuse.fusion import Fused, fuse
    from trifuse.image import Image, Modality
    from trifuse.io import read

__version__ = "0.1.0"

_HOMES = {
    "Fused": "fusion",
    "Image": "image",
    "Modality": "image",
    "TrifuseError": "errors",
    "compare": "comparison",
    "evaluate": "evaluation",
    "fuse": "fusion",
    "read": "io",
}
_ROOMS = ("methods", "metrics")

__all__ = [
    "Fused",
    "Image",
    "Modality",
    "TrifuseError",
    "__version__",
    "compare",
    "evaluate",
    "fuse",
    "methods",
    "metrics",
    "read",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"trifuse.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'trifuse' has no attribute {name!r}")
    return getattr(import_module(f"trifuse.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

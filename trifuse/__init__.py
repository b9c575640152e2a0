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
    from trifuse.errors import TrifuseError
    from trifuse.evaluation import evaluate
    from trifuse.fusion import Fused, fuse
    from trifuse.image import Image, Modality

__version__ = "0.1.0"

_HOMES = {
    "Fused": "fusion",
    "Image": "image",
    "Modality": "image",
    "TrifuseError": "errors",
    "evaluate": "evaluation",
    "fuse": "fusion",
}

__all__ = ["Fused", "Image", "Modality", "TrifuseError", "__version__", "evaluate", "fuse"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trifuse' has no attribute {name!r}")
    return getattr(import_module(f"trifuse.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

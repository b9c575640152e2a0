"""What few need comes with an extra, `pip install 'trifuse[NAME]'`; where it is missing, one line names it."""

from __future__ import annotations

from importlib.util import find_spec
from types import MappingProxyType

from trifuse.core.errors import OptionError

EXTRAS = MappingProxyType(
    {
        "plot": ("matplotlib",),
        "dicom": ("highdicom",),
        "matlab": ("h5py",),
        "bench": ("jinja2", "matplotlib", "pandas", "scikit_posthocs"),
        "cohort": ("jinja2", "matplotlib", "dask_jobqueue", "distributed"),
        "train": ("accelerate", "tensorboard"),
        "view": ("starlette", "uvicorn"),
    }
)
"""Extra -> the modules that it brings."""

WHY = MappingProxyType(
    {
        "plot": "contact sheets, `trifuse demo` and `compare`, maps of uncertainty",
        "dicom": "blending presentation states, JPEG-LS",
        "matlab": "MATLAB files of version 7.3",
        "bench": "`trifuse bench`",
        "cohort": "`trifuse cohort`",
        "train": "`trifuse train`",
        "view": "`trifuse view`",
    }
)
"""Extra -> what it is for."""


class ExtraError(OptionError):
    """Something is asked for that an extra brings, and that extra is not installed."""


def need(extra: str, what: str, *modules: str) -> None:
    """Raises early, before any work, where `what` lacks what an extra brings.

    Args:
        extra: name of an extra.
        what: who needs it, for the message.
        modules: which of the extra's modules; all of them if none is named.

    Raises:
        ExtraError: if a module is not installed.
    """
    absent = [name for name in modules or EXTRAS[extra] if name in missing(extra)]
    if absent:
        are = "is" if len(absent) == 1 else "are"
        raise ExtraError(
            f"{what} needs {', '.join(absent)}, which {are} not installed: pip install 'trifuse[{extra}]' "
            f"(in a clone: pip install '.[{extra}]')"
        )


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed; nothing is imported to see it."""
    return [name for name in EXTRAS[extra] if not _is_there(name)]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False

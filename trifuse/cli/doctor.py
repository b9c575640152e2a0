"""`trifuse doctor`: whether this installation is sound, and what a report of a fault should hold."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from trifuse.cli.common import Json, answer, say, table

PARTS = ("torch", "numpy", "scipy", "numba", "simpleitk", "nibabel", "pydicom", "pillow", "tifffile", "pydantic")
"""What the core stands on."""


def doctor(
    tight: Annotated[float, typer.Option(help="Free space in GB below which a disk is named.", min=0)] = 2.0,
    json: Json = False,
) -> None:
    """Say what is installed and what it runs on: versions, devices, folders, extras, checkpoints, disks.

    Exit code 3 if something that trifuse needs is missing or damaged.

    [bold]Examples[/bold]

      trifuse doctor

      trifuse doctor --json > report.json
    """
    found = examined()
    faults = faults_of(found, tight)
    if json:
        answer({**found, "faults": faults})
    else:
        rows = [[f"{section}: {name}", str(value)] for section, part in found.items() for name, value in part.items()]
        table("", ["what", "is"], rows)
        for fault in faults:
            say(f"fault: {fault}")
        if not faults:
            say("no fault found")
    if faults:
        raise typer.Exit(3)


def examined() -> dict[str, dict[str, Any]]:
    """What there is, by section; nothing of the user but the places of folders."""
    from trifuse.core.compiled import caches
    from trifuse.core.version import __version__
    from trifuse.weights import store

    folders = {"checkpoints": store.home(), "compiled code": caches(), "here": Path.cwd()}
    return {
        "program": {
            "trifuse": __version__,
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
            "place": str(Path(__file__).parents[1]),
        },
        "parts": {name: _version(name) for name in PARTS},
        "machine": _machine(),
        "extras": _extras(),
        "folders": {what: _folder(path) for what, path in folders.items()},
        "checkpoints": {status.name: status.state for status in store.verify() if status.state != "absent"},
        "free GB": {what: _free(path) for what, path in folders.items()},
    }


def faults_of(found: dict[str, dict[str, Any]], tight: float) -> list[str]:
    """What is missing, damaged or short, and how to mend it."""
    damaged = [name for name, state in found["checkpoints"].items() if state == "damaged"]
    return [
        *(f"{name} is not installed: pip install {name}" for name, there in found["parts"].items() if there == "-"),
        *(f"the checkpoint {name} is damaged: install trifuse anew, or add it again" for name in damaged),
        *(
            f"the folder of {what} cannot be written to; set TRIFUSE_HOME to one that can"
            for what, text in found["folders"].items()
            if text.endswith("(no leave to write)") and what != "here"
        ),
        *(
            f"{free} GB are free on the disk of {what}; results and checkpoints may not fit"
            for what, free in found["free GB"].items()
            if free < tight
        ),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def _machine() -> dict[str, Any]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, Any] = {"processor": platform.machine(), "cores": usable}
    found |= {name: os.environ[name] for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if name in os.environ}
    try:
        import torch
    except ImportError as error:
        return {**found, "devices": f"PyTorch cannot be loaded ({error})"}
    devices = ["cpu", *(f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(torch.cuda.device_count()))]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    return {**found, "threads of PyTorch": torch.get_num_threads(), "devices": ", ".join(devices)}


def _extras() -> dict[str, str]:
    from trifuse.core.extras import EXTRAS, WHY, missing

    return {
        name: f"lacks {', '.join(missing(name))}: pip install 'trifuse[{name}]' for {WHY[name]}"
        if missing(name)
        else "installed"
        for name in EXTRAS
    }


def _folder(path: Path) -> str:
    there = _nearest(path)
    if not path.exists():
        return f"{path} ({'not made yet' if os.access(there, os.W_OK) else 'no leave to write'})"
    return f"{path}" if os.access(path, os.W_OK) else f"{path} (no leave to write)"


def _free(path: Path) -> float:
    return round(shutil.disk_usage(_nearest(path)).free / 1e9, 1)


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest above that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())

"""Where checkpoints lie: in the package, or in the user's data folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from trifuse.core.drafts import sweep
from trifuse.core.errors import InputError, WeightsError
from trifuse.core.files import digest as digest_of_file
from trifuse.core.files import publish, write_text
from trifuse.weights import files
from trifuse.weights.catalogue import CATALOGUE

SHIPPED = Path(__file__).parent / "shipped"
"""The package's own checkpoints."""


class Status(NamedTuple):
    """What `verify` found.

    Attributes:
        name: of the checkpoint.
        state: "shipped" or "added" and unharmed; "damaged" where the digest differs; "absent".
        path: where it lies, None if absent.
    """

    name: str
    state: Literal["shipped", "added", "damaged", "absent"]
    path: Path | None


def home() -> Path:
    """The user's data folder: `$TRIFUSE_HOME`, else where the platform keeps the data of programs."""
    if given := os.environ.get("TRIFUSE_HOME"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser() / "trifuse"
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/trifuse").expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "trifuse"


def add(name: str, path: str | Path, *, overwrite: bool = False) -> Path:
    """Copies a user's checkpoint into the data folder under a name, after checking that it can be read.

    Args:
        name: one of the catalogue, or any other of letters, digits, dots, dashes and underscores.
        path: the checkpoint.
        overwrite: whether it may replace another one that was added under the name.

    Returns:
        Where the copy lies.

    Raises:
        WeightsError: if the file cannot be read, the name cannot be used or is taken, or the digest is not the
            published one.
    """
    path = Path(path)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise WeightsError(f"weights name {name!r} cannot be used; take letters, digits, dots, dashes, underscores")
    entry = CATALOGUE.get(name)
    if entry is not None and entry.file is not None:
        raise WeightsError(f"weights {name!r} come with the package; choose another name for {path}")
    files.load(path)
    found = digest(path)
    if entry is not None and entry.sha256 is not None and found != entry.sha256:
        raise WeightsError(
            f"{path}: not the published weights {name!r} (sha256 {found[:12]}..., expected {entry.sha256[:12]}...); "
            f"get them from {entry.origin}"
        )
    folder = home() / "weights"
    before = _recorded().get(name)
    if before is not None and before["sha256"] != found and not overwrite:
        raise WeightsError(
            f"weights {name!r} are there already, of another file; add --overwrite (overwrite=True in Python) to "
            "replace them, or choose another name"
        )
    sweep(folder)
    target = folder / f"{name}{path.suffix.lower()}"
    try:
        publish(target, lambda draft: _copy(path, draft), None)
        _record({**_recorded(), name: {"file": target.name, "sha256": found}})
    except InputError as error:
        raise WeightsError(f"{error}; set TRIFUSE_HOME to a folder that can be written to") from None
    return target


def path(name: str) -> Path:
    """Where a checkpoint lies: of the package, of the user, or a path itself.

    Raises:
        WeightsError: if there is none, with where to get it, or if it is not what was shipped or added.
    """
    entry = CATALOGUE.get(name)
    if entry is not None and entry.file is not None and (SHIPPED / entry.file).is_file():
        return _unharmed(SHIPPED / entry.file, entry.sha256, "install trifuse again")
    added = _recorded().get(name)
    if added is not None and (home() / "weights" / added["file"]).is_file():
        return _unharmed(
            home() / "weights" / added["file"], added["sha256"], f"add them again: weights add {name} FILE"
        )
    if Path(name).is_file():
        return Path(name)
    if entry is None or entry.file is not None:
        known = ", ".join(sorted({*CATALOGUE, *_recorded()}))
        raise WeightsError(f"weights {name!r} are neither a file nor known by name; known: {known}")
    raise WeightsError(
        f"weights {name!r} are not on this computer; get them from {entry.origin} (licence: {entry.licence}), "
        f"then: trifuse weights add {name} FILE"
    )


def verify(name: str | None = None) -> list[Status]:
    """The state of one checkpoint, or of all that are known or added, by their digests.

    Raises:
        WeightsError: if `name` is neither known nor added.
    """
    recorded = _recorded()
    names = sorted({*CATALOGUE, *recorded})
    if name is not None and name not in names:
        raise WeightsError(f"no weights are called {name!r}; known: {', '.join(names)}")
    return [_status(each, recorded) for each in names if name in (None, each)]


def card(name: str) -> str:
    """The page beside a shipped checkpoint, in Markdown: what it does, network, data and people, training, figures,
    limits; empty for those of others."""
    entry = CATALOGUE.get(name)
    page = SHIPPED / f"{name}.md"
    return page.read_text(encoding="utf-8") if entry is not None and entry.file and page.is_file() else ""


def _copy(path: Path, draft: Path) -> None:
    shutil.copyfile(path, draft)


def _unharmed(path: Path, expected: str | None, mend: str) -> Path:
    if expected is not None and digest(path) != expected:
        raise WeightsError(f"{path}: damaged or replaced (its sha256 is not the recorded one); {mend}")
    return path


def digest(path: Path) -> str:
    """sha256 of a file, computed once for each size and time stamp.

    Raises:
        WeightsError: if it cannot be read.
    """
    try:
        return digest_of_file(path)
    except InputError as error:
        raise WeightsError(str(error)) from None


def _status(name: str, recorded: dict[str, dict[str, str]]) -> Status:
    entry = CATALOGUE.get(name)
    if entry is not None and entry.file is not None:
        place, expected, state = SHIPPED / entry.file, entry.sha256, "shipped"
    elif name in recorded:
        place, expected, state = home() / "weights" / recorded[name]["file"], recorded[name]["sha256"], "added"
    else:
        return Status(name, "absent", None)
    if not place.is_file():
        return Status(name, "absent", None)
    if digest(place) != expected:
        return Status(name, "damaged", place)
    return Status(name, "shipped" if state == "shipped" else "added", place)


def _recorded() -> dict[str, dict[str, str]]:
    """The user's checkpoints: name -> file and sha256."""
    register = home() / "weights" / "added.json"
    if not register.is_file():
        return {}
    try:
        content: dict[str, dict[str, str]] = json.loads(register.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise WeightsError(f"{register}: the list of added weights is damaged; delete it and add them again") from None
    return content


def _record(content: dict[str, dict[str, str]]) -> None:
    write_text(home() / "weights" / "added.json", json.dumps(content, indent=2, sort_keys=True))

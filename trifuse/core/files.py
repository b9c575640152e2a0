"""Files that appear whole or not at all: written under another name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trifuse.core.drafts import draft_of
from trifuse.core.errors import InputError, TrifuseError, brief, one_line
from trifuse.core.signals import uninterrupted


def check_place(path: Path) -> None:
    """Raises early what `publish` would raise about the place of a file.

    Raises:
        InputError: if it is a folder, or its folder is none, or cannot be made or written to.
    """
    origin = one_line(path)
    try:
        if path.is_dir():
            raise InputError(f"{origin}: is a folder; give the name of a file to write")
        there = next(folder for folder in path.absolute().parents if folder.exists())
    except (OSError, ValueError) as error:
        raise InputError(f"{origin}: cannot be written ({brief(error)}); choose another folder or name") from None
    if not there.is_dir():
        raise InputError(f"{origin}: cannot be written ({there.name} is no folder); choose another folder or name")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{origin}: cannot be written (no right to write there); choose another folder")


def check_spares(outputs: Iterable[Path], sources: Sequence[Path]) -> None:
    """Refuses outputs that would replace a source, however the two are spelled.

    Raises:
        InputError: if one would.
    """
    for output in outputs:
        for number, source in enumerate(sources, start=1):
            with contextlib.suppress(OSError, ValueError):
                if output.exists() and source.exists() and output.samefile(source):
                    raise InputError(
                        f"{one_line(output)}: is source {number}, which it would replace; choose another name"
                    )


def publish(path: Path, encode: Callable[[Path], None], provenance: Mapping[str, Any] | None) -> Path:
    """Writes a file and, if given, its provenance beside it as `<name>.json`; missing folders are made.

    Args:
        encode: writes the content to the path that it gets, whose name ends like that of `path`.

    Raises:
        InputError: if anything fails; then neither file, nor a part of one, nor a new folder remains.
    """
    check_place(path)
    beside = path.with_name(path.name + ".json")
    drafts = {path: draft_of(path)}
    text = ""
    if provenance is not None:
        text = json.dumps(plain(provenance), indent=2, ensure_ascii=False) + "\n"
        drafts[beside] = draft_of(beside)
    missing = [folder for folder in path.parents if not folder.exists()]
    finished: list[Path] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(drafts[path])
        if beside in drafts:
            drafts[beside].write_text(text, encoding="utf-8")
        with uninterrupted():
            for target, draft in reversed(drafts.items()):  # provenance first: a result without it would be nobody's
                os.replace(draft, target)
                finished.append(target)
    except BaseException as error:
        reason = None if isinstance(error, TrifuseError) else _refusal(error, path.parent)
        for leftover in (*drafts.values(), *finished):
            with contextlib.suppress(OSError):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if reason is None:
            raise
        raise InputError(f"{one_line(path)}: cannot be written ({reason}); choose another folder or name") from error
    return path


PROBE = 2**20
"""Bytes that a disk has no room for, if it just refused a file."""


def _refusal(error: BaseException, folder: Path) -> str | None:
    """Why the system refused a file; None if something else went wrong.

    Encoders wrap what the system said in errors of their own, or say nothing of it: then the disk is asked.
    """
    if not isinstance(error, Exception):
        return None
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, OSError) and chain.strerror:
            return chain.strerror
        chain = chain.__cause__ or (chain.__context__ if isinstance(error, OSError) else None)
    probe = draft_of(folder / "probe")
    try:
        with probe.open("wb") as file:
            file.write(bytes(PROBE))
    except OSError as full:
        return full.strerror or brief(full)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return brief(error) if isinstance(error, OSError) else None


def write_text(path: str | Path, text: str) -> Path:
    """Writes a text file whole or not at all; missing folders are made.

    Raises:
        InputError: if the place cannot be written to.
    """
    return publish(Path(path), lambda draft: _encode_text(draft, text), None)


def read_text(path: Path, what: str) -> str:
    """A text file that a user names.

    Args:
        what: what it should be, for the message, such as "recipe".

    Raises:
        InputError: if it is missing, may not be read, or is no text.
    """
    try:
        if path.stat().st_size > LONGEST_TEXT:
            raise InputError(f"{one_line(path)}: too long for a {what} ({path.stat().st_size >> 20} MiB)")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise InputError(f"{one_line(path)}: the {what} cannot be read ({reason})") from None


def read_yaml(path: Path, what: str) -> Any:
    """What a YAML file holds that a user names.

    Raises:
        InputError: if it is missing, may not be read, or is no YAML.
    """
    import yaml

    text = read_text(path, what)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None and _written_out(node, {}) > MOST_VALUES:
            raise InputError(f"{one_line(path)}: its aliases stand for more than {MOST_VALUES} values; write them out")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise InputError(f"{one_line(path)}: not valid YAML ({brief(error)})") from None


LONGEST_TEXT = 2**24
"""Bytes of a recipe or list: more is something else."""

MOST_VALUES = 1_000_000
"""Values of a YAML file, each alias counted as what it stands for."""


def _written_out(node: Any, known: dict[int, int]) -> int:
    """How many values a YAML node comes to without aliases; without end where it holds itself."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # met again inside itself
        inside = node.value if isinstance(node.value, list) else []
        parts = [part for item in inside for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(node)]


def beside(path: str | Path, word: str) -> Path:
    """The path with `word` before its suffix: `fused.nii.gz` and "-uncertainty" give `fused-uncertainty.nii.gz`."""
    path = Path(path)
    suffix = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
    return path.with_name(path.name[: len(path.name) - len(suffix)] + word + suffix)


FILE_NAME = r"^\w[\w .+-]{0,99}$"
"""What a name of a user's may look like that becomes a file's as it is."""

LONGEST_NAME = 60
"""Letters that are kept of a name in a file name."""


def safe_name(name: str) -> str:
    """A file name that no other name has: letters, digits and "-_.+" are kept, and a hash of the whole name ends it."""
    kept = "".join(c if c.isalnum() or c in "-_.+" else "_" for c in name)[:LONGEST_NAME].strip(".")
    return f"{kept or '_'}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts names as people do: p2 before p10, whatever the case of letters."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def digest(path: Path) -> str:
    """sha256 of a file, or of the names and contents of all files below a folder.

    Read again only where size or time stamp say that it changed.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        if path.is_dir():
            inside = sorted(entry for entry in path.rglob("*") if entry.is_file())
            whole = [(entry.relative_to(path).as_posix(), digest(entry)) for entry in inside]
            return hashlib.sha256(json.dumps(whole).encode()).hexdigest()
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a device would be read without end
            raise InputError(f"{one_line(path)}: is neither a file nor a folder; give an image file or a DICOM folder")
        return _digest_of(path, found.st_size, found.st_mtime_ns)
    except (OSError, ValueError) as error:  # a zero in a name is a ValueError
        reason = getattr(error, "strerror", None) or brief(error)
        raise InputError(f"{one_line(path)}: cannot be read ({reason})") from None


@lru_cache(maxsize=4096)
def _digest_of(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encode_text(draft: Path, text: str) -> None:
    draft.write_text(text, encoding="utf-8")


def plain(value: Any) -> Any:
    """The value in JSON's own types; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)

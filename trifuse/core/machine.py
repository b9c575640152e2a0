"""What the computer, or the container that it is seen from, has of memory; and sizes as people write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from trifuse.core.errors import OptionError

UNITS = {
    "": 1,
    "B": 1,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "KI": 2**10,
    "MI": 2**20,
    "GI": 2**30,
    "TI": 2**40,
}

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux keeps the limits of containers and batch jobs."""


def memory_total() -> int | None:
    """Bytes that the machine has, or may take by the limits of its container; None where the system does not say."""
    limits = [limit for limit in (_installed(), *_group_limits()) if limit]
    return min(limits, default=None)


def byte_count(text: str) -> int:
    """Bytes in a text such as "8GB", "512MiB" or "2e9".

    Raises:
        OptionError: if it is none.
    """
    matched = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?I?)B?\s*", text.upper())
    if matched is None or matched[2] not in UNITS or float(matched[1]) <= 0:
        raise OptionError(f"memory {text!r} is no size; give, for example, 8GB or 512MiB")
    return int(float(matched[1]) * UNITS[matched[2]])


def in_words(count: float) -> str:
    """Bytes as "3.2 GB" or "512 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 0.995e9 else f"{count / 1e6:.0f} MB"


def _installed() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _group_limits() -> list[int]:
    """Limits of the control groups that this process is in, of both versions of Linux's."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for base, name in ((GROUPS, "memory.max"), (GROUPS / "memory", "memory.limit_in_bytes")):
            if controllers == "" or "memory" in controllers:
                own = base / path.lstrip("/")
                found += [_number(folder / name) for folder in (own, *own.parents) if folder.is_relative_to(base)]
    return [limit for limit in found if limit]


def _number(path: Path) -> int | None:
    """A limit; None where there is no such file, or "max" in it."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None

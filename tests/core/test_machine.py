"""Sizes as people write them, and what the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from trifuse.core import machine
from trifuse.core.errors import OptionError


@pytest.mark.parametrize(
    ("text", "expected"), [("4GB", 4 * 10**9), ("512 MiB", 2**29), ("1.5g", 1500000000), ("300", 300), ("2Ti", 2**41)]
)
def test_sizes(text: str, expected: int) -> None:
    assert machine.byte_count(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "4 apples", "nan", "1e9999"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(OptionError, match="is no size; give, for example, 8GB"):
        machine.byte_count(text)


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = machine.memory_total()
    assert installed is None or installed > 2**28
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    monkeypatch.setattr(machine, "_installed", lambda: 2**40)
    assert machine.memory_total() == 2**40
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    if Path("/proc/self/cgroup").exists():
        assert machine.memory_total() == 2**30


def test_bytes_in_words() -> None:
    assert machine.in_words(3.24e9) == "3.2 GB"
    assert machine.in_words(5.12e8) == "512 MB"

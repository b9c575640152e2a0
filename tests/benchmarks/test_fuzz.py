"""A slice of the campaign: damaged files end in a result or in one clear line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import fuzz

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of forked processes are Linux's")


@pytest.mark.parametrize(("inputs", "seconds"), [(600, None), pytest.param(100_000, 60, marks=pytest.mark.slow)])
def test_a_slice_of_the_campaign_finds_nothing(inputs: int, seconds: float | None, tmp_path: Path) -> None:
    found = fuzz.campaign(inputs, seed=inputs, seconds=seconds, keep=tmp_path)
    assert not found.findings, f"see {tmp_path}"
    assert found.outcomes["refused"] > 0
    assert found.outcomes["result"] > 0
    assert found.slowest < 5


def test_what_ends_otherwise_is_found_and_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(path: Path) -> None:
        if b"%" in path.read_bytes():
            raise ZeroDivisionError

    seed = fuzz.Seed("x.png", b"a" * 50 + b"%" + b"b" * 50, "fields", crashes)
    monkeypatch.setattr(fuzz, "seeds", lambda _: [seed])
    found = fuzz.campaign(20, seed=1, keep=tmp_path / "kept")
    assert any("ZeroDivisionError" in what for what in found.findings)
    assert (b"%", "x.png") in found.findings.values()
    assert (tmp_path / "kept" / "findings.json").is_file()

"""Large runs are announced with what they take."""

from __future__ import annotations

import warnings

import pytest

from trifuse.fusion import memory
from trifuse.methods import get


def notes(*space: int, **options: object) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        memory.tell(get("dc2fusion")(**options), space)
    return [str(note.message) for note in caught]


def test_small_runs_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: None)
    assert notes(64, 64, 64) == []


def test_large_runs_say_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 10**15)
    (note,) = notes(256, 256, 256)
    assert note.startswith("256x256x256 voxels in 27 windows: about ")
    assert "GB" in note


def test_it_says_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 10**6)
    (note,) = notes(64, 64, 64)
    assert "0.0 GB are free" in note
    assert "window=64" in note


def test_methods_that_do_not_know_are_silent() -> None:
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        memory.tell(get("mean")(), (10**4,) * 3)
    assert notes == []


def test_what_is_free() -> None:
    free = memory.available()
    assert free is None or free > 0

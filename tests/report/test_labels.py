"""Sources are called by what made them."""

from __future__ import annotations

from trifuse.report import source_labels


def test_labels_are_modalities_numbered_where_they_repeat() -> None:
    assert source_labels(["T1", "PET"]) == ["T1", "PET"]
    assert source_labels(["T1", "PET", "T1", "OTHER", "CT"]) == ["T1 1", "PET", "T1 2", "source 4", "CT"]

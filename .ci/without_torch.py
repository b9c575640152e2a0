"""A plugin of pytest for Pythons without PyTorch: whatever imports it is skipped, and says so."""

from __future__ import annotations

import sys

import pytest


class _Absent:
    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "torch":
            pytest.skip("PyTorch is not installed on this Python", allow_module_level=True)


sys.meta_path.insert(0, _Absent)  # type: ignore[arg-type]

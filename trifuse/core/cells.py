"""Texts of others as cells of tables: nothing takes them for a formula, for markup or for a command."""

from __future__ import annotations

import re
from html import escape
from typing import Any

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What formulas begin with in spreadsheets, full-width forms included."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf|nan")

LATEX = {c: "\\" + c for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}


def csv_cell(value: Any) -> Any:
    """A cell of a CSV table that no spreadsheet takes for a formula; numbers stay as they are."""
    risky = isinstance(value, str) and value.startswith(FORMULAS) and NUMBER.fullmatch(value) is None
    return f"'{value}" if risky else value


def markdown_cell(text: str) -> str:
    """A cell of a Markdown table: no column, line, HTML or link of its own."""
    flat = " ".join(text.split("\n")).replace("\r", " ")
    return escape(flat, quote=False).replace("|", "\\|").replace("](", "]\\(")


def latex_cell(text: str) -> str:
    """A cell of a LaTeX table, in which nothing is a command."""
    return "".join(LATEX.get(character, character) for character in text)

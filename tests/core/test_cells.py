"""Cells of tables: formulas, markup and commands of others are words."""

from __future__ import annotations

import pytest

from trifuse.core.cells import csv_cell, latex_cell, markdown_cell
from trifuse.core.errors import visible


@pytest.mark.parametrize(
    "text", ["=1+1", "=cmd|' /C calc'!A0", "+1|x", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]
)
def test_formulas_are_words(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a=1", "", "-1", "+2.5e-3", "-inf", "1-2", -1, 0.5, None])
def test_other_cells_stay(value: object) -> None:
    assert csv_cell(value) == value


def test_markdown_has_no_column_line_html_or_link_of_its_own() -> None:
    assert markdown_cell("a|b\n<img src=x onerror=y> [x](javascript:y) & c") == (
        "a\\|b &lt;img src=x onerror=y&gt; [x]\\(javascript:y) &amp; c"
    )


def test_latex_has_no_command() -> None:
    assert latex_cell(r"\input{/etc/x} $a^2$ 5%_~") == (r"\textbackslash{}input\{/etc/x\} \$a\^{}2\$ 5\%\_\~{}")


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert visible("a\x1b[31mb\x07\u202ec\x9bd\ne é") == "a\\x1b[31mb\\x07\\u202ec\\x9bd\ne é"

"""Tables of metrics for people: Markdown, HTML and plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

import numpy as np

from trifuse.core.cells import markdown_cell
from trifuse.core.errors import OptionError

TableFormat = Literal["markdown", "html", "plain"]
Direction = Literal["higher", "lower"]

Cells = list[list[tuple[str, bool]]]
"""Rows of texts, and whether each is the best of its column."""

NUMBER = ' class="number"'


def metrics_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    format: TableFormat = "markdown",
    directions: Mapping[str, Direction] | None = None,
    caption: str = "",
) -> str:
    """Table of metrics, one row per method or case.

    Args:
        rows: column -> text or number, all columns of the first row first; a missing or not finite value is a dash.
        format: Markdown, HTML (a `<table>`), or plain text.
        directions: which numeric columns are better when "higher" or "lower": those get an arrow in their
            heading, and their best value is bold (in plain text: an asterisk).
        caption: line above the table.

    Raises:
        OptionError: if the format does not exist.
    """
    writers = {"markdown": _markdown, "html": _html, "plain": _plain}
    if format not in writers:
        raise OptionError(f"table format {format!r} is not known; choose {', '.join(writers)}")
    better = directions or {}
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrows = {"higher": " ↑", "lower": " ↓"}
    heads = [name + arrows.get(better.get(name, ""), "") for name in names]
    best = {name: _best([row.get(name) for row in rows], better[name]) for name in names if name in better}
    cells = [[(_cell(row.get(n)), n in best and _equal(row.get(n), best[n])) for n in names] for row in rows]
    numeric = [any(_is_number(row.get(name)) for row in rows) for name in names]
    return writers[format](heads, cells, numeric, caption)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _best(values: Sequence[Any], direction: Direction) -> float | None:
    known = [float(v) for v in values if _is_number(v) and np.isfinite(v)]
    if len(known) < 2:
        return None
    return max(known) if direction == "higher" else min(known)


def _equal(value: Any, best: float | None) -> bool:
    return best is not None and _is_number(value) and float(value) == best


def _cell(value: Any) -> str:
    if value is None or (_is_number(value) and not np.isfinite(value)):
        return "–"
    if isinstance(value, (int, np.integer)) or not _is_number(value):
        return str(value)
    return f"{float(value):.4g}" if abs(value) < 1e-3 or abs(value) >= 1e4 else f"{float(value):#.4g}".rstrip(".")


def _markdown(heads: list[str], cells: Cells, numeric: list[bool], caption: str) -> str:
    def line(texts: Sequence[str]) -> str:
        return "| " + " | ".join(markdown_cell(text) for text in texts) + " |"

    rule = "|" + "|".join(" ---: " if number else " --- " for number in numeric) + "|"
    body = [line([f"**{text}**" if best else text for text, best in row]) for row in cells]
    return "\n".join([*([caption, ""] if caption else []), line(heads), rule, *body]) + "\n"


def _html(heads: list[str], cells: Cells, numeric: list[bool], caption: str) -> str:
    def row(tag: str, texts: Sequence[str]) -> str:
        aligned = zip(texts, numeric, strict=True)
        inner = "".join(f"<{tag}{NUMBER if n else ''}>{text}</{tag}>" for text, n in aligned)
        return f"<tr>{inner}</tr>"

    body = [row("td", [f"<strong>{escape(t)}</strong>" if best else escape(t) for t, best in line]) for line in cells]
    top = [f"<caption>{escape(caption)}</caption>"] if caption else []
    head = f"<thead>{row('th', [escape(h) for h in heads])}</thead>"
    return "\n".join(["<table>", *top, head, "<tbody>", *body, "</tbody>", "</table>"]) + "\n"


def _plain(heads: list[str], cells: Cells, numeric: list[bool], caption: str) -> str:
    texts = [heads, *[[text + ("*" if best else "") for text, best in row] for row in cells]]
    widths = [max(len(row[k]) for row in texts) for k in range(len(heads))]
    aligned = [
        "  ".join(t.rjust(w) if n else t.ljust(w) for t, w, n in zip(row, widths, numeric, strict=True)).rstrip()
        for row in texts
    ]
    return "\n".join([*([caption] if caption else []), *aligned]) + "\n"

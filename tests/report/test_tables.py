"""Tables of metrics."""

from __future__ import annotations

import pytest

from trifuse.core.errors import OptionError
from trifuse.report import metrics_table

ROWS = [
    {"method": "mean", "vif": 0.41234, "mse": 12345.6, "cases": 3},
    {"method": "a|<b>", "vif": 0.52, "mse": float("nan")},
    {"method": "max", "vif": 0.1, "mse": 2e-5, "cases": 3},
]
BETTER = {"vif": "higher", "mse": "lower"}


def test_markdown() -> None:
    lines = metrics_table(ROWS, directions=BETTER, caption="Test set").splitlines()  # type: ignore[arg-type]
    assert lines == [
        "Test set",
        "",
        "| method | vif ↑ | mse ↓ | cases |",
        "| --- | ---: | ---: | ---: |",
        "| mean | 0.4123 | 1.235e+04 | 3 |",
        "| a\\|&lt;b&gt; | **0.5200** | – | – |",
        "| max | 0.1000 | **2e-05** | 3 |",
    ]


def test_html_is_escaped() -> None:
    text = metrics_table(ROWS, format="html", directions=BETTER)  # type: ignore[arg-type]
    assert "<td>a|&lt;b&gt;</td>" in text
    assert '<td class="number"><strong>0.5200</strong></td>' in text
    assert text.count("<tr>") == 4


def test_plain_is_aligned() -> None:
    lines = metrics_table(ROWS, format="plain", directions=BETTER).splitlines()  # type: ignore[arg-type]
    assert lines[0].split() == ["method", "vif", "↑", "mse", "↓", "cases"]
    assert lines[2].split() == ["a|<b>", "0.5200*", "–", "–"]


def test_no_best_without_a_direction_or_a_rival() -> None:
    assert "**" not in metrics_table(ROWS)
    assert "**" not in metrics_table(ROWS[:1], directions=BETTER)  # type: ignore[arg-type]


def test_unknown_format() -> None:
    with pytest.raises(OptionError, match="markdown, html, plain"):
        metrics_table(ROWS, format="docx")  # type: ignore[arg-type]

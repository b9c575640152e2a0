"""`trifuse metrics`: what can be measured, and how to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trifuse.cli.common import Json, answer, table

if TYPE_CHECKING:
    from trifuse.metrics.base import MetricCard

BETTER = {"high": "higher", "low": "lower", "zero": "nearer to 0"}


def metrics(
    name: Annotated[str | None, typer.Argument(help="Explain one metric or preset.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """List the metrics, or explain one: formula, reference, range, variants, pitfalls.

    [bold]Examples[/bold]

      trifuse metrics

      trifuse metrics vif

      trifuse metrics cddfuse
    """
    from trifuse import metrics as registry
    from trifuse.metrics.presets import PRESETS

    if name in PRESETS:
        preset = PRESETS[name]
        if json:
            answer({"name": name, "about": preset.about, "metrics": list(preset.metrics)})
        else:
            print(f"{name}: {preset.about}\n{', '.join(preset.metrics)}")
    elif name:
        card = registry.get(name).card
        answer(card.model_dump(mode="json")) if json else _explain(card)
    elif json:
        answer([card.model_dump(mode="json") for card in registry()])  # type: ignore[operator]
    else:
        cards = [registry.get(each).card for each in registry.names()]
        rows = [[c.name, BETTER[c.direction], _range(c), c.reduce, c.summary] for c in cards]
        table("", ["name", "better", "range", "sources", "what it measures"], rows)
        table("", ["preset", "what it stands for"], [[key, preset.about] for key, preset in PRESETS.items()])


def _explain(card: MetricCard) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    lines = [
        ("", card.summary),
        ("Formula", card.formula),
        ("Better", BETTER[card.direction]),
        ("Range", _range(card)),
        ("Sources", f"{card.kind}; combined by {card.reduce}" if card.kind != "image" else "none needed"),
        ("Volumes", card.volumes if 3 in card.dims else "no"),
        ("Reference", card.paper or "textbook"),
        ("Notes", card.notes),
        ("Pitfalls", card.pitfalls),
    ]
    console.print(f"[bold]{card.name}[/bold]  {card.title}")
    for head, text in lines:
        if text:
            console.print(f"{head}: {text}" if head else text, markup=False)
    for variant, text in card.variants.items():
        console.print(f"{card.name}@{variant}: {text}", markup=False)


def _range(card: MetricCard) -> str:
    low, high = ("" if bound is None else f"{bound:g}" for bound in card.range)
    return f"{low}..{high}"

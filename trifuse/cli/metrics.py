"""`trifuse metrics`: what can be measured, and how to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trifuse.cli.common import Json, answer, listed, table
from trifuse.core.registry import OURS

if TYPE_CHECKING:
    from trifuse.metrics.base import MetricCard

BETTER = {"high": "higher", "low": "lower", "zero": "nearer to 0"}


def metrics(
    name: Annotated[str | None, typer.Argument(help="Explain one metric or preset.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """List the metrics, or explain one: formula, reference, range, variants, pitfalls.

    Examples:

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
        card, origin = registry.get(name).card, registry.origin(name)
        answer(card.model_dump(mode="json") | {"origin": origin}) if json else _explain(card, origin)
    else:
        _list(json)


def _list(json: bool) -> None:
    from trifuse import metrics as registry
    from trifuse.metrics.presets import PRESETS

    cards = {name: found.card for name, found in registry.REGISTRY.working(registry.names())}
    origins = [registry.origin(name) for name in cards]
    if json:
        answer([c.model_dump(mode="json") | {"origin": o} for c, o in zip(cards.values(), origins, strict=True)])
    else:
        rows = [[c.name, BETTER[c.direction], _range(c), c.reduce, c.summary] for c in cards.values()]
        listed(["name", "better", "range", "sources", "what it measures"], rows, origins)
        table("", ["preset", "what it stands for"], [[key, preset.about] for key, preset in PRESETS.items()])


def _explain(card: MetricCard, origin: str) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    lines = [
        ("", card.summary),
        ("Formula", card.formula),
        ("From", origin if origin != OURS else ""),
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

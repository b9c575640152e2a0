"""`trifuse methods`: what there is, and what each takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trifuse.cli.common import Json, answer, listed, table
from trifuse.core.registry import OURS

if TYPE_CHECKING:
    from trifuse.methods.base import Method


def methods(
    name: Annotated[
        str | None,
        typer.Argument(help="Show one method in full.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """List the fusion methods, or show one with its options; those that other packages add are marked.

    Examples:

      trifuse methods

      trifuse methods bitonicx

      trifuse methods --json
    """
    from trifuse import methods as registry

    if name:
        described = describe(name, registry.get(name))
        answer(described) if json else _show(described)
        return
    every = [describe(each, found) for each, found in registry.REGISTRY.working()]
    if json:
        answer(every)
    else:
        rows = [[d["name"], d["takes"], d["scales"], d["title"], d["summary"]] for d in every]
        listed(["name", "takes", "scales", "title", "what it does"], rows, [d["origin"] for d in every])


def describe(name: str, cls: type[Method]) -> dict[str, Any]:
    """Card and options of a method as plain data, and the package that it comes from."""
    from trifuse import methods as registry
    from trifuse.methods.base import options_of

    card = cls.card
    low, high = card.sources
    count = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
    dims = "/".join(f"{d}D" for d in sorted(card.dims))
    options = [
        {"name": option.name, "type": option.type, "default": option.default, "help": option.help}
        for option in options_of(cls)
    ]
    return {
        **card.model_dump(mode="json"),
        "takes": f"{count} {card.colour}, {dims}",
        "scales": " ".join(f"x{s}" for s in sorted(card.scales)),
        "origin": registry.origin(name),
        "options": options,
    }


def _show(described: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"[bold]{described['name']}[/bold]  {described['title']}")
    console.print(described["summary"])
    if described["paper"]:
        console.print(f"Paper: {described['paper']}", markup=False)
    if described["origin"] != OURS:
        console.print(f"From: {described['origin']}", markup=False)
    console.print(f"Takes: {described['takes']}; scales {described['scales']}", markup=False)
    if described["notes"]:
        console.print(described["notes"], markup=False)
    if described["options"]:
        rows = [[o["name"], o["type"], str(o["default"]), o["help"]] for o in described["options"]]
        table("", ["option", "type", "default", "meaning"], rows)

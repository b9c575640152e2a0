"""`trifuse weights`: checkpoints that methods and metrics need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from trifuse.cli.common import Json, Overwrite, answer, say, table


def weights(
    action: Annotated[Literal["list", "show", "add", "verify"], typer.Argument(help="What to do.")] = "list",
    name: Annotated[str | None, typer.Argument(help="Name of the checkpoint.", show_default=False)] = None,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Your copy of it, for add: .safetensors, .pth, .pt, .ckpt or .npz with the tensors of a network.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """List the checkpoints that trifuse knows, add your own copy of one, or verify them by their digests.

    Checkpoints that come with the package need nothing. Others were published by their authors; get the file from
    them and add it once. Exit code 3 if a checkpoint is damaged.

    Examples:

      trifuse weights

      trifuse weights show tfs-diff

      trifuse weights add cddfuse-official CDDFuse_MIF.pth

      trifuse weights verify
    """
    from trifuse import weights as store
    from trifuse.core.errors import OptionError

    if action == "add":
        if name is None or file is None:
            raise OptionError("add takes a name and a file: trifuse weights add NAME FILE")
        target = store.add(name, file, overwrite=overwrite)
        answer({"name": name, "path": target}) if json else say(f"added: {name} ({target})")
        return
    if action == "show":
        _show(name, json)
        return
    found = store.verify(name)
    if json:
        answer([status._asdict() for status in found])
    else:
        rows = []
        for status in found:
            entry = store.CATALOGUE.get(status.name)
            origin, licence = (entry.origin, entry.licence) if entry else ("added by you", "")
            rows.append([status.name, status.state, ", ".join(entry.used_by) if entry else "", licence, origin])
        table("", ["name", "state", "used by", "licence", "origin"], rows)
    if any(status.state == "damaged" for status in found):
        raise typer.Exit(3)


def _show(name: str | None, json: bool) -> None:
    """The card of a shipped checkpoint: what it does, people, training, figures, limits; where another is found."""
    from trifuse import weights as store
    from trifuse.core.errors import OptionError
    from trifuse.core.registry import hint

    if name is None or name not in store.CATALOGUE:
        raise OptionError(f"show takes the name of a checkpoint; {hint(str(name), store.CATALOGUE)}")
    entry = store.CATALOGUE[name]
    card = store.card(name)
    if json:
        answer({**entry._asdict(), "card": card})
        return
    print(card or f"{name}: not shipped; found at {entry.origin}")
    recipe = f"; made by `trifuse train {entry.recipe}`" if entry.recipe else ""
    print(f"\nUsed by {', '.join(entry.used_by)}. Licence: {entry.licence}{recipe}.")

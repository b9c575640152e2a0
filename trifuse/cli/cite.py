"""`trifuse cite`: whose work a picture rests on."""

from __future__ import annotations

from typing import Annotated

import typer

from trifuse.cli.common import Json, answer, say


def cite(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[METHOD ...]", help="The methods that you used; the default one if none is named."),
    ] = None,
    json: Json = False,
) -> None:
    """Print BibTeX entries of trifuse and of the papers that methods ask to cite.

    [bold]Examples[/bold]

      trifuse cite tfs-diff bitonicx > fusion.bib

      trifuse cite --json cddfuse
    """
    from trifuse import methods
    from trifuse.methods.citations import bibtex, entry

    chosen = [methods.get(name) for name in names or [methods.DEFAULT]]
    if json:
        answer({method.card.name: [entry(key) for key in method.card.cites] for method in chosen})
        return
    print(bibtex(chosen))
    for method in chosen:
        if not method.card.cites:
            say(f"{method.card.name}: {method.card.paper or 'no paper of its own'}")

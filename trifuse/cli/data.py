"""`trifuse data`: what recipes want that may not be shipped, and what of it one has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trifuse.cli.common import Json, answer, say, table

if TYPE_CHECKING:
    from trifuse.prepare.collections import Collection, Found


def data(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[COLLECTION ...]", help="Which; all if none is named.")
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            help="Compare a folder with the collections' lists (names, sha256): the folder of all data, in which "
            "aanlib2d/ and the others lie ($TRIFUSE_SHARED/data in recipes), or clones of the repositories.",
            show_default=False,
        ),
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option(help="Write the lists of cases that recipes name into that folder.", show_default=False),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Print a division of a paper as CSV: tfs-diff.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List the images that recipes want, and where their owners offer them; check those that you have.

    Exit code 3 if files of a collection are changed or absent.

    [bold]Examples[/bold]

      trifuse data

      trifuse data aanlib2d --check ~/data

      trifuse data --split tfs-diff > tfs-diff.csv
    """
    from trifuse.core.errors import OptionError
    from trifuse.prepare import collections

    if split is not None:
        if split != "tfs-diff":
            raise OptionError(f"no division is called {split!r}; there is: tfs-diff")
        print(collections.tfs_diff_split(), end="")
        say("drawn by us: 86 of its 119 groups, four of its five kinds; the authors' own lists are not published")
        return
    chosen = [collections.get(name) for name in names or [each.name for each in collections.COLLECTIONS]]
    if tables is not None:
        for path in (path for each in chosen for path in collections.write_tables(each, tables)):
            say(f"written: {path}")
    if check is not None:
        _check(chosen, check, json)
    elif json:
        answer([_described(each) for each in chosen])
    elif tables is None:
        _list(chosen)


def _described(each: Collection) -> dict[str, Any]:
    from trifuse.core.shelf import BENCHMARKS, TRAINING, shipped
    from trifuse.prepare import collections

    held = collections.files(each)
    return {
        "name": each.name,
        "holds": each.holds,
        "files": len(held),
        "splits": dict(collections.splits(each)),
        "offered": each.offered,
        "licence": each.licence,
        "recipes": collections.recipes_of(each, shipped((*TRAINING, *BENCHMARKS))),
        "repositories": sorted({file.repository for file in held if file.repository}),
    }


def _list(chosen: list[Collection]) -> None:
    for each in map(_described, chosen):
        parts = ", ".join(f"{count} {part}" for part, count in each["splits"].items())
        print(f"{each['name']}: {each['holds']}")
        print(f"  {each['files']} files ({parts}); {each['licence']}")
        print(f"  from {each['offered']}")
        print(f"  for {', '.join(each['recipes'])}\n")


def _check(chosen: list[Collection], folder: Path, json: bool) -> None:
    from trifuse.prepare import collections

    found = {each.name: collections.check(each, folder) for each in chosen}
    if json:
        answer({name: vars(each) for name, each in found.items()})
    else:
        rows = [
            [name, *(str(len(part)) for part in (f.whole, f.renamed, f.changed, f.absent))] for name, f in found.items()
        ]
        table("", ["collection", "there", "under another name", "changed", "absent"], rows)
        for each in found.values():
            _name(each)
    if any(each.changed or each.absent for each in found.values()):
        raise typer.Exit(3)


def _name(found: Found, most: int = 5) -> None:
    """Names some of the files that are not as they should be."""
    renamed = [f"{there} -> {wanted}" for wanted, there in found.renamed.items()]
    for word, paths in (("changed", found.changed), ("absent", found.absent), ("rename", renamed)):
        for path in paths[:most]:
            say(f"{word}: {path}")
        if len(paths) > most:
            say(f"{word}: {len(paths) - most} more (--json lists them)")

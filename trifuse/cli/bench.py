"""`trifuse bench`: a benchmark that anyone can rerun."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from trifuse.cli.common import Folder, Json, Overwrite, answer, progress, say
from trifuse.cli.engines import takes_engine
from trifuse.engines import Engine


@takes_engine
def bench(
    recipe: Annotated[
        str,
        typer.Argument(help="A YAML recipe, or the name of one of the package's: dual, table1 ...", show_default=False),
    ],
    output: Folder,
    data: Annotated[
        Path,
        typer.Option(
            envvar="TRIFUSE_DATA",
            help="Folder that the recipe's paths are relative to: that of all data, in which aanlib2d/ "
            "and the others lie (`trifuse data`).",
        ),
    ] = Path("."),
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many cases, spread evenly over the recipe's.")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option("--methods", "-m", help='Rows to run, comma-separated: methods, labels or patterns ("*sr3*").'),
    ] = None,
    *,
    engine: Engine,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Run methods x cases x scales x metrics, and write tables, plots and a page with the pictures.

    A run that was stopped goes on where it stopped when it is called again with the same folder; a whole run takes
    over what a smaller one (--limit, --methods) has done there. A row whose weights are not on this computer is left
    out and named. A case that fails is recorded and does not stop the rest; the exit code is then 3.

    Examples:

      trifuse bench dual -o runs/dual --data ~/data --jobs 4

      trifuse bench table1 -o runs/table1 --data ~/data --limit 6 --methods tfs-diff,bitonicx
    """
    from trifuse.core.extras import need

    need("bench", "trifuse bench")
    from trifuse.bench import recipe as recipes
    from trifuse.bench import report, summary
    from trifuse.bench import run as bench_run
    from trifuse.core.errors import visible
    from trifuse.core.shelf import BENCHMARKS, recipe_path

    loaded = recipes.narrowed(recipes.load(recipe_path(recipe, BENCHMARKS)), limit, methods)
    with progress(quiet=json):
        rows = bench_run.run(loaded, data, output, engine, overwrite=overwrite)
        written = report.write(loaded, rows, output)
    failed = [row for row in rows if row["error"]]
    absent = summary.left_out(rows)
    if json:
        answer({"written": written, "failed": failed, "left_out": absent, "rows": len(rows)})
    else:
        for (method, error), count in Counter((row["method"], row["error"]) for row in failed).items():
            say(f"failed: {method}, {count} of the cases: {error}")
        for note in summary.notes(rows):
            say(f"note: {note}")
        for reason in absent:
            say(f"left out: {reason}")
        table = output / "table.md"
        if table.is_file():
            print(visible(table.read_text(encoding="utf-8")))
        say(f"page: {output / 'index.html'}\ntidy table: {output / 'results.csv'}")
    if failed:
        raise typer.Exit(3)

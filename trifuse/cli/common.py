"""What the commands share: arguments, progress on stderr, answers on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trifuse.core.errors import visible
from trifuse.core.registry import OURS
from trifuse.fusion.settings import SETTINGS

Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="A B [C ...]",
        help="Two or more images of one patient: PNG, JPEG, TIFF, NIfTI, NRRD, MetaImage, MGZ, MATLAB, DICOM file or "
        "series folder.",
        show_default=False,
    ),
]
Units = Annotated[
    Literal["native", "suv"],
    typer.Option(help="PET from DICOM in the units of its file, or as SUVbw, refused where its header lacks it."),
]
Frames = Annotated[
    list[str] | None,
    typer.Option(
        "--frame",
        metavar="[N:]F",
        help="Of sources with several frames (4D, dynamic PET, echoes): F, from 0, or mean; N:F for source N alone.",
    ),
]
SeriesChoice = Annotated[
    list[str] | None,
    typer.Option(
        "--series",
        metavar="[N:]S",
        help="Of DICOM folders with several series: its number, UID, description or modality; N:S for source N alone.",
    ),
]
AllowGaps = Annotated[
    bool, typer.Option("--allow-gaps", help="Resample DICOM slices at uneven distances onto even ones.")
]
Channels = Annotated[
    list[str] | None,
    typer.Option(
        "--channels",
        metavar="[N:]separate",
        help="Channels of colour files (of source N) that are modalities: each is a source of its own.",
    ),
]
DifferentPatients = Annotated[
    bool,
    typer.Option("--different-patients", help="Take images whose headers name different patients, which is refused."),
]
Windows = Annotated[
    list[str] | None,
    typer.Option("--window", metavar="N=RANGE", help=f"{SETTINGS['window'].help}."),
]
Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if it is not there.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps ...")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are there; otherwise only those of this same run are.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for programs.")]


@contextmanager
def progress(quiet: bool = False) -> Iterator[None]:
    """Shows the progress of the work inside on stderr, if a person is looking."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from trifuse.core.progress import listening

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def listener(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        with listening(listener):
            yield


def say(text: str) -> None:
    """One line for a person, on stderr: stdout carries answers only."""
    print(visible(text), file=sys.stderr)


def answer(data: Any) -> None:
    """A JSON answer on stdout; infinities and NaN, which JSON lacks, become strings."""
    text = json.dumps(_plain(data), indent=2, ensure_ascii=False)
    print("".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" if ord(c) < 2**16 else "?" for c in text))


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple, set, frozenset)):
        return [_plain(value) for value in data]
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return str(data)
    if isinstance(data, Path):
        return str(data)
    return data


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; plain text where output is not a terminal.

    Columns that the terminal cannot hold follow in blocks below, each with the first column before them, so that no
    number is broken.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    numeric = all(len(row) == len(columns) and all(_is_number(cell) for cell in row[1:]) for row in rows)
    for block in _blocks(columns, rows, console.width) if numeric else [list(range(len(columns)))]:
        drawn = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
        for column in block:
            drawn.add_column(Text(visible(columns[column])), overflow="fold")
        for row in rows:
            cells = [row[column] for column in block] if numeric else row
            drawn.add_row(*(Text(visible(cell)) for cell in cells))  # markup of others is no markup
        console.print(drawn)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell in ("", "-")
    return True


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Which columns are shown together: as many as fit, the first in every block."""
    needed = [max(len(columns[k]), *(len(row[k]) for row in rows), 0) + 3 for k in range(len(columns))]
    first = min(needed[0], width // 3)
    blocks: list[list[int]] = []
    room = 0
    for column in range(1, len(columns)):
        if not blocks or needed[column] > room:
            blocks.append([0])
            room = width - first
        blocks[-1].append(column)
        room -= needed[column]
    return blocks


def listed(columns: Sequence[str], rows: Sequence[Sequence[str]], origins: Sequence[str]) -> None:
    """A table of what a registry holds; where other packages add to it, a column says what comes from where."""
    if set(origins) <= {OURS}:
        table("", columns, rows)
    else:
        table("", [*columns, "from"], [[*row, origin] for row, origin in zip(rows, origins, strict=True)])

"""One page of a cohort: what failed and why, what stands out, and every case with its picture."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from trifuse.core.files import write_text
from trifuse.core.version import __version__

FAR = 3.5
"""Robust standard deviations from the median from which a value stands out (Iglewicz and Hoaglin, 1993)."""

NAME = "index.html"


def write(records: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Writes `index.html` beside the results: failed cases first, then outliers of registration and metrics."""
    import jinja2

    template = files("trifuse.cohort").joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    done = [record for record in records if "error" not in record]
    remarks = outliers(done)
    text = environment.from_string(template).render(
        failed=[record for record in records if "error" in record],
        cases=sorted(done, key=lambda record: -len(remarks[record["case"]])),
        remarks=remarks,
        columns=list(dict.fromkeys(name for record in done for name in record["scores"])),
        version=__version__,
    )
    return write_text(folder / NAME, text)


def outliers(done: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Case -> in what it stands out from the cohort, in words."""
    found: dict[str, list[str]] = {record["case"]: [] for record in done}
    for record in done:
        found[record["case"]] += [note for note in record.get("notes", ()) if "not finite" in note]
        if record["doubtful"]:
            found[record["case"]].append(f"overlap {record['overlap']:.2f}: do all images show the same anatomy?")
    values = {"moved_mm": {record["case"]: record["moved_mm"] for record in done}}
    for name in dict.fromkeys(name for record in done for name in record["scores"]):
        values[name] = {record["case"]: record["scores"].get(name) for record in done}
    for name, of_case in values.items():
        for case, (value, middle) in _far(of_case).items():
            found[case].append(f"{name} {value:.4g} (median {middle:.4g})")
    return found


def _far(values: dict[str, float | None]) -> dict[str, tuple[float, float]]:
    """Those far from the median in units of the median absolute deviation, with the median; of five and more."""
    known = {case: float(value) for case, value in values.items() if value is not None and np.isfinite(value)}
    if len(known) < 5:
        return {}
    middle = float(np.median(list(known.values())))
    spread = float(np.median([abs(value - middle) for value in known.values()]))
    if spread == 0:
        return {}
    return {c: (v, middle) for c, v in known.items() if 0.6745 * abs(v - middle) / spread > FAR}

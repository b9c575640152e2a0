"""Cache keys of rows: hashes of all that decides their numbers, which are recipe, version and the weights at hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from trifuse import weights
from trifuse.bench.cases import Case, published
from trifuse.bench.recipe import Entry, Recipe
from trifuse.core import files
from trifuse.core.errors import InputError, WeightsError
from trifuse.core.version import __version__
from trifuse.metrics.lpips import checkpoint


def of_row(recipe: Recipe, entry: Entry) -> str:
    """Changes with all that changes the row's numbers, so that a result is not taken for another's."""
    parts = [recipe.digest(entry), __version__, of_weights(entry), _of_lpips()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def of_case(case: Case) -> str:
    """Changes with the name of a case and with what its files hold, wherever they lie."""
    parts = [
        case.name,
        case.patient,
        *(text for own in case.chosen for text in own.items()),
        *(files.digest(path) for path in (*case.paths, *([case.mask] if case.mask else []))),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def of_pictures(recipe: Recipe, entry: Entry, case: Case, data: Path) -> str:
    """Changes with the pictures that somebody published of a case."""
    paths = [published(data, str(entry.pictures), case, scale) for scale in recipe.scales]
    parts = [recipe.digest(entry), *(files.digest(path) if path.exists() else "" for path in paths)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def of_weights(entry: Entry) -> dict[str, str]:
    """First digits of the sha256 of each checkpoint at hand that the row may use, by name."""
    known = [
        each.name
        for each in weights.CATALOGUE.values()
        if entry.method in each.used_by or each.name == entry.run.upsampler or entry.run.upsampler in each.used_by
    ]
    named = [value for value in entry.run.options.values() if isinstance(value, str)]
    found = {name: _digest(name) for name in [*known, *named]}
    return {name: digest for name, digest in found.items() if digest}


def _of_lpips() -> str:
    """Of the weights of LPIPS, which is measured as soon as it has them."""
    try:
        return _digest(str(checkpoint(None)))
    except WeightsError:
        return ""


def _digest(name: str) -> str:
    try:
        return files.digest(weights.path(name))[:12]
    except (WeightsError, InputError):
        return ""

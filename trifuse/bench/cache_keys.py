"""Cache keys of rows: hashes of all that decides their numbers, which are recipe, version and the weights at hand."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from trifuse import weights
from trifuse.bench.recipe import Entry, Recipe
from trifuse.core.errors import WeightsError
from trifuse.core.version import __version__
from trifuse.metrics.lpips import checkpoint


def of_row(recipe: Recipe, entry: Entry) -> str:
    """Changes with all that changes the row's numbers, so that a result is not taken for another's."""
    parts = [recipe.digest(entry), __version__, of_weights(entry), _of_lpips()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def of_weights(entry: Entry) -> dict[str, str]:
    """First digits of the sha256 of each checkpoint at hand that the row may use, by name."""
    known = [
        each.name
        for each in weights.CATALOGUE.values()
        if entry.method in each.used_by or each.name == entry.upsampler or entry.upsampler in each.used_by
    ]
    named = [value for value in entry.options.values() if isinstance(value, str)]
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
        path = weights.path(name)
        return _digest_of(path, path.stat().st_mtime_ns)[:12]
    except (WeightsError, OSError):
        return ""


@lru_cache(maxsize=64)
def _digest_of(path: Path, _changed: int) -> str:
    return weights.digest(path)

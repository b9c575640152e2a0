"""Checkpoints: a catalogue, where they lie, and safe reading.

from trifuse import weights
state = weights.load(weights.path("tfs-diff-official"))
"""

from trifuse.weights.catalogue import CATALOGUE, Entry
from trifuse.weights.files import load, metadata
from trifuse.weights.kept import kept
from trifuse.weights.store import Status, add, card, digest, home, path, verify

__all__ = [
    "CATALOGUE",
    "Entry",
    "Status",
    "add",
    "card",
    "digest",
    "home",
    "kept",
    "load",
    "metadata",
    "path",
    "verify",
]

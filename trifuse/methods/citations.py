"""What to cite for a method: BibTeX of the papers that its card names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from trifuse.core.errors import PluginError
from trifuse.core.version import __version__
from trifuse.methods.base import Method

SOFTWARE = f"""@software{{trifuse,
  author  = {{{{The trifuse authors}}}},
  title   = {{trifuse: fusion of the medical images of one patient}},
  version = {{{__version__}}},
  license = {{Apache-2.0}},
}}"""
"""trifuse itself."""


def bibtex(methods: Sequence[type[Method]]) -> str:
    """One BibTeX entry each for trifuse and the papers of some methods, every paper once.

    Raises:
        PluginError: if a card names a paper that is not there.
    """
    keys = [key for method in methods for key in method.card.cites]
    return "\n\n".join([SOFTWARE, *(entry(key) for key in dict.fromkeys(keys))])


def entry(key: str) -> str:
    """The entry of a key of `references.bib`; what is an entry itself, as cards of other packages have, stays so.

    Raises:
        PluginError: if there is none.
    """
    if key.lstrip().startswith("@"):
        return key.strip()
    if key not in _entries():
        raise PluginError(f"a card cites {key!r}, which is in no list of ours; give the whole BibTeX entry there")
    return _entries()[key]


@cache
def _entries() -> dict[str, str]:
    text = Path(__file__).with_name("references.bib").read_text(encoding="utf-8")
    found = [part.strip() for part in re.split(r"\n(?=@)", text) if part.strip()]
    return {part[part.index("{") + 1 : part.index(",")]: part for part in found}

"""`trifuse cite`: BibTeX of what was used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.cli.calls import trifuse
from trifuse import methods
from trifuse.core.errors import PluginError
from trifuse.core.version import __version__
from trifuse.methods import citations

REPOSITORY = Path(__file__).resolve().parents[2]


def keys(text: str) -> list[str]:
    """Keys of the entries of a BibTeX text."""
    return re.findall(r"^@\w+\{([^,\s]+),$", text, flags=re.MULTILINE)


def test_a_method_and_what_it_is_built_on_are_cited() -> None:
    text = trifuse("cite", "tfs-diff", "palm", "ddfm-palm").stdout
    assert keys(text) == ["trifuse", "xu2024tfsdiff", "saharia2023sr3", "elmansouri2020palm", "zhao2023ddfm"]
    assert "Simultaneous Tri-Modal Medical Image Fusion and Super-Resolution" in text
    assert text.count("{") == text.count("}")


def test_what_has_no_paper_is_said_beside_the_list() -> None:
    done = trifuse("cite")
    assert keys(done.stdout) == ["trifuse"]
    assert "gradient-domain" in done.stderr


@pytest.mark.parametrize("name", [card.name for card in methods()])
def test_every_method_with_a_paper_is_cited_by_it(name: str) -> None:
    card = methods.get(name).card
    assert bool(card.cites) == bool(card.paper)
    for key in card.cites:
        entry = citations.entry(key)
        year = re.search(r"year\s*=\s*\{(\d{4})\}", entry)
        assert year is not None
        surname = re.search(r"author\s*=\s*\{([^,]+),", entry)
        assert surname is not None
        assert surname[1] in str(card.paper) or key == "saharia2023sr3"
        assert entry.count("{") == entry.count("}")


def test_a_card_of_another_package_may_hold_its_entry() -> None:
    whole = "@misc{mine2026,\n  title = {Mine},\n}"
    assert citations.entry(f"\n{whole}\n") == whole
    with pytest.raises(PluginError, match="mine2026"):
        citations.entry("mine2026")


def test_the_citation_file_is_of_this_version() -> None:
    held = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert held["version"] == __version__
    assert held["license"] == "Apache-2.0"
    assert held["title"] in citations.SOFTWARE

"""Files of others are not replaced, folders belong to the run that made them, and the killed leave nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trifuse.core import replacing
from trifuse.core.drafts import draft_of, sweep
from trifuse.core.errors import InputError
from trifuse.core.replacing import check_claim, claim


def test_a_folder_is_its_runs_until_overwritten(tmp_path: Path) -> None:
    folder, table = tmp_path / "out", tmp_path / "out" / "table.csv"
    claim(folder, "bench", "dual", [table])
    table.write_text("ours")
    claim(folder, "bench", "dual", [table])
    for command, of in (("bench", "other"), ("cohort", "")):
        with pytest.raises(InputError, match="holds the results of another run, trifuse bench"):
            claim(folder, command, of, [table])
    claim(folder, "cohort", "", [table], overwrite=True)
    check_claim(folder, "cohort", "", [table])
    assert table.read_text() == "ours"


@pytest.mark.parametrize("mark", [None, "", "[]", '{"command": "bench"}', "[" * 100_000])
def test_files_of_nobody_are_refused(tmp_path: Path, mark: str | None) -> None:
    table = tmp_path / "table.csv"
    table.write_text("theirs")
    if mark is not None:
        (tmp_path / replacing.MARK).write_text(mark)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"table.csv: is there already.*--overwrite"):
        claim(tmp_path, "bench", "dual", [table])
    assert sorted(tmp_path.iterdir()) == before


def test_what_the_killed_left_is_swept_and_what_the_living_write_is_not(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from trifuse.core.drafts import draft_of\n"
    script += "draft_of(Path(sys.argv[1])).write_text('half')\ndraft_of(Path(sys.argv[1])).mkdir()"
    (tmp_path / "below").mkdir()
    for path in (tmp_path / "a.png", tmp_path / "below" / "b.nii.gz"):
        subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    mine, other = draft_of(tmp_path / "mine.png"), tmp_path / ".hidden-a.png"
    mine.write_text("")
    other.write_text("")
    sweep(tmp_path)
    assert len(list((tmp_path / "below").iterdir())) == 2
    sweep(tmp_path, below=True)
    assert {path.name for path in tmp_path.rglob("*")} == {mine.name, other.name, "below"}


def test_drafts_of_the_longest_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 120 + ".nii.gz")
    draft = draft_of(path)
    draft.write_text("")
    assert draft.name.endswith(".nii.gz")
    assert f"-{os.getpid():x}-" in draft.name

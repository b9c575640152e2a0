"""Files that campaigns of `python -m benchmarks fuzz` found: each ended the process, or its message was no line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOUND = sorted((Path(__file__).parent / "found").iterdir())
SCRIPT = """
import sys
from trifuse import io, weights
from trifuse.core.errors import TrifuseError
for path in sys.argv[1:]:
    try:
        weights.files.load(path) if path.endswith(".pt") else io.read(path)
    except TrifuseError as error:
        print(error)
"""


def test_each_is_refused_in_one_line() -> None:
    told = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, FOUND)], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert len(lines) == len(FOUND)
    assert all(path.name in line and line.isprintable() for path, line in zip(FOUND, lines, strict=True))


@pytest.mark.parametrize("field", ["data file: ../x.raw", "data file: /etc/hostname"])
def test_values_outside_of_the_headers_folder_are_refused(tmp_path: Path, field: str) -> None:
    from trifuse import io
    from trifuse.core.errors import InputError

    path = tmp_path / "in" / "a.nhdr"
    path.parent.mkdir()
    (tmp_path / "x.raw").write_bytes(bytes(64))
    path.write_text(f"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 8 8\nencoding: raw\n{field}\n")
    with pytest.raises(InputError, match="outside of its folder"):
        io.read(path)
    meta = path.with_suffix(".mhd")
    named = field.partition(": ")[2]
    meta.write_text(
        f"ObjectType = Image\nNDims = 2\nDimSize = 8 8\nElementType = MET_UCHAR\nElementDataFile = {named}\n"
    )
    with pytest.raises(InputError, match="outside of its folder"):
        io.read(meta)

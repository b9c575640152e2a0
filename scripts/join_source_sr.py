"""Joins the weights of source-sr for all scales with those of single scales, each with a trunk of its own.

python scripts/join_source_sr.py runs/source-sr-4/source-sr.safetensors \
    --single runs/source-sr-x4/source-sr-x4.safetensors --single runs/source-sr-x8/source-sr-x8.safetensors \
    -o source-sr.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.nets.source_sr import joined
from trifuse.train import export


def main() -> None:
    """Reads the files, writes the joined one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("general", type=Path, help="weights of all scales")
    parser.add_argument("--single", type=Path, action="append", required=True, help="weights of one scale; repeatable")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    state, metadata = export.read(given.general)
    single = {}
    for path in given.single:
        alone, about = export.read(path)
        single[int(about["scales"])] = alone
    kept = {name: text for name, text in metadata.items() if name not in ("use", "validation", "steps")}
    export.write(given.output, joined(state, single), kept)


if __name__ == "__main__":
    main()

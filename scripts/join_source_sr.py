"""Joins weights of source-sr for single scales, each with a trunk of its own.

python scripts/join_source_sr.py runs/source-sr-x2/source-sr-x2.safetensors \
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
    parser.add_argument("general", type=Path, help="weights of one scale, or of several that share a trunk")
    parser.add_argument("--single", type=Path, action="append", required=True, help="weights of one scale; repeatable")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    state, metadata = export.read(given.general)
    single = {}
    for path in given.single:
        alone, labels = export.read(path)
        single[int(labels["scales"])] = alone
    scales = sorted({*map(int, metadata["scales"].split(",")), *single})
    about = {key: metadata[key] for key in ("network", "range")}
    about |= {"name": "source-sr", "scales": ",".join(map(str, scales))}
    export.write(given.output, joined(state, single), about)


if __name__ == "__main__":
    main()

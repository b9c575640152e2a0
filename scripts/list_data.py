"""Makes trifuse/prepare/known: what files of public collections are called, their sha256 and splits; no image.

    python scripts/list_data.py $TRIFUSE_SHARED/data

TFS-Diff's authors divided 119 groups of five kinds at random into 84, 10 and 25 and published no list. Of what the
collection holds of those kinds a division in the same proportions is drawn here, and written down once and for all.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import sys
import zipfile
from pathlib import Path

KNOWN = Path(__file__).resolve().parents[1] / "trifuse" / "prepare" / "known"
TABLES = ("aanlib2d/triplets", "aanlib2d/pairs", "lgg2d/triplets", "sts2d/triplets", "mr4-2d/triplets")
COLUMNS = ("path", "patient", "split", "sha256", "source_repository", "source_path")
KINDS = {
    "T1/T2/PET": "MR-T1/MR-T2/PET",
    "CT/T2/SPECT-Tc": "CT/MR-T2/SPECT",
    "T1/T2/SPECT-Tc": "MR-T1/MR-T2/SPECT",
    "Gad/T2/SPECT-Tc": "MR-T2/MR-Gad/SPECT",
    "Gad/T2/SPECT-Tl": "MR-T2/MR-Gad/SPECT",
}
"""Our kinds of triplets -> those of the paper; its MR-T2/MR-Gad/PET is not in the collection."""
PARTS = {"train": 84, "val": 10, "test": 25}


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def text_of(columns: tuple[str, ...], lines: list[dict[str, str]]) -> str:
    """A CSV table as text."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def manifest(data: Path) -> None:
    """One line per image file."""
    lines = [*rows(data / "manifest.csv"), *rows(data / "manifest-second.csv")]
    text = text_of(COLUMNS, lines)
    (KNOWN / "manifest.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def tables(data: Path) -> None:
    """The lists of cases that recipes name."""
    with zipfile.ZipFile(KNOWN / "tables.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in TABLES:
            info = zipfile.ZipInfo(f"{name}.csv", (2026, 1, 1, 0, 0, 0))
            archive.writestr(info, (data / f"{name}.csv").read_bytes(), zipfile.ZIP_DEFLATED)


def tfs_diff(data: Path) -> None:
    """The groups of TFS-Diff's kinds, divided in its proportions."""
    groups = [row for row in rows(data / "aanlib2d" / "triplets.csv") if row["kind"] in KINDS]
    random.Random(20240417).shuffle(groups)
    whole, at = sum(PARTS.values()), 0
    for part, share in PARTS.items():
        end = round(len(groups) * (at + share) / whole)
        for row in groups[round(len(groups) * at / whole) : end]:
            row["split"], row["kind"] = part, KINDS[row["kind"]]
        at += share
    groups.sort(key=lambda row: (row["split"], row["case"], row["kind"]))
    columns = ("case", "patient", "split", "kind", "path_1", "path_2", "path_3")
    (KNOWN / "tfs-diff.csv").write_text(text_of(columns, groups), encoding="utf-8")


if __name__ == "__main__":
    for make in (manifest, tables, tfs_diff):
        make(Path(sys.argv[1]))

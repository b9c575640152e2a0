"""Fetches the third-party code of the viewer by pinned version and sha256, and puts it where it ships.

    python scripts/vendor_viewer.py

Needs npm. The licences beside it (niivue.LICENSE) are kept by hand: look at them anew with a new version.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@niivue/niivue@0.69.0"
MEMBER = "package/dist/niivue.umd.js"
SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
TARGET = Path(__file__).resolve().parents[1] / "trifuse/view/static/vendor/niivue.umd.js"


def fetched(folder: Path) -> bytes:
    """The pinned file out of the package, downloaded into `folder`."""
    command = ["npm", "pack", "--silent", PACKAGE]
    answer = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    with tarfile.open(folder / answer.stdout.split()[-1]) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None, f"{PACKAGE} holds no {MEMBER}"
        return member.read()


def main() -> None:
    """Fetches, checks and writes."""
    with tempfile.TemporaryDirectory() as folder:
        content = fetched(Path(folder))
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{PACKAGE}: sha256 is {found}, not {SHA256}; look at what changed before you pin it anew")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(content)} bytes")


if __name__ == "__main__":
    main()

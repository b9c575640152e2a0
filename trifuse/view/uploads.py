"""Files that are dropped on the page: streamed to the session's folder within limits, under names of ours.

A name is never a path: its folders become one folder called by a hash, its last part is cut down to plain letters. That
keeps together what belongs together (the files of a DICOM series, a header and its values) and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from trifuse.core.errors import InputError
from trifuse.io.sniff import is_dicom
from trifuse.view.settings import Limits

LONGEST = 80

ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
TAR = (257, b"ustar")


@dataclass
class Upload:
    """Files that are dropped together.

    Attributes:
        folder: where they lie.
        names: of the files as people know them.
    """

    folder: Path
    names: dict[Path, str] = field(default_factory=dict)


class Uploads:
    """All uploads of a session, and their limits."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.open: dict[str, Upload] = {}
        self.total = 0

    def begin(self) -> str:
        """A new upload, by its key."""
        key = secrets.token_hex(8)
        folder = self.folder / key
        folder.mkdir(parents=True)
        self.open[key] = Upload(folder)
        return key

    async def take(self, key: str, name: str, announced: int | None, chunks: AsyncIterator[bytes]) -> None:
        """Streams one file to the session's folder.

        Args:
            name: with its folders, as the browser gives it.
            announced: bytes that the client says there are.

        Raises:
            InputError: if the upload is not known, the name is no file's, or a limit is passed; the file is then gone.
        """
        upload = self._of(key)
        target = upload.folder / safe_place(name)
        if len(upload.names) >= self.limits.files:
            raise InputError(f"more than {self.limits.files} files; drop one study at a time")
        if target in upload.names:
            raise InputError(f"{short(name)}: was sent already")
        self._check(name, announced or 0, announced or 0)
        upload.names[target] = name
        target.parent.mkdir(parents=True, exist_ok=True)
        taken = kept = 0
        try:
            with target.open("xb") as file:
                async for chunk in _unstalled(chunks, self.limits.stall_seconds):
                    taken += len(chunk)
                    self._check(name, taken, len(chunk))
                    if taken == len(chunk):
                        refuse_archive(name, chunk)
                    file.write(chunk)
                    kept += len(chunk)
                    self.total += len(chunk)
        except BaseException:
            self._drop(upload, target, kept)
            raise
        if taken == 0:
            self._drop(upload, target, 0)
            raise InputError(f"{short(name)}: is empty")

    def finish(self, key: str) -> list[tuple[Path, str]]:
        """What was sent, each file or folder of DICOM with its name; the upload takes no more files.

        Raises:
            InputError: if the upload is not known.
        """
        upload = self._of(key)
        del self.open[key]
        return _parts(upload)

    def forget(self, path: Path) -> None:
        """Removes a file or folder that cannot be shown, and counts its bytes no more."""
        inside = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        self.total -= sum(each.stat().st_size for each in inside)
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        for folder in (path.parent, path.parent.parent):
            if folder != self.folder and self.folder in folder.parents and not any(folder.iterdir()):
                folder.rmdir()

    def _of(self, key: str) -> Upload:
        if key not in self.open:
            raise InputError("this upload is not known; drop the files again")
        return self.open[key]

    def _check(self, name: str, size: int, more: int) -> None:
        if size > self.limits.file_bytes:
            raise InputError(f"{short(name)}: larger than {self.limits.file_bytes / 2**30:.3g} GiB")
        if self.total + more > self.limits.session_bytes:
            raise InputError(f"{short(name)}: more than {self.limits.session_bytes / 2**30:.3g} GiB in one session")

    def _drop(self, upload: Upload, target: Path, kept: int) -> None:
        target.unlink(missing_ok=True)
        upload.names.pop(target, None)
        self.total -= kept
        if target.parent != upload.folder and target.parent.exists() and not any(target.parent.iterdir()):
            target.parent.rmdir()


def safe_place(name: str) -> Path:
    """Where a file of that name lies below the folder of its upload.

    Raises:
        InputError: if no browser would give a file that name: empty, absolute, upwards, or with control characters.
    """
    parts = name.split("/")
    odd = not name or len(name) > 1000 or "\\" in name or not name.isprintable()
    if odd or any(part in ("", ".", "..") for part in parts) or re.match(r"^[A-Za-z]:", name):
        raise InputError(f"{short(name)}: is no name of a file")
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", parts[-1])
    plain = plain.lstrip(".")[-LONGEST:] or "file"
    folder = hashlib.sha256("/".join(parts[:-1]).encode()).hexdigest()[:12] if len(parts) > 1 else "files"
    return Path(folder) / plain


def short(name: str) -> str:
    """A name for a message: one line, not too long."""
    text = name if name.isprintable() else repr(name)
    return text if len(text) <= 60 else f"...{text[-57:]}"


def refuse_archive(name: str, start: bytes) -> None:
    """Refuses what packs files.

    Raises:
        InputError: if the file begins as archives do.
    """
    if start.startswith(ARCHIVES) or start[TAR[0] : TAR[0] + 5] == TAR[1]:
        raise InputError(f"{short(name)}: is an archive; unpack it and drop the folder")


async def _unstalled(chunks: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """The chunks, as long as the client does not fall silent."""
    iterator = chunks.__aiter__()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(iterator), seconds)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise InputError(f"nothing came for {seconds:g} seconds in the middle of a file; drop it again") from None
        if chunk:
            yield chunk


def _parts(upload: Upload) -> list[tuple[Path, str]]:
    """DICOM folder by folder, each header together with its values, all others file by file."""
    folders: dict[Path, str] = {}
    alone: list[tuple[Path, str]] = []
    for path, name in upload.names.items():
        if is_dicom(path):
            folders.setdefault(path.parent, name.rpartition("/")[0].rpartition("/")[2] or "DICOM")
        elif not _is_second_half(path):
            alone.append((path, name.rpartition("/")[2]))
    alone = [(path, name) for path, name in alone if path.parent not in folders or path.parent.name == "files"]
    return [*folders.items(), *alone]


def _is_second_half(path: Path) -> bool:
    """Whether a file holds the values that the header beside it describes."""
    headers = {".img": (".hdr",), ".raw": (".mhd", ".nhdr"), ".zraw": (".mhd",)}
    return any(path.with_suffix(end).exists() for end in headers.get(path.suffix.lower(), ()))

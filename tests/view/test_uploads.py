"""What is dropped on the page: taken as it is, within limits, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import io
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from trifuse.core.errors import InputError
from trifuse.view.settings import Limits
from trifuse.view.uploads import Uploads

Viewer = Callable[..., Any]


def put(client: Any, upload: str, name: str, content: bytes, **headers: str) -> Any:
    """Sends one file as the page does."""
    return client.put(f"/api/uploads/{upload}", content=content, headers={"x-file-name": quote(name), **headers})


def dropped(client: Any, *files: tuple[str, bytes]) -> tuple[list[str], dict[str, Any]]:
    """Drops files: what was refused, and the state of the session afterwards."""
    upload = client.post("/api/uploads").json()["upload"]
    answers = [put(client, upload, name, content) for name, content in files]
    refused = [answer.json()["error"] for answer in answers if answer.status_code != 200]
    state = client.post(f"/api/uploads/{upload}").json()
    return refused + state["refused"], state


def left(session: Any) -> list[Path]:
    """Files of the session on disk."""
    return [path for path in session.folder.rglob("*") if path.is_file()]


def test_the_bundled_study_is_shown_with_its_own_values(viewer: Viewer, study: dict[str, list[Path]]) -> None:
    from trifuse.io import read

    client, _ = viewer()
    refused, state = dropped(client, *((path.name, path.read_bytes()) for path in study["3d"]))
    assert refused == []
    assert [image["modality"] for image in state["images"]] == ["T1", "T2", "PET"]
    for image, path in zip(state["images"], study["3d"], strict=True):
        native = read(path).native()[0]
        raw = np.frombuffer(client.get(f"/api/images/{image['key']}/values").content, image["type"])
        assert np.array_equal(raw.reshape(native.shape, order="F"), native.astype(image["type"]))
        assert image["range"] == pytest.approx([native.min(), native.max()])


def test_a_folder_of_dicom_is_one_volume(viewer: Viewer, tmp_path: Path) -> None:
    from trifuse import io as images
    from trifuse.core.image import Image, Modality

    values = np.arange(8 * 9 * 5, dtype=np.int16).reshape(1, 8, 9, 5)
    images.write(Image.from_native(values, affine=np.diag([1, 1, 2, 1.0]), modality=Modality.CT), tmp_path / "series")
    files = [(f"study/ct/{path.name}", path.read_bytes()) for path in sorted((tmp_path / "series").iterdir())]
    client, _ = viewer()
    refused, state = dropped(client, *files)
    assert refused == []
    assert len(state["images"]) == 1
    assert sorted(state["images"][0]["space"]) == [5, 8, 9]


def nifti(shape: tuple[int, int, int], held: int) -> bytes:
    """A header that announces a volume, and `held` bytes of it."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(held)


def png(width: int, height: int) -> bytes:
    """A picture whose header announces more than its bytes hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def packed(kind: str) -> bytes:
    """An archive with a name that climbs out of its folder."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("../../climbed.nii", b"x")
    else:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("../../climbed.nii"))
    return stream.getvalue()


HOSTILE = {
    "archive.zip": packed("zip"),
    "archive.tar": packed("tar"),
    "bomb.nii.gz": gzip.compress(nifti((32767, 32767, 300), 2**20)),
    "cut.nii": nifti((64, 64, 64), 1000),
    "huge.png": png(60000, 60000),
    "cut.png": png(4000, 4000),
    "page.png": b"<html><script>alert(1)</script></html>",
    "picture.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "run.mat": pickle.dumps({"a": 1}),
    "elf.dcm": b"\x7fELF" + bytes(500),
    "../../climbed.png": png(4, 4),
    "empty.nii": b"",
}


def test_twelve_hostile_files_are_refused_and_nothing_is_left(viewer: Viewer, tmp_path: Path) -> None:
    client, session = viewer()
    for name, content in HOSTILE.items():
        refused, state = dropped(client, (name, content))
        assert len(refused) == 1, name
        assert "\n" not in refused[0]
        assert str(session.folder) not in refused[0]
        assert state["images"] == []
        assert left(session) == [], name
    assert session.uploads.total == 0
    assert len(HOSTILE) == 12


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "a/../b.png", "c:\\x.png", "a\\b.png", "a\nb.png", "x/./y", "a" * 1001]
)
def test_names_that_no_browser_gives_are_refused(viewer: Viewer, name: str) -> None:
    client, session = viewer()
    upload = client.post("/api/uploads").json()["upload"]
    assert put(client, upload, name, b"x").status_code == 400
    assert left(session) == []


def test_names_are_shown_and_never_used_as_paths(viewer: Viewer, study: dict[str, list[Path]]) -> None:
    client, session = viewer()
    name = "Müller, Änne; rm -rf $(x) <b>.png"
    _, state = dropped(client, (f"Patient Ä/{name}", study["2d"][0].read_bytes()))
    assert state["images"][0]["name"] == name
    assert all(path.as_posix().isascii() and " " not in path.name for path in left(session))


def test_limits_hold_before_anything_is_read(viewer: Viewer) -> None:
    client, session = viewer(limits=Limits(file_bytes=1000, session_bytes=1500, files=2))
    upload = client.post("/api/uploads").json()["upload"]
    assert "larger" in put(client, upload, "a.png", bytes(1001)).json()["error"]
    assert put(client, upload, "b.png", bytes(900)).status_code == 200
    assert "session" in put(client, upload, "c.png", bytes(900)).json()["error"]
    assert put(client, upload, "d.png", bytes(100)).status_code == 200
    assert "more than 2 files" in put(client, upload, "e.png", bytes(1)).json()["error"]
    assert session.uploads.total == 1000
    client.post(f"/api/uploads/{upload}")
    assert session.uploads.total == 0


def test_an_unknown_upload_is_refused(viewer: Viewer) -> None:
    client, _ = viewer()
    assert put(client, "nothing", "a.png", b"x").status_code == 400
    assert client.post("/api/uploads/nothing").status_code == 400


async def endless() -> AsyncIterator[bytes]:
    """A body that never ends."""
    while True:
        yield bytes(400)


async def silent() -> AsyncIterator[bytes]:
    """A body that stops in the middle."""
    yield bytes(400)
    await asyncio.sleep(60)


@pytest.mark.parametrize(("body", "said"), [(endless, "larger than"), (silent, "nothing came for 0.05 seconds")])
def test_bodies_that_do_not_end_are_cut_off(
    tmp_path: Path, body: Callable[[], AsyncIterator[bytes]], said: str
) -> None:
    uploads = Uploads(tmp_path, Limits(file_bytes=1000, stall_seconds=0.05))
    with ThreadPoolExecutor(1) as thread, pytest.raises(InputError, match=said):
        thread.submit(lambda: asyncio.run(uploads.take(uploads.begin(), "a.png", None, body()))).result()
    assert uploads.total == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

"""Disks that are full: one line, no part of a file, no file that was there before lost."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trifuse import io, report
from trifuse.core.compiled import _TOLD, _Lenient, compiled
from trifuse.core.errors import CacheWarning, InputError
from trifuse.core.files import publish, write_text
from trifuse.core.image import Image
from trifuse.report.cine import write_cine
from trifuse.train.log import Log

resource = pytest.importorskip("resource", reason="files are limited by the system's own means")

RANDOM = np.random.default_rng(0)
PICTURE = Image(RANDOM.random((1, 200, 200), dtype=np.float32))
VOLUME = Image(RANDOM.random((1, 32, 32, 32), dtype=np.float32))
TENSORS = {"a": torch.arange(20_000)}


@contextlib.contextmanager
def full(most: int = 1024) -> Iterator[None]:
    """No file may grow beyond so many bytes inside."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITERS: dict[str, Callable[[Path], object]] = {
    **{name: lambda path: io.write(PICTURE, path, provenance={}) for name in ("a.png", "a.jpg", "a.tif", "a.dcm")},
    **{name: lambda path: io.write(VOLUME, path) for name in ("v.nii.gz", "v.nrrd", "v.mha", "v.dcm", "series")},
    "sheet.png": lambda path: report.contact_sheet([("a", PICTURE)], path),
    "sheet.pdf": lambda path: report.contact_sheet([("a", PICTURE)], path),
    "fly.gif": lambda path: write_cine(VOLUME, path),
    "checkpoint.pt": lambda path: publish(path, lambda draft: torch.save(TENSORS, draft), None),
    "w.safetensors": lambda path: publish(path, lambda draft: save_file(TENSORS, draft), None),
    "array.npy": lambda path: publish(path, lambda draft: np.save(draft, np.zeros(10_000)), None),
    "table.csv": lambda path: write_text(path, "x" * 10_000),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix:
        path.write_text("before")
    with full(), pytest.raises(InputError, match=r"cannot be written \(File too large\)") as refused:
        WRITERS[name](path)
    assert len(str(refused.value).splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ([name] if path.suffix else [])
    assert not path.suffix or path.read_text() == "before"


def test_a_new_folder_does_not_outlive_the_refusal(tmp_path: Path) -> None:
    with full(), pytest.raises(InputError):
        write_text(tmp_path / "new" / "below" / "a.txt", "x" * 10_000)
    assert not (tmp_path / "new").exists()


def test_the_log_of_a_training_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n" + "1,0.5\n" * 1000)
    log = Log(tmp_path, 1)
    with full(), pytest.raises(InputError, match=r"log.csv: cannot be written \(File too large\)"):
        log.training(2, {"loss": 0.5})
    log.close()


def test_faults_of_encoders_are_no_matter_of_the_disk(tmp_path: Path) -> None:
    def broken(_draft: Path) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        publish(tmp_path / "a.png", broken, None)
    assert not list(tmp_path.iterdir())


class _Full:
    """A cache of numba's on a full disk."""

    def load_overload(self, *_: object) -> None:
        raise EOFError

    def save_overload(self, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_filters_work_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    _TOLD.clear()
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("TRIFUSE_HOME", __file__)
    with pytest.warns(CacheWarning, match="NUMBA_CACHE_DIR"):
        twice = compiled()(lambda x: 2 * x)
    assert twice(21) == 42
    _TOLD.clear()
    cache = _Lenient(_Full())
    assert cache.load_overload(None, None) is None
    with pytest.warns(CacheWarning, match="No space left"):
        cache.save_overload(None, None)
    cache.save_overload(None, None)  # said once

"""A session: the images that are open, what is made of them, and a folder that goes when they go."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trifuse.core.errors import InputError, TrifuseError, WorkerError
from trifuse.engines.local import pool, result_of
from trifuse.view import reading
from trifuse.view.entries import Entry, Role
from trifuse.view.opening import Case, Result
from trifuse.view.reading import Read, Wanted
from trifuse.view.settings import Limits, Serving
from trifuse.view.tasks import Tasks
from trifuse.view.uploads import Uploads

LARGE = 2**26
"""Files of more bytes are read in a process of their own, so that this one never holds their values."""


class Session:
    """Everything that one viewer has open.

    Args:
        given: cases from the command line; the first is opened.
        serving: how the server was started.
        limits: what it takes.
    """

    def __init__(self, given: Sequence[Case] = (), serving: Serving = Serving(), limits: Limits = Limits()) -> None:
        self.given, self.serving, self.limits = list(given), serving, limits
        self.folder = Path(tempfile.mkdtemp(prefix="trifuse-view-"))
        self.entries: dict[str, Entry] = {}
        self.notes: list[str] = []
        self.case = -1
        self.loading = 0
        self.tasks = Tasks(limits.tasks)
        self.uploads = Uploads(self.folder / "uploads", limits)
        self.touched = time.monotonic()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._reader: Any = None

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        with self._lock:
            images = [entry.told() for entry in self.entries.values()]
        return {
            "images": images,
            "loading": self.loading > 0,
            "notes": list(self.notes),
            "cases": [case.name for case in self.given] if len(self.given) > 1 else [],
            "case": self.case,
            "tasks": [task.told() for task in list(self.tasks.known.values())],
        }

    def entry(self, key: str) -> Entry:
        """An image that is open.

        Raises:
            InputError: if there is none of that key.
        """
        try:
            return self.entries[key]
        except KeyError:
            raise InputError("there is no such image; reload the page") from None

    def open_case(self, number: int) -> None:
        """Shows one of the cases that were given, in place of what is shown.

        Raises:
            InputError: if there is none of that number.
        """
        if not 0 <= number < len(self.given):
            raise InputError(f"there is no case {number}")
        self.loading += 1
        try:
            for key in list(self.entries):
                self.remove(key)
            self.notes.clear()
            self.case = number
            case = self.given[number]
            parents: dict[Path, str] = {}
            for path in case.sources:
                parents |= self._open(path, path.name)
            for result in case.results:
                self._open_result(result, parents)
        finally:
            self.loading -= 1

    def take(self, parts: Sequence[tuple[Path, str]]) -> list[str]:
        """Opens what was uploaded; what cannot be shown is removed at once. Returns a line for each that cannot."""
        self.loading += 1
        try:
            refused = []
            wanted: list[Wanted] = []
            for path, name in parts:
                try:
                    wanted += reading.images_in(path, name, self.serving.units == "suv")
                except TrifuseError as error:
                    refused.append(reading.without_place(str(error).splitlines()[0], Wanted(path, name)))
                    self.uploads.forget(path)
            read = [self._read(each, guarded=True) for each in wanted]
            good = {each.wanted.path for each, _ in read if not each.error}
            for each, _ in read:
                if each.error:
                    refused.append(each.error)
                    if each.wanted.path not in good and each.wanted.path.exists():
                        self.uploads.forget(each.wanted.path)
            shown = sorted((pair for pair in read if not pair[0].error), key=lambda pair: pair[0].known["functional"])
            for each, values in shown:
                self._add(each, values)
            return refused
        finally:
            self.loading -= 1

    def adopt(self, path: Path, name: str, role: Role, **traits: Any) -> Entry:
        """Opens what a task made.

        Raises:
            InputError: if it cannot be read.
        """
        read, values = self._read(Wanted(path, name, suv=False))
        if read.error:
            raise InputError(read.error)
        return self._add(read, values, role, **traits)

    def scored(self, key: str, scores: dict[str, float]) -> None:
        """Keeps what a result was measured by."""
        with self._lock:
            entry = self.entry(key)
            self.entries[key] = replace(entry, scores={**entry.scores, **scores})

    def remove(self, key: str) -> None:
        """Closes an image; files that were uploaded for it alone go too.

        Raises:
            InputError: if there is none of that key.
        """
        with self._lock:
            entry = self.entry(key)
            del self.entries[key]
            entry.values.unlink(missing_ok=True)
            shared = any(other.path == entry.path for other in self.entries.values())
            if not shared and self.uploads.folder in entry.path.parents and not self.tasks.busy():
                self.uploads.forget(entry.path)

    def results_folder(self, key: str) -> Path:
        """Where a task writes."""
        folder = self.folder / "results" / key
        folder.mkdir(parents=True)
        return folder

    def work_folder(self, name: str) -> Path:
        """A folder of the session, made if it is not there."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def touch(self) -> None:
        """Somebody looks."""
        self.touched = time.monotonic()

    def clear_if_idle(self) -> bool:
        """Removes all files if nobody has looked for too long and no task is at work."""
        if time.monotonic() - self.touched < self.limits.idle_seconds or self.tasks.busy():
            return False
        if not self.entries and not self.tasks.known:
            return False
        self.clear()
        return True

    def clear(self) -> None:
        """Closes everything and removes all files of the session; what was given can be opened again."""
        with self._lock:
            self.tasks.close()
            self.entries.clear()
            self.notes[:] = ["the session was idle for long: what was uploaded or made in it has been removed"]
            self.case = -1
            for inside in self.folder.iterdir():
                shutil.rmtree(inside, ignore_errors=True) if inside.is_dir() else inside.unlink(missing_ok=True)
            self.uploads = Uploads(self.folder / "uploads", self.limits)

    def close(self) -> None:
        """Ends all work and removes the session's folder."""
        self.tasks.close()
        if self._reader is not None:
            self._reader.stop()
            self._reader.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _open(self, path: Path, name: str) -> dict[Path, str]:
        """Opens a file or folder that was named; what is wrong with it becomes a note."""
        found = {}
        try:
            wanted = reading.images_in(path, name, self.serving.units == "suv")
        except TrifuseError as error:
            self.notes.append(str(error).splitlines()[0])
            return {}
        for each in wanted:
            read, values = self._read(each)
            if read.error:
                self.notes.append(read.error)
            else:
                found[path] = self._add(read, values).key
        return found

    def _open_result(self, result: Result, parents: dict[Path, str]) -> None:
        from trifuse.view.lineage import sources_of

        sources, missing = sources_of(result.provenance, result.path, parents)
        for path in sources:
            if path not in parents:
                parents |= self._open(path, path.name)
        self.notes += [note for note in missing if note not in self.notes]
        method = str(result.provenance.get("method", "fused"))
        mine = tuple(parents[path] for path in sources if path in parents)
        traits: dict[str, Any] = {"parents": mine, "provenance": result.provenance, "scores": dict(result.scores)}
        read, values = self._read(Wanted(result.path, f"{method}: {result.path.name}", suv=False))
        if read.error:
            self.notes.append(read.error)
            return
        entry = self._add(read, values, "fused", **traits)
        if result.uncertainty is not None:
            read, values = self._read(Wanted(result.uncertainty, f"uncertainty of {method}", suv=False))
            if not read.error:
                self._add(read, values, "uncertainty", parents=(entry.key,))

    def _read(self, wanted: Wanted, *, guarded: bool = False) -> tuple[Read, Path]:
        """Reads in this process what is small and was named by its owner, all else in one of its own."""
        target = self.work_folder("values") / f"v{next(self._numbers)}.raw"
        if len(self.entries) >= self.limits.images:
            return Read(wanted, {}, error=f"{wanted.name}: {self.limits.images} images are open; close some"), target
        if not guarded and _bytes(wanted.path) <= LARGE:
            return reading.read_stored(wanted, target), target
        with self._lock:
            if self._reader is None:
                self._reader = pool(1, self.limits.memory)
            future = self._reader.schedule(reading.read_stored, args=(wanted, target), timeout=self.limits.read_seconds)
        found = result_of(future)
        if isinstance(found, Read):
            return found, target
        target.unlink(missing_ok=True)
        why = "took more memory than the viewer gives" if isinstance(found, WorkerError) else "took too long to read"
        return Read(wanted, {}, error=f"{wanted.name}: {why}"), target

    def _add(self, read: Read, values: Path, role: Role | None = None, **traits: Any) -> Entry:
        wanted = read.wanted
        with self._lock:
            entry = Entry(
                key=f"i{next(self._numbers)}",
                name=wanted.name,
                path=wanted.path,
                values=values,
                known=read.known,
                role=role or _role(wanted.name),
                chosen=wanted.chosen,
                suv=read.suv,
                **traits,
            )
            self.entries[entry.key] = entry
        return entry


def _role(name: str) -> Role:
    """Masks are told by their names."""
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    return "mask" if {"mask", "seg", "segmentation", "label", "roi", "lesion"} & set(words) else "source"


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())

"""From what the page asks for to tasks: fusions, measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trifuse.core.errors import InputError, OptionError
from trifuse.fusion.settings import Run
from trifuse.view import exports, values, work
from trifuse.view.catalogue import SHOWN
from trifuse.view.entries import Entry
from trifuse.view.session import Session
from trifuse.view.tasks import Task


def fusion(session: Session, asked: Mapping[str, Any]) -> Task:
    """Queues a fusion.

    Args:
        asked: `images` (keys, the reference first), `method`, and any of `settings`, `options`, `windows` (key -> low
            and high), `metrics`.

    Raises:
        InputError, OptionError: if there is no such image or setting.
    """
    sources = _sources(session, asked.get("images"))
    if len(sources) < 2:
        raise InputError("choose two or more images to fuse")
    method = str(asked.get("method", ""))
    settings = _settings(asked, sources)
    units = _units(sources)
    key = session.tasks.next_key()
    folder = session.results_folder(key)
    command = exports.command(sources, method, settings, session.uploads.folder)
    job = work.Fusion(
        name=f"{method} {key}",
        sources=_labelled(sources),
        folder=folder,
        method=method,
        settings=settings,
        metrics=str(asked.get("metrics") or ""),
        units=units,
        progress=folder / "progress",
    )

    def adopt(task: Task) -> None:
        written, scores = task.record["written"], task.record.get("scores", {})
        title = f"{method}{_told(settings)}"
        parents = tuple(source.key for source in sources)
        from trifuse.view.opening import provenance_of

        place = folder / written["fused"]
        entry = session.adopt(
            place, title, "fused", parents=parents, scores=scores, provenance=provenance_of(place) or {"method": method}
        )
        task.images.append(entry.key)
        if "uncertainty" in written:
            spread = session.adopt(
                folder / written["uncertainty"], f"uncertainty of {title}", "uncertainty", parents=(entry.key,)
            )
            task.images.append(spread.key)

    task = Task(key, "fuse", f"{method}{_told(settings)}", job.progress, command)
    return session.tasks.start(task, work.fuse, job, adopt)


def measurement(session: Session, asked: Mapping[str, Any]) -> Task:
    """Queues a measurement of `image` against `images`, within `mask`, by the preset `metrics`.

    Raises:
        InputError: if there is no such image.
    """
    fused = session.entry(str(asked.get("image")))
    keys = asked.get("images") or fused.parents
    sources = _sources(session, keys)
    if not sources:
        raise InputError("choose the images that it was made of")
    mask = session.entry(str(asked["mask"])).path if asked.get("mask") else None
    key = session.tasks.next_key()
    progress = session.results_folder(key) / "progress"
    job = work.Measurement(fused.path, _labelled(sources), str(asked.get("metrics") or "core"), mask, progress)
    task = Task(key, "measure", f"metrics of {fused.name}", progress)
    return session.tasks.start(
        task, work.measure, job, lambda done: session.scored(fused.key, done.record.get("scores", {}))
    )


def _sources(session: Session, keys: Any) -> list[Entry]:
    if not isinstance(keys, Sequence) or isinstance(keys, str):
        raise InputError("images: give a list of keys")
    return [session.entry(str(key)) for key in keys]


def _labelled(sources: Sequence[Entry]) -> tuple[work.Source, ...]:
    """Sources as a case calls them: by their modalities, numbered where one comes again."""
    labels: list[str] = []
    for entry in sources:
        word = str(entry.known["modality"]).lower()
        labels.append(word if word not in labels else f"{word}_{sum(x.split('_')[0] == word for x in labels) + 1}")
    return tuple(work.Source(label, entry.path, entry.chosen) for label, entry in zip(labels, sources, strict=True))


def _settings(asked: Mapping[str, Any], sources: Sequence[Entry]) -> dict[str, Any]:
    """Fields of `Run` that are not at their defaults, checked."""
    given = asked.get("settings") or {}
    options = asked.get("options") or {}
    if not isinstance(given, Mapping) or not isinstance(options, Mapping):
        raise OptionError("settings and options are mappings")
    for name in given:
        if name not in SHOWN:
            raise OptionError(f"there is no setting {name!r} here; there are: {', '.join(SHOWN)}")
    found = {name: value for name, value in given.items() if value != getattr(Run(), name)}
    if options:
        found["options"] = {str(name): value for name, value in options.items()}
    windows = asked.get("windows") or {}
    shown = [
        f"{number}={float(windows[entry.key][0]):g}:{float(windows[entry.key][1]):g}"
        for number, entry in enumerate(sources, start=1)
        if entry.key in windows and entry.known["units"] != values.SHARE and entry.known["channels"] == 1
    ]
    if shown:
        found["window"] = tuple(shown)
    Run(**found)
    return found


def _units(sources: Sequence[Entry]) -> str:
    """The units in which PET are read: one word for all sources of a fusion.

    Raises:
        InputError: if they are shown in SUV and in other units.
    """
    suv = [entry for entry in sources if entry.suv]
    others = [entry for entry in sources if not entry.suv and entry.known["modality"] == "PET"]
    if suv and others:
        raise InputError(
            f"{suv[0].name} is shown in SUV and {others[0].name} is not; start the viewer with --units native"
        )
    return "suv" if suv else "native"


def _told(settings: Mapping[str, Any]) -> str:
    """What is special about a run, for its title."""
    words = []
    if "scale" in settings:
        words.append(f"x{settings['scale']}")
    if "samples" in settings:
        words.append(f"{settings['samples']} samples")
    if "register" in settings:
        words.append(str(settings["register"]))
    words += [f"{name}={value}" for name, value in settings.get("options", {}).items()]
    return f" ({', '.join(words)})" if words else ""

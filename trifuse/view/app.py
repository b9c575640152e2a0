"""The addresses of the viewer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from trifuse.core import palettes
from trifuse.core.errors import InputError, OptionError, TrifuseError
from trifuse.core.version import __version__
from trifuse.view import catalogue, exports, jobs
from trifuse.view.guard import Guard
from trifuse.view.session import Session

STATIC = Path(__file__).with_name("static")
BODY = 2**18
"""Most bytes of a request that is no file."""

CHECK_SECONDS = 20.0


def application(session: Session, token: str, hosts: Iterable[str], *, open_to_all: bool = False) -> Guard:
    """The viewer of a session, behind its guard."""
    served = _Served(session)
    get, post = ["GET"], ["POST"]
    routes = [
        Route("/", _file("index.html"), methods=get),
        Route("/api/state", served.state, methods=get),
        Route("/api/cases/{number:int}", served.open_case, methods=post),
        Route("/api/catalogue", served.catalogue, methods=get),
        Route("/api/palettes", served.palette_names, methods=get),
        Route("/api/palettes/{name}", served.palette, methods=get),
        Route("/api/images/{key}", served.remove, methods=["DELETE"]),
        Route("/api/images/{key}/values", served.values, methods=get),
        Route("/api/images/{key}/volume.nii", served.volume, methods=get),
        Route("/api/images/{key}/provenance.json", served.provenance, methods=get),
        Route("/api/images/{key}/as/{suffix}", served.saved, methods=get),
        Route("/api/uploads", served.begin_upload, methods=post),
        Route("/api/uploads/{upload}", served.take_file, methods=["PUT"]),
        Route("/api/uploads/{upload}", served.finish_upload, methods=post),
        Route("/api/tasks", served.tasks, methods=get),
        Route("/api/tasks", served.fuse, methods=post),
        Route("/api/measurements", served.measure, methods=post),
        Route("/api/tasks/{key}", served.cancel, methods=["DELETE"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    known: dict[Any, Callable[..., Any]] = {TrifuseError: _told, ClientDisconnect: _gone}
    app = Starlette(routes=routes, exception_handlers=known, lifespan=served.lifespan)
    return Guard(app, token, hosts, open_to_all=open_to_all)


class _Served:
    """What the addresses do, for one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._catalogue: dict[str, Any] | None = None
        self._opening: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Opens what was given while the server starts, and watches for idleness."""
        self._open_first()
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            await run_in_threadpool(self.session.close)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(CHECK_SECONDS, self.session.limits.idle_seconds / 4))
            await run_in_threadpool(self.session.clear_if_idle)

    def _open_first(self) -> None:
        if self.session.given and self.session.case < 0:
            self.session.case = 0
            self.session.loading += 1
            self._opening = asyncio.create_task(self._open(0))

    async def _open(self, number: int) -> None:
        try:
            await run_in_threadpool(self.session.open_case, number)
        finally:
            self.session.loading -= 1

    async def state(self, request: Request) -> Response:
        """All that is open."""
        self.session.touch()
        self._open_first()
        return JSONResponse({"trifuse": __version__, **self.session.state()})

    async def open_case(self, request: Request) -> Response:
        """Shows another case of a folder of results."""
        self.session.touch()
        await run_in_threadpool(self.session.open_case, request.path_params["number"])
        return JSONResponse(self.session.state())

    async def catalogue(self, request: Request) -> Response:
        """Methods, settings and metrics; made once, in the process that fuses."""
        if self._catalogue is None:
            self._catalogue = await asyncio.wrap_future(self.session.tasks.schedule(catalogue.catalogue))
        return JSONResponse(self._catalogue)

    async def palette_names(self, request: Request) -> Response:
        """Names of all palettes."""
        return JSONResponse(["grey", *palettes.names()])

    async def palette(self, request: Request) -> Response:
        """256 colours of a palette as bytes, red, green, blue."""
        table = await run_in_threadpool(palettes.table, request.path_params["name"])
        chosen = table[[round(k * (len(table) - 1) / 255) for k in range(256)]]
        return Response(chosen.round().astype("uint8").tobytes(), media_type="application/octet-stream")

    async def values(self, request: Request) -> Response:
        """The values of an image, straight from disk."""
        self.session.touch()
        entry = self.session.entry(request.path_params["key"])
        return FileResponse(entry.values, media_type="application/octet-stream")

    async def volume(self, request: Request) -> Response:
        """A volume as NIfTI."""
        entry = self.session.entry(request.path_params["key"])
        path = await run_in_threadpool(exports.nifti, entry, self.session.work_folder("nifti"))
        return FileResponse(path, media_type="application/octet-stream")

    async def provenance(self, request: Request) -> Response:
        """How a result came to be."""
        entry = self.session.entry(request.path_params["key"])
        if entry.provenance is None:
            raise InputError("only results have a provenance")
        return _download(JSONResponse(entry.provenance), "fused.json")

    async def saved(self, request: Request) -> Response:
        """An image in a format."""
        self.session.touch()
        entry, suffix = self.session.entry(request.path_params["key"]), request.path_params["suffix"]
        path = await run_in_threadpool(exports.saved, entry, suffix, self.session.work_folder("exports"))
        name = f"{'fused' if entry.role == 'fused' else entry.role}.{suffix}"
        return FileResponse(path, media_type=exports.SUFFIXES[suffix], filename=name)

    async def remove(self, request: Request) -> Response:
        """Closes an image."""
        await run_in_threadpool(self.session.remove, request.path_params["key"])
        return JSONResponse({})

    async def begin_upload(self, request: Request) -> Response:
        """A key for files that are dropped together."""
        self.session.touch()
        return JSONResponse({"upload": self.session.uploads.begin()})

    async def take_file(self, request: Request) -> Response:
        """One file; its name comes in a header, so that no log of addresses ever holds it."""
        self.session.touch()
        name = unquote(request.headers.get("x-file-name", ""), errors="replace")
        length = request.headers.get("content-length", "")
        announced = int(length) if length.isdecimal() else None
        await self.session.uploads.take(request.path_params["upload"], name, announced, request.stream())
        return JSONResponse({})

    async def finish_upload(self, request: Request) -> Response:
        """Opens what was sent."""
        self.session.touch()
        parts = self.session.uploads.finish(request.path_params["upload"])
        refused = await run_in_threadpool(self.session.take, parts)
        return JSONResponse({"refused": refused, **self.session.state()})

    async def tasks(self, request: Request) -> Response:
        """How far the tasks are."""
        self.session.touch()
        return JSONResponse([task.told() for task in list(self.session.tasks.known.values())])

    async def fuse(self, request: Request) -> Response:
        """Queues a fusion."""
        self.session.touch()
        task = await run_in_threadpool(jobs.fusion, self.session, await _json(request))
        return JSONResponse(task.told(), 202)

    async def measure(self, request: Request) -> Response:
        """Queues a measurement."""
        self.session.touch()
        task = await run_in_threadpool(jobs.measurement, self.session, await _json(request))
        return JSONResponse(task.told(), 202)

    async def cancel(self, request: Request) -> Response:
        """Stops a task, or forgets one that has ended."""
        await run_in_threadpool(self.session.tasks.cancel, request.path_params["key"])
        return JSONResponse({})


def _file(name: str) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return FileResponse(STATIC / name)

    return answer


def _download(response: Response, name: str) -> Response:
    response.headers["content-disposition"] = f'attachment; filename="{name}"'
    return response


async def _json(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY:
            raise InputError("the request is too long")
    try:
        known = json.loads(body)
    except ValueError:
        raise InputError("the request is no JSON") from None
    if not isinstance(known, dict):
        raise InputError("the request is no JSON object")
    return known


async def _told(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error).splitlines()[0]}, 422 if isinstance(error, OptionError) else 400)


async def _gone(request: Request, error: Exception) -> Response:
    return PlainTextResponse("", 400)

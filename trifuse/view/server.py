"""From the command line to a page in the browser."""

from __future__ import annotations

import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.core.errors import InputError, Stopped
from trifuse.core.extras import need
from trifuse.view.opening import cases_of
from trifuse.view.settings import LOOPBACK, Serving

if TYPE_CHECKING:
    import uvicorn

QUIET_SECONDS = 5
"""How long a connection may say nothing between two requests."""


def serve(paths: Sequence[Path], serving: Serving, *, browser: bool = True) -> None:
    """Serves the viewer until it is stopped.

    The first line on stdout is the address with its token.

    Args:
        paths: images, a study, results; nothing for an empty page.
        serving: where.
        browser: whether to open the page.

    Raises:
        InputError: if a path holds nothing to show, or the port is taken.
        ExtraError: if the extra `view` is not installed.
    """
    need("view", "the viewer")
    cases = cases_of([path.absolute() for path in paths])
    listener = _listener(serving)
    port = listener.getsockname()[1]
    token = serving.token or secrets.token_urlsafe(24)
    shown = "127.0.0.1" if serving.host in ("0.0.0.0", "::", "127.0.0.1") else serving.host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={token}"

    def ready() -> None:
        print(address, flush=True)
        if browser:
            webbrowser.open(address)

    import uvicorn

    from trifuse.view.app import application
    from trifuse.view.session import Session

    open_to_all = serving.host not in LOOPBACK
    hosts = {*LOOPBACK, serving.host, *([socket.gethostname().lower()] if open_to_all else [])}
    session = Session(cases, serving)
    app = application(session, token, hosts, open_to_all=open_to_all)
    config = uvicorn.Config(
        app,
        log_level="critical",  # logs of requests would hold nothing that helps, and might hold names
        access_log=False,
        server_header=False,
        timeout_keep_alive=QUIET_SECONDS,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    try:
        _server(config, ready).run(sockets=[listener])
    except Stopped:
        pass  # Ctrl-C is how a viewer ends
    finally:
        session.close()


def _listener(serving: Serving) -> socket.socket:
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((serving.host, serving.port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"--host {serving.host} --port {serving.port}: cannot be listened on ({error.strerror}); choose another "
            "port, or 0 for any that is free"
        ) from None
    listener.listen(128)
    return listener


def _server(config: uvicorn.Config, ready: Callable[[], None]) -> uvicorn.Server:
    """A server that says when it listens."""
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    return Announcing(config)

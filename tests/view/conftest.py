"""A viewer without a network, a viewer as its users start it, and a browser to look at it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trifuse import samples

pytest.importorskip("starlette", reason="viewer skipped: the extra `view` is not installed")

TOKEN = "test-token-of-the-viewer"
HOST = "127.0.0.1:8000"
CHROMIUM = ["chromium", "chromium-browser", "google-chrome"]
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]


@pytest.fixture
def viewer() -> Iterator[Callable[..., Any]]:
    """`viewer(paths, limits)` gives a client that has the token, and its session; all is removed at the end."""
    from starlette.testclient import TestClient

    from trifuse.view.app import application
    from trifuse.view.opening import cases_of
    from trifuse.view.session import Session
    from trifuse.view.settings import Limits, Serving

    opened: list[Any] = []

    def start(paths: list[Path] | None = None, limits: Limits = Limits()) -> tuple[Any, Any]:
        session = Session(cases_of(paths or []), Serving(token=TOKEN), limits)
        app = application(session, TOKEN, ["127.0.0.1", "localhost"])
        client = TestClient(app, base_url=f"http://{HOST}", headers={"authorization": f"Bearer {TOKEN}"})
        client.__enter__()
        opened.append((client, session))
        while client.get("/api/state").json()["loading"]:
            pass
        return client, session

    yield start
    for client, session in opened:
        client.__exit__(None, None, None)
        assert not session.folder.exists(), "the session left files behind"


@pytest.fixture(scope="module")
def address() -> Iterator[Callable[..., str]]:
    """`address(*arguments)` starts `trifuse view`, once for the same arguments, and gives its address and token."""
    running: dict[tuple[str, ...], tuple[subprocess.Popen[str], str]] = {}

    def start(*arguments: str | Path) -> str:
        key = tuple(map(str, arguments))
        if key not in running:
            command = [sys.executable, "-m", "trifuse", "view", "--no-browser", *key]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            running[key] = process, process.stdout.readline().strip()
        return running[key][1]

    yield start
    for process, _ in running.values():
        process.terminate()
    for process, _ in running.values():
        process.wait(30)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium under Playwright; tests are skipped where one of them is absent."""
    found = next((path for path in map(shutil.which, CHROMIUM) if path), None)
    if found is None:
        pytest.skip(f"browser tests skipped: none of {', '.join(CHROMIUM)} is installed")
    sync = pytest.importorskip("playwright.sync_api", reason="browser tests skipped: playwright is not installed")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, address: object) -> Iterator[Any]:
    """A page that fails its test if the page's own code fails, or asks anything but loopback."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: _is_local(request.url) or faults.append(f"asked {request.url}"))
    yield page
    context.close()
    assert not faults


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


@pytest.fixture(scope="session")
def study() -> dict[str, list[Path]]:
    """Files of the bundled study: pictures and volumes, T1, T2, PET."""
    return {"2d": list(samples.study(2).values()), "3d": list(samples.study(3).values())}

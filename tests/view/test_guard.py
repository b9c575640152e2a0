"""Who may ask: hosts, origins, the token, and what the browser is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from trifuse.core.errors import OptionError
from trifuse.view.settings import Serving

Viewer = Callable[..., Any]

TOKEN = "test-token-of-the-viewer"
BARE = "http://127.0.0.1:8000"
PATHS = ["/", "/api/state", "/api/images/i1/values", "/static/js/main.js", "/api/catalogue", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_told_without_the_token(viewer: Viewer, path: str) -> None:
    client, _ = viewer()
    assert client.get(path, headers={"authorization": ""}).status_code == 401
    assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get(f"{path}?token={TOKEN}", headers={"authorization": ""}, follow_redirects=False).status_code in (
        303,
        401,
    )


def test_the_address_becomes_a_cookie_and_leaves_the_address_bar(viewer: Viewer) -> None:
    client, _ = viewer()
    answer = client.get(f"/?token={TOKEN}", headers={"authorization": ""}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/api/state", headers={"authorization": ""}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "192.168.0.7:8000", "[::1"])
def test_foreign_hosts_are_refused(viewer: Viewer, host: str) -> None:
    client, _ = viewer()
    assert client.get("/api/state", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1"])
def test_foreign_origins_are_refused(viewer: Viewer, origin: str) -> None:
    client, _ = viewer()
    assert client.post("/api/uploads", headers={"origin": origin}).status_code == 403
    assert client.get("/api/state", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/api/uploads", headers={"origin": BARE}).status_code == 200


def test_every_answer_forbids_what_is_not_ours(viewer: Viewer) -> None:
    client, _ = viewer()
    for path in ("/", "/static/js/main.js", "/api/state", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store" or path.startswith("/static") or path == "/"


def test_the_page_holds_no_inline_script_or_style(viewer: Viewer) -> None:
    client, _ = viewer()
    page = client.get("/").text
    assert page.count("<script") == 1
    assert 'src="/static/js/main.js"' in page
    assert "style=" not in page
    assert "onclick" not in page


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_static_files_are_the_page_alone(viewer: Viewer, path: str) -> None:
    client, _ = viewer()
    assert client.get(f"/static{path}").status_code == 404


def test_other_computers_need_a_token_of_ones_own() -> None:
    with pytest.raises(OptionError, match="--token"):
        Serving(host="0.0.0.0")
    with pytest.raises(OptionError, match="16"):
        Serving(host="0.0.0.0", token="short")
    assert Serving(host="0.0.0.0", token="long-enough-for-a-secret").token


def test_the_command_refuses_an_open_host_in_one_line() -> None:
    command = [sys.executable, "-m", "trifuse", "view", "--no-browser", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("trifuse: --host 0.0.0.0: other computers could reach the viewer")
    assert done.stdout == ""

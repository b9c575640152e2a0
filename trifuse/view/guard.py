"""Who may ask: only this computer's own pages, with the token; and what the browser is told about every answer.

A page elsewhere in the web can make a browser send requests to 127.0.0.1, under a name of its own that resolves to it
(DNS rebinding) or as a form. The first has a foreign Host, the second a foreign Origin; both are refused before the
token is looked at.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "font-src 'self'",
        "connect-src 'self' data: blob:",  # NiiVue fetches its own fonts and materials from data: addresses
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware that lets through what may ask.

    Args:
        app: what is guarded.
        token: the secret.
        hosts: names under which the server may be asked for; any address in numbers is one as well if `open_to_all`.
        open_to_all: whether the server listens beyond this computer.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Iterable[str], *, open_to_all: bool = False) -> None:
        self.app, self.token, self.hosts, self.open = app, token, frozenset(hosts), open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or hands the request on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope, headers)
        if refused is not None:
            await refused(scope, receive, with_headers(send))
        else:
            await self.app(scope, receive, with_headers(send))

    def _refused(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return PlainTextResponse("This name is not the viewer's.", 421)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("Requests from other pages are refused.", 403)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return PlainTextResponse("Requests from other pages are refused.", 403)
        name = cookie_name(scope)
        shown = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET" and self._is_token(shown):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(name, self.token, httponly=True, samesite="strict", path="/")
            return answer
        if self._is_token(_cookie(headers, name)) or self._is_token(_bearer(headers)):
            return None
        return PlainTextResponse("Open the address with the token that `trifuse view` printed.", 401)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self.hosts or (self.open and _is_address(name))


def with_headers(send: Send) -> Send:
    """Adds the headers of every answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            named = {name.lower() for name, _ in message["headers"]}
            extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            kept = [] if b"cache-control" in named else [(b"cache-control", b"no-store")]
            message = {**message, "headers": [*message["headers"], *extra, *kept]}
        await send(message)

    return sending


def cookie_name(scope: Scope) -> str:
    """Cookies are shared by all ports of a host: each server has its own."""
    server = scope.get("server") or ("", 0)
    return f"trifuse-{server[1]}"


def _cookie(headers: dict[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _bearer(headers: dict[str, str]) -> str:
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value if kind.lower() == "bearer" else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

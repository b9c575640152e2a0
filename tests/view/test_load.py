"""Many clients at once, and one that behaves badly."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen


def test_a_hundred_requests_are_served_beside_a_bad_client(
    address: Callable[..., str], study: dict[str, list[Path]]
) -> None:
    parts = urlsplit(address(study["2d"][0]))
    token = parts.query.partition("=")[2]
    bad = [socket.create_connection((parts.hostname, parts.port)) for _ in range(3)]
    bad[0].sendall(b"PUT /api/uploads/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n")
    bad[1].sendall(b"GET / HTTP/1.1\r\nHost:")
    bad[2].sendall(b"\x16\x03\x01\x00\xff\xfe garbage \r\n\r\n")

    def ask(number: int) -> int:
        path = "/api/state" if number % 2 else "/static/js/main.js"
        request = Request(f"http://{parts.netloc}{path}", headers={"authorization": f"Bearer {token}"})
        with urlopen(request, timeout=60) as answer:
            answer.read()
            return int(answer.status)

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(ask, range(100))) == [200] * 100
    for each in bad:
        each.close()

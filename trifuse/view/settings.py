"""Limits of a session, and how the server is started."""

from __future__ import annotations

from dataclasses import dataclass

from trifuse.core.errors import OptionError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that no other computer can reach."""

SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Limits:
    """What a session takes; checked before anything is read.

    Attributes:
        file_bytes: most bytes of one uploaded file.
        session_bytes: most bytes of all uploaded files together.
        files: most files of one upload.
        images: most images that are open.
        tasks: most tasks that wait or run.
        memory: most bytes of memory of a process that reads an uploaded file.
        read_seconds: longest time that reading one image may take.
        stall_seconds: longest silence of a client in the middle of a file.
        idle_seconds: silence after which all files of the session are removed.
    """

    file_bytes: int = 4 * 2**30
    session_bytes: int = 16 * 2**30
    files: int = 20_000
    images: int = 60
    tasks: int = 24
    memory: int = 12 * 2**30
    read_seconds: float = 300
    stall_seconds: float = 30
    idle_seconds: float = 3600


@dataclass(frozen=True)
class Serving:
    """How the server is started.

    Attributes:
        host: address to listen on.
        port: 0 for any that is free.
        token: what the page must show; made up if None.
        units: of PET from DICOM: "suv" where headers allow it, else as the file has them; "native" always so.

    Raises:
        OptionError: if others could reach the server without a token of the caller's own.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    units: str = "suv"

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and self.token is None:
            raise OptionError(
                f"--host {self.host}: other computers could reach the viewer; give --token with a secret of "
                f"{SHORTEST_TOKEN} letters or more as well"
            )
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not _is_plain(self.token)):
            raise OptionError(f"--token: give {SHORTEST_TOKEN} or more letters and digits (and - _)")
        if not 0 <= self.port <= 65535:
            raise OptionError(f"--port {self.port} is no port; give 1 to 65535, or 0 for any")


def _is_plain(token: str) -> bool:
    return token.isascii() and all(letter.isalnum() or letter in "-_" for letter in token)

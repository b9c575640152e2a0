"""The errors a user can cause and mend.

Every message says what is wrong, where, and how to mend it, in one line: the command line prints it
as it is and exits with code 2. Anything that is not a `TrifuseError` is our bug (exit code 1).
"""

from __future__ import annotations

import re
from pathlib import Path


class TrifuseError(Exception):
    """Base of all errors caused by an input or a setting, never by a fault of the package."""


class InputError(TrifuseError):
    """A file or an array that cannot be used: missing, damaged, empty, of an unknown kind."""


class UnitsError(InputError):
    """Values that cannot be turned into the units asked for."""


class NothingToChooseError(InputError):
    """A choice that was given for several sources, put to one that has nothing to choose from.

    Attributes:
        option: "frame" or "series".
    """

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


class ChoiceError(InputError):
    """A source that holds several images where one is needed.

    Attributes:
        table: what there is and what to type for it, ready to print below the message.
    """

    def __init__(self, message: str, table: str = "") -> None:
        super().__init__(message)
        self.table = table


class GridError(InputError):
    """Images that do not share one grid of pixels.

    Attributes:
        table: what differs, one row of text per image, ready to print below the message.
    """

    def __init__(self, message: str, table: str = "") -> None:
        super().__init__(f"{message}\n{table}" if table else message)
        self.table = table


class OptionError(TrifuseError):
    """A method, metric, option, scale or combination of them that does not exist."""


class MemoryBudgetError(OptionError):
    """A run that cannot be made to fit into the memory that it may take."""


class PluginError(OptionError):
    """A name that another package adds, and cannot deliver."""


class WeightsError(TrifuseError):
    """A checkpoint that is missing, damaged or made for another network."""


class WorkerError(TrifuseError):
    """A case whose process died under it.

    Attributes:
        again: whether another try may go better.
    """

    def __init__(self, message: str, again: bool = True) -> None:
        super().__init__(message)
        self.again = again


class Stopped(BaseException):
    """Ctrl-C or SIGTERM on the command line, where a `KeyboardInterrupt` would lose its words.

    Attributes:
        code: exit code of the process, 128 and the signal's number.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class PluginWarning(UserWarning):
    """What another package adds is left out."""


class CacheWarning(UserWarning):
    """What would make the next start quicker cannot be kept."""


class TrainingError(TrifuseError):
    """A training run that cannot go on: its loss or gradient is not finite."""


class TrainingWarning(UserWarning):
    """What a user should know of a training run that is no error."""


class RegistrationWarning(UserWarning):
    """A registration whose result should be looked at; what it says is among the notes of the result too."""


def one_line(name: Path | str) -> str:
    """A path or a word out of a file as text that cannot break a message into several lines."""
    text = str(name)
    return text if text.isprintable() else repr(text)


def visible(text: str) -> str:
    """A text whose control characters, which a terminal would obey, are written out; its lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def shortened(text: str, longest: int = 120) -> str:
    """Words of others for a message of one line."""
    flat = visible(" ".join(text.split()))
    return flat if len(flat) <= longest else flat[: longest - 3] + "..."


_ITK = "ITK ERROR: "


def brief(error: BaseException, longest: int = 120) -> str:
    """First line of an exception's message, shortened; its type where it has none."""
    text = " ".join(str(error).split())
    if _ITK in text:  # its own sources and addresses stand before what happened
        text = re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", text.rpartition(_ITK)[2])
    return shortened(text, longest) or type(error).__name__

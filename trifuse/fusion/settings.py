"""Run: how sources are fused, each setting written down once.

`fuse`, `compare`, the command line and benchmark recipes take their options from the fields of `Run`: a new setting is
one field here and what acts on it.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from trifuse.core.choices import Registration
from trifuse.core.errors import OptionError
from trifuse.core.machine import byte_count
from trifuse.core.registry import hint
from trifuse.upsamplers import REGISTRY as UPSAMPLERS

Upsample = Literal["before", "after"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is to be known of a field of `Run` beside its name, type and default.

    Attributes:
        help: what it means, in a sentence without its end.
        choices: the values there are, or None where others decide.
        at_least, at_most: bounds of a number.
        from_one: whether people count it from 1 on the command line, where programs count from 0.
        flags: its names on the command line, where they are not `--name`.
        metavar: what stands for its value there.
        in_calls_alone: whether the command line has no option for it.
        parse: makes its value of the texts given there, for settings that may be given several times.
    """

    help: str
    choices: Collection[Any] | None = None
    at_least: int | None = None
    at_most: int | None = None
    from_one: bool = False
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    in_calls_alone: bool = False
    parse: Callable[[Sequence[str]], Any] | None = None


def about(help: str, **traits: Any) -> dict[str, Setting]:
    """Metadata of a field of `Run`; `traits` are the further attributes of `Setting`."""
    return {"setting": Setting(help=help, **traits)}


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """`["clarity=detail"]` as a mapping.

    Raises:
        OptionError: if one has no "=".
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise OptionError(f"--option {text!r} is not NAME=VALUE; for example --option clarity=detail")
        found[name.strip()] = value.strip()
    return found


@dataclass(frozen=True, kw_only=True)
class Run:
    """How sources are fused: everything but the sources and the method.

    Raises:
        OptionError: a value is not known or out of range.
    """

    scale: int = field(default=1, metadata=about("Magnification: 1, 2, 4 or 8", choices=(1, 2, 4, 8)))
    register: Registration = field(
        default="none",
        metadata=about(
            "Bring all sources onto the grid of the reference: by their headers alone (resample), registered, or by "
            "headers where they name one frame of reference and registered otherwise (auto); none demands one grid",
            choices=get_args(Registration),
        ),
    )
    reference: int = field(default=0, metadata=about("Which source's grid the result has", at_least=0, from_one=True))
    window: Sequence[str] = field(
        default=(),
        metadata=about(
            "Values of source N shown as black and white: 2=0:6 in its own units, 1=1%:99%, or a preset (brain, bone, "
            "lung, ..., suv6); a modality may stand for N (pet=suv6), or the preset alone",
            metavar="N=RANGE",
            parse=tuple,
        ),
    )
    range: tuple[float, float] | None = field(
        default=None,
        metadata=about(
            "The values that are black and white in arrays that do not tell their range, such as (0, 255)",
            in_calls_alone=True,
        ),
    )
    functional: str = field(
        default="auto",
        metadata=about(
            "Sources laid over the others in colour: auto (PET, SPECT and pictures in a known palette), none, or their "
            "numbers, counted from 1, such as 3 or 2,3",
            metavar="auto|none|N,N",
        ),
    )
    colour: str = field(
        default="auto",
        metadata=about(
            "How: auto (their own palette, or ember for grey), source, a palette (ember, hot, hot-iron, ge, siemens, "
            "pet20, spectral, inferno, ...), or luma: fused with the others by their luma, as published",
            metavar="MAP",
        ),
    )
    opacity: str = field(
        default="auto",
        metadata=about(
            "Of that colour: auto (faint where uptake is ordinary, full where it is hot), a constant such as 0.6, "
            "threshold:LOW[:MOST] or ramp:LOW:HIGH[:MOST[:LEAST]], LOW and HIGH in native units",
            metavar="O",
        ),
    )
    samples: int = field(
        default=1,
        metadata=about(
            "Draw this many results; more than one give the estimate and the standard deviation at every pixel",
            at_least=1,
        ),
    )
    seed: int = field(default=0, metadata=about("Seed of all random numbers; sample i has the seed + i", at_least=0))
    upsample: Upsample = field(
        default="before",
        metadata=about(
            "Where a method lacks the scale: upsample the sources before fusing, or the result after",
            choices=get_args(Upsample),
        ),
    )
    upsampler: str = field(
        default="bicubic",
        metadata=about(
            f"What magnifies then: {', '.join(UPSAMPLERS.homes)}, or what another package adds", choices=UPSAMPLERS
        ),
    )
    axis: int = field(default=2, metadata=about("Axis along which 2D methods slice a volume", at_least=0, at_most=2))
    workers: int = field(
        default=0,
        metadata=about(
            "Slices of a volume that a 2D method fuses at a time, one core each; 0 takes all cores (OMP_NUM_THREADS). "
            "The result is the same for any number",
            at_least=0,
        ),
    )
    memory: str | None = field(
        default=None,
        metadata=about(
            "Most memory that a run may take, such as 4GB; above it fewer slices at a time and tiles are taken, and "
            "what cannot be made to fit is refused. Unless given 80 % of what the machine, or its container, has",
            metavar="SIZE",
        ),
    )
    precision: Precision = field(
        default="fp32",
        metadata=about("bf16 is faster on processors and GPUs that have it", choices=get_args(Precision)),
    )
    device: str = field(default="cpu", metadata=about("Where networks compute: cpu, cuda, cuda:1, mps ..."))
    different_patients: bool = field(
        default=False,
        metadata=about("Fuse images whose headers name different patients (ID, name or birth date), which is refused"),
    )
    options: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=about(
            "An option of the method; see `trifuse methods M`",
            flags=("--option", "-O"),
            metavar="NAME=VALUE",
            parse=pairs,
        ),
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            _check(each.name, getattr(self, each.name), each.metadata["setting"], whole=each.type == "int")
        if self.memory is not None:
            byte_count(self.memory)
        if self.seed >= 2**32 - self.samples:
            raise OptionError(f"seed {self.seed} is out of range; give 0 to {2**32 - self.samples - 1}")

    def changed(self, **changes: Any) -> Run:
        """The same with other values; None leaves one as it is.

        Raises:
            OptionError: there is no such setting, or not such a value.
        """
        known = [each.name for each in fields(self)]
        for name in changes:
            if name not in known:
                raise OptionError(f"there is no setting {name!r}; {hint(name, known)}")
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


SETTINGS: dict[str, Setting] = {each.name: each.metadata["setting"] for each in fields(Run)}
"""What is to be known of each field of `Run`."""

TYPES: dict[str, Any] = get_type_hints(Run)
"""Types of the fields of `Run`."""


F = TypeVar("F", bound=Callable[..., Any])


def takes_settings(function: F) -> F:
    """Lets `help` and editors see the fields of `Run` that a function takes as `**settings`, with their types."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    further = [
        inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=getattr(Run(), each.name), annotation=each.type
        )
        for each in fields(Run)
    ]
    function.__signature__ = signature.replace(parameters=[*own, *further])  # type: ignore[attr-defined]
    return function


def _check(name: str, value: Any, known: Setting, *, whole: bool) -> None:
    if known.choices is not None and value not in known.choices:
        raise OptionError(f"{name} {value!r} is not known; choose {', '.join(map(str, known.choices))}")
    if not whole:
        return
    try:
        number = operator.index(value)
    except TypeError:
        raise OptionError(f"{name} {value!r} is no whole number") from None
    least, most = known.at_least, known.at_most
    if (least is not None and number < least) or (most is not None and number > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise OptionError(f"{name} {value!r} is out of range; give {bounds}")


def _described() -> str:
    counted = {name: ", counted from 0" if known.from_one else "" for name, known in SETTINGS.items()}
    return "\n".join(f"        {name}: {known.help}{counted[name]}." for name, known in SETTINGS.items())


Run.__doc__ = str(Run.__doc__).replace("    Raises:", f"    Attributes:\n{_described()}\n\n    Raises:")

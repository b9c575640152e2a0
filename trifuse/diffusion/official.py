"""Configuration files of the original SR3 and TFS-Diff programs: the shape of the network and its noise schedules.

They are JSON with `//` comments. The programs' own checkpoints hold neither the groups of the normalisations nor, where
they were saved during training, the schedule to sample by; both stand in the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifuse.core.errors import InputError, OptionError, WeightsError, brief
from trifuse.core.files import read_text
from trifuse.diffusion.schedule import Schedule
from trifuse.nets.sr3_config import UNetConfig

SHAPE = ("in_channels", "out_channels", "channels", "multipliers", "res_blocks", "attention_levels")
"""Fields of a network's shape that a checkpoint must share with its configuration."""


@dataclass(frozen=True, eq=False)
class Configuration:
    """What a configuration file says of a model.

    Attributes:
        shape: the network.
        train: the noise schedule that it is trained with.
        val: the one that pictures are sampled by.
    """

    shape: UNetConfig
    train: Schedule
    val: Schedule

    def check(self, shape: UNetConfig, origin: str) -> None:
        """Refuses a checkpoint that holds another network.

        Raises:
            WeightsError: naming what differs.
        """
        for name in SHAPE:
            said, found = getattr(self.shape, name), getattr(shape, name)
            if said != found:
                raise WeightsError(
                    f"{origin}: has {name} {found}, its configuration {said}; give the one it belongs to"
                )


def parse(text: str, origin: str = "configuration") -> dict[str, Any]:
    """The content of a configuration file; `//` starts a comment outside of strings.

    Raises:
        InputError: if it is not JSON otherwise.
    """
    lines = []
    for line in text.splitlines():
        quoted = False
        cut = len(line)
        for at, character in enumerate(line):
            if character == '"' and line[at - 1 : at] != "\\":
                quoted = not quoted
            elif not quoted and line.startswith("//", at):
                cut = at
                break
        lines.append(line[:cut])
    try:
        content = json.loads("\n".join(lines))
    except json.JSONDecodeError as error:
        raise InputError(f"{origin}, line {error.lineno}: not valid JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # numbers or nesting without end
        raise InputError(f"{origin}: not valid JSON ({brief(error)})") from None
    if not isinstance(content, dict):
        raise InputError(f"{origin}: a configuration is a JSON object")
    return content


def read(path: Path) -> Configuration:
    """A configuration file.

    Raises:
        InputError: if it is missing, not JSON, or lacks a section.
    """
    content = parse(read_text(path, "configuration"), str(path))
    try:
        return configuration(content)
    except KeyError as error:
        raise InputError(f"{path}: the configuration has no section {error}") from None
    except (OptionError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no such model ({error})") from None


def configuration(content: Mapping[str, Any]) -> Configuration:
    """The content of a configuration file.

    Raises:
        KeyError: if a section is missing.
        OptionError: if there is no such schedule.
    """
    model = content["model"]
    unet = model["unet"]
    size = model.get("diffusion", {}).get("image_size") or content["datasets"]["train"]["r_resolution"]
    shape = UNetConfig.from_official(
        unet,
        size,
        se_scope="input" if unet["in_channel"] > 6 else "none",
        embedding="index" if model.get("which_model_G") == "ddpm" else "level",
    )
    schedules = model["beta_schedule"]
    return Configuration(shape, schedule(schedules["train"]), schedule(schedules.get("val", schedules["train"])))


def schedule(section: Mapping[str, Any]) -> Schedule:
    """A section of `beta_schedule`.

    Raises:
        KeyError: if a field is missing.
        OptionError: if there is no such schedule.
    """
    start, end = float(section.get("linear_start", 1e-4)), float(section.get("linear_end", 2e-2))
    return Schedule.make(section["schedule"], int(section["n_timestep"]), start, end)

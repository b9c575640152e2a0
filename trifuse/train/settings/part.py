"""What all parts of a recipe share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _expanded(path: Path) -> Path:
    found = os.path.expandvars(path)
    unset = re.search(r"\$(\w+|\{\w+\})", found)
    if unset is not None:
        raise ValueError(f"uses the variable {unset[0]}, which is not set; set it or write the path out")
    return Path(found).expanduser()


Expanded = Annotated[Path, AfterValidator(_expanded)]
"""A path in which environment variables are replaced; one that is not set is refused."""


class Part(BaseModel):
    """Base of all parts of a recipe: a field that does not exist is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

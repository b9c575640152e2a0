"""What all parts of a recipe share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

Expanded = Annotated[Path, AfterValidator(lambda path: Path(os.path.expandvars(path)).expanduser())]
"""A path in which environment variables are replaced; one that is not set stays, and is refused when the run begins."""


class Part(BaseModel):
    """Base of all parts of a recipe: a field that does not exist is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

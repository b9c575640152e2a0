"""Words that settings choose from, for those who list them without loading what acts on them."""

from __future__ import annotations

from typing import Literal

Registration = Literal["none", "auto", "resample", "rigid", "affine", "deformable"]
"""What may be done to bring the sources together: nothing, trusting the headers, up to a smooth deformation."""

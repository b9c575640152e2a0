"""TFS-Diff: three sources, fused and enlarged by one diffusion model.

Source: Xu et al., "Simultaneous Tri-Modal Medical Image Fusion and Super-Resolution using Conditional Diffusion Model",
MICCAI 2024.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from trifuse.core.errors import InputError
from trifuse.nets.sr3_config import SEScope
from trifuse.train.data import conditioning
from trifuse.train.data.cases import Phase
from trifuse.train.data.prepared import Maker
from trifuse.train.data.stacks import OfficialStacks, Stacks
from trifuse.train.objectives.base import check_file
from trifuse.train.objectives.diffusion import Conditional, DiffusionObjective, check_official
from trifuse.train.settings.data import OfficialLayout
from trifuse.train.settings.part import Expanded
from trifuse.train.settings.prepared import Prepared

Condition = Annotated[
    Literal["analytic", "learned", "bicubic"],
    BeforeValidator(lambda value: "analytic" if value == "closed-form" else value),  # its name in older recipes
]


class Settings(Conditional, Prepared):
    """Settings of the objective `tfs-diff`.

    Attributes:
        se_scope: where TMFA stands: on the condition (paper), on the whole input (program), or "none".
        condition: "analytic": sources upsampled by the network `upsampler`, the fusing method applied to them as a
            further condition, to which the diffusion is relative; "learned": those sources alone, for speed, and
            "bicubic": the bicubic sources alone (paper), both relative to the brightest source.
        rule: weights of a fusion-rule network that corrects the analytic fusion; none unless given.
    """

    task: Literal["tfs-diff"] = "tfs-diff"
    se_scope: Literal["condition", "input", "none"] = "condition"
    condition: Condition = "analytic"
    rule: Expanded | None = None


class TFSDiffObjective(DiffusionObjective[Settings]):
    """See `DiffusionObjective`."""

    Settings = Settings

    def check(self) -> None:
        """See `Objective`.

        Raises:
            InputError: if settings do not go together.
        """
        settings, data = self.settings, self.run.data
        if settings.rule is not None and settings.condition != "analytic":
            raise InputError(f"field model.rule: corrects an analytic fusion; condition {settings.condition} has none")
        if settings.condition == "bicubic" and settings.upsampler is not None:
            raise InputError("field model.upsampler: not used with condition bicubic; leave it out")
        if isinstance(data, OfficialLayout):
            self._check_official(data)
            return
        conditioning.check(self.run, settings)
        if settings.condition != "bicubic":
            conditioning.check_upsampler(settings)
        check_file(settings.rule, "model.rule")

    def _check_official(self, data: OfficialLayout) -> None:
        if self.settings.condition != "bicubic":
            raise InputError("field model.condition: the official layout holds bicubic sources; give bicubic")
        unused = sorted({"truth", "squares", "square", "shares", "val_every"} & self.settings.model_fields_set)
        if unused:
            raise InputError(f"field model.{unused[0]}: not used with the official layout; leave it out")
        if data.sources != 3:
            raise InputError("field data.sources: tfs-diff fuses 3")
        check_official(self.run, data)

    @property
    def pictures_in(self) -> int:
        """See `DiffusionObjective`."""
        return 5 if self.settings.condition == "analytic" else 4

    @property
    def base(self) -> Literal["last", "brightest"]:
        """See `DiffusionObjective`."""
        return "last" if self.settings.condition == "analytic" else "brightest"

    @property
    def condition(self) -> str:
        """See `DiffusionObjective`."""
        analytic = "learned-bitonicx" if self.settings.rule is None else "learned-rule"
        return {"analytic": analytic, "learned": "learned", "bicubic": "sources"}[self.settings.condition]

    @property
    def se_scope(self) -> SEScope:
        """See `DiffusionObjective`."""
        return self.settings.se_scope

    def stacks_of(self, phase: Phase) -> Stacks:
        """See `DiffusionObjective`."""
        if isinstance(self.run.data, OfficialLayout):
            return OfficialStacks.of(self.run.data, phase)
        return conditioning.stacks(self.run, self.settings, self._maker(), phase)

    def _maker(self) -> Maker:
        settings = self.settings
        if settings.condition == "bicubic":
            return conditioning.bicubic(settings)
        return conditioning.learned(settings, analytic=settings.condition == "analytic", rule=settings.rule)

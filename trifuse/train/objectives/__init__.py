"""What networks learn, one file each. A new objective is a new file, with its settings, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field

from trifuse.core.registry import Registry
from trifuse.train.settings.part import Part

if TYPE_CHECKING:
    from trifuse.train.objectives.base import Objective

REGISTRY: Registry[type[Objective[Any]]] = Registry(
    "objective",
    "trifuse.train.objectives",
    {
        "source-sr": "source_sr:SourceSRObjective",
        "fusion-rule": "fusion_rule:FusionRuleObjective",
        "tfs-diff": "tfs_diff:TFSDiffObjective",
        "sr3": "sr3:SR3Objective",
        "published-diffusion": "published:PublishedObjective",
        "unconditional": "unconditional:UnconditionalObjective",
        "cddfuse": "cddfuse:CDDFuseObjective",
        "tgfuse": "tgfuse:TGFuseObjective",
        "u2fusion": "u2fusion:U2FusionObjective",
        "swinfuse": "swinfuse:SwinFuseObjective",
        "dilran": "dilran:DILRANObjective",
        "dc2fusion": "dc2fusion:DC2FusionObjective",
        "denoiser": "denoiser:DenoiserObjective",
        "degradation-judge": "degradation_judge:DegradationJudgeObjective",
    },
)
"""Field `task` of a recipe's model -> file and class."""

if TYPE_CHECKING:
    Model = Part
else:
    Model = Annotated[
        Union[tuple(REGISTRY.get(name).Settings for name in REGISTRY.names())],  # noqa: UP007 - made of a list
        Field(discriminator="task"),
    ]
"""The settings of an objective; the field `task` says of which."""

"""Settings of the task `dc2fusion`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trifuse.train.settings.part import Part


class DC2Fusion(Part):
    """Fusion of two volumes in 3D, without a truth: the loss compares the fused volume with both sources.

    Attributes:
        width, depths, kernel, drop: the network's shape.
        loss: "paper": local correlation, similarity and absolute difference with both sources; "balanced": the same
            correlation and similarity with both sources, and squared instead of absolute differences, ten times as
            heavy, with the weights 2 and 1; "contrast": the second source is shown where it stands out from its
            surroundings and the first one does not (`trifuse.train.losses.contrast`).
        alpha, beta, gamma: "paper": weights of correlation, similarity and difference with the first and the second
            source, the six options of the authors' program.
        deformation: largest displacement in voxels of the second volume against the first, smooth over the patch.
        sample: share of patches from the package's own sample study (T1 or T2 with PET); the others from the data.
        val_side: largest side of the middle part of validation volumes that is measured during training.
    """

    task: Literal["dc2fusion"] = "dc2fusion"
    width: int = Field(default=24, ge=8)
    depths: tuple[int, ...] = (2, 2)
    kernel: int = Field(default=3, ge=1)
    drop: float = Field(default=0.0, ge=0, lt=1)
    loss: Literal["paper", "balanced", "contrast"] = "balanced"
    alpha: tuple[float, float] = (2.0, 1.0)
    beta: tuple[float, float] = (2.0, 1.0)
    gamma: tuple[float, float] = (2.0, 1.0)
    deformation: float = Field(default=1.0, ge=0)
    sample: float = Field(default=0.25, ge=0, le=1)
    val_side: int = Field(default=64, ge=16)

"""What the terms of a loss weigh."""

from __future__ import annotations

from pydantic import Field

from trifuse.train.settings.part import Part


class Loss(Part):
    """Weights of the terms; those but the first are on the predicted clean picture in 0..1.

    Attributes:
        velocity: mean squared error of what a diffusion network says, in units of unit variance.
        l1: mean absolute error.
        mse: mean squared error.
        ssim: 1 - SSIM (TFS-Diff, section 2.3, in a form that is minimised by equal pictures).
        lpips: LPIPS; needs its weights (`trifuse weights add`, or TRIFUSE_LPIPS).
        average_gradient: distance of the picture's average gradient (AG) from the truth's.
    """

    velocity: float = Field(default=0.01, ge=0)
    l1: float = Field(default=1.0, ge=0)
    mse: float = Field(default=5.0, ge=0)
    ssim: float = Field(default=0.0, ge=0)
    lpips: float = Field(default=0.0, ge=0)
    average_gradient: float = Field(default=0.0, ge=0)

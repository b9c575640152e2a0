"""The SR3 U-Net on folded pixels, predicting what is missing from a picture it is given.

Two additions make the U-Net of TFS-Diff affordable on a CPU. Blocks of pixels are folded into channels before it and
unfolded after it (Shi et al., CVPR 2016), which divides its cost by the square of the block's side. And its output is
added to the last picture of the condition (BitonicX of the upsampled sources, or the bicubic picture for SR3): what is
known in closed form need not be learned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.errors import WeightsError
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet


class FoldedUNet(nn.Module):
    """Predicts the clean picture (x0) from the condition and the noisy picture.

    Args:
        config: the U-Net as it stands behind the folding: all its channel counts are those of the pictures times
            `fold` squared.
        fold: side of the blocks.
        residual: whether the output is added to the last picture of the condition.
    """

    def __init__(self, config: UNetConfig, fold: int = 2, residual: bool = True) -> None:
        super().__init__()
        self.config, self.fold, self.residual = config, fold, residual
        self.unet = SR3UNet(config)
        if residual:  # training starts from the known picture
            last = self.unet.final_conv.block[3]
            assert isinstance(last, nn.Conv2d)
            with torch.no_grad():
                last.weight.mul_(0.05)
                last.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """The clean picture.

        Args:
            x: `(B, condition + 3, H, W)`, condition first, then the noisy picture, about -1..1; any H and W.
            level: noise level of each picture, `(B,)`.

        Returns:
            `(B, 3, H, W)`, not clipped.
        """
        height, width = x.shape[2:]
        more = [-height % self.fold, -width % self.fold]
        padded = functional.pad(x, (0, more[1], 0, more[0]), mode="replicate") if any(more) else x
        said = functional.pixel_shuffle(self.unet(functional.pixel_unshuffle(padded, self.fold), level), self.fold)[
            ..., :height, :width
        ]
        return x[:, -6:-3] + said if self.residual else said

    def metadata(self) -> dict[str, str]:
        """What a file of its weights must say besides the tensors."""
        return {"network": "folded-unet", "config": self.config.model_dump_json(), "fold": str(self.fold)} | {
            "residual": str(self.residual).lower(),
            "predicts": "x0",
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> FoldedUNet:
        """The network with the weights of a state_dict and the metadata stored beside them, in evaluation mode.

        Raises:
            WeightsError: if they do not belong together.
        """
        try:
            config = UNetConfig.model_validate(json.loads(metadata["config"]))
            network = cls(config, int(metadata["fold"]), metadata["residual"] == "true")
            network.load_state_dict(state)
        except (KeyError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise WeightsError(f"the weights are none of a folded U-Net: {reason}") from None
        return network.eval()

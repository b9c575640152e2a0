"""DnCNN: a residual network that predicts the noise of an image.

Source: Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian denoiser: residual learning of deep CNN for image
denoising", IEEE TIP 26(7), 2017, section III. State-dict keys are those of the widespread PyTorch checkpoints
once their `module.` and `dncnn.` prefixes are gone, so that a user's own file loads as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trifuse.core.errors import WeightsError
from trifuse.weights import files
from trifuse.weights.store import SHIPPED

SMALL = SHIPPED / "dncnn-small.safetensors"
"""The denoiser that ships with the package; see the model card beside it."""


class DnCNN(nn.Sequential):
    r"""`depth` 3x3 convolutions without bias: conv-ReLU, (depth - 2) times conv-BN-ReLU, conv; \(D(y) = y - R(y)\).

    Args:
        depth: number of convolutions, 3 or more (17 in DnCNN-S).
        features: channels between them (64 in DnCNN-S).
    """

    def __init__(self, depth: int = 17, features: int = 64) -> None:
        layers: list[nn.Module] = [nn.Conv2d(1, features, 3, padding=1, bias=False), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers += [
                nn.Conv2d(features, features, 3, padding=1, bias=False),
                nn.BatchNorm2d(features),
                nn.ReLU(inplace=True),
            ]
        layers.append(nn.Conv2d(features, 1, 3, padding=1, bias=False))
        super().__init__(*layers)

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoised image from a noisy one, both `(B, 1, H, W)`, about 0..1, not clipped."""
        clean: Tensor = noisy - super().forward(noisy)  # type: ignore[no-untyped-call]
        return clean


def from_state(state: Mapping[str, Tensor]) -> DnCNN:
    """A network of the depth and width that a state dict tells, in inference mode.

    Args:
        state: with or without the prefixes `module.` and `dncnn.`.

    Raises:
        WeightsError: if the keys or shapes are not those of a DnCNN for grey images.
    """
    bare = {key.removeprefix("module.").removeprefix("dncnn."): value for key, value in state.items()}
    convolutions = [int(key.split(".")[0]) for key, value in bare.items() if key[0].isdigit() and value.ndim == 4]
    if "0.weight" not in bare or len(convolutions) < 3:
        raise WeightsError("these weights are not a DnCNN's (no '0.weight' or fewer than 3 convolutions)")
    network = DnCNN(depth=len(convolutions), features=int(bare["0.weight"].shape[0]))
    needed = {key for key in network.state_dict() if not key.endswith("num_batches_tracked")}
    try:
        missing, unexpected = network.load_state_dict(bare, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"these weights do not fit a DnCNN for grey images: {str(error).splitlines()[-1]}") from None
    wrong = sorted(needed & set(missing)) + sorted(unexpected)
    if wrong:
        raise WeightsError(f"these weights do not fit a DnCNN: missing or unexpected {', '.join(wrong[:5])}")
    return network.eval()


def load(path: str | Path = SMALL) -> DnCNN:
    """A network from a file: .safetensors, .npz, or a PyTorch .pth/.pt read without running code from it.

    Raises:
        WeightsError: if the file is missing, damaged or holds another network.
    """
    try:
        return from_state(files.load(Path(path)))
    except WeightsError as error:
        raise error if str(path) in str(error) else WeightsError(f"{path}: {error}") from None


def denoise(network: DnCNN, image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Denoised `(H, W)` image, float64; the network itself computes in float32."""
    noisy = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None]
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        clean = network(noisy)
    result: NDArray[np.float64] = clean[0, 0].double().numpy()
    return result


def denoise_all_ways(network: DnCNN, image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of what `denoise` makes of the image `(H, W)` and its three reflections: a self-ensemble."""
    ways = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    total = sum(denoise(network, image[::rows, ::columns])[::rows, ::columns] for rows, columns in ways)
    result: NDArray[np.float64] = np.asarray(total) / len(ways)
    return result

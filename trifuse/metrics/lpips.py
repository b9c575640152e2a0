"""Learned perceptual image patch similarity."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.core.errors import WeightsError
from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.pixels import Pixels
from trifuse.weights import store
from trifuse.weights.kept import kept, stamp

if TYPE_CHECKING:
    from torch import Tensor

ENVIRONMENT = "TRIFUSE_LPIPS"
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

CARD = MetricCard(
    name="lpips",
    title="Learned perceptual image patch similarity (LPIPS)",
    summary="Distance of the fused image from the sources in the features of a trained network.",
    formula=(
        "LPIPS = mean_k sum_l mean over pixels of sum_c w_lc (f_lc(S_k) - f_lc(F))^2, f = features after the 5 "
        "rectified convolutions of AlexNet, of length 1 over the channels c; input RGB -1..1"
    ),
    paper="Zhang, Isola, Efros, Shechtman and Wang, Proc. CVPR, 2018 (weights v0.1)",
    direction="low",
    range=(0, None),
    kind="pair",
    reduce="mean",
    volumes="slices",
    min_size=64,
    weights="lpips",
    variants={"vgg": "features of VGG-16 instead of AlexNet; takes a checkpoint that holds its 13 convolutions"},
    notes="Always sees RGB; grey is replicated.",
    pitfalls="Trained on photographs. AlexNet and VGG values are not comparable; papers often do not say which.",
)

CONVOLUTIONS = {
    "alex": ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)),
    "vgg": tuple((layer, 1, 1) for layer in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
}
"""Number of the layer in torchvision, stride and padding of each convolution."""

POOLED = {"alex": {3: 3, 6: 3}, "vgg": {5: 2, 10: 2, 17: 2, 24: 2}}
"""Layers before which a maximum over a window of this size is taken, every second sample."""

TAPPED = {"alex": (0, 3, 6, 8, 10), "vgg": (2, 7, 14, 21, 28)}
"""Layers whose rectified output is compared."""


@metric(CARD)
def lpips(source: Pixels, fused: Pixels, weights: Path | None = None) -> float:
    """LPIPS with AlexNet of one source and the fused image."""
    return distance(source, fused, "alex", weights)


@metric(CARD, "vgg")
def vgg(source: Pixels, fused: Pixels, weights: Path | None = None) -> float:
    """LPIPS with VGG-16 of one source and the fused image."""
    return distance(source, fused, "vgg", weights)


def distance(source: Pixels, fused: Pixels, backbone: str, weights: Path | None) -> float:
    """Distance of two images in the features of a network."""
    path = checkpoint(weights)
    parameters = load(path, backbone)
    a, b = remembered(source, path, parameters, backbone), remembered(fused, path, parameters, backbone)
    total = 0.0
    for index, (x, y) in enumerate(zip(a, b, strict=True)):
        total += float(((x - y) ** 2 * parameters[f"lin{index}.weight"]).sum(dim=1).mean())
    return total


def remembered(image: Pixels, path: Path, parameters: dict[str, Tensor], backbone: str) -> list[Tensor]:
    """Features of an image, computed once."""
    return image.once(("features", path, stamp(path), backbone), lambda: features(image, parameters, backbone))


def checkpoint(weights: Path | None) -> Path:
    """The file given, the one that TRIFUSE_LPIPS names, or the one that the user added as `lpips`.

    Raises:
        WeightsError: if there is none of them.
    """
    named = weights if weights is not None else os.environ.get(ENVIRONMENT)
    if named is None:
        return store.path("lpips")
    path = Path(named)
    if not path.is_file():
        raise WeightsError(f"metric lpips: there is no checkpoint {path}; correct TRIFUSE_LPIPS or weights=")
    return path


def load(path: Path, backbone: str) -> dict[str, Tensor]:
    """Parameters of a network by name, kept for the next call unless the file changes.

    Raises:
        WeightsError: if the file cannot be read or lacks a parameter of the network.
    """
    return kept(_load, path, backbone)


def _load(path: Path, backbone: str) -> dict[str, Tensor]:
    import torch

    arrays = read_arrays(path)
    wanted = [f"features.{layer}.{part}" for layer, _, _ in CONVOLUTIONS[backbone] for part in ("weight", "bias")]
    wanted += [f"lin{index}.weight" for index in range(len(TAPPED[backbone]))]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise WeightsError(f"{path} lacks {missing[0]} of LPIPS with {backbone}; give a checkpoint of that network")
    return {name: torch.from_numpy(np.ascontiguousarray(arrays[name], dtype=np.float32)) for name in wanted}


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of a .npz or .safetensors file.

    Raises:
        WeightsError: if it is neither or damaged.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise WeightsError(f"{path} is no .npz or .safetensors file of arrays ({error}); get it again") from error


def features(image: Pixels, parameters: dict[str, Tensor], backbone: str) -> list[Tensor]:
    """Features `(1, C, H, W)` of length 1 over the channels after each compared layer."""
    import torch

    rgb = np.repeat(image.values[..., None], 3, axis=-1) if image.rgb is None else image.rgb
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(rgb, -1, 0)[None] / 127.5 - 1, dtype=np.float32))
    with torch.inference_mode():
        return layers(x, parameters, backbone)


def layers(x: Tensor, parameters: dict[str, Tensor], backbone: str) -> list[Tensor]:
    """Features as `features` gives them, of RGB `(B, 3, H, W)` with values -1..1; has gradients."""
    from torch.nn import functional

    shift, scale = (x.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
    x = (x - shift) / scale
    found = []
    for layer, *geometry in CONVOLUTIONS[backbone]:
        if layer in POOLED[backbone]:
            x = functional.max_pool2d(x, POOLED[backbone][layer], stride=2)
        kernel, bias = parameters[f"features.{layer}.weight"], parameters[f"features.{layer}.bias"]
        x = functional.relu(functional.conv2d(x, kernel, bias, stride=geometry[0], padding=geometry[1]))
        if layer in TAPPED[backbone]:
            found.append(x / (x.square().sum(dim=1, keepdim=True) + 1e-20).sqrt())
    return found

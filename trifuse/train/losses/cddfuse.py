"""The losses of CDDFuse's two stages.

Stage I learns to take images apart and put them together again, stage II to fuse them. As in the authors' program
the gradient term stands in stage I (the paper puts it into stage II), and the decoder is given the visible image.

Source: Zhao et al., "CDDFuse", CVPR 2023, eq. 8-13.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.nets.cddfuse import CDDFuse
from trifuse.train.losses.ssim import similarity

SOBEL_X = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
SOBEL_Y = ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))


class Terms(NamedTuple):
    """The total of a loss and the terms that it is made of, unweighted, for the log."""

    total: Tensor
    terms: dict[str, Tensor]


def correlation(x: Tensor, y: Tensor) -> Tensor:
    r"""Mean over batch and channels of Pearson's correlation over the pixels of `(B, C, H, W)`, clamped to -1..1."""
    x, y = (z - z.mean(dim=(2, 3), keepdim=True) for z in (x, y))
    lengths = [z.square().sum(dim=(2, 3)).sqrt() for z in (x, y)]
    cc = (x * y).sum(dim=(2, 3)) / (torch.finfo(torch.float32).eps + lengths[0] * lengths[1])
    return cc.clamp(-1, 1).mean()


def decomposition(base: tuple[Tensor, Tensor], detail: tuple[Tensor, Tensor]) -> Tensor:
    r"""\(CC(\text{detail})^2 / (1.01 + CC(\text{base}))\): details apart, bases alike (eq. 9)."""
    return correlation(*detail).square() / (1.01 + correlation(*base))


def dissimilarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean of (1 - SSIM)/2, at most 1/2 per pixel, on reflected borders."""
    return ((1 - similarity(x, y, border="reflect").ssim).clamp(0, 1) / 2).mean()


def sobel(image: Tensor) -> Tensor:
    """Sobel derivatives `(B, 2, H, W)` of `(B, 1, H, W)` with zeros outside."""
    return functional.conv2d(image, _kernels(image), padding=1)


def edges(image: Tensor) -> Tensor:
    """Sum of the absolute Sobel derivatives, `(B, 1, H, W)`."""
    return sobel(image).abs().sum(dim=1, keepdim=True)


def derivatives(image: Tensor) -> Tensor:
    """Sobel derivatives `(B, 2, H, W)` as slopes per pixel (kernels over 8), edges repeated outside."""
    return functional.conv2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), _kernels(image) / 8)


def _kernels(like: Tensor) -> Tensor:
    return torch.tensor([SOBEL_X, SOBEL_Y], dtype=like.dtype, device=like.device).unsqueeze(1)


def fusion(fused: Tensor, visible: Tensor, infrared: Tensor) -> Terms:
    """Distance of the fused image and of its edges from the stronger source at each pixel (eq. 12-13)."""
    intensity = (torch.maximum(visible, infrared) - fused).abs().mean()
    gradient = (torch.maximum(edges(visible), edges(infrared)) - edges(fused)).abs().mean()
    return Terms(intensity + 10 * gradient, {"intensity": intensity, "gradient": gradient})


def stage1(net: CDDFuse, visible: Tensor, infrared: Tensor) -> Terms:
    """Reconstruction of both images and decomposition (eq. 8); updates encoder and decoder."""
    base, detail, _ = net.DIDF_Encoder(torch.cat([visible, infrared]))
    images = torch.cat([visible, infrared])
    visible_hat, infrared_hat = net.DIDF_Decoder(base, detail, images).chunk(2)
    apart = decomposition(_pair(base), _pair(detail))
    terms = {
        "ssim_visible": dissimilarity(visible, visible_hat),
        "ssim_infrared": dissimilarity(infrared, infrared_hat),
        "mse_visible": functional.mse_loss(visible_hat, visible),
        "mse_infrared": functional.mse_loss(infrared_hat, infrared),
        "gradient": functional.l1_loss(derivatives(visible), derivatives(visible_hat)),
        "decomposition": apart,
    }
    both = sum((terms[f"mse_{name}"] + 5 * terms[f"ssim_{name}"] for name in ("visible", "infrared")), start=0 * apart)
    return Terms(both + 2 * apart + 5 * terms["gradient"], terms)


def stage2(net: CDDFuse, visible: Tensor, infrared: Tensor, *, residual: bool = True) -> Terms:
    """Fusion and decomposition (eq. 11); updates all four modules.

    Args:
        net: the network.
        visible: `(B, 1, H, W)` in 0..1.
        infrared: likewise.
        residual: whether the decoder is given the visible image; without it the weights suit the mode "mif".
    """
    base, detail, _ = net.DIDF_Encoder(torch.cat([visible, infrared]))
    fused_base = net.BaseFuseLayer(torch.add(*_pair(base)))
    fused_detail = net.DetailFuseLayer(torch.add(*_pair(detail)))
    fused = net.DIDF_Decoder(fused_base, fused_detail, visible if residual else None)
    match = fusion(fused, visible, infrared)
    apart = decomposition(_pair(base), _pair(detail))
    return Terms(match.total + 2 * apart, match.terms | {"decomposition": apart})


def _pair(features: Tensor) -> tuple[Tensor, Tensor]:
    first, second = features.chunk(2)
    return first, second

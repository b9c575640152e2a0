"""The losses of CDDFuse's two stages.

Stage I learns to take images apart and put them together again, stage II to fuse them. As in the authors' program
the gradient term stands in stage I (the paper puts it into stage II), and the decoder is given the visible image.

Source: Zhao et al., "CDDFuse", CVPR 2023, eq. 8-13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.nets.cddfuse import CDDFuse
from trifuse.train.losses.regional import target
from trifuse.train.losses.ssim import similarity

SOBEL_X = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
SOBEL_Y = ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))

FLAT = 1e-30
"""Sum of squares below which features are constant: their correlation is 0 and has no slope, where a root would have an
infinite one."""


class Terms(NamedTuple):
    """The total of a loss and the terms that it is made of, unweighted, for the log."""

    total: Tensor
    terms: dict[str, Tensor]


Match = Callable[[Tensor, Tensor, Tensor], Terms]
"""Loss of a fused image against two sources."""


def correlation(x: Tensor, y: Tensor) -> Tensor:
    r"""Mean over batch and channels of Pearson's correlation over the pixels of `(B, C, H, W)`, clamped to -1..1."""
    x, y = (z - z.mean(dim=(2, 3), keepdim=True) for z in (x, y))
    lengths = [z.square().sum(dim=(2, 3)).clamp_min(FLAT).sqrt() for z in (x, y)]
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


def regional(fused: Tensor, visible: Tensor, infrared: Tensor) -> Terms:
    """Distance of the fused image, of its signed slopes and of its structure from the regional target.

    What the terms of eq. 12-13 ask for in an image's base and detail instead of pixel by pixel; see
    `trifuse.train.losses.regional`.
    """
    aim = target(visible, infrared)
    terms = {
        "intensity": (aim - fused).abs().mean(),
        "gradient": (sobel(aim) - sobel(fused)).abs().mean(),
        "structure": dissimilarity(aim, fused),
    }
    return Terms(terms["intensity"] + terms["gradient"] + terms["structure"], terms)


def stage1(net: CDDFuse, visible: Tensor, infrared: Tensor, *, residual: bool = True) -> Terms:
    """Reconstruction of both images and decomposition (eq. 8); updates encoder and decoder.

    Args:
        net: the network.
        visible: `(B, 1, H, W)` in 0..1.
        infrared: likewise.
        residual: as in the authors' program: the decoder is given the image that it is to make again, and the edges of
            the visible one alone count. Without it all has to come from the features, and the edges of both count.
    """
    images = torch.cat([visible, infrared])
    base, detail, _ = net.DIDF_Encoder(images)
    made = net.DIDF_Decoder(base, detail, images if residual else None)
    with _exactly(images):
        apart = decomposition(_pair(base.float()), _pair(detail.float()))
        visible_hat, infrared_hat = made.float().chunk(2)
        terms = {
            "ssim_visible": dissimilarity(visible, visible_hat),
            "ssim_infrared": dissimilarity(infrared, infrared_hat),
            "mse_visible": functional.mse_loss(visible_hat, visible),
            "mse_infrared": functional.mse_loss(infrared_hat, infrared),
            "gradient": functional.l1_loss(derivatives(visible), derivatives(visible_hat)),
            "decomposition": apart,
        }
        if not residual:
            terms["gradient"] = terms["gradient"] + functional.l1_loss(derivatives(infrared), derivatives(infrared_hat))
        both = sum((terms[f"mse_{name}"] + 5 * terms[f"ssim_{name}"] for name in ("visible", "infrared")), 0 * apart)
        return Terms(both + 2 * apart + 5 * terms["gradient"], terms)


def stage2(
    net: CDDFuse, visible: Tensor, infrared: Tensor, *, residual: bool = True, match: Match | None = None
) -> Terms:
    """Fusion and decomposition (eq. 11); updates all four modules.

    Args:
        net: the network.
        visible: `(B, 1, H, W)` in 0..1.
        infrared: likewise.
        residual: whether the decoder is given the visible image; without it the weights suit the mode "mif".
        match: what the fused image is compared with the two by; `fusion` if not given.
    """
    base, detail, _ = net.DIDF_Encoder(torch.cat([visible, infrared]))
    fused_base = net.BaseFuseLayer(torch.add(*_pair(base)))
    fused_detail = net.DetailFuseLayer(torch.add(*_pair(detail)))
    fused = net.DIDF_Decoder(fused_base, fused_detail, visible if residual else None)
    with _exactly(fused):
        near = (match or fusion)(fused.float(), visible, infrared)
        apart = decomposition(_pair(base.float()), _pair(detail.float()))
        return Terms(near.total + 2 * apart, near.terms | {"decomposition": apart})


def _exactly(like: Tensor) -> torch.autocast:
    """Losses are computed in full precision, whatever the network is."""
    return torch.autocast(like.device.type, enabled=False)


def _pair(features: Tensor) -> tuple[Tensor, Tensor]:
    first, second = features.chunk(2)
    return first, second

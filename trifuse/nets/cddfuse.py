r"""The network of CDDFuse: shared structures and private details of two images, taken apart and fused.

One encoder with shared weights gives each image base features (global: channel attention) and detail features
(local: an invertible coupling); the features of the images are summed, refined by one fusion layer each, and
decoded together. Attribute names are the keys of the official checkpoints.

While gradients are recorded in full precision every layer computes as the original does, since training magnifies the
smallest difference of rounding; else the same is computed with fewer passes over the pixels, and without gradients in
bands of rows. In mixed precision the sum that the blocks add to stays in full precision, and so does the last layer.

Source: Zhao et al., "CDDFuse: Correlation-Driven Dual-Branch Feature Decomposition for Multi-Modality Image
Fusion", CVPR 2023, section 3; blocks after Zamir et al., "Restormer", CVPR 2022, and Dinh et al., "Density
estimation using Real NVP", ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets.state import State, fit

WIDTH = 64
HEADS = 8
BAND = 4096
"""Pixels that are computed together, about what fits into a processor's cache with all their channels."""

Step = Callable[[Tensor], Tensor]


class Survey(Protocol):
    """What attention in a tile is told of the whole picture."""

    def of_whole(self, products: Tensor, norms: Tensor) -> tuple[Tensor, Tensor]:
        """Gram matrix `(B, C, C)` and norms `(B, 2C)` to be used, of those of a tile; called layer after layer."""
        ...


SURVEY: ContextVar[Survey | None] = ContextVar("cddfuse_survey", default=None)
"""Whom attention asks while a picture is fused tile by tile; see `cddfuse_tiles`."""

Border = Literal["constant", "reflect"]


def as_original() -> bool:
    """Whether rounding must be that of the original: in training, unless it is in mixed precision anyway."""
    return torch.is_grad_enabled() and not any(torch.is_autocast_enabled(device) for device in ("cpu", "cuda"))


class _Affine(nn.Module):
    """Scale and shift of a layer norm, under the name that the checkpoints give it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel, `(B, C, H, W)` -> the same."""

    def __init__(self, channels: int = WIDTH) -> None:
        super().__init__()
        self.body = _Affine(channels)

    def forward(self, x: Tensor) -> Tensor:
        if as_original():
            tokens = x.flatten(2).transpose(1, 2)
            variance = tokens.var(dim=-1, keepdim=True, unbiased=False)
            normed = (tokens - tokens.mean(dim=-1, keepdim=True)) / torch.sqrt(variance + 1e-5)
            return (normed * self.body.weight + self.body.bias).transpose(1, 2).reshape(x.shape)
        pixels = x.permute(0, 2, 3, 1)
        normed = functional.layer_norm(pixels, pixels.shape[-1:], self.body.weight, self.body.bias, 1e-5)
        return normed.permute(0, 3, 1, 2)


def pointwise(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """A 1x1 convolution, where possible as one matrix product over all pixels, for which nothing is rearranged."""
    if as_original():
        out: Tensor = convolution(x)
        return out
    weight = convolution.weight[:, :, 0, 0]
    return functional.linear(x.permute(0, 2, 3, 1), weight, convolution.bias).permute(0, 3, 1, 2)


def in_bands(
    x: Tensor, before: Step, convolution: nn.Conv2d, border: Border = "constant"
) -> Iterator[tuple[slice, Tensor]]:
    """A 3x3 convolution of `before(x)`, `(B, C, H, W)`, one band of rows after the other: which rows, and the result.

    What `before`, which acts on each pixel by itself, makes of a band stays in the processor's cache; it is made
    anew for the rows that two bands share. While gradients are recorded there is a single band.
    """
    height = x.shape[2]
    if torch.is_grad_enabled():
        whole = before(x)
        whole = functional.pad(whole, (1, 1, 1, 1), mode="reflect") if border == "reflect" else whole
        yield slice(0, height), convolution(whole)
        return
    rows = max(2, BAND // (x.shape[0] * x.shape[3]))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        wide = before(x[:, :, max(top - 1, 0) : bottom + 1])
        padded = functional.pad(wide, (1, 1, int(top == 0), int(bottom == height)), mode=border)
        yield slice(top, bottom), functional.conv2d(padded, convolution.weight, groups=convolution.groups)


def attention(qkv: Tensor, temperature: Tensor) -> Tensor:
    r"""Attention between the channels of each head, \(A v\) with \(A = \mathrm{softmax}(\tau\, \hat q \hat k^\top)\).

    \(\hat q\) and \(\hat k\) have unit length along the pixels.

    Args:
        qkv: queries, keys and values, `(B, 3C, H, W)`.
        temperature: \(\tau\), `(heads, 1, 1)`.

    Returns:
        `(B, C, H, W)`.
    """
    batch, _, height, width = qkv.shape
    q, k, v = (part.reshape(batch, HEADS, -1, height * width) for part in qkv.chunk(3, dim=1))
    q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
    weights = ((q @ k.transpose(-2, -1)) * temperature).softmax(dim=-1)
    out: Tensor = weights @ v
    return out.reshape(batch, -1, height, width)


def attended(x: Tensor, bands: Iterable[tuple[slice, Tensor]], temperature: Tensor, projection: Tensor) -> Tensor:
    r"""Features plus their projected `attention`, \(x + P A v\), in less time.

    The heads are the diagonal blocks of one Gram matrix, and \(P A\) is a single
    matrix per image, so that each pixel is visited twice: once for the Gram matrix and once for the result.

    Args:
        x: `(B, C, H, W)`.
        bands: its queries, keys and values, `(B, 3C, rows, W)` for some rows after the other.
        temperature: \(\tau\), `(heads, 1, 1)`.
        projection: \(P\), `(C, C, 1, 1)`.
    """
    grams, lengths, values = [], [], []
    for rows, qkv in bands:
        q, k, v = qkv.chunk(3, dim=1)
        grams.append((q.flatten(2) @ k.flatten(2).transpose(1, 2)).to(x.dtype))
        lengths.append(torch.linalg.vector_norm(qkv[:, : 2 * x.shape[1]], dim=(2, 3), dtype=x.dtype))
        values.append((rows, v.permute(0, 2, 3, 1)))
    heads, width = temperature.shape[0], projection.shape[0]
    each = width // heads
    products, norms = torch.stack(grams).sum(dim=0), torch.linalg.vector_norm(torch.stack(lengths), dim=0)
    if (survey := SURVEY.get()) is not None:
        products, norms = survey.of_whole(products, norms)
    gram = products.reshape(-1, heads, each, heads, each)
    blocks = torch.diagonal(gram, dim1=1, dim2=3).permute(0, 3, 1, 2)
    length = norms.clamp_min(1e-12).reshape(-1, 2, heads, each)
    cosine = blocks / (length[:, 0].unsqueeze(3) * length[:, 1].unsqueeze(2))
    attention = (cosine * temperature).softmax(dim=-1)
    mixing = projection.reshape(width, heads, each).transpose(0, 1) @ attention
    mixing = mixing.permute(0, 1, 3, 2).reshape(-1, 1, width, width)
    mixing = mixing.to(values[0][1].dtype)
    return joined([_rows(x, rows) + (v @ mixing).permute(0, 3, 1, 2) for rows, v in values])


def joined(bands: Sequence[Tensor]) -> Tensor:
    """Bands of rows as one `(B, C, H, W)`; a single one is not copied."""
    return bands[0] if len(bands) == 1 else torch.cat(list(bands), dim=2)


def _rows(x: Tensor, rows: slice) -> Tensor:
    return x if rows == slice(0, x.shape[2]) else x[:, :, rows]


class RestormerAttention(nn.Module):
    """Channel attention with depth-wise 3x3 queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.qkv = nn.Conv2d(WIDTH, 3 * WIDTH, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * WIDTH, 3 * WIDTH, 3, padding=1, groups=3 * WIDTH, bias=False)
        self.project_out = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)

    def forward(self, x: Tensor, norm: Step) -> Tensor:
        """The features plus the attention of their norm."""
        if as_original():
            recorded: Tensor = x + self.project_out(attention(self.qkv_dwconv(self.qkv(norm(x))), self.temperature))
            return recorded
        bands = in_bands(x, lambda rows: pointwise(norm(rows), self.qkv), self.qkv_dwconv)
        return attended(x, bands, self.temperature, self.project_out.weight)


class BaseAttention(nn.Module):
    """Channel attention with full 3x3 queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.qkv1 = nn.Conv2d(WIDTH, 3 * WIDTH, 1, bias=False)
        self.qkv2 = nn.Conv2d(3 * WIDTH, 3 * WIDTH, 3, padding=1, bias=False)
        self.proj = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)

    def forward(self, x: Tensor, norm: Step) -> Tensor:
        """The features plus the attention of their norm."""
        if as_original():
            recorded: Tensor = x + self.proj(attention(self.qkv2(self.qkv1(norm(x))), self.scale))
            return recorded
        bands = in_bands(x, lambda rows: pointwise(norm(rows), self.qkv1), self.qkv2)
        return attended(x, bands, self.scale, self.proj.weight)


class GatedFeedForward(nn.Module):
    r"""Point-wise out, 3x3 in groups, gate \(\mathrm{gelu}(a) \cdot b\), point-wise back."""

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(WIDTH, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=groups, bias=False)
        self.project_out = nn.Conv2d(hidden, WIDTH, 1, bias=False)

    def forward(self, x: Tensor, norm: Step) -> Tensor:
        """The features plus what their norm is fed forward to."""
        bands = in_bands(x, lambda rows: pointwise(norm(rows), self.project_in), self.dwconv)
        return joined([_rows(x, rows) + self._gated(wide) for rows, wide in bands])

    def _gated(self, wide: Tensor) -> Tensor:
        gate, value = wide.chunk(2, dim=1)
        return pointwise(functional.gelu(gate) * value, self.project_out)


class RestormerBlock(nn.Module):
    """Attention and feed-forward, each on normed features and added back."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = ChannelNorm()
        self.attn = RestormerAttention()
        self.norm2 = ChannelNorm()
        self.ffn = GatedFeedForward(hidden=2 * WIDTH, groups=4 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.ffn(self.attn(x, self.norm1), self.norm2)
        return out


class BaseFeatures(nn.Module):
    """The base branch: what images of one patient share (section 3.2 of the paper)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = ChannelNorm()
        self.attn = BaseAttention()
        self.norm2 = ChannelNorm()
        self.mlp = GatedFeedForward(hidden=WIDTH, groups=WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mlp(self.attn(x, self.norm1), self.norm2)
        return out


class Bottleneck(nn.Module):
    """Inverted residual bottleneck of the coupling, 32 -> 64 -> 32 channels, reflected borders."""

    def __init__(self) -> None:
        super().__init__()
        half = WIDTH // 2
        self.bottleneckBlock = nn.ModuleDict(
            {
                "0": nn.Conv2d(half, WIDTH, 1, bias=False),
                "3": nn.Conv2d(WIDTH, WIDTH, 3, groups=WIDTH, bias=False),
                "5": nn.Conv2d(WIDTH, half, 1, bias=False),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        widen, spread, narrow = cast(list[nn.Conv2d], list(self.bottleneckBlock.values()))
        bands = in_bands(x, lambda rows: functional.relu6(pointwise(rows, widen)), spread, "reflect")
        return joined([pointwise(functional.relu6(band), narrow) for _, band in bands])


class DetailNode(nn.Module):
    r"""Affine coupling: \(z_2 \leftarrow z_2 + \phi(z_1)\), \(z_1 \leftarrow z_1 e^{\rho(z_2)} + \eta(z_2)\)."""

    def __init__(self) -> None:
        super().__init__()
        self.theta_phi = Bottleneck()
        self.theta_rho = Bottleneck()
        self.theta_eta = Bottleneck()
        self.shffleconv = nn.Conv2d(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, second = pointwise(x, self.shffleconv).to(x.dtype).chunk(2, dim=1)
        second = second + self.theta_phi(first)
        first = first * self.theta_rho(second).to(x.dtype).exp() + self.theta_eta(second)
        return torch.cat([first, second], dim=1)


class DetailFeatures(nn.Module):
    """The detail branch: what is each image's own (section 3.2 of the paper)."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.net = nn.Sequential(*(DetailNode() for _ in range(nodes)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class _PatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, WIDTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(x)
        return out


class Encoder(nn.Module):
    """Image `(B, 1, H, W)` in 0..1 -> base, detail and shallow features, each `(B, 64, H, W)`; sides of 2 or more."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbed()
        self.encoder_level1 = nn.Sequential(*(RestormerBlock() for _ in range(4)))
        self.baseFeature = BaseFeatures()
        self.detailFeature = DetailFeatures(nodes=3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shallow = self.encoder_level1(self.patch_embed(image).to(image.dtype))
        return self.baseFeature(shallow), self.detailFeature(shallow), shallow


class Decoder(nn.Module):
    """Base and detail features, and an image to add before the sigmoid or none -> image `(B, 1, H, W)` in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce_channel = nn.Conv2d(2 * WIDTH, WIDTH, 1, bias=False)
        self.encoder_level2 = nn.Sequential(*(RestormerBlock() for _ in range(4)))
        self.output = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH // 2, 3, padding=1, bias=False),
            nn.LeakyReLU(),
            nn.Conv2d(WIDTH // 2, 1, 3, padding=1, bias=False),
        )

    def forward(self, base: Tensor, detail: Tensor, residual: Tensor | None = None) -> Tensor:
        reduced = pointwise(torch.cat([base, detail], dim=1), self.reduce_channel).to(base.dtype)
        features = self.encoder_level2(reduced)
        with torch.autocast(features.device.type, enabled=False):
            image: Tensor = self.output(features)
        return torch.sigmoid(image if residual is None else image + residual)


class CDDFuse(nn.Module):
    """The four modules of a checkpoint, under the names of its groups."""

    def __init__(self) -> None:
        super().__init__()
        self.DIDF_Encoder = Encoder()
        self.DIDF_Decoder = Decoder()
        self.BaseFuseLayer = BaseFeatures()
        self.DetailFuseLayer = DetailFeatures(nodes=1)

    def forward(self, images: Sequence[Tensor], residual: Tensor | None = None) -> Tensor:
        r"""Fuses N images `(B, 1, H, W)` in 0..1 into one, `(B, 1, H, W)` in 0..1 before any rescaling.

        The features of the images are summed before the fusion layers, with the factor 2/N: 1 for the two images
        that the network was made for, and the magnitude that it was trained at for more.
        """
        count = len(images)
        features = [self.DIDF_Encoder(image.contiguous(memory_format=torch.channels_last))[:2] for image in images]
        base, detail = (torch.stack(each).sum(dim=0) * (2 / count) for each in zip(*features, strict=True))
        fused: Tensor = self.DIDF_Decoder(self.BaseFuseLayer(base), self.DetailFuseLayer(detail), residual)
        return fused


def from_state(state: State, origin: str) -> CDDFuse:
    """The network from a flat checkpoint.

    Raises:
        WeightsError: if the checkpoint is of another network.
    """
    return fit(CDDFuse, state, origin)

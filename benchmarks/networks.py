"""The dual-modal networks: one pair of 256 x 256, computed as the original programs do and as trifuse does.

    python -m benchmarks.networks [--size 256] [--repeats 3] [--threads 1] [--only dilran ...]

Both sides share the same random weights and inputs, float32 without gradients, and agree to rounding (SwinFuse to one
grey level, since its pictures are truncated to 8 bits). The straight side
follows the originals step by step: one image after the other, channels first, borders padded in a step of their own,
attention written out, every stage enlarged at full width, tiles filled up with padding, every singular value taken.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.methods import dilran as dilran_method
from trifuse.methods import swinfuse as swinfuse_method
from trifuse.nets import cddfuse, dilran, swinfuse, tgfuse, u2fusion
from trifuse.nets.state import fit

Run = Callable[[], Tensor]


class Pair(NamedTuple):
    """The two ways to the same result."""

    straight: Run
    ours: Run


def main() -> None:
    """Times both ways of each network and prints seconds, ratio and the largest difference."""
    parser = argparse.ArgumentParser(description="Networks against the straight procedures.")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures, a multiple of 128")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    first, second = functional.avg_pool2d(torch.rand(2, 1, arguments.size + 2, arguments.size + 2), 3, 1).split(1)  # type: ignore[no-untyped-call]
    print(f"{arguments.size} x {arguments.size}, {arguments.threads} thread(s), best of {arguments.repeats}, CPU s")
    print(f"{'network':10} {'straight':>9} {'ours':>9} {'ratio':>6} {'difference':>11}")
    for name in arguments.only:
        with torch.inference_mode():
            pair = NETWORKS[name](first, second)
            straight_s, straight = timed(pair.straight, arguments.repeats)
            ours_s, ours = timed(pair.ours, arguments.repeats)
        gap = float((straight - ours).abs().max() / straight.abs().max())
        print(f"{name:10} {straight_s:9.3f} {ours_s:9.3f} {straight_s / ours_s:6.2f} {gap:11.1e}", flush=True)


def timed(run: Run, repeats: int) -> tuple[float, Tensor]:
    """Least processor seconds of some runs after one that warms up, and the result."""
    result = run()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def networks_of(build: Callable[[], nn.Module]) -> tuple[Any, Any]:
    """Two copies of a network with the same random weights: kernels channels first, and as trifuse lays them out."""
    plain = build().eval().requires_grad_(False)
    for key, value in plain.named_buffers():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return plain, fit(build, plain.state_dict(), "benchmark")


# CDDFuse


def cddfuse_pair(first: Tensor, second: Tensor) -> Pair:
    """Encoder on each image in turn; queries and keys normalised, heads attended and projected one by one."""
    plain, ours = networks_of(cddfuse.CDDFuse)

    def straight() -> Tensor:
        encoder, decoder = plain.DIDF_Encoder, plain.DIDF_Decoder
        features = [_cddfuse_encoded(encoder, image) for image in (first, second)]
        base = _cddfuse_block(plain.BaseFuseLayer, features[0][0] + features[1][0])
        detail = _cddfuse_detail(plain.DetailFuseLayer, features[0][1] + features[1][1])
        x = decoder.reduce_channel(torch.cat([base, detail], dim=1))
        for block in decoder.encoder_level2:
            x = _cddfuse_block(block, x)
        return torch.sigmoid(decoder.output(x))

    return Pair(straight, lambda: ours([first, second]))


def _cddfuse_encoded(encoder: Any, image: Tensor) -> tuple[Tensor, Tensor]:
    x = encoder.patch_embed(image)
    for block in encoder.encoder_level1:
        x = _cddfuse_block(block, x)
    return _cddfuse_block(encoder.baseFeature, x), _cddfuse_detail(encoder.detailFeature, x)


def _cddfuse_block(block: Any, x: Tensor) -> Tensor:
    attention, restormer = block.attn, hasattr(block, "ffn")
    normed = _cddfuse_norm(block.norm1.body, x)
    if restormer:
        qkv, factor, project = attention.qkv_dwconv(attention.qkv(normed)), attention.temperature, attention.project_out
    else:
        qkv, factor, project = attention.qkv2(attention.qkv1(normed)), attention.scale, attention.proj
    batch, _, height, width = x.shape
    q, k, v = (part.reshape(batch, cddfuse.HEADS, -1, height * width) for part in qkv.chunk(3, dim=1))
    q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
    attended = ((q @ k.transpose(-2, -1)) * factor).softmax(dim=-1) @ v
    x = x + project(attended.reshape(batch, -1, height, width))
    feed_forward = block.ffn if restormer else block.mlp
    gate, value = feed_forward.dwconv(feed_forward.project_in(_cddfuse_norm(block.norm2.body, x))).chunk(2, dim=1)
    out: Tensor = x + feed_forward.project_out(functional.gelu(gate) * value)
    return out


def _cddfuse_detail(features: Any, x: Tensor) -> Tensor:
    for node in features.net:
        first, second = node.shffleconv(x).chunk(2, dim=1)
        second = second + _cddfuse_bottleneck(node.theta_phi.bottleneckBlock, first)
        scale = _cddfuse_bottleneck(node.theta_rho.bottleneckBlock, second).exp()
        first = first * scale + _cddfuse_bottleneck(node.theta_eta.bottleneckBlock, second)
        x = torch.cat([first, second], dim=1)
    return x


def _cddfuse_bottleneck(layers: Any, x: Tensor) -> Tensor:
    padded = functional.pad(functional.relu6(layers["0"](x)), (1, 1, 1, 1), mode="reflect")
    out: Tensor = layers["5"](functional.relu6(layers["3"](padded)))
    return out


def _cddfuse_norm(affine: Any, x: Tensor) -> Tensor:
    pixels = x.flatten(2).transpose(1, 2)
    mean = pixels.mean(-1, keepdim=True)
    variance = pixels.var(-1, keepdim=True, unbiased=False)
    normed: Tensor = (pixels - mean) / torch.sqrt(variance + 1e-5) * affine.weight + affine.bias
    return normed.transpose(1, 2).reshape(x.shape)


# TGFuse


def tgfuse_pair(first: Tensor, second: Tensor) -> Pair:
    """Features of 64 channels weighted, enlarged and added at full size before the output convolution."""
    plain, ours = networks_of(tgfuse.TGFuse)
    visible, infrared = 255 * first, 255 * second

    def straight() -> Tensor:
        features = [_tgfuse_block(plain.en0, _tgfuse_conv(plain.conv_in1, torch.cat([visible, infrared], dim=1)))]
        for encode in (plain.en1, plain.en2, plain.en3):
            features.append(_tgfuse_block(encode, functional.avg_pool2d(features[-1], 2)))
        channels = plain.ctrans3.image(_tgfuse_transformed(plain.ctrans3, features[3]), features[3].shape)
        relation = plain.strans3.image(_tgfuse_transformed(plain.strans3, channels), channels.shape)
        maps = tgfuse.relation_maps(relation)
        x0, x1, x2, x3 = (x * m for x, m in zip(features, maps, strict=True))
        whole = tgfuse.enlarged(x3, 8) + tgfuse.enlarged(x2, 4) + tgfuse.enlarged(x1, 2) + x0
        return _tgfuse_conv(plain.conv_out, whole)

    return Pair(straight, lambda: ours(visible, infrared))


def _tgfuse_conv(layer: Any, x: Tensor) -> Tensor:
    reach = layer.conv2d.kernel_size[0] // 2
    padded = functional.pad(x, (reach, reach, reach, reach), mode="reflect")
    out = functional.conv2d(padded, layer.conv2d.weight, layer.conv2d.bias)
    return out if layer.last else functional.leaky_relu(out, 0.01)


def _tgfuse_block(block: Any, x: Tensor) -> Tensor:
    x = _tgfuse_conv(block.conv1, x)
    inner = functional.relu(block.res.bn1(_tgfuse_conv(block.res.conv1, x)))
    inner = block.res.bn2(_tgfuse_conv(block.res.conv2, inner))
    return _tgfuse_conv(block.conv2, functional.relu(inner + x))


def _tgfuse_transformed(transformer: Any, x: Tensor) -> Tensor:
    """Tokens through the blocks, attention written out."""
    tokens = transformer.embedding(x)
    for block in transformer.en.blocks:
        tokens = tokens + _tgfuse_attention(block.attn, block.norm1(tokens))
        tokens = tokens + block.mlp(block.norm2(tokens))
    out: Tensor = transformer.depatch(transformer.en.norm(tokens))
    return out


def _tgfuse_attention(layer: Any, tokens: Tensor) -> Tensor:
    batch, count, width = tokens.shape
    qkv = layer.qkv(tokens).reshape(batch, count, 3, layer.heads, width // layer.heads).permute(2, 0, 3, 1, 4)
    scores = (qkv[0] @ qkv[1].transpose(-2, -1)) * (width // layer.heads) ** -0.5
    out: Tensor = layer.proj((scores.softmax(dim=-1) @ qkv[2]).transpose(1, 2).reshape(batch, count, width))
    return out


# U2Fusion


def u2fusion_pair(first: Tensor, second: Tensor) -> Pair:
    """Every layer pads all its input channels anew; channels first."""
    plain, ours = networks_of(u2fusion.U2Fusion)

    def layer(convolution: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(convolution, nn.Conv2d)
        padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(padded, convolution.weight, convolution.bias)

    def straight() -> Tensor:
        first_layer, *dense = plain.encoder.children()
        h = _leaky(layer(first_layer, torch.cat([first, second], dim=1)))
        for convolution in dense:
            h = torch.cat([_leaky(layer(convolution, h)), h], dim=1)
        *hidden, last = plain.decoder.children()
        for convolution in hidden:
            h = _leaky(layer(convolution, h))
        return torch.tanh(layer(last, h)) / 2 + 0.5

    return Pair(straight, lambda: ours(first, second))


def _leaky(x: Tensor) -> Tensor:
    return torch.maximum(x, u2fusion.SLOPE * x)


# SwinFuse


def swinfuse_pair(first: Tensor, second: Tensor) -> Pair:
    """Full tiles of 224 x 224, each image by itself, pixels cut into windows and put together again in each block."""
    plain, ours = networks_of(swinfuse.SwinFuse)
    images = [2 * image - 1 for image in (first, second)]
    side = swinfuse_method.TILE

    def straight() -> Tensor:
        height, width = first.shape[2:]
        padded = [functional.pad(image, (0, -width % side, 0, -height % side)) for image in images]
        canvas = torch.empty_like(padded[0])
        for top in range(0, height, side):
            for left in range(0, width, side):
                tiles = [image[:, :, top : top + side, left : left + side] for image in padded]
                a, b = (_swinfuse_encoded(plain, tile) for tile in tiles)
                fused = plain.decode(swinfuse_method.blended(a, b, "l1_mean"))
                canvas[:, :, top : top + side, left : left + side] = (fused / 2 + 0.5) * 255
        levels = canvas[:, :, :height, :width]
        return ((levels - levels.min()) / (levels.max() - levels.min()) * 255).floor() / 255

    def fast() -> Tensor:
        raw = swinfuse_method.fused_by_tiles(ours, images, "l1_mean")
        return swinfuse_method.in_8_bits(raw, raw.min(), raw.max())

    return Pair(straight, fast)


def _swinfuse_encoded(net: Any, tile: Tensor) -> Tensor:
    size = (tile.shape[2], tile.shape[3])
    x = net.patch_embed.norm(net.patch_embed.proj(tile).flatten(2).transpose(1, 2))
    for stage in (net.EN1_0, net.EN2_0, net.EN3_0):
        x = _swinfuse_block(stage.blocks[0], x, size) + x
    normed: Tensor = net.norm(x)
    return normed.transpose(1, 2).reshape(1, -1, *size)


def _swinfuse_block(block: Any, tokens: Tensor, size: tuple[int, int]) -> Tensor:
    side, width = swinfuse.WINDOW, tokens.shape[2]
    rows, columns = size[0] // side, size[1] // side
    cut = block.norm1(tokens).view(1, rows, side, columns, side, width).permute(0, 1, 3, 2, 4, 5)
    windows = cut.reshape(-1, side * side, width)
    attention = block.attn
    qkv = attention.qkv(windows).reshape(len(windows), side * side, 3, attention.heads, -1).permute(2, 0, 3, 1, 4)
    bias = attention.relative_position_bias_table[swinfuse.relative_positions().view(-1)]
    scores = (qkv[0] * qkv[0].shape[-1] ** -0.5) @ qkv[1].transpose(-2, -1)
    scores = scores + bias.view(side * side, side * side, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
    attended = (scores.softmax(dim=-1) @ qkv[2]).transpose(1, 2).reshape(windows.shape)
    merged = attention.proj(attended).view(1, rows, columns, side, side, width).permute(0, 1, 3, 2, 4, 5)
    tokens = tokens + merged.reshape(tokens.shape)
    out: Tensor = tokens + block.mlp(block.norm2(tokens))
    return out


# DILRAN


def dilran_pair(first: Tensor, second: Tensor) -> Pair:
    """The shared kernel convolved six times, each image by itself, the singular values of all 128 channels."""
    plain, ours = networks_of(dilran.DILRAN)

    def straight() -> Tensor:
        features = [_dilran_features(plain.fe, image) for image in (first, second)]
        norms = [torch.linalg.svdvals(f[0].softmax(dim=0)).sum(dim=1).max() for f in features]
        w = norms[0] ** 2 / (norms[0] ** 2 + norms[1] ** 2)
        fused: Tensor = plain.recon(w * features[0] + (1 - w) * features[1])
        return fused.clamp(0, 1)

    def fast() -> Tensor:
        fused: Tensor = ours.recon(dilran_method.sfnn(ours.fe(torch.cat([first, second]))))
        return fused.clamp(0, 1)

    return Pair(straight, fast)


def _dilran_features(fe: Any, image: Tensor) -> Tensor:
    x = image + dilran.attention_map(image) * fe.conv1(image)
    inner, c = fe.fe, fe.fe.dilran.conv_d
    d = _dilran_norm(inner.bnorm1, inner.reduce(torch.cat([inner.convd1(x), inner.convd2(x), inner.convd3(x)], dim=1)))
    m = c(d) + c(c(d)) + c(c(c(d)))
    d = _dilran_norm(inner.bnorm1, d + dilran.attention_map(d) * m)
    out: Tensor = x + dilran.attention_map(x) * d
    return out


def _dilran_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return functional.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)


NETWORKS: dict[str, Callable[[Tensor, Tensor], Pair]] = {
    "cddfuse": cddfuse_pair,
    "tgfuse": tgfuse_pair,
    "u2fusion": u2fusion_pair,
    "swinfuse": swinfuse_pair,
    "dilran": dilran_pair,
}
"""Name -> both ways of the network on a pair of pictures."""


if __name__ == "__main__":
    main()

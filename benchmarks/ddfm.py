"""DDFM: seconds per reverse step of the published network, and seconds per pair with the shipped prior.

    python -m benchmarks ddfm [--channels 64] [--size 256] [--repeats 3] [--threads 2]

The network has the published shape at a width of `--channels` (256 as published; its cost grows with the square) and
random weights. The reference is a straight transcript of how the original computes: float32, channels first, attention
by einsum in the legacy order, normalisation and swish one after the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trifuse.core.random import Random
from trifuse.methods import get
from trifuse.nets.adm_unet import ADMConfig, ADMUNet, embedded


class Original:
    """The network computed from its state_dict as the original program does."""

    def __init__(self, state: Mapping[str, Tensor], config: ADMConfig) -> None:
        self.state, self.config = state, config

    def __call__(self, x: Tensor, time: Tensor) -> Tensor:
        """The whole network."""
        embedding = self.linear(embedded(time, self.config.channels), "time_embed.0")
        embedding = self.linear(embedding * torch.sigmoid(embedding), "time_embed.2")
        skips = []
        levels, blocks = len(self.config.multipliers), self.config.res_blocks
        for index in range(levels * (blocks + 1)):
            halving = index > 0 and index % (blocks + 1) == 0
            x = self.stage(x, embedding, f"input_blocks.{index}", "down" if halving else "")
            skips.append(x)
        x = self.residual(x, embedding, "middle_block.0")
        x = self.residual(self.attention(x, "middle_block.1"), embedding, "middle_block.2")
        for index in range(levels * (blocks + 1)):
            x = self.stage(torch.cat([x, skips.pop()], dim=1), embedding, f"output_blocks.{index}", "")
        return self.conv(self.swish(self.norm(x, "out.0")), "out.2")

    def stage(self, x: Tensor, embedding: Tensor, name: str, resample: str) -> Tensor:
        """The layers of one block."""
        if f"{name}.0.weight" in self.state:
            return self.conv(x, f"{name}.0")
        x = self.residual(x, embedding, f"{name}.0", resample)
        for part in (1, 2):
            if f"{name}.{part}.qkv.weight" in self.state:
                x = self.attention(x, f"{name}.{part}")
            elif f"{name}.{part}.in_layers.0.weight" in self.state:
                x = self.residual(x, embedding, f"{name}.{part}", "up")
        return x

    def residual(self, x: Tensor, embedding: Tensor, name: str, resample: str = "") -> Tensor:
        """Residual block."""
        h = self.swish(self.norm(x, f"{name}.in_layers.0"))
        if resample == "down":
            h, x = functional.avg_pool2d(h, 2), functional.avg_pool2d(x, 2)
        elif resample == "up":
            h, x = (functional.interpolate(part, scale_factor=2.0) for part in (h, x))
        h = self.conv(h, f"{name}.in_layers.2")
        scale, shift = self.linear(self.swish(embedding), f"{name}.emb_layers.1")[:, :, None, None].chunk(2, dim=1)
        h = self.norm(h, f"{name}.out_layers.0") * (1 + scale) + shift
        h = self.conv(self.swish(h), f"{name}.out_layers.3")
        known = f"{name}.skip_connection"
        return h + (self.conv(x, known, padding=0) if f"{known}.weight" in self.state else x)

    def attention(self, x: Tensor, name: str) -> Tensor:
        """Self-attention with all scores at once."""
        batch, channels, height, width = x.shape
        heads = channels // self.config.head_channels
        flat = x.reshape(batch, channels, -1)
        normed = self.norm(flat, f"{name}.norm")
        mixed = functional.conv1d(normed, self.state[f"{name}.qkv.weight"], self.state[f"{name}.qkv.bias"])
        q, k, v = mixed.reshape(batch * heads, 3 * channels // heads, -1).chunk(3, dim=1)
        strength = (channels // heads) ** -0.25
        scores = torch.einsum("bct,bcs->bts", q * strength, k * strength).softmax(dim=-1)
        seen = torch.einsum("bts,bcs->bct", scores, v).reshape(batch, channels, -1)
        out = functional.conv1d(seen, self.state[f"{name}.proj_out.weight"], self.state[f"{name}.proj_out.bias"])
        return (flat + out).reshape(batch, channels, height, width)

    def norm(self, x: Tensor, name: str) -> Tensor:
        """Normalisation in 32 groups."""
        return functional.group_norm(x, 32, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def conv(self, x: Tensor, name: str, padding: int = 1) -> Tensor:
        """Convolution."""
        return functional.conv2d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], padding=padding)

    def linear(self, x: Tensor, name: str) -> Tensor:
        """Linear layer."""
        return functional.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    @staticmethod
    def swish(x: Tensor) -> Tensor:
        """x sigmoid(x)."""
        return x * torch.sigmoid(x)


def timed(step: Callable[[], Tensor], repeats: int) -> tuple[float, float, Tensor]:
    """Least wall and processor seconds, and what the step gives."""
    seconds = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        given = step()
        seconds.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(s[0] for s in seconds), min(s[1] for s in seconds), given


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    config = ADMConfig(channels=given.channels)
    network = ADMUNet(config).eval().requires_grad_(False)
    x, when = torch.randn(1, 3, given.size, given.size), torch.tensor([500])
    original = Original(network.state_dict(), config)
    ours = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        before = timed(lambda: original(x, when), given.repeats)
    with torch.inference_mode():
        after = timed(lambda: ours(x, when), given.repeats)
    difference = float((before[2] - after[2]).abs().max())
    print(f"one step of the published network, {given.channels} channels, {given.size} x {given.size}: wall, CPU s")
    print(f"  as the original  {before[0]:.2f}  {before[1]:.2f}")
    print(f"  trifuse          {after[0]:.2f}  {after[1]:.2f}")
    print(f"  ratio (CPU)      {before[1] / after[1]:.2f}, outputs differ by at most {difference:.1e}")
    random = np.random.RandomState(0)
    pair = [torch.from_numpy(random.rand(1, 1, given.size, given.size)).float() for _ in range(2)]
    method = get("ddfm")()
    with torch.inference_mode():
        wall, cpu, _ = timed(lambda: method.fuse(pair, scale=1, random=Random()).picture, given.repeats)
    print(f"a pair by ddfm with the shipped prior: {wall:.2f} s wall, {cpu:.2f} s CPU")


if __name__ == "__main__":
    main()

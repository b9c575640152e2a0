"""TFS-Diff: seconds per step of the official network, as the original program computes it and as trifuse does, and
seconds per picture of the weights that ship.

    python -m benchmarks.tfs_diff [--size 256] [--repeats 3] [--threads 2]

Each variant runs in a process of its own, so that peak memory is its own. The steps share random weights and input;
the reference is a straight transcript of how the original computes: float32, channels first, attention by einsum, swish
as x * sigmoid(x), dropout layers passed over, no_grad. Its time for a picture is that of one step times its 4000 steps
(its few other operations are left out, in its favour). The shipped weights fuse the bundled sample study, made smaller,
to the same size: the whole of `trifuse.fuse` between reading and writing.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trifuse.core.errors import WeightsError
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_inference import for_inference
from trifuse.nets.sr3_unet import SR3UNet

OFFICIAL = UNetConfig(se_scope="input")
OFFICIAL_STEPS = 4000
VARIANTS = ("original", "fp32", "bf16")
Precision = Literal["fp32", "bf16"]
Picture = tuple[str, Precision, int]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
SHIPPED: list[Picture] = list(itertools.product(("default", "fast"), PRECISIONS, (2, 4, 8)))
"""Quality, precision and scale of each picture by shipped weights."""


class Timing(NamedTuple):
    """Wall and processor seconds of a variant's best run, wall seconds of the first, its output, peak memory in MiB."""

    wall: float
    cpu: float
    first: float
    output: NDArray[np.float32]
    memory: float


class Original:
    """The network computed from its state_dict as the original program does."""

    def __init__(self, state: Mapping[str, Tensor], config: UNetConfig) -> None:
        self.state, self.config = state, config

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        """The whole network."""
        config, state = self.config, self.state
        half = config.channels // 2
        phase = level * torch.exp(-math.log(10000) * torch.arange(half) / half)
        features = torch.cat([phase.sin(), phase.cos()], dim=-1)
        features = self.linear(swish(self.linear(features, "noise_level_mlp.1")), "noise_level_mlp.3")
        gate = functional.relu(self.linear(x.mean(dim=(2, 3)), "SE_block.linear1"))
        x = x * torch.sigmoid(self.linear(gate, "SE_block.linear2"))[:, :, None, None]
        skips = []
        for name in self.names("downs"):
            x = self.layer(x, features, name)
            skips.append(x)
        for name in self.names("mid"):
            x = self.layer(x, features, name)
        for name in self.names("ups"):
            if f"{name}.conv.weight" in state:
                x = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"), f"{name}.conv", padding=1)
            else:
                x = self.layer(torch.cat([x, skips.pop()], dim=1), features, name)
        return self.block(x, "final_conv")

    def names(self, group: str) -> list[str]:
        """Prefixes of the layers of a group, in order."""
        found = {int(key.split(".")[1]) for key in self.state if key.startswith(f"{group}.")}
        return [f"{group}.{index}" for index in sorted(found)]

    def layer(self, x: Tensor, features: Tensor, name: str) -> Tensor:
        """First convolution, downsampling, or residual block with attention."""
        if f"{name}.weight" in self.state:
            return self.conv(x, name, padding=1)
        if f"{name}.conv.weight" in self.state:
            return self.conv(x, f"{name}.conv", stride=2, padding=1)
        block = f"{name}.res_block"
        hidden = self.block(x, f"{block}.block1")
        hidden = hidden + self.linear(features, f"{block}.noise_func.noise_func.0")[:, :, None, None]
        hidden = self.block(hidden, f"{block}.block2")
        x = hidden + (self.conv(x, f"{block}.res_conv") if f"{block}.res_conv.weight" in self.state else x)
        return self.attention(x, f"{name}.attn") if f"{name}.attn.qkv.weight" in self.state else x

    def attention(self, x: Tensor, name: str) -> Tensor:
        """Self-attention by einsum over two image axes."""
        batch, channels, height, width = x.shape
        query, key, value = self.conv(self.norm(x, f"{name}.norm"), f"{name}.qkv").chunk(3, dim=1)
        scores = torch.einsum("bchw,bcyx->bhwyx", query, key) / math.sqrt(channels)
        scores = scores.reshape(batch, height, width, height * width).softmax(dim=-1)
        mixed = torch.einsum("bhwyx,bcyx->bchw", scores.reshape(batch, height, width, height, width), value)
        return x + self.conv(mixed, f"{name}.out")

    def block(self, x: Tensor, name: str) -> Tensor:
        """Normalisation, swish, convolution."""
        return self.conv(swish(self.norm(x, f"{name}.block.0")), f"{name}.block.3", padding=1)

    def norm(self, x: Tensor, name: str) -> Tensor:
        """Group normalisation."""
        return functional.group_norm(
            x, self.config.norm_groups, self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        )

    def conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        """Convolution."""
        return functional.conv2d(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), stride, padding)

    def linear(self, x: Tensor, name: str) -> Tensor:
        """Linear layer."""
        return functional.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])


def swish(x: Tensor) -> Tensor:
    """x * sigmoid(x), in two passes."""
    return x * torch.sigmoid(x)


def prepared(variant: str, size: int) -> Callable[[], Tensor]:
    """A step of a variant, with seeded weights and input of `size` pixels."""
    torch.manual_seed(0)
    network = SR3UNet(OFFICIAL).eval()
    x, level = torch.randn(1, OFFICIAL.in_channels, size, size), torch.tensor([[0.5]])
    if variant == "original":
        original = Original({name: value.detach() for name, value in network.state_dict().items()}, OFFICIAL)
        return lambda: original(x, level)
    dtype = torch.bfloat16 if variant == "bf16" else torch.float32
    ours = for_inference(network, dtype=dtype)
    return lambda: ours(x, level)


def picture(quality: str, precision: Precision, scale: int, size: int) -> Callable[[], Tensor]:
    """A picture of the sample study by shipped weights, `size` pixels wide."""
    import trifuse
    from trifuse import samples
    from trifuse.bench.cases import smaller

    whole = [trifuse.read(path) for path in samples.study(dims=2).values()]
    sources = [smaller(image, whole[0].space[0] * scale // size) for image in whole]

    def fused() -> Tensor:
        made = trifuse.fuse(
            sources, "tfs-diff", scale=scale, precision=precision, colour="luma", options={"quality": quality}
        )
        return torch.from_numpy(made.image.pixels)

    return fused


def timed(variant: str | Picture, size: int, repeats: int, threads: int) -> Timing | str:
    """Runs one variant; the first run warms up. Instead of a timing, why there is none: weights are absent."""
    torch.set_num_threads(threads)
    begin = time.perf_counter()
    with torch.no_grad():
        try:
            step = prepared(variant, size) if isinstance(variant, str) else picture(*variant, size)
            output = step()
        except WeightsError as error:
            return str(error)
        first = time.perf_counter() - begin
        runs = []
        for _ in range(repeats):
            wall, cpu = time.perf_counter(), time.process_time()
            output = step()
            runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    unit = 1024**2 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return Timing(*min(runs), first, output.float().numpy(), peak)


def apart(variant: str | Picture, given: argparse.Namespace) -> Timing | str:
    """`timed` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(timed, (variant, given.size, given.repeats, given.threads))


def processor() -> str:
    """The processor's name and which of the instructions for bfloat16 it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    name = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "unknown")
    has = [flag for flag in ("avx512_bf16", "amx_bf16") if f" {flag}" in text]
    return f"{name}, {' and '.join(has) if has else 'neither avx512_bf16 nor amx_bf16'}"


def show_steps(timings: Mapping[str, Timing]) -> None:
    """One step of the official network, as a table in Markdown."""
    base = timings["original"]
    print("| variant | s/step | CPU s/step | faster (wall, CPU) | 4000 steps, h | max / mean difference | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for name, timing in timings.items():
        difference = np.abs(timing.output - base.output)
        print(
            f"| {name} | {timing.wall:.2f} | {timing.cpu:.2f} | {base.wall / timing.wall:.2f}, "
            f"{base.cpu / timing.cpu:.2f} | {timing.wall * OFFICIAL_STEPS / 3600:.2f} | "
            f"{difference.max():.1e} / {difference.mean():.1e} | {timing.memory:.0f} |"
        )


def show_picture(variant: Picture, timing: Timing | str, base: Timing) -> None:
    """One row of the shipped weights, with how many times less time than the original's 4000 steps."""
    name = f"| {variant[0]} | {variant[1]} | x{variant[2]} |"
    if isinstance(timing, str):
        print(f"{name} not on this computer |  |  |  |  |")
        return
    ratios = f"{base.wall * OFFICIAL_STEPS / timing.wall:,.0f}, {base.cpu * OFFICIAL_STEPS / timing.cpu:,.0f}"
    times = f"{timing.wall:.2f} | {timing.cpu:.2f} | {timing.first:.2f}"
    print(f"{name} {times} | {ratios} | {timing.memory:.0f} |", flush=True)


def main() -> None:
    """Times every variant and prints two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    print(f"{given.size} x {given.size}, {given.threads} threads, best of {given.repeats}, torch {torch.__version__}")
    print(f"{processor()}\n")
    steps = {variant: apart(variant, given) for variant in VARIANTS}
    timings = {name: timing for name, timing in steps.items() if isinstance(timing, Timing)}
    show_steps(timings)
    print("\n| shipped weights | precision | scale | s/picture | CPU s | first, s | less time (wall, CPU) | peak MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for variant in SHIPPED:
        show_picture(variant, apart(variant, given), timings["original"])


if __name__ == "__main__":
    main()

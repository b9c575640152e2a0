"""DC2Fusion: one forward pass as the authors' program makes it and as trifuse does, and how cost grows with size.

    python -m benchmarks dc2fusion [--sides 64 128] [--width 96] [--grow 64 96 128 192 256]

Both sides share random weights and inputs, float32 without gradients, one thread. The straight side convolves with two
inputs per group and makes all channels of all voxels before the last convolution; it leaves out the attention map that
the original computes and throws away. The growth is that of the corrected network, each size in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.nets import dc2fusion
from trifuse.nets.dc2fusion_corrected import DC2FusionCorrected
from trifuse.nets.dc2fusion_layers import first


def main() -> None:
    """Prints seconds of both ways with their ratio, then seconds and memory of growing volumes."""
    parser = argparse.ArgumentParser(description="DC2Fusion against the straight procedure.")
    parser.add_argument("--sides", type=int, nargs="*", default=[64, 128])
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--grow", type=int, nargs="*", default=[64, 96, 128, 192, 256])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.one:
        growth(arguments.one)
        return
    net = dc2fusion.DC2Fusion(arguments.width).eval() if arguments.sides else None
    for side in arguments.sides:
        assert net is not None
        compare(net, side)
    for side in arguments.grow:
        command = [sys.executable, "-m", "benchmarks", "dc2fusion", "--one", str(side)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


def compare(net: dc2fusion.DC2Fusion, side: int) -> None:
    """Both ways on one cube; the last lines of a table."""
    torch.manual_seed(0)
    pair = functional.avg_pool3d(torch.rand(2, 1, side + 2, side + 2, side + 2), 3, 1).unsqueeze(1)
    ours_s, ours = timed(lambda: net(*pair))
    with patch.object(dc2fusion, "pair_convolved", grouped), patch.object(dc2fusion, "to_voxels", in_two_steps):
        straight_s, straight = timed(lambda: net(*pair))
    gap = float((ours - straight).abs().max() / straight.abs().max())
    print(f"{side}^3: straight {straight_s:.2f} s, ours {ours_s:.2f} s, ratio {straight_s / ours_s:.2f}, gap {gap:.1e}")


def grouped(even: Tensor, odd: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution as the original calls it."""
    both = torch.stack([even, odd], dim=2).flatten(1, 2)
    return functional.conv3d(both, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))


def in_two_steps(tokens: Tensor, up: nn.ConvTranspose3d, out: nn.Conv3d) -> Tensor:
    """The end of the network as the original has it."""
    maps: Tensor = out(up(first(tokens)))
    return maps


def timed(run: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Processor seconds of one run after one that warms up, and the result."""
    with torch.inference_mode():
        run()
        start = time.process_time()
        result = run()
        return time.process_time() - start, result


def growth(side: int) -> None:
    """One pass of the corrected network: processor seconds, and memory beyond what the program itself takes."""
    net = DC2FusionCorrected().eval()
    with torch.inference_mode():
        net(*torch.rand(2, 1, 1, 16, 16, 16))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pair = torch.rand(2, 1, 1, side, side, side)
        start = time.process_time()
        net(*pair)
    seconds = time.process_time() - start
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(f"corrected, {side}^3: {seconds:.2f} s, {taken / 1e9:.2f} GB, {taken / side**3:.0f} bytes per voxel")


if __name__ == "__main__":
    main()

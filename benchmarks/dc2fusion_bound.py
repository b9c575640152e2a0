"""How far any blend of two volumes can get in the measures of DC2Fusion's paper: a bound for every such network.

    python -m benchmarks dc2fusion_bound [--pairs sts-012 ...] [--iterations 80]

For the middle of each pair the share of the first source is found voxel by voxel by descent on the very volumes (no
network, nothing to generalise) for three weights of the squared differences beside the structural terms of the loss,
and printed beside fixed blends. Reads the volumes from the folder in TRIFUSE_SHARED; validation patients by default.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.dc2fusion_quality import PAIRS, VALIDATION, heading, line, measured
from trifuse.train.data.volumes import middle, read
from trifuse.train.losses.dc2fusion import terms

SIDE = 56
SQUARES = (0.0, 2.0, 10.0)
FIXED = (0.5, 0.7, 0.9)


def main() -> None:
    """Prints a table per pair."""
    parser = argparse.ArgumentParser(description="The best blend, voxel by voxel.")
    parser.add_argument("--pairs", nargs="*", choices=list(PAIRS), default=list(VALIDATION))
    parser.add_argument("--iterations", type=int, default=80)
    arguments = parser.parse_args()
    folder = Path(os.environ.get("TRIFUSE_SHARED", "../shared")) / "data" / "volumes"
    for name in arguments.pairs:
        pair = middle(read((folder / PAIRS[name][0], folder / PAIRS[name][1])), SIDE)
        print(f"\n{name}, {' x '.join(map(str, pair.shape[3:]))}\n{heading()}")
        candidates = {f"{share} of the first": share * pair[0] + (1 - share) * pair[1] for share in FIXED}
        candidates["max"] = torch.maximum(*pair)
        candidates |= {f"best, squares {w:g}": best(pair, w, arguments.iterations) for w in SQUARES}
        for method, fused in candidates.items():
            print(line(method, measured(fused, pair)), flush=True)


def best(pair: Tensor, squares: float, iterations: int) -> Tensor:
    """The blend `(1, 1, D, H, W)` of volumes `(2, 1, 1, D, H, W)` whose loss is least."""
    logits = torch.full_like(pair[0], 0.7).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(iterations):
        fused = torch.lerp(pair[1], pair[0], logits.sigmoid())
        differences = [(fused - source).square().mean() for source in pair]
        loss = terms(fused, list(pair)).balanced(differences, emphasis=squares)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return torch.lerp(pair[1], pair[0], logits.detach().sigmoid())


if __name__ == "__main__":
    main()

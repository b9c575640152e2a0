"""Makes weights to train on from of a run's end that is kept in training/ in half precision.

    python scripts/unpack_checkpoint.py training/cddfuse/checkpoint.pt runs/cddfuse

FOLDER/start.safetensors is named in `start:` of a recipe. The optimiser starts anew: its moments are not kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from trifuse.train.export import write


def main() -> None:
    """Writes FOLDER/start.safetensors with the averaged weights in full precision."""
    kept, folder = Path(sys.argv[1]), Path(sys.argv[2])
    saved = torch.load(kept, map_location="cpu", weights_only=True)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: v.float() if v.is_floating_point() else v for name, v in saved["ema"].items()}
    print(write(folder / "start.safetensors", state, {"steps": str(saved["step"])}))


if __name__ == "__main__":
    main()

"""Makes the `checkpoint.pt` of a run from one kept here in half precision: python training/unpack.py KEPT FOLDER.

Only weights are kept; the optimiser starts anew. The file that comes out holds weights to start from in `start:` of a
recipe, as FOLDER/start.safetensors, since a checkpoint to resume needs the moments too.
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

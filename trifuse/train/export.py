"""Trained weights as safetensors, with what must be known of them in the file itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from trifuse.core.errors import WeightsError
from trifuse.core.files import publish
from trifuse.train import checkpoint

TEMPORARY = "critics."
"""Beginning of the names of networks that training needs and nobody else."""


def write(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str], measured: Mapping[str, float] | None = None
) -> Path:
    """Writes weights whole or not at all.

    Args:
        path: ends in `.safetensors`.
        state: tensors by name.
        metadata: kind of network, its configuration, name of the recipe.
        measured: measures on the validation cases.
    """
    from safetensors.torch import save_file

    tensors = {
        _plain(name): value.detach().cpu().contiguous()
        for name, value in state.items()
        if not name.startswith(TEMPORARY)
    }
    notes = dict(metadata) | {"use": "research use; not a medical device"}
    if measured:
        notes["validation"] = json.dumps({name: round(value, 3) for name, value in measured.items()})

    def encode(draft: Path) -> None:
        save_file(tensors, draft, metadata=notes)
        draft.chmod(0o644)  # the library writes for the owner alone

    return publish(path, encode, None)


def _plain(name: str) -> str:
    """The name without the wrappers that a network was trained in."""
    while name.startswith("network."):
        name = name.removeprefix("network.")
    return name


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights (as float32) and metadata of a file; of a checkpoint of a training run, its averaged weights.

    Raises:
        WeightsError: if it is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if path.suffix == ".pt" and path.is_file():
        return {_plain(n): v for n, v in checkpoint.read(path).ema.items() if not n.startswith(TEMPORARY)}, {}
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = dict(opened.metadata() or {})
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: the weights cannot be read ({error})") from None
    return {name: v.float() if v.is_floating_point() else v for name, v in state.items()}, metadata


@runtime_checkable
class Growing(Protocol):
    """A network that can go on from a smaller one."""

    def grown(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of the smaller one as weights of this one, which then does the same."""
        ...


def restore(network: nn.Module, path: Path) -> None:
    """Puts the weights of a file into a network, whatever wrappers it is in, to train on from them.

    Networks that only training needs (critics) are in no file and start anew; a network that can grow (`grown`) takes
    the weights of a smaller one.

    Raises:
        WeightsError: if the file cannot be read, or belongs to a network of another shape.
    """
    state, _ = read(path)
    if isinstance(network, Growing):
        state = network.grown(state)
    own = network.state_dict()
    wanted = {name: value for name, value in own.items() if not name.startswith(TEMPORARY)}
    shapes = {_plain(name): value.shape for name, value in wanted.items()}
    differing = sorted(set(shapes.items()) ^ {(name, value.shape) for name, value in state.items()})
    if differing:
        raise WeightsError(
            f"{path}: belongs to a network of another shape ({differing[0][0]}); mend model or start in the recipe"
        )
    network.load_state_dict(own | {name: state[_plain(name)] for name in wanted})


def digest(state: Mapping[str, Tensor]) -> str:
    """A short digest of weights; files with equal weights differ in the order of their metadata."""
    content = hashlib.sha256()
    for name in sorted(state):
        content.update(name.encode())
        content.update(state[name].contiguous().numpy().tobytes())
    return content.hexdigest()[:16]


def halved(path: Path, target: Path, kind: torch.dtype = torch.float16) -> Path:
    """A copy of a file of weights in half the space.

    Raises:
        WeightsError: if a value does not fit the smaller type.
    """
    state, metadata = read(path)
    smaller = {name: v.to(kind) if v.is_floating_point() else v for name, v in state.items()}
    for name, value in smaller.items():
        if not torch.isfinite(value.float()).all():
            raise WeightsError(f"{path}: {name} does not fit {kind}")
    return write(target, smaller, {k: v for k, v in metadata.items() if k != "use"})

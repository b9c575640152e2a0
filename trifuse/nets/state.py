"""Checkpoints as networks want them: under bare names, in float32, complete.

Official files come in several wrappings: `module.` in the keys (saved from a data-parallel wrapper), a state dict
among other things, half precision, counters of shape (1,). `flat` takes the wrapping off, `fit` fills a network with
what is inside or says in one line why it does not belong there, and `trained` does both for a method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from trifuse import weights
from trifuse.core.errors import WeightsError

State = dict[str, Tensor]
"""Key -> tensor, without any wrapping."""

WRAPPERS = ("state_dict.", "model.", "params.")
"""What training programs put their state dict into."""

Network = TypeVar("Network", bound=nn.Module)


def flat(checkpoint: Mapping[str, Tensor]) -> State:
    """The same tensors under bare names: every `module` taken out, and what wraps all names (`state_dict`) as well."""
    bare = {".".join(part for part in key.split(".") if part != "module"): x for key, x in checkpoint.items()}
    for wrapper in WRAPPERS:
        if bare and all(key.startswith(wrapper) for key in bare):
            return {key.removeprefix(wrapper): x for key, x in bare.items()}
    return bare


def fit(build: Callable[[], Network], state: Mapping[str, Tensor], origin: str, unused: Iterable[str] = ()) -> Network:
    """The network that `build` makes, in evaluation mode, with the weights of `state`; nothing is initialised in vain.

    Args:
        build: makes the network; it is called on torch's meta device.
        state: flat checkpoint; floating-point entries are cast to float32, kernels laid out channels last.
        origin: where the state came from, for messages.
        unused: beginnings of keys that may be there although the network never uses them.

    Raises:
        WeightsError: if an entry is missing, of another shape, or belongs to another network.
    """
    with torch.device("meta"):
        net = build()
    wanted = {key: value.shape for key, value in net.state_dict().items()}
    skipped = tuple(unused)
    surplus = sorted(key for key in state if key not in wanted and not (skipped and key.startswith(skipped)))
    lacking = sorted(key for key in wanted if key not in state)
    if lacking or surplus:
        what = f"lacks {len(lacking)} entries (first: {lacking[0]})" if lacking else f"has a foreign entry {surplus[0]}"
        raise WeightsError(f"{origin}: no checkpoint of {type(net).__name__}: it {what}; give weights of this network")
    filled: State = {}
    for key, shape in wanted.items():
        value = state[key]
        if value.numel() != shape.numel() or (value.shape != shape and value.numel() > 1):
            raise WeightsError(
                f"{origin}: {key} has shape {tuple(value.shape)}, {type(net).__name__} wants {tuple(shape)}; "
                "give weights of this network"
            )
        value = (value.float() if value.is_floating_point() else value).reshape(shape)
        filled[key] = value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
    net.load_state_dict(filled, strict=True, assign=True)
    return net.eval().requires_grad_(False)


def trained(from_state: Callable[[State, str], Network], name: str, method: str) -> Network:
    """The network of a method with the weights that its user asked for; read once, then kept.

    Args:
        from_state: makes the network from a flat state and its origin.
        name: entry of the catalogue of weights, name of added weights, or path of a checkpoint.
        method: name of the method, for messages.

    Raises:
        WeightsError: if there are no such weights, or they do not fit.
    """
    try:
        path = weights.path(name)
    except WeightsError as error:
        raise WeightsError(f"method {method}: {error}; or give a checkpoint: --option weights=FILE") from None
    network: Network = weights.kept(_made, path, from_state)
    return network


def _made(path: Path, from_state: Callable[[State, str], Network]) -> Network:
    return from_state(flat(weights.load(path)), str(path))

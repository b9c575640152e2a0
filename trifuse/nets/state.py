"""Checkpoints as networks want them: flat, in float32, complete.

Official files come in several wrappings: groups of state dicts (CDDFuse), keys that begin with `module.`
(saved from a data-parallel wrapper), half precision, counters of shape (1,). `flat` takes the wrapping off and
`fit` fills a network with what is inside, or says in one line why it does not belong there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from trifuse.errors import WeightsError

State = dict[str, Tensor]
"""Key -> tensor, without any wrapping."""

Network = TypeVar("Network", bound=nn.Module)


def flat(checkpoint: Mapping[str, Any], prefix: str = "") -> State:
    """One level of keys: nested groups joined by dots, `module.` prefixes removed, what is no tensor left out."""
    state: State = {}
    for key, value in checkpoint.items():
        name = prefix + key.removeprefix("module.")
        if isinstance(value, Mapping):
            state |= flat(value, "" if key in ("state_dict", "model", "params") and not prefix else f"{name}.")
        elif isinstance(value, Tensor):
            state[name] = value
    return state


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


def load_state(path: Path) -> State:
    """The flat state of a checkpoint file; pickles are read without running code from them.

    Raises:
        WeightsError: if the file is missing, damaged or no checkpoint.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file; give the path of a checkpoint")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return flat(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path}: cannot be read as a checkpoint ({first}); give a .safetensors or .pth file"
        ) from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a state dict; save `net.state_dict()`")
    return flat(content)


def trained(from_state: Callable[[State, str], Network], weights: str, method: str) -> Network:
    """The network of a method with the weights that its user asked for; read once, then kept.

    Args:
        from_state: makes the network from a flat state and its origin.
        weights: path of a checkpoint, or the name of an entry of the catalogue.
        method: name of the method, for messages.

    Raises:
        WeightsError: if there are no such weights, or they do not fit.
    """
    path = Path(weights).expanduser()
    if not weights or not path.is_file():
        wanted = f"there are no weights {weights!r}" if weights else "no weights are installed"
        raise WeightsError(
            f"method {method}: {wanted}; give a checkpoint with --option weights=FILE "
            "or install one with `trifuse weights add`"
        )
    return _kept(from_state, path.resolve(), path.stat().st_mtime_ns)  # type: ignore[return-value]


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _kept(from_state: Callable[[State, str], nn.Module], path: Path, changed: int) -> nn.Module:
    return from_state(load_state(path), str(path))

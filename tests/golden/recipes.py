"""The deterministic weights that the goldens of untrained networks were made with (recipes in the topics' READMEs)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor, nn


def stream(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Weights from one stream over the sorted keys (CDDFuse, TGFuse)."""
    draws = np.random.RandomState(seed)
    return {key: torch.from_numpy(_stream_entry(key, shapes[key], draws)) for key in sorted(shapes)}


def _stream_entry(key: str, shape: tuple[int, ...], draws: np.random.RandomState) -> np.ndarray:
    leaf = key.split(".")[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    z = draws.uniform(-1, 1, size=shape)
    if leaf == "running_var":
        z = 1 + 0.2 * np.abs(z)
    elif leaf in ("running_mean", "bias"):
        z = 0.1 * z
    elif leaf in ("scale", "temperature"):
        z = 1 + 0.5 * z
    elif leaf == "weight" and len(shape) == 1:
        z = 1 + 0.2 * z
    else:
        z = 0.7 * z * np.sqrt(3.0 / np.prod(shape[1:]))
    return z.astype(np.float32)


def by_key(shapes: Mapping[str, tuple[int, ...]], seed: int, factors: Mapping[str, float]) -> dict[str, Tensor]:
    """Weights from one stream per key, seeded by the key's CRC (SwinFuse); `factors` multiply named entries."""
    state = {}
    for key, shape in shapes.items():
        n = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32).standard_normal(shape)
        if len(shape) >= 2:
            n = n / np.sqrt(np.prod(shape[1:])) * factors.get(key, 1.0)
        elif key.endswith("weight"):
            n = 1 + 0.1 * n
        else:
            n = 0.05 * n
        state[key] = torch.from_numpy(n.astype(np.float32))
    return state


def shapes_of(net: nn.Module) -> dict[str, tuple[int, ...]]:
    """Key -> shape of a network's state, buffers included."""
    return {key: tuple(value.shape) for key, value in net.state_dict().items()}


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over the sorted keys and the bytes of their arrays."""
    total = sha256()
    for key in sorted(state):
        total.update(key.encode())
        total.update(state[key].numpy().tobytes())
    return total.hexdigest()


@lru_cache(maxsize=1)
def meta_shapes(build: type[nn.Module]) -> dict[str, tuple[int, ...]]:
    """Shapes of the network that a class makes, without making its arrays."""
    with torch.device("meta"):
        return shapes_of(build())

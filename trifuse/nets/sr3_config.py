"""The shape of a network of the SR3 family, and how to read it off a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from trifuse.core.errors import WeightsError

SEScope = Literal["input", "condition", "none"]
Embedding = Literal["level", "index"]

SCHEDULE_BUFFERS = frozenset(
    {
        "betas",
        "alphas_cumprod",
        "alphas_cumprod_prev",
        "sqrt_alphas_cumprod",
        "sqrt_one_minus_alphas_cumprod",
        "log_one_minus_alphas_cumprod",
        "sqrt_recip_alphas_cumprod",
        "sqrt_recipm1_alphas_cumprod",
        "posterior_variance",
        "posterior_log_variance_clipped",
        "posterior_mean_coef1",
        "posterior_mean_coef2",
    }
)
"""What official checkpoints hold besides the network; it follows from the noise schedule."""


class UNetConfig(BaseModel):
    """The shape of a network.

    Attributes:
        in_channels: condition channels followed by those of the noisy image.
        out_channels: channels of the image; the condition has `in_channels - out_channels`.
        channels: width of the first level.
        multipliers: width of each level in units of `channels`; each further level has half the resolution.
        res_blocks: residual blocks per level on the way down (one more on the way up).
        attention_levels: levels with self-attention, counted from 0; the middle block always has it.
        dropout: dropout probability in the second half of each residual block.
        norm_groups: groups of every group normalisation.
        se_scope: what the gate rescales: the whole input including the noisy image (the published program), the
            condition only (the paper), or nothing (SR3).
        embedding: whether the network's time input is the noise level in (0, 1] or the time index.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_channels: int = 12
    out_channels: int = 3
    channels: int = 64
    multipliers: tuple[int, ...] = (1, 2, 4, 8, 8)
    res_blocks: int = 2
    attention_levels: tuple[int, ...] = (4,)
    dropout: float = 0.0
    norm_groups: int = 32
    se_scope: SEScope = "none"
    embedding: Embedding = "level"

    @classmethod
    def from_official(
        cls,
        unet: Mapping[str, Any],
        image_size: int,
        *,
        se_scope: SEScope = "none",
        embedding: Embedding = "level",
    ) -> UNetConfig:
        """The shape that the section `model.unet` of an official configuration file describes.

        Args:
            unet: with the names of the official files (`inner_channel`, `channel_multiplier` or `channel_mults`,
                `attn_res`, ...).
            image_size: nominal size, which serves to place attention: level l has it where
                `image_size // 2**l` is in `attn_res`.
        """
        multipliers = tuple(unet.get("channel_mults") or unet["channel_multiplier"])
        resolutions = unet.get("attn_res") or []
        return cls(
            in_channels=unet["in_channel"],
            out_channels=unet["out_channel"],
            channels=unet["inner_channel"],
            multipliers=multipliers,
            res_blocks=unet["res_blocks"],
            attention_levels=tuple(n for n in range(len(multipliers)) if image_size // 2**n in resolutions),
            dropout=unet.get("dropout") or 0.0,
            norm_groups=unet.get("norm_groups") or 32,
            se_scope=se_scope,
            embedding=embedding,
        )


def network_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of the network alone, without prefixes and schedule buffers."""
    plain = {}
    for name, value in state.items():
        name = name.removeprefix("module.").removeprefix("denoise_fn.").removeprefix("module.")
        if name not in SCHEDULE_BUFFERS:
            plain[name] = value
    return plain


def infer_config(state: Mapping[str, Tensor], norm_groups: int = 32) -> UNetConfig:
    """Configuration of a network from the names and shapes of its plain state_dict (dropout excepted).

    Raises:
        WeightsError: if these are not the names of an SR3 network.
    """
    try:
        channels, in_channels = state["downs.0.weight"].shape[:2]
        out_channels = state["final_conv.block.3.weight"].shape[0]
    except KeyError as error:
        raise WeightsError(f"checkpoint holds no SR3 network: entry {error} is missing") from None
    widths: list[list[int]] = [[]]
    attention: list[int] = []
    index = 1
    while True:
        if f"downs.{index}.conv.weight" in state:
            widths.append([])
        elif f"downs.{index}.res_block.block2.block.3.weight" in state:
            widths[-1].append(state[f"downs.{index}.res_block.block2.block.3.weight"].shape[0])
            if f"downs.{index}.attn.qkv.weight" in state and len(widths) - 1 not in attention:
                attention.append(len(widths) - 1)
        else:
            break
        index += 1
    if not all(widths):
        raise WeightsError("checkpoint does not fit an SR3 network: a level without residual blocks")
    return UNetConfig(
        in_channels=in_channels,
        out_channels=out_channels,
        channels=channels,
        multipliers=tuple(level[-1] // channels for level in widths),
        res_blocks=len(widths[0]),
        attention_levels=tuple(attention),
        norm_groups=norm_groups,
        se_scope=_se_scope(state, in_channels),
        embedding="index" if "time_mlp.1.weight" in state else "level",
    )


def _se_scope(state: Mapping[str, Tensor], in_channels: int) -> SEScope:
    gate = state.get("SE_block.linear1.weight")
    if gate is None:
        return "none"
    return "input" if gate.shape[1] == in_channels else "condition"

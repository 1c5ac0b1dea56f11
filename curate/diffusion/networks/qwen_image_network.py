"""Qwen-Image's transformer: its configuration from a file's shapes, its layers without values, its time in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import Any

from torch import Tensor, nn

from curate.diffusion.networks.blocks import block_count, joint_attention
from curate.diffusion.skeleton import Skeleton

TIME = 256
"""Numbers that the time is told by; no configuration says another."""
NETWORK: Mapping[str, Any] = {
    "in_channels": 64,
    "out_channels": 16,
    "num_layers": 60,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 3584,
    "axes_dims_rope": (16, 56, 56),
}
"""The published one, in diffusers' words."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, inputs = state["img_in.weight"].shape
    each = state["transformer_blocks.0.attn.norm_q.weight"].shape[0]
    return {
        **NETWORK,
        "in_channels": inputs,
        "out_channels": state["proj_out.weight"].shape[0] // 4,
        "num_layers": block_count(state, "transformer_blocks"),
        "attention_head_dim": each,
        "num_attention_heads": width // each,
        "joint_attention_dim": state["txt_norm.weight"].shape[0],
        "axes_dims_rope": (each // 8, each * 7 // 16, each * 7 // 16),
    }


@contextlib.contextmanager
def exact_time(network: Any, times: Tensor) -> Generator[None]:
    """While a network of diffusers runs: its time in float32. In bf16, which it rounds to, one step is 4 of 1000."""

    def replace(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return times, *given[1:]

    hook = network.time_text_embed.register_forward_pre_hook(replace)
    try:
        yield
    finally:
        hook.remove()


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, each = Skeleton(config), int(config["attention_head_dim"])
    width, text = each * int(config["num_attention_heads"]), int(config["joint_attention_dim"])
    made.linear("time_text_embed.timestep_embedder.linear_1", TIME, width)
    made.linear("time_text_embed.timestep_embedder.linear_2", width, width)
    made.rms("txt_norm", text)
    made.linear("img_in", int(config["in_channels"]), width)
    made.linear("txt_in", text, width)
    for block in (f"transformer_blocks.{n}" for n in range(config["num_layers"])):
        _block(made, block, width, each)
    made.linear("norm_out.linear", width, 2 * width)
    made.linear("proj_out", width, 4 * int(config["out_channels"] or config["in_channels"]))
    return made


def _block(made: Skeleton, block: str, width: int, each: int) -> None:
    joint_attention(made, block, width, each)
    for stream in ("img", "txt"):
        made.linear(f"{block}.{stream}_mod.1", width, 6 * width)
        made.linear(f"{block}.{stream}_mlp.net.0.proj", width, 4 * width)
        made.linear(f"{block}.{stream}_mlp.net.2", 4 * width, width)

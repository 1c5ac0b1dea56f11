"""Stable Diffusion 3's transformer: its configuration from a file's shapes, and its layers without values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from curate.diffusion.networks.blocks import block_count
from curate.diffusion.skeleton import Skeleton

TIME = 256
"""Numbers that tell the time; no configuration says another."""
HEAD = 64
"""Width of a head where no norm of it tells."""
NETWORK: Mapping[str, Any] = {
    "sample_size": 128,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 38,
    "attention_head_dim": 64,
    "num_attention_heads": 38,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 2432,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
    "dual_attention_layers": (),
    "qk_norm": "rms_norm",
}
"""That of 3.5 large, in diffusers' words."""
MEDIUM: Mapping[str, Any] = {
    **NETWORK,
    "num_layers": 24,
    "num_attention_heads": 24,
    "caption_projection_dim": 1536,
    "pos_embed_max_size": 384,
    "dual_attention_layers": tuple(range(13)),
}
"""That of 3.5 medium."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, channels = state["x_embedder.proj.weight"].shape[:2]
    caption, text = state["context_embedder.weight"].shape
    norm = state.get("joint_blocks.0.x_block.attn.ln_q.weight")
    each = HEAD if norm is None else norm.shape[0]
    dual = {int(found[1]) for key in state if (found := re.match(r"joint_blocks\.(\d+)\.x_block\.attn2\.", key))}
    return {
        "sample_size": NETWORK["sample_size"],
        "in_channels": channels,
        "out_channels": state["final_layer.linear.weight"].shape[0] // 4,
        "num_layers": block_count(state, "joint_blocks"),
        "attention_head_dim": each,
        "num_attention_heads": width // each,
        "joint_attention_dim": text,
        "caption_projection_dim": caption,
        "pooled_projection_dim": state["y_embedder.mlp.0.weight"].shape[1],
        "pos_embed_max_size": round(state["pos_embed"].shape[1] ** 0.5),
        "dual_attention_layers": tuple(sorted(dual)),
        "qk_norm": None if norm is None else "rms_norm",
    }


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values; the table of positions is computed, and not counted."""
    made, each = Skeleton(config), int(config["attention_head_dim"])
    width, last = each * int(config["num_attention_heads"]), int(config["num_layers"]) - 1
    made.conv("pos_embed.proj", int(config["in_channels"]), width, 2)
    for name, into in (("timestep_embedder", TIME), ("text_embedder", int(config["pooled_projection_dim"]))):
        made.linear(f"time_text_embed.{name}.linear_1", into, width)
        made.linear(f"time_text_embed.{name}.linear_2", width, width)
    made.linear("context_embedder", int(config["joint_attention_dim"]), int(config["caption_projection_dim"]))
    for n in range(last + 1):
        _block(made, f"transformer_blocks.{n}", config, n in config["dual_attention_layers"], n == last)
    made.linear("norm_out.linear", width, 2 * width)
    made.linear("proj_out", width, 4 * int(config["out_channels"]))
    return made


def _block(made: Skeleton, block: str, config: Mapping[str, Any], dual: bool, last: bool) -> None:
    """With `dual` pictures are attended to a second time alone; the last block gives no text on."""
    each = int(config["attention_head_dim"])
    width = each * int(config["num_attention_heads"])
    made.linear(f"{block}.norm1.linear", width, (9 if dual else 6) * width)
    made.linear(f"{block}.norm1_context.linear", width, (2 if last else 6) * width)
    own = ["attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"]
    own += ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", *([] if last else ["attn.to_add_out"])]
    own += ["attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0"] if dual else []
    for path in own:
        made.linear(f"{block}.{path}", width, width)
    if config["qk_norm"]:
        norms = ["attn.norm_q", "attn.norm_k", "attn.norm_added_q", "attn.norm_added_k"]
        for path in [*norms, *(["attn2.norm_q", "attn2.norm_k"] if dual else [])]:
            made.rms(f"{block}.{path}", each)
    for feed in ("ff",) if last else ("ff", "ff_context"):
        made.linear(f"{block}.{feed}.net.0.proj", width, 4 * width)
        made.linear(f"{block}.{feed}.net.2", 4 * width, width)

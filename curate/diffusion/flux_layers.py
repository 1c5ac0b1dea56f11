"""The tables of layers that the networks of FLUX share: blocks of two streams, and blocks of one."""

from __future__ import annotations

from curate.diffusion.layer_tables import Blocks, Joint, Stack, thirds

ATTENTION: Blocks = {
    **{f"attn.{path}": ("img_attn.qkv", "attn") for path in ("to_q", "to_k", "to_v")},
    **{f"attn.{path}": ("txt_attn.qkv", "attn") for path in ("add_q_proj", "add_k_proj", "add_v_proj")},
    "attn.to_out.0": ("img_attn.proj", "attn"),
    "attn.to_add_out": ("txt_attn.proj", "attn"),
}
"""Of a block with a stream for the picture and one for the caption."""
FEED_FORWARD: Blocks = {
    "ff.net.0.proj": ("img_mlp.0", "mlp"),
    "ff.net.2": ("img_mlp.2", "mlp"),
    "ff_context.net.0.proj": ("txt_mlp.0", "mlp"),
    "ff_context.net.2": ("txt_mlp.2", "mlp"),
}
"""Of the same block, in FLUX.1."""
ATTENTION_JOINT: Joint = {
    **thirds("img_attn.qkv", "attn.to_q", "attn.to_k", "attn.to_v"),
    **thirds("txt_attn.qkv", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
SINGLE: Blocks = {
    **{f"attn.{path}": ("linear1", "attn") for path in ("to_q", "to_k", "to_v")},
    "proj_mlp": ("linear1", "mlp"),
    "proj_out": ("linear2", "mlp"),
}
"""Of a block of one stream, in FLUX.1."""
SINGLE_JOINT: Joint = {
    **{f"attn.{path}": ("linear1", (n, n + 1, 7)) for n, path in enumerate(("to_q", "to_k", "to_v"))},
    "proj_mlp": ("linear1", (3, 7, 7)),
}


def stacks(double: Blocks, single: Blocks, single_joint: Joint) -> tuple[Stack, Stack]:
    """The blocks of a network of FLUX: those of two streams, then those of one."""
    return (
        Stack("transformer_blocks", "double_blocks", "num_layers", double, ATTENTION_JOINT),
        Stack("single_transformer_blocks", "single_blocks", "num_single_layers", single, single_joint),
    )

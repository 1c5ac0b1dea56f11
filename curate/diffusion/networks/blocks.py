"""What networks share: counting a file's blocks, and attention of two streams without values."""

from __future__ import annotations

import re
from collections.abc import Iterable

from curate.diffusion.skeleton import Skeleton


def block_count(names: Iterable[str], blocks: str) -> int:
    """Blocks of a stack that the names of a file's tensors number. Raises KeyError for none."""
    numbers = {int(match[1]) for name in names if (match := re.match(rf"{re.escape(blocks)}\.(\d+)\.", name))}
    if not numbers:
        raise KeyError(f"{blocks}.0")
    return 1 + max(numbers)


def joint_attention(made: Skeleton, block: str, width: int, head: int, bias: bool = True) -> None:
    """Attention of a picture's and a caption's stream to both, with norms of each head."""
    for what in ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"):
        made.linear(f"{block}.attn.{what}", width, width, bias)
    for norm in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
        made.rms(f"{block}.attn.{norm}", head)

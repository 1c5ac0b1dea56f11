"""LoCon: LoRA with a rank of its own for convolutions larger than 1×1."""

from __future__ import annotations

from curate.adapters.algorithm import Algorithm
from curate.adapters.lora import Lora


class Locon(Lora):
    """The same tensors as LoRA's; what differs are the layers and the ranks that are taken by default."""

    algorithm = Algorithm(
        title="LoCon",
        order=11,
        help="convolutions too",
        use="like lora, also trains convolutions",
        options=("rank", "alpha", "scalar", "rs_lora", "tucker", "dora", "rank_dropout", "scale_weight_norms"),
        rank=32,
        conv_rank=16,
        conv_alpha=1.0,
        layers="full",
        stores_as="lora",
        cost_per_rank=0.00114,
        most_rank=64,
        most_conv_rank=16,
        lycoris_default=True,
        gui=("Kohya LoCon", "LyCORIS/LoCon"),
        conv_form_of="lora",
    )

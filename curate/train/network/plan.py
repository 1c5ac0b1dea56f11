"""What the options say of one layer: the plan of its adapter, and its learning rate."""

from __future__ import annotations

from curate.adapters.base import Plan
from curate.adapters.layer_name import LayerName
from curate.train.options import TrainOptions, resolve
from curate.train.options.algorithms import applies


def plan(options: TrainOptions, spatial: bool) -> Plan:
    """What an adapter is built with; `spatial` for kernels larger than 1×1."""
    r = resolve.ranks(options)
    rank, alpha = (r.conv_rank, r.conv_alpha) if spatial else (r.rank, r.alpha)
    return Plan(
        rank=rank,
        alpha=alpha,
        factor=8 if options.factor is None else options.factor,
        full_matrix=rank >= resolve.FULL,
        decompose_both=options.decompose_both,
        tucker=options.tucker and applies("tucker", options.algo),
        scalar=options.scalar and applies("scalar", options.algo),
        rs=options.rs_lora and applies("rs_lora", options.algo),
        dropout=options.dropout,
        rank_dropout=options.rank_dropout,
        module_dropout=options.module_dropout,
        constraint=options.constraint,
        rescaled=options.rescaled,
        unit=options.dylora_unit,
    )


def rate(options: TrainOptions, layer_name: LayerName) -> float:
    """The learning rate of a layer's part; 0 leaves the part out."""
    return resolve.part_rate(options, layer_name.part)

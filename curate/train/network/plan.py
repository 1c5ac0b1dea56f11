"""What the options say of one layer: the plan of its adapter, and its learning rate."""

from __future__ import annotations

from curate.adapters.base import Plan
from curate.diffusion.layer_names import Site
from curate.train.options import TrainOptions, resolve
from curate.train.options.network import SPLIT


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
        tucker=options.tucker and options.algo in SPLIT,
        scalar=options.scalar and options.algo in SPLIT | {"glora"},
        rs=options.rs_lora and options.algo in SPLIT | {"glora"},
        dropout=options.dropout,
        rank_dropout=options.rank_dropout,
        module_dropout=options.module_dropout,
        constraint=options.constraint,
        rescaled=options.rescaled,
        unit=options.dylora_unit,
    )


def rate(options: TrainOptions, site: Site) -> float:
    """The learning rate of a site's part; 0 leaves the part out."""
    return resolve.part_rate(options, site.part)

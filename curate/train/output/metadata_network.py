"""What the metadata says of the network: module, size and arguments as kohya's and LyCORIS' readers expect them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from curate.adapters.algorithm import LYCORIS, algorithm
from curate.adapters.base import Adapter
from curate.train.network.network import Network
from curate.train.options import TrainOptions, resolve
from curate.train.options.network import BY_BLOCK


def network_values(options: TrainOptions, network: Network) -> dict[str, Any]:
    """`network_module`, `network_dim`, `network_alpha` and `network_args`, as the adapters are."""
    held = list(network.adapters.values())
    algos = Counter(adapter.algorithm.stored for adapter in held)
    modules = {algorithm(name).module for name in algos}
    module = modules.pop() if len(modules) == 1 else LYCORIS
    usual = algos.most_common(1)[0][0]
    like = [adapter for adapter in held if adapter.algorithm.stored == usual]
    rank, alpha = size([a for a in like if not a.shape.spatial] or like)
    arguments: dict[str, Any] = (
        {} if options.rank_from_file else {"preset": resolve.layer_preset(options, network.backbone.family)}
    )
    if spatial := [a for a in like if a.shape.spatial]:
        arguments["conv_dim"], arguments["conv_alpha"] = size(spatial)
    if module == LYCORIS:
        arguments["algo"] = options.algo if options.algo in algos else usual
    if any(a.plan.tucker and a.shape.spatial for a in held):
        arguments["use_tucker"] = True
    for name, theirs in NAMES.items():
        if value := getattr(options, name):
            arguments[theirs] = ";".join(value) if isinstance(value, tuple) else value
    if any(adapter.decomposed for adapter in held):
        arguments |= {"dora_wd": True, "wd_on_output": False}
    arguments |= {name: getattr(like[0].plan, name) for name in algorithm(usual).recorded}
    return {
        "network_module": module,
        "network_dim": rank,
        "network_alpha": alpha,
        "network_args": {key: str(value) for key, value in arguments.items()},
    }


NAMES = {
    **{
        "scalar": "use_scalar",
        "rs_lora": "rs_lora",
        "rank_dropout": "rank_dropout",
        "module_dropout": "module_dropout",
    },
    **{name: name.replace("ranks", "dims") for name in BY_BLOCK},
    **{name: name for name in ("layers", "include", "exclude")},
}
"""Options that are told where they are set, and what kohya calls them."""


def size(adapters: list[Adapter]) -> tuple[int, float]:
    """The rank and alpha that most of them were given."""
    (rank, alpha), _ = Counter((a.plan.rank, round(a.given_alpha, 6)) for a in adapters).most_common(1)[0]
    return rank, alpha

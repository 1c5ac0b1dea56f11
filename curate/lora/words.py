"""The metadata of a LoRA that was made of others: what it holds, what it was made of, and how."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from curate.adapters.algorithm import LYCORIS, algorithm
from curate.adapters.key_names import DOWN
from curate.adapters.peft_config import HEADER
from curate.lora.file import layer_algorithm
from curate.lora.output import ALPHA_TYPE, Layers

GONE = (HEADER, ALPHA_TYPE, "format")
"""Metadata that belong to how a file was spelled."""


def result_metadata(
    source: Mapping[str, str], layers: Layers, name: str, note: str, tool: str, values: object
) -> dict[str, str]:
    """A source's metadata with the new network, name and comment, and `curate.TOOL` with the settings."""
    kept = {key: value for key, value in source.items() if key not in GONE}
    comment = kept.get("ss_training_comment", "")
    made = {
        **kept,
        **network_metadata(layers),
        "ss_output_name": name,
        "ss_training_comment": f"{note}; {comment}" if comment and comment != "None" else note,
        f"curate.{tool}": json.dumps(values, ensure_ascii=False, sort_keys=True),
    }
    if "modelspec.title" in kept:
        made["modelspec.title"] = name
    return made


def network_metadata(layers: Layers) -> dict[str, str]:
    """`ss_network_module`, `_dim`, `_alpha` and `_args`; Dynamic where layers differ, as kohya says it."""
    algos = Counter(layer_algorithm({s: tuple(t.shape) for s, t in held.items()}) for held in layers.values())
    usual = algos.most_common(1)[0][0] if algos else "lora"
    modules = {algorithm(algo).module for algo in algos if algo}
    module = modules.pop() if len(modules) == 1 else LYCORIS
    found = {"ss_network_module": module, "ss_network_args": json.dumps({"algo": usual} if module == LYCORIS else {})}
    plain = [held for held in layers.values() if DOWN in held]
    if plain:
        ranks = {held[DOWN].shape[0] for held in plain}
        alphas = {round(float(held["alpha"]), 6) for held in plain if "alpha" in held}
        found["ss_network_dim"] = str(ranks.pop()) if len(ranks) == 1 else "Dynamic"
        found["ss_network_alpha"] = str(alphas.pop()) if len(alphas) == 1 else "Dynamic"
    return found

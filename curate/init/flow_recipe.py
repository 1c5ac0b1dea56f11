"""The recipe for a flow model: its family's guide, value by value with whose each is, and room by the card's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.core.kinds import Kind
from curate.diffusion.family import Family
from curate.init.setting import Setting

TAKEN = (
    *("rank", "alpha", "layer_preset", "optimizer", "learning_rate", "weight_decay", "schedule", "warmup"),
    *("timestep_sampling", "logit_mean", "logit_std", "flow_shift", "dynamic_shift"),
)
"""Options of a guide that a recipe takes over; length, memory, resolution and captions follow from other answers."""
STYLE_RANK = 16


def learned(kind: Kind, family: Family) -> list[Setting]:
    """What is learned and how fast, by the first guide of a family of flow models; nothing where it has none."""
    if family.objective != "flow" or not family.guides:
        return []
    _, by_source = next(iter(family.guides.values()))
    settings = [Setting("A LoRA: every program reads it.", {"algo": "lora"})]
    settings += [
        Setting(f"From {source}.", options)
        for source, given in by_source.items()
        if (options := {name: value for name, value in given.items() if name in TAKEN})
    ]
    rank = max((one.options.get("rank", 0) for one in settings), default=0)
    if kind == "style" and rank > STYLE_RANK:
        settings.append(
            Setting(
                f"A rank of at most {STYLE_RANK} keeps subjects out of a style.",
                {"rank": STYLE_RANK, "alpha": STYLE_RANK},
            )
        )
    return settings


def memory(gpu: float, usual: Mapping[str, Any]) -> Setting:
    """Room on a card of so many GiB: pictures at a time and the base's format as is usual, the rest by the estimate."""
    kept = {name: usual[name] for name in ("batch", "base_precision") if name in usual}
    why = "Your card: gradient checkpointing, the base's precision and blocks kept off the GPU are chosen to fit it."
    return Setting(why, {**kept, "fit": f"{gpu:g}GB"})

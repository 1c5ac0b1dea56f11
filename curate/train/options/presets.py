"""Settings that guides recommend, by name: what stands beneath anything that the user says himself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Name = Literal["valstrix", "lycoris-lora", "lycoris-loha", "lycoris-lokr", "pony", "style"]


@dataclass(frozen=True)
class Guide:
    """What a guide sets.

    about   one line for the help
    values  options
    paired  options of `values` that go with another one of them, and are left out where the user gave that one
    """

    about: str
    values: Mapping[str, Any]
    paired: Mapping[str, str] = field(default_factory=dict[str, str])


_PAPER: Mapping[str, Any] = {
    "layer_preset": "attn-mlp",
    "optimizer": "adamw8bit",
    "schedule": "constant-with-warmup",
    "batch": 8,
}
GUIDES: Mapping[str, Guide] = {
    "valstrix": Guide(
        "Prodigy with cosine, locon 32 and 16/1, min-SNR 5, debiased; shows each picture 100 times",
        {
            "algo": "locon",
            "rank": 32,
            "conv_rank": 16,
            "conv_alpha": 1.0,
            "optimizer": "prodigy",
            "optimizer_args": ("decouple=True", "betas=0.9,0.99"),
            "weight_decay": 0.1,
            "schedule": "cosine",
            "min_snr": 5.0,
            "debiased": True,
            "batch": 1,
            "showings": 100,
        },
        {"optimizer_args": "optimizer", "weight_decay": "optimizer"},
    ),
    "lycoris-lora": Guide(
        "the LyCORIS paper's LoRA: rank 8, alpha 4, batch 8", {"algo": "lora", "rank": 8, "alpha": 4.0, **_PAPER}
    ),
    "lycoris-loha": Guide(
        "the LyCORIS paper's LoHa: rank 4, alpha 2, batch 8", {"algo": "loha", "rank": 4, "alpha": 2.0, **_PAPER}
    ),
    "lycoris-lokr": Guide("the LyCORIS paper's LoKr: factor 8, full, batch 8", {"algo": "lokr", "factor": 8, **_PAPER}),
    "pony": Guide(
        "for Pony: locon 8/4 and 256/4, all layers, max norm 1, 400 steps of 48 pictures",
        {
            "algo": "locon",
            "rank": 8,
            "alpha": 4.0,
            "conv_rank": 256,
            "conv_alpha": 4.0,
            "layer_preset": "full",
            "scale_weight_norms": 1.0,
            "optimizer": "adamw",
            "learning_rate": 1e-4,
            "schedule": "cosine",
            "precision": "fp16",
            "batch": 8,
            "accumulate": 6,
            "bucket_step": 32,
            "multires_steps": 10,
            "multires_discount": 0.1,
            "shuffle": True,
            "keep_tokens": 1,
            "steps": 400,
        },
        {"learning_rate": "optimizer"},
    ),
    "style": Guide(
        "for a style: locon with rank 32; shows each picture 35 times instead of 100",
        {"algo": "locon", "rank": 32, "showings": 35},
    ),
}
LENGTHS = ("epochs", "steps", "showings")


def beneath(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the guide that `given` names sets and the user did not.

    How long a run is, is one choice: any option of it given takes the place of the guide's. A guide's choice of layers
    goes with its algorithm.
    """
    guide = GUIDES.get(str(given.get("guide", "")))
    if guide is None:
        return {}
    found = {k: v for k, v in guide.values.items() if k not in given and guide.paired.get(k) not in given}
    if any(option in given for option in LENGTHS):
        found = {k: v for k, v in found.items() if k not in LENGTHS}
    if "algo" in given:
        found.pop("layer_preset", None)
    return found


def renamed(preset: Any) -> str:
    """What to write instead of the option `preset`, which once took guides and choices of layers alike."""
    given = [preset] if isinstance(preset, str) else preset
    names = list(given) if isinstance(given, list | tuple) else []
    instead = [f"{'guide' if name in GUIDES else 'layer_preset'}: {name}" for name in names]
    which = f"write {' and '.join(instead)}" if instead else "see the help of both"
    return f"preset is two options now, guide for a guide's settings and layer_preset for the choice of layers: {which}"

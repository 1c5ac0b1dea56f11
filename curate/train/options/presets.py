"""Settings that guides recommend, by name: what stands beneath anything that the user says himself.

A guide for one family of base models stands in the family's file, with whose each value is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from curate.diffusion.family import families

if TYPE_CHECKING:
    from curate.train.options.network import NetworkOptions


@dataclass(frozen=True)
class Guide:
    """What a guide sets.

    about    one line for the help
    values   options
    sources  by option, whose value it is, where a guide takes them from several programs
    """

    about: str
    values: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=dict[str, str])


_PAPER: Mapping[str, Any] = {
    "layer_preset": "attn-mlp",
    "optimizer": "adamw8bit",
    "schedule": "constant-with-warmup",
    "batch": 8,
}
_GENERAL: Mapping[str, Guide] = {
    "valstrix": Guide(
        "Prodigy, cosine, locon rank 32, conv rank 16 and alpha 1, min-SNR 5, debiased loss",
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
    ),
    "lycoris-lora": Guide(
        "the LyCORIS paper's LoRA: rank 8, alpha 4, AdamW8bit, batch 8",
        {"algo": "lora", "rank": 8, "alpha": 4.0, **_PAPER},
    ),
    "lycoris-loha": Guide("its LoHa: rank 4, alpha 2", {"algo": "loha", "rank": 4, "alpha": 2.0, **_PAPER}),
    "lycoris-lokr": Guide("its LoKr: factor 8, full matrix", {"algo": "lokr", "factor": 8, **_PAPER}),
    "style": Guide(
        "locon rank 32; each picture is trained 35 times instead of 100",
        {"algo": "locon", "rank": 32, "showings": 35},
    ),
}
LENGTHS = ("epochs", "steps", "showings")
PAIRED: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("learning_rate", "optimizer_args", "weight_decay"),
    "algo": ("layer_preset",),
    "fit": ("gradient_checkpointing", "base_precision", "swap_blocks"),
}
"""Options that go with another one: where the user gives that one, they are left out with the guide's."""
SHAPE = ("rank", "alpha")
"""What a guide that names no algorithm says for LoRA alone."""


@cache
def guides() -> Mapping[str, Guide]:
    """Every guide by name: the general ones, then each family's."""
    own = {name: _of(*given) for family in families().values() for name, given in family.guides.items()}
    return {**_GENERAL, **own}


def _of(about: str, by_source: Mapping[str, Mapping[str, Any]]) -> Guide:
    values = {option: value for given in by_source.values() for option, value in given.items()}
    sources = {option: source for source, given in by_source.items() if source for option in given}
    return Guide(about, values, sources)


def sets(options: NetworkOptions, name: str) -> bool:
    """Whether an option has the value that the guide gives it."""
    values = guides()[options.guide].values if options.guide else {}
    return name in values and values[name] == getattr(options, name)


def source(guide: str, option: str) -> str:
    """What a value of a guide is called in a list of sources."""
    own = guides()[guide].sources.get(option)
    return f"guide {guide}: {own}" if own else f"guide {guide}"


def table() -> str:
    """The guides for help, a line each."""
    found = guides()
    width = max(map(len, found))
    return "\n".join(f"{name:{width}}  {guide.about}" for name, guide in found.items())


def beneath(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the guide that `given` names sets and the user did not.

    How long a run is, is one choice: any option of it given takes the place of the guide's. An alpha that is the
    guide's rank follows the rank that the user gives.
    """
    guide = guides().get(str(given.get("guide", "")))
    if guide is None:
        return {}
    gone = {option for owner, options in PAIRED.items() if given.get(owner) for option in options}
    if any(option in given for option in LENGTHS):
        gone |= set(LENGTHS)
    if "algo" in given and "algo" not in guide.values and given["algo"] != "lora":
        gone |= set(SHAPE)
    if "rank" in given and guide.values.get("alpha") == guide.values.get("rank"):
        gone |= {"alpha"}
    return {option: value for option, value in guide.values.items() if option not in given and option not in gone}


def renamed(preset: Any) -> str:
    """What to write instead of the option `preset`, which once took guides and choices of layers alike."""
    given = [preset] if isinstance(preset, str) else preset
    names = list(given) if isinstance(given, list | tuple) else []
    instead = [f"{'guide' if name in guides() else 'layer_preset'}: {name}" for name in names]
    which = f"write {' and '.join(instead)}" if instead else "see the help of both"
    return f"preset is two options now, guide for a guide's settings and layer_preset for the choice of layers: {which}"

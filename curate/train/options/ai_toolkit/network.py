"""The network: algorithm, rank and alpha."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from curate.train.options.kohya.network import conv_form
from curate.train.options.kohya.settings import Translation

RANK, ALPHA = 4, 1.0
"""ai-toolkit's defaults; its window fills in 32 and 32."""
KINDS = ("lora", "locon", "lokr")
CONV = ("network.conv", "network.conv_alpha")
LAYERS = (
    "network: which layers are trained is curate's choice for the family; there it is every linear layer of the "
    "blocks, those of their modulation too"
)


def translate(t: Translation) -> None:
    """Algorithm, ranks, layers."""
    kind = str(t.take("network.type") or "lora").lower()
    if kind not in KINDS:
        t.refuse("network.type", f"read are {', '.join(KINDS)}", "algo")
        return
    if t.family is not None and t.family.objective == "flow":
        t.result.notes.append(LAYERS)
    _patterns(t)
    algo = conv_form("lora") if t.has("network.conv") and _convolutions(t) and kind != "lokr" else kind
    t.put_or_default("algo", "lora" if algo == "locon" and not _convolutions(t) else algo, "network.type")
    if kind == "lokr":
        _lokr(t)
    else:
        t.idle(("network.lokr_factor",), f"the network's type is {kind}")
        for name in ("network.lokr_full_rank", "network.lokr_factor"):
            t.left.pop(name, None)
        _ranks(t)


def _convolutions(t: Translation) -> bool:
    return t.family is None or t.family.convolutions


def _lokr(t: Translation) -> None:
    full = t.take_any("network.lokr_full_rank")
    t.put_or_default("factor", t.take_any("network.lokr_factor") or -1, "network.lokr_factor")
    if full is False:
        _ranks(t)
        return
    names = ("network.rank", "network.linear", "network.alpha", "network.linear_alpha", *CONV)
    t.idle(names, "lokr_full_rank is on, and the full matrix has neither rank nor alpha")


def _ranks(t: Translation) -> None:
    linear, rank = t.take("network.linear"), t.take("network.rank")
    t.put_or_default("rank", rank or linear or RANK, "network.rank" if rank else "network.linear")
    alpha, own = t.take("network.alpha"), t.take("network.linear_alpha")
    t.put_or_default("alpha", own or alpha or ALPHA, "network.linear_alpha" if own else "network.alpha")
    if not _convolutions(t):
        t.idle(CONV, f"{t.family.title if t.family else 'the base'} has no convolutions")
    elif conv := t.take("network.conv"):
        t.put("conv_rank", conv, "network.conv")
        t.put_or_default("conv_alpha", t.take("network.conv_alpha") or conv, "network.conv_alpha")


def _patterns(t: Translation) -> None:
    """Layers by parts of their names, which are others there."""
    given = t.take("network.network_kwargs")
    inner = cast("Mapping[str, Any]", given) if isinstance(given, dict) else {}
    for key, option in (("ignore_if_contains", "exclude"), ("only_if_contains", "include")):
        if inner.get(key):
            t.refuse("network.network_kwargs", f"{key}: layers have other names here", option)

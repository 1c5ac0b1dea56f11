"""The network's module and arguments, with the defaults of kohya's modules and LyCORIS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curate.adapters.algorithm import LYCORIS, Algorithm, choices
from curate.diffusion.family import families
from curate.train.options.kohya.settings import MODULE, NETWORK, Setting, Translation, switch_of
from curate.train.options.kohya.values import names, truth

PRESETS = (
    "full",
    "full-lin",
    "attn-mlp",
    "attn-only",
    "unet-only",
    "unet-transformer-only",
    "unet-convblock-only",
    "ia3",
)
CONVOLUTIONAL = frozenset(("full", "unet-only", "unet-convblock-only"))
"""LyCORIS' presets that hold kernels larger than 1×1."""
OWN = "conv_dim conv_alpha use_tucker rank_dropout module_dropout exclude_patterns include_patterns"
OF_PARTS = names(
    """attn_dim mlp_dim mod_dim refiner_dim embedder_dims train_blocks train_block_indices context_attn_dim
    context_mlp_dim context_mod_dim x_attn_dim x_mlp_dim x_mod_dim emb_dims img_attn_dim img_mlp_dim img_mod_dim
    txt_attn_dim txt_mlp_dim txt_mod_dim single_dim single_mod_dim in_dims train_double_block_indices
    train_single_block_indices"""
)
"""Arguments of sd-scripts' modules for one family that give parts of it ranks of their own, or none."""
FAMILY = f"{MODULE}*"
"""Stands for the modules for one family of flow models."""
ARGUMENTS = {
    "networks.lora": names(
        "conv_dim conv_alpha block_dims block_alphas conv_block_dims conv_block_alphas rank_dropout module_dropout"
    ),
    FAMILY: names(
        """rank_dropout module_dropout exclude_patterns include_patterns network_reg_dims network_reg_lrs
        train_llm_adapter train_t5xxl split_qkv"""
    )
    | OF_PARTS,
    "networks.dylora": names("conv_dim conv_alpha unit"),
    "networks.loha": names(OWN),
    "networks.lokr": names(f"{OWN} factor"),
    LYCORIS: names(
        """algo preset conv_dim conv_alpha dropout rank_dropout module_dropout use_tucker use_cp use_conv_cp use_scalar
        block_size train_norm constraint rescaled dora_wd wd_on_output full_matrix bypass_mode rs_lora
        unbalanced_factorization decompose_both factor"""
    ),
}
"""Arguments that each module reads, beside those that are refused."""
NATIVE = {"networks.loha": "loha", "networks.lokr": "lokr"}
"""Modules of kohya's own whose files are LyCORIS' all the same."""
RATES = (
    *("down_lr_weight", "mid_lr_weight", "up_lr_weight", "block_lr_zero_threshold"),
    *("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio"),
)
RANK, ALPHA, UNIT, LYCORIS_UNIT = 4, 1.0, 1, 4
"""Defaults of kohya's modules and of LyCORIS."""
FULL = 100_000
"""Ranks of this size and above are how LyCORIS is asked for a full matrix."""


def modules() -> dict[str, str]:
    """kohya's own modules, and the algorithm that each trains."""
    flow = [switch_of(family) for family in families().values() if family.objective == "flow"]
    own = {f"{MODULE}{switch}": "lora" for switch in flow if switch}
    return {found.trainer: name for name, found in choices().items() if found.trainer} | NATIVE | own


def lycoris_algorithm(named: str) -> str:
    """The algorithm that LyCORIS' settings mean by a name; "" for none. Its LoRA trains convolutions too."""
    for name, found in choices().items():
        if named in (found.conv_form_of, found.lycoris):
            return name
    return named if named in choices() else ""


def conv_form(algo: str) -> str:
    """The algorithm that one becomes where convolutions are given a rank."""
    return next((name for name, found in choices().items() if found.conv_form_of == algo), algo)


def split(t: Translation) -> None:
    """Takes `network_args` apart: each `name=value` becomes a setting."""
    lines = t.left.pop("network_args", None)
    given: Any = lines.value if lines else ()
    words: Sequence[Any] = given.split() if isinstance(given, str) else list(given or ())
    for line in words:
        name, equals, value = str(line).partition("=")
        name, value = name.strip().strip("\"'"), value.strip().strip("\"'")
        where = f"{lines.where if lines else ''}: {name}"
        if equals:
            t.left[NETWORK + name] = Setting(value, where)
            t.taken.pop(NETWORK + name, None)
        else:
            t.left["network_args"] = Setting(line, lines.where if lines else "")
            t.refuse("network_args", f"{line!r} is not name=value")


def translate(t: Translation) -> None:
    """Algorithm, layers, ranks and what holds them back."""
    split(t)
    module = str(t.take("network_module") or "networks.lora")
    if module not in (*modules(), LYCORIS):
        reason = f"read are the modules {', '.join(modules())} and {LYCORIS}"
        t.refuse("network_module", reason, "algo")
    usual = FAMILY if module.startswith(MODULE) else "networks.lora"
    reads = ARGUMENTS.get(module, ARGUMENTS[usual])
    for name in [name for name in t.left if name.startswith(NETWORK)]:
        argument = name.removeprefix(NETWORK)
        if argument not in reads and argument not in RATES and t.has(name):
            t.note(name, f"has no effect: {module} does not read it")
    algo = _algorithm(t, module)
    if _from_file(t):
        return
    convolutional = _layers(t, module, algo)
    _ranks(t, module, algo, convolutional)
    _blocks(t)
    _forms(t, module, choices()[algo])


def _algorithm(t: Translation, module: str) -> str:
    """The algorithm's name. One that is unknown is refused, and taken for the module's default."""
    known = modules()
    if module != LYCORIS:
        algo = known.get(module, "lora")
        if t.has(f"{NETWORK}conv_dim") or t.has(f"{NETWORK}conv_block_dims"):
            algo = conv_form(algo)
        if module in known:
            _given(t, "algo", "network_module", algo)
        return algo
    default = next(name for name, found in choices().items() if found.lycoris_default)
    named = str(t.take(f"{NETWORK}algo") or "lora").lower()
    algo = lycoris_algorithm(named)
    if not algo:
        t.refuse(f"{NETWORK}algo", f"one of {', '.join(choices())} is read", "algo")
        return default
    preset = str(t.left[f"{NETWORK}preset"].value) if t.has(f"{NETWORK}preset") else "full"
    if named == choices()[algo].conv_form_of and preset not in CONVOLUTIONAL:
        algo = named
    t.put("algo", algo, f"{NETWORK}algo" if f"{NETWORK}algo" in t.taken else "network_module")
    return algo


def _from_file(t: Translation) -> bool:
    """Whether layers, ranks and alphas are those of a LoRA file that training goes on from."""
    if not (t.has("dim_from_weights") and t.has("network_weights")):
        return False
    t.result.values.pop("algo", None)
    t.idle(("network_dim", "network_alpha"), "dim_from_weights takes them from network_weights")
    return True


def _layers(t: Translation, module: str, algo: str) -> bool:
    """Which layers are trained; whether kernels larger than 1×1 are among them."""
    if module != LYCORIS:
        convolutional = t.has(f"{NETWORK}conv_dim") or t.has(f"{NETWORK}conv_block_dims")
        if convolutional and choices()[algo].layers not in CONVOLUTIONAL:
            t.default("layer_preset", "full")
        family = t.family
        if convolutional and (family is None or family.implementation == "diffusers"):
            reason = "trains conv_in, conv_out and the time embedding here too, which it does not there"
            t.result.notes.append(f"{NETWORK}conv_dim {reason}")
        return convolutional
    preset = str(t.take(f"{NETWORK}preset") or "full")
    if preset not in PRESETS:
        t.refuse(f"{NETWORK}preset", f"one of {', '.join(PRESETS)} is read", "layer_preset")
    elif f"{NETWORK}preset" in t.taken:
        t.put("layer_preset", preset, f"{NETWORK}preset")
    else:
        t.default("layer_preset", preset)
    return preset in CONVOLUTIONAL and (t.family is None or t.family.convolutions)


def _ranks(t: Translation, module: str, algo: str, convolutional: bool) -> None:
    declared = choices()[algo]
    full = truth(t.take(f"{NETWORK}full_matrix") or False)
    rank = t.take("network_dim") or RANK
    if "rank" not in declared.options:
        t.idle((f"{NETWORK}conv_dim", f"{NETWORK}conv_alpha", "network_alpha"), f"{algo} has no rank")
        return
    if declared.full_matrix and (full or (isinstance(rank, int) and rank >= FULL)):
        # without a rank it has its full matrix here
        t.taken.pop("network_dim", None)
        names = ("network_alpha", f"{NETWORK}conv_dim", f"{NETWORK}conv_alpha")
        t.idle(names, "the full matrix has neither rank nor alpha")
        return
    _given(t, "rank", "network_dim", rank)
    scaled = "alpha" in declared.options
    alpha = t.take("network_alpha") or ALPHA
    if scaled:
        _given(t, "alpha", "network_alpha", alpha)
    conv, conv_alpha = f"{NETWORK}conv_dim", f"{NETWORK}conv_alpha"
    if not convolutional:
        t.idle((conv, conv_alpha), "no convolutions larger than 1x1 are trained")
        return
    _given(t, "conv_rank", conv, t.take(conv) or rank)
    if scaled:
        _given(t, "conv_alpha", conv_alpha, t.take(conv_alpha) or (alpha if module == LYCORIS else ALPHA))


def _given(t: Translation, option: str, name: str, value: Any) -> None:
    """Sets an option by a setting where there is one, else by the default that was worked out."""
    if name in t.taken:
        t.put(option, value, name)
    else:
        t.default(option, value)


def _blocks(t: Translation) -> None:
    """Ranks per block; every block has the network's alpha where none are given for them."""
    blocks = t.take(f"{NETWORK}block_dims")
    others = ("block_alphas", "conv_block_dims", "conv_block_alphas")
    if blocks is None:
        t.idle((NETWORK + name for name in others), "there are no block_dims")
        return
    t.put("block_ranks", listed(blocks), f"{NETWORK}block_dims")
    alpha = t.result.values.get("alpha", ALPHA)
    if not t.has(f"{NETWORK}block_alphas"):
        t.default("block_alphas", ",".join([str(alpha)] * len(listed(blocks).split(","))))


def listed(value: Any) -> str:
    """Numbers between commas, also where they were written as a list."""
    return ",".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _forms(t: Translation, module: str, declared: Algorithm) -> None:
    """Forms that single algorithms have."""
    unit, default = (f"{NETWORK}block_size", LYCORIS_UNIT) if module == LYCORIS else (f"{NETWORK}unit", UNIT)
    factor = f"{NETWORK}factor"
    for option, name, value in (("dylora_unit", unit, default), ("factor", factor, -1)):
        if option in declared.options:
            _given(t, option, name, t.take(name) or value)
        else:
            t.idle((name,), f"{declared.name} has none")
            t.left.pop(name, None)

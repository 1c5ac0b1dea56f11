"""Reads the JSON that kohya's GUI saves: which of its fields are passed on is decided by other fields.

The file holds every field of the window. Rules are those of kohya_ss' LoRA tab: what belongs to another LoRA type, to
another noise type or to another family of models is not passed on, and neither is what is 0, off or empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from curate.adapters.algorithm import LYCORIS, choices
from curate.diffusion.family import families
from curate.train.options.kohya import command_line, network
from curate.train.options.kohya.reasons import OTHER_FAMILIES
from curate.train.options.kohya.settings import (
    MODULE,
    NETWORK,
    Imported,
    Problem,
    Setting,
    Settings,
    Translation,
    is_off,
    switch_of,
)
from curate.train.options.kohya.values import names, plain, truth

Table = Mapping[str, Any]
_NATIVE = "block_dims block_alphas conv_block_dims conv_block_alphas rank_dropout module_dropout"
_BLOCK_RATES = "down_lr_weight mid_lr_weight up_lr_weight block_lr_zero_threshold"
_OWN = "conv_dim conv_alpha use_tucker rank_dropout module_dropout"
_LYCORIS = "LyCORIS_preset conv_dim conv_alpha rank_dropout module_dropout rank_dropout_scale train_norm"
_FACTORS = f"{_LYCORIS} bypass_mode dora_wd use_scalar"
PASSED: Mapping[str, str] = {
    "Anima": "rank_dropout module_dropout",
    "Standard": f"{_NATIVE} {_BLOCK_RATES}",
    "Kohya LoCon": f"conv_dim conv_alpha {_NATIVE} {_BLOCK_RATES}",
    "Kohya DyLoRA": f"conv_dim conv_alpha unit {_NATIVE} {_BLOCK_RATES}",
    "Kohya LoHa": _OWN,
    "Kohya LoKr": f"{_OWN} factor",
    "LyCORIS/LoCon": f"{_FACTORS} use_tucker",
    "LyCORIS/LoHa": f"{_FACTORS} use_tucker",
    "LyCORIS/LoKr": f"{_FACTORS} factor use_cp decompose_both",
    "LyCORIS/iA3": "LyCORIS_preset conv_dim conv_alpha train_on_input",
    "LyCORIS/DyLoRA": f"{_LYCORIS.replace(' rank_dropout_scale', '')} use_tucker unit",
    "LyCORIS/Diag-OFT": f"{_LYCORIS} use_tucker constrain rescaled",
    "LyCORIS/Native Fine-Tuning": _LYCORIS.replace(" conv_dim conv_alpha", ""),
}
"""LoRA type: the fields that are passed on as arguments of the network; those of other types of LyCORIS are OTHERS."""
OTHERS = f"{_LYCORIS} use_tucker"
OLD_TYPES = {"LoCon": "LyCORIS/LoCon"}
FIELDS = {"LyCORIS_preset": "preset", "constrain": "constraint"}
"""Fields whose argument has another name."""
OF_NETWORK = names(" ".join((*PASSED.values(), OTHERS)))
RENAMED = {
    "optimizer": "optimizer_type",
    "max_resolution": "resolution",
    "lora_network_weights": "network_weights",
    "sdxl_no_half_vae": "no_half_vae",
    "sdxl_cache_text_encoder_outputs": "cache_text_encoder_outputs",
    "sample_prompts_file": "sample_prompts",
}
CHECKBOX = "_checkbox"
"""Ending of the fields that choose a family, whose own fields begin alike."""
TITLES = {"flux1": "Flux", "sd3": "SD 3", "hunyuan_image": "HunyuanImage", "anima": "Anima", "lumina": "Lumina"}
"""Families that fields of the window are for."""
READ = ("anima",)
"""Those of them whose fields are read; the others' come as the command that the window prints."""
SHARED = ("weighting_scheme", "logit_mean", "logit_std", "mode_scale", "blocks_to_swap")
"""Fields of flow models that do not begin with a family's name."""
ORIGINAL = ("noise_offset", "noise_offset_random_strength", "adaptive_noise_scale")
MULTIRES = ("multires_noise_iterations", "multires_noise_discount")


def read(table: Table, path: Path, result: Imported) -> Settings:
    """The settings that the GUI would hand to the training script."""
    t = Translation({key: Setting(value, f"{path}: {key}") for key, value in table.items()}, result)
    settings: Settings = {}
    _network(t, settings)
    _noise(t)
    _length(t, settings)
    _rates(t, settings)
    _warmup(t, settings)
    _families(t, settings)
    extra = t.left.pop("additional_parameters", None)
    for name, setting in t.left.items():
        # the GUI leaves out what is 0, off or empty: the script's own default counts
        if not is_off(setting.value):
            settings[RENAMED.get(name, name)] = setting
    if truth(table.get("use_8bit_adam", False)) and "optimizer_type" in settings:
        settings.pop("use_8bit_adam", None)
    # the GUI takes out quotes and splits at blanks
    given = str(extra.value or "").replace('"', "").split() if extra else []
    return settings | command_line.flags(given, extra.where if extra else "", result)


def types() -> dict[str, tuple[str, str]]:
    """The GUI's names of LoRA types: the network's module, and the algorithm where that is LyCORIS'."""
    own = {f"Kohya {choices()[name].title}": (module, "") for module, name in network.NATIVE.items()}
    for name, found in choices().items():
        native = choices()[found.conv_form_of or name].trainer
        own |= {kind: (LYCORIS, name) if kind.startswith("LyCORIS/") else (native, "") for kind in found.gui}
    return own | {
        family.title: (f"{MODULE}{switch_of(family)}", "")
        for family in families().values()
        if switch_of(family) in READ
    }


def _network(t: Translation, settings: Settings) -> None:
    kind = t.left.pop("LoRA_type", Setting("Standard", "LoRA_type"))
    t.taken["LoRA_type"] = kind
    name = OLD_TYPES.get(str(kind.value), str(kind.value))
    known = types()
    if name not in known:
        t.refuse("LoRA_type", f"it is of another kind; read are {', '.join(known)}", "algo")
        return
    module, algorithm = known[name]
    settings["network_module"] = Setting(module, kind.where)
    if algorithm:
        settings[f"{NETWORK}algo"] = Setting(algorithm, kind.where)
    active = PASSED.get(name, OTHERS).split()
    for field in active:
        setting = t.left.pop(field, None)
        # LyCORIS reads the words False and 0; kohya's own modules get what is switched on alone
        if setting is not None and setting.value not in ("", None) and (algorithm or not is_off(setting.value)):
            argument = "block_size" if algorithm and field == "unit" else FIELDS.get(field, field)
            settings[NETWORK + argument] = setting
    others = [field for field in t.left if field in OF_NETWORK and field not in active]
    t.idle(others, f"LoRA_type is {name}")


def _noise(t: Translation) -> None:
    kind = str(t.left.pop("noise_offset_type", Setting("Original", "")).value or "Original")
    t.idle(MULTIRES if kind == "Original" else ORIGINAL, f"noise_offset_type is {kind}")
    if kind == "Original" and not t.has("noise_offset"):
        t.idle(("adaptive_noise_scale", "noise_offset_random_strength"), "noise_offset is 0")


def _length(t: Translation, settings: Settings) -> None:
    """Epochs count where neither `max_train_steps` nor `max_train_epochs` is set."""
    epoch = t.left.pop("epoch", None)
    if epoch is None or is_off(epoch.value):
        return
    t.taken["epoch"] = epoch
    if t.has("max_train_epochs") or t.has("max_train_steps"):
        t.note(
            "epoch", f"has no effect: {'max_train_epochs' if t.has('max_train_epochs') else 'max_train_steps'} is set"
        )
    elif t.has("dataset_config"):
        t.note("epoch", "has no effect: with a dataset file the GUI takes max_train_steps or max_train_epochs alone")
    else:
        settings["max_train_epochs"] = epoch


def _rates(t: Translation, settings: Settings) -> None:
    """A rate of 0 leaves a part out where the other part has a rate; two rates of 0 are the learning rate."""
    rates = {name: _number(t, name) for name in ("unet_lr", "text_encoder_lr")}
    for name, other, flag in (
        ("text_encoder_lr", "unet_lr", "network_train_unet_only"),
        ("unet_lr", "text_encoder_lr", "network_train_text_encoder_only"),
    ):
        if name in t.left and rates[name] == 0 and rates[other]:
            settings[flag] = Setting(True, t.left[name].where)
    t.idle(("stop_text_encoder_training", "stop_text_encoder_training_pct"), "the GUI does not pass it on")


def _number(t: Translation, name: str) -> float:
    setting = t.left.get(name)
    value = plain(setting.value) if setting else 0
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    return max((float(one) for one in values if isinstance(one, int | float)), default=0.0)


def _warmup(t: Translation, settings: Settings) -> None:
    """A percentage, unless steps are given."""
    percent = t.left.pop("lr_warmup", None)
    if percent is None or is_off(percent.value):
        return
    t.taken["lr_warmup"] = percent
    value = plain(percent.value)
    if t.has("lr_warmup_steps"):
        t.note("lr_warmup", "has no effect: lr_warmup_steps is set")
    elif isinstance(value, int | float):
        settings["lr_warmup_steps"] = Setting(float(value) / 100, percent.where)


def _families(t: Translation, settings: Settings) -> None:
    """Fields of the family that is ticked lose its name; a family that cannot be trained is refused."""
    for prefix, title in TITLES.items():
        box = t.left.pop(f"{prefix}{CHECKBOX}", None)
        if box is None or not truth(box.value):
            continue
        if prefix not in READ:
            reason = "is another family of models, whose fields are not read; give the command that the window prints"
            t.result.problems.append(Problem(f"{box.where}: {title} {reason}"))
            continue
        settings[prefix] = box
        for name in list(t.left):
            if not name.startswith(f"{prefix}_") and name not in SHARED and OTHER_FAMILIES.match(name):
                t.idle((name,), f"the window passes it on for other families than {title}")
                t.left.pop(name, None)
        for name in [name for name in t.left if name.startswith(f"{prefix}_")]:
            t.left[name.removeprefix(f"{prefix}_")] = t.left.pop(name)

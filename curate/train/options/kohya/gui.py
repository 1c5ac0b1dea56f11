"""Reads the JSON that kohya's GUI saves: which of its fields are passed on is decided by other fields.

The file holds every field of the window. The rules are those of kohya_ss' LoRA tab: what belongs to another LoRA type, to
another noise type or to another family of models is not passed on, and neither is what is 0, off or empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from curate.train.options.kohya import command_line
from curate.train.options.kohya.settings import (
    NETWORK,
    Imported,
    Problem,
    Setting,
    Settings,
    Translation,
    is_off,
)
from curate.train.options.kohya_keys import plain, truth

Table = Mapping[str, Any]
_NATIVE = "block_dims block_alphas conv_block_dims conv_block_alphas rank_dropout module_dropout"
_BLOCK_RATES = "down_lr_weight mid_lr_weight up_lr_weight block_lr_zero_threshold"
_FACTORS = "LyCORIS_preset conv_dim conv_alpha use_tucker rank_dropout bypass_mode dora_wd module_dropout use_scalar"
# LoRA type: network module, algorithm of LyCORIS, and the fields that are passed on as arguments of the network
TYPES: Mapping[str, tuple[str, str, str]] = {
    "Standard": ("networks.lora", "", f"{_NATIVE} {_BLOCK_RATES}"),
    "Kohya LoCon": ("networks.lora", "", f"conv_dim conv_alpha {_NATIVE} {_BLOCK_RATES}"),
    "Kohya DyLoRA": ("networks.dylora", "", f"conv_dim conv_alpha unit {_NATIVE} {_BLOCK_RATES}"),
    "Kohya LoHa": ("networks.loha", "", "conv_dim conv_alpha use_tucker rank_dropout module_dropout"),
    "Kohya LoKr": ("networks.lokr", "", "conv_dim conv_alpha use_tucker factor rank_dropout module_dropout"),
    "LyCORIS/LoCon": ("lycoris.kohya", "locon", f"{_FACTORS} train_norm rank_dropout_scale"),
    "LyCORIS/LoHa": ("lycoris.kohya", "loha", f"{_FACTORS} train_norm rank_dropout_scale"),
    "LyCORIS/LoKr": (
        "lycoris.kohya",
        "lokr",
        f"{_FACTORS.replace('use_tucker ', '')} factor use_cp decompose_both train_norm rank_dropout_scale",
    ),
    "LyCORIS/iA3": ("lycoris.kohya", "ia3", "LyCORIS_preset conv_dim conv_alpha train_on_input"),
    "LyCORIS/DyLoRA": (
        "lycoris.kohya",
        "dylora",
        "LyCORIS_preset conv_dim conv_alpha use_tucker unit rank_dropout module_dropout train_norm",
    ),
    "LyCORIS/GLoRA": (
        "lycoris.kohya",
        "glora",
        "LyCORIS_preset conv_dim conv_alpha use_tucker rank_dropout module_dropout rank_dropout_scale train_norm",
    ),
    "LyCORIS/Diag-OFT": (
        "lycoris.kohya",
        "diag-oft",
        "LyCORIS_preset conv_dim conv_alpha module_dropout use_tucker rank_dropout rank_dropout_scale constrain rescaled "
        "train_norm",
    ),
    "LyCORIS/BOFT": (
        "lycoris.kohya",
        "boft",
        "LyCORIS_preset conv_dim conv_alpha module_dropout use_tucker rank_dropout rank_dropout_scale train_norm",
    ),
    "LyCORIS/Native Fine-Tuning": (
        "lycoris.kohya",
        "full",
        "LyCORIS_preset rank_dropout module_dropout rank_dropout_scale train_norm",
    ),
}
OLD_TYPES = {"LoCon": "LyCORIS/LoCon"}
FIELDS = {"LyCORIS_preset": "preset", "constrain": "constraint"}
"""Fields whose argument has another name."""
OF_NETWORK = frozenset(" ".join(fields for _, _, fields in TYPES.values()).split())
RENAMED = {
    "optimizer": "optimizer_type",
    "max_resolution": "resolution",
    "lora_network_weights": "network_weights",
    "sdxl_no_half_vae": "no_half_vae",
    "sdxl_cache_text_encoder_outputs": "cache_text_encoder_outputs",
    "sample_prompts_file": "sample_prompts",
}
FAMILIES = {
    "flux1_checkbox": "Flux",
    "sd3_checkbox": "SD 3",
    "hunyuan_image_checkbox": "HunyuanImage",
    "anima_checkbox": "Anima",
    "lumina_checkbox": "Lumina",
}
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
    _families(t)
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


def _network(t: Translation, settings: Settings) -> None:
    kind = t.left.pop("LoRA_type", Setting("Standard", "LoRA_type"))
    t.taken["LoRA_type"] = kind
    name = OLD_TYPES.get(str(kind.value), str(kind.value))
    if name not in TYPES:
        reason = f"it is of another kind; read are {', '.join(TYPES)}"
        t.refuse("LoRA_type", reason, "algo")
        return
    module, algorithm, fields = TYPES[name]
    settings["network_module"] = Setting(module, kind.where)
    if algorithm:
        settings[f"{NETWORK}algo"] = Setting(algorithm, kind.where)
    active = fields.split()
    for field in active:
        setting = t.left.pop(field, None)
        # LyCORIS reads the words False and 0; kohya's own modules get what is switched on alone
        if setting is not None and setting.value not in ("", None) and (algorithm or not is_off(setting.value)):
            argument = "block_size" if (field, algorithm) == ("unit", "dylora") else FIELDS.get(field, field)
            settings[NETWORK + argument] = setting
    t.idle([field for field in t.left if field in OF_NETWORK and field not in active], f"LoRA_type is {name}")


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


def _families(t: Translation) -> None:
    for field, family in FAMILIES.items():
        if t.has(field) and truth(t.left[field].value):
            where = t.left[field].where
            t.result.problems.append(
                Problem(f"{where}: {family} is another family of models, which is not trained here")
            )
        t.left.pop(field, None)

"""Reads kohya's settings into our options, with a word on every setting.

Every file becomes the arguments of kohya's training script (`files`, `gui`, `easy`, `dataset`, `command_line`);
those are translated with the defaults of the script and LyCORIS for what is not given (`network`, `training`, `data`;
`flow` and `flow_models` for flow models, which sd-scripts and musubi-tuner train).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from curate.train.options.kohya import data, files, flow, flow_models, network, training
from curate.train.options.kohya.keys import OPTIONS
from curate.train.options.kohya.merge import beneath
from curate.train.options.kohya.reasons import IGNORED, INSTEAD, NEUTRAL, OTHER_FAMILIES, REFUSED
from curate.train.options.kohya.settings import NETWORK, Imported, Outcome, Problem, Settings, Translation, is_off
from curate.train.options.kohya.values import CONVERT, names, plain

__all__ = ["Imported", "Outcome", "Problem", "beneath", "read"]

ZERO_COUNTS = frozenset(("text_lr", "unet_lr", "max_grad_norm", "prior_loss_weight", "keep_tokens"))
"""Options of which 0 is a choice."""
OF_DATASETS = names(
    """resolution train_batch_size enable_bucket min_bucket_reso max_bucket_reso bucket_reso_steps bucket_no_upscale
    shuffle_caption keep_tokens keep_tokens_separator caption_separator caption_extension caption_dropout_rate
    caption_dropout_every_n_epochs caption_tag_dropout_rate flip_aug color_aug random_crop face_crop_aug_range
    caption_prefix caption_suffix secondary_separator enable_wildcard token_warmup_min token_warmup_step alpha_mask
    cache_info conditioning_data_dir custom_attributes resize_interpolation validation_split validation_seed
    network_multiplier metadata_file"""
)
"""Arguments that a dataset file may hold alone: they say nothing of a network."""


def read(paths: Sequence[str], option_names: Collection[str]) -> Imported:
    """All files as options; `option_names` are those that exist. Later files stand above earlier ones."""
    result = Imported()
    settings: Settings = {}
    for path in paths:
        settings |= files.read(Path(path).expanduser(), result)
    t = Translation(settings, result)
    result.family = t.family.name if t.family else ""
    trains = bool(settings.keys() - OF_DATASETS)
    if not t.flow:
        t.idle(("blocks_to_swap",), "kohya's scripts read it for other families of models")
    data.translate(t, trains)
    if trains:
        network.translate(t)
        if t.flow:
            flow_models.translate(t)
            flow.translate(t)
        training.translate(t)
    for name in list(t.left):
        _by_table(t, name, option_names)
    if result.defaults:
        told = ", ".join(f"{option} {value}" for option, value in result.defaults.items())
        result.notes.append(f"not set, so the defaults of kohya's scripts are used: {told}")
    return result


def _by_table(t: Translation, name: str, option_names: Collection[str]) -> None:
    """A setting that means the same with and without the others."""
    setting = t.left[name]
    key = name.removeprefix(NETWORK)
    option = OPTIONS.get(key)
    if option in option_names and option is not None:
        value = plain(setting.value)
        if is_off(value) and not (option in ZERO_COUNTS and isinstance(value, int | float) and value is not False):
            t.left.pop(name)
            return
        try:
            converted = CONVERT.get(option, plain)(setting.value)
        except (ValueError, TypeError) as error:
            t.result.problems.append(Problem(f"{setting.where} = {setting.value!r} cannot be read: {error}", option))
            return
        t.take_any(name)
        if converted is not None:
            t.put(option, converted, name)
    elif is_off(setting.value) or plain(setting.value) == NEUTRAL.get(key, ""):
        t.left.pop(name)
    elif key in IGNORED or key == t.switch:
        t.note(name, f"is ignored: {IGNORED.get(key, 'it is read off the base model')}")
    elif key in REFUSED:
        t.refuse(name, REFUSED[key], INSTEAD.get(key, ""))
    elif option is not None:
        t.note(name, f"is left out: there is no option {option}")
    elif OTHER_FAMILIES.match(key):
        t.note(name, "has no effect: it belongs to other families of models")
    else:
        t.note(name, "is an unknown setting and is ignored")

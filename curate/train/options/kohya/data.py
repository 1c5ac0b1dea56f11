"""What is shown, saved and drawn: captions, buckets, files, sample pictures."""

from __future__ import annotations

import re

from curate.captions import MARKER
from curate.train.options.kohya import paths
from curate.train.options.kohya.settings import Problem, Translation

STEP = 8
"""Sides of pictures are multiples of this: a latent's pixel."""
MIN_BUCKET, MAX_BUCKET = 256, 1024
BASES = ("pretrained_model_name_or_path", "dit")
PLACES = {
    "output_dir": "the LoRA goes to the usual place; --output-dir names another",
    "vae": "the base's own is taken; --vae names another",
    "network_weights": "training starts from zero; --start-from names a file",
    "reg_data_dir": "no regularization pictures are taken; --reg-folder names their folder",
    "sample_prompts": "no sample pictures are drawn; --sample-prompts names the file",
    "metadata_thumbnail": "the LoRA has no thumbnail; --thumbnail names a picture",
}
"""Paths, and what is done without one that lies on another system."""


def translate(t: Translation, training: bool) -> None:
    """All of it; `training` where there is more than a dataset file."""
    _paths(t)
    _captions(t, training)
    _buckets(t, training)
    _saves(t)
    _samples(t)
    if training:
        _precisions(t)


def _paths(t: Translation) -> None:
    for base in BASES:
        if not t.has(base) or not paths.is_foreign(t.left[base].value):
            continue
        value = t.take(base)
        message = (
            f"{t.where(base)} = {value!r} is a Windows path, which does not exist on this "
            "system: give the base with --base"
        )
        t.result.problems.append(Problem(message, "base"))
    for name, instead in PLACES.items():
        if t.has(name) and paths.is_foreign(t.left[name].value):
            t.note(name, f"= {t.left[name].value!r} is a Windows path, which does not exist on this system: {instead}")
    if not t.has("network_weights"):
        t.idle(("dim_from_weights",), "there are no network_weights here")


def _captions(t: Translation, training: bool) -> None:
    ending = t.take("caption_extension")
    if ending and re.fullmatch(r"\.\w+", str(ending)):
        t.put("caption_extension", str(ending), "caption_extension")
    elif ending:
        reason = "has no effect: no caption files end so, and there the folder's words are the caption; "
        t.note("caption_extension", reason + "here captions beside the pictures count, where there are any")
    elif training and not t.musubi:
        t.result.notes.append(
            "caption_extension is not set: kohya would read .caption files by default, curate reads .txt"
        )
    _wordings(t)
    changes = t.has("shuffle_caption") or t.has("caption_tag_dropout_rate")
    kept = t.take_any("keep_tokens")
    if not changes:
        if kept:
            t.note("keep_tokens", "has no effect: neither shuffle_caption nor caption_tag_dropout_rate is set")
    elif kept is not None and kept != "":
        t.put("keep_tokens", kept, "keep_tokens")
    else:
        t.default("keep_tokens", 0)
    if not changes:
        separator = t.take("caption_separator")
        if separator and separator != ",":
            t.note("caption_separator", "has no effect: captions are not taken apart")


def _wordings(t: Translation) -> None:
    """Several lines, choices, and the mark between tags that stay and tags that move."""
    if t.take("enable_wildcard"):
        t.put("caption_variants", "lines", "enable_wildcard")
        t.put("caption_wildcards", True, "enable_wildcard")
    mark = t.left.get("keep_tokens_separator")
    if mark is not None and mark.value == MARKER:
        t.note("keep_tokens_separator", f"needs no option: {MARKER} in captions is always read so")


def _buckets(t: Translation, training: bool) -> None:
    enabled = t.take("enable_bucket")
    if not enabled and training:
        t.result.notes.append(
            "enable_bucket is off: kohya would crop all pictures to one shape, curate puts each into its bucket"
        )
    step = t.take("bucket_reso_steps")
    if isinstance(step, int | float):
        least = max(STEP, t.family.step if t.family else STEP)
        rounded = max(least, -(-int(step) // least) * least)
        t.put("bucket_step", rounded, "bucket_reso_steps")
        if rounded != step:
            t.note("bucket_reso_steps", f"is {rounded} here: sides are multiples of {least}")
    if t.has("bucket_no_upscale"):
        t.idle(("min_bucket_reso", "max_bucket_reso"), "bucket_no_upscale is set")
    elif enabled:
        smallest, largest = t.take("min_bucket_reso"), t.take("max_bucket_reso")
        for option, name, value, default in (
            ("bucket_min", "min_bucket_reso", smallest, MIN_BUCKET),
            ("bucket_max", "max_bucket_reso", largest, MAX_BUCKET),
        ):
            if value:
                t.put(option, value, name)
            elif training and not t.musubi:  # which sets no limits
                t.default(option, default)


def _saves(t: Translation) -> None:
    last, every = t.take("save_last_n_steps"), t.take_any("save_every_n_steps")
    if every:
        t.put("save_every_n_steps", every, "save_every_n_steps")
    if last and isinstance(every, int) and every > 0:
        t.put("keep_saves", int(last) // every + 1, "save_last_n_steps")  # both ends are counted there
    elif last:
        t.note("save_last_n_steps", "has no effect: save_every_n_steps is not set")
    kept = t.take("save_last_n_epochs")
    if kept and t.has("save_every_n_epochs"):
        t.put("keep_saves", kept, "save_last_n_epochs")
    elif kept:
        t.note("save_last_n_epochs", "has no effect: save_every_n_epochs is not set")
    ratio, epochs = t.take("save_n_epoch_ratio"), t.result.values.get("epochs")
    if ratio and isinstance(epochs, int):
        t.put("save_every_n_epochs", epochs // int(ratio) or 1, "save_n_epoch_ratio")
    elif ratio:
        t.note("save_n_epoch_ratio", "is left out: it is a share of the number of epochs, which is not set")


def _samples(t: Translation) -> None:
    names = ("sample_prompts", "sample_sampler", "sample_every_n_steps", "sample_every_n_epochs", "sample_at_first")
    rhythm = any(t.has(name) for name in names[2:])
    if not t.has("sample_prompts"):
        t.idle(names[1:], "there are no sample_prompts")
    elif not rhythm:
        t.idle(names, "neither sample_every_n_steps nor sample_every_n_epochs is set")
    elif not t.has("sample_sampler") and not t.flow:
        t.default("sample_sampler", "ddim")


def _precisions(t: Translation) -> None:
    if not t.has("mixed_precision"):
        t.default("precision", "fp32")
    if not t.has("save_precision"):
        t.default("save_precision", "fp32")
    family = t.family
    if family is not None and not family.clip_skip and not t.flow:
        skip = t.take("clip_skip")
        if isinstance(skip, int) and skip > 1:
            t.note("clip_skip", f"has no effect: {family.title} always reads the same layer of its text encoders")

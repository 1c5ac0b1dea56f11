"""What is shown, saved and drawn: captions, resolutions, files, sample pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from curate.train.options.kohya.settings import Translation

RESOLUTION, SAVES = 512, 5
PRECISIONS = {"float16": "fp16", "fp16": "fp16", "bf16": "bf16", "bfloat16": "bf16", "float32": "fp32", "fp32": "fp32"}


def translate(t: Translation) -> None:
    """Captions, resolutions, LoRA files along the way, sample pictures."""
    ending = t.take("datasets.caption_ext")
    if ending:
        t.put("caption_extension", f".{str(ending).lstrip('.')}", "datasets.caption_ext")
    _resolution(t)
    _tags(t)
    _saves(t)
    _samples(t)


def _resolution(t: Translation) -> None:
    given = t.take("datasets.resolution")
    if given is None:
        t.default("resolution", RESOLUTION)
    else:
        sides = cast("Sequence[Any]", given) if isinstance(given, list) else [given]
        t.put("resolution", tuple(sides) if len(sides) > 1 else sides[0], "datasets.resolution")
    t.default("upscale", False)  # its buckets never enlarge a picture
    step = t.take("datasets.bucket_tolerance")
    if step:
        t.put("bucket_step", step, "datasets.bucket_tolerance")


def _tags(t: Translation) -> None:
    changes = t.has("datasets.shuffle_tokens") or t.has("datasets.token_dropout_rate")
    kept = t.take_any("datasets.keep_tokens")
    if changes:
        t.default("keep_tokens", 0)
        if kept:
            t.put("keep_tokens", kept, "datasets.keep_tokens")
    elif kept:
        t.note("datasets.keep_tokens", "has no effect: neither shuffle_tokens nor token_dropout_rate is set")


def _saves(t: Translation) -> None:
    dtype = t.take("save.dtype")
    if dtype is None:
        t.default("save_precision", "fp16")
    elif str(dtype) in PRECISIONS:
        t.put("save_precision", PRECISIONS[str(dtype)], "save.dtype")
    else:
        t.refuse("save.dtype", "LoRA files are fp32, bf16 or fp16", "save_precision")
    kept = t.take("save.max_step_saves_to_keep")
    if not t.has("save.save_every"):
        t.default("save_every_n_steps", 1000)
    if kept:
        t.put("keep_saves", kept, "save.max_step_saves_to_keep")
    else:
        t.default("keep_saves", SAVES)


def _samples(t: Translation) -> None:
    """Prompts stand in the file itself there, and in a file of their own here."""
    names = [name for name in t.left if name.startswith("sample.")]
    prompts = next((t.left[name].value for name in ("sample.prompts", "sample.samples") if t.has(name)), None)
    if isinstance(prompts, list) and prompts:
        count = len(cast("Sequence[Any]", prompts))
        reason = f"its {count} prompts go into a file of their own, one per line: --sample-prompts FILE"
        t.result.notes.append(f"sample is left out: {reason}")
    for name in names:
        t.take_any(name)
    for name in ("train.skip_first_sample", "train.force_first_sample", "train.disable_sampling"):
        t.idle((name,), "there are no sample prompts")
        t.left.pop(name, None)

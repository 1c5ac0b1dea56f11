"""Writes dataset.toml, in which kohya's sd-scripts take a dataset, by the rules of their reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from curate.core.record import Manifest, Record
from curate.images import masks

RESOLUTION = 1024
"""Where no training says another."""
STEP = 64

OPTIONS: Mapping[str, str] = {
    "shuffle": "shuffle_caption",
    "flip": "flip_aug",
    "caption_separator": "caption_separator",
    "caption_dropout": "caption_dropout_rate",
    "caption_dropout_every_n_epochs": "caption_dropout_every_n_epochs",
    "tag_dropout": "caption_tag_dropout_rate",
}
"""Options of training that hold for all pictures, and their names there; those that are off are left out."""


def dataset_toml(folders: Mapping[str, list[Record]], output: Path, training: Mapping[str, Any]) -> str:
    """A subset for each folder of the prepared folder `output`, by its absolute path.

    `training` are the options of the training that follows, by our names; what is None or missing has our default.
    Folders whose pictures all have masks make a dataset of their own, which wants `--masked_loss`.
    """
    masked = {
        name for name, records in folders.items() if training.get("masked_loss", True) and all(r.mask for r in records)
    }
    lines = [
        (
            "# For kohya's sd-scripts: --dataset_config with this file. Each export writes it again, "
            "with this folder's place."
        ),
        "[general]",
        *_general(next(iter(folders.values()))[0], training),
    ]
    for group in (folders.keys() - masked, masked):
        if group:
            lines += ["", *(["# Pictures with masks: give --masked_loss."] if group is masked else []), "[[datasets]]"]
            lines += _buckets(training)
        for name in (name for name in folders if name in group):
            lines += ["", *_subset(name, folders[name][0], output, training, name in masked)]
    return "\n".join(lines) + "\n"


def _general(record: Record, training: Mapping[str, Any]) -> Iterator[str]:
    yield f"caption_extension = {_value(training.get('caption_extension') or record.style.extension)}"
    for option, name in OPTIONS.items():
        value = training.get(option)
        if value and not (option == "caption_separator" and value == ","):
            yield f"{name} = {_value(value)}"


def _buckets(training: Mapping[str, Any]) -> Iterator[str]:
    given = training.get("resolution")
    resolution = max(given) if isinstance(given, tuple | list) else given
    if resolution is None:
        yield "# The size that your base was made for: 512, 768 or 1024."
    size = int(resolution or RESOLUTION)
    step = int(training.get("bucket_step") or (STEP if size >= 256 else 32))
    yield f"resolution = {size}"
    yield f"batch_size = {training.get('batch') or 1}"
    yield "enable_bucket = true"
    yield f"bucket_reso_steps = {step}"
    if training.get("upscale") is False:
        yield "bucket_no_upscale = true"
    # read there even where pictures are not enlarged: the resolution has to lie between them
    yield f"min_bucket_reso = {min(size, int(training.get('bucket_min') or max(step, size // 2)))}"
    yield f"max_bucket_reso = {max(size, int(training.get('bucket_max') or size * 2))}"


def _subset(name: str, record: Record, output: Path, training: Mapping[str, Any], masked: bool) -> Iterator[str]:
    kept = training.get("keep_tokens")
    yield "  [[datasets.subsets]]"
    yield f"  image_dir = {_value((output / name).absolute().as_posix())}"
    if masked:
        yield f"  conditioning_data_dir = {_value((output / masks.FOLDER / name).absolute().as_posix())}"
    yield f"  num_repeats = {record.repeats}"
    yield f"  keep_tokens = {len(record.trigger) if kept is None else kept}"


def _value(value: Any) -> str:
    """A value as TOML writes it: JSON's strings, numbers and truth values are TOML's."""
    return json.dumps(value, ensure_ascii=False)


def folders_of(present: Manifest, name: Callable[[Record], str]) -> dict[str, list[Record]]:
    """The records of each folder, in order; `name` gives a record's folder."""
    found: dict[str, list[Record]] = {}
    for record in sorted(present, key=lambda r: r.key):
        found.setdefault(name(record), []).append(record)
    return found

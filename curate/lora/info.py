"""What a LoRA file is: family, algorithm, layers, ranks, norms by block, metadata in words, hashes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from curate.adapters.algorithm import algorithms
from curate.adapters.file_hashes import Hashes, hashes_of
from curate.adapters.key_names import DOWN
from curate.adapters.layer_name import LayerName
from curate.diffusion.base_weights import BaseWeights
from curate.errors import InputError
from curate.lora.changes import change_norm, layer_adapter
from curate.lora.file import LoraFile
from curate.lora.output import spelling_of

PART_NAMES = {"te1": "text encoder", "te2": "text encoder 2", "conditioner": "conditioner", "unet": "UNet"}
WORDS = {
    "ss_output_name": "name",
    "modelspec.title": "title",
    "modelspec.author": "author",
    "modelspec.description": "description",
    "modelspec.license": "license",
    "modelspec.trigger_phrase": "trigger words",
    "ss_sd_model_name": "base model",
    "ss_base_model_version": "base version",
    "modelspec.architecture": "architecture",
    "modelspec.prediction_type": "prediction",
    "modelspec.resolution": "resolution",
    "ss_network_module": "network",
    "ss_network_dim": "rank",
    "ss_network_alpha": "alpha",
    "ss_network_args": "network options",
    "ss_steps": "steps",
    "ss_epoch": "epoch",
    "ss_num_train_images": "training pictures, with repeats",
    "ss_total_batch_size": "batch size",
    "ss_learning_rate": "learning rate",
    "ss_unet_lr": "UNet's learning rate",
    "ss_text_encoder_lr": "text encoders' learning rate",
    "ss_optimizer": "optimizer",
    "ss_lr_scheduler": "schedule",
    "ss_clip_skip": "clip skip",
    "ss_min_snr_gamma": "min SNR gamma",
    "ss_noise_offset": "noise offset",
    "ss_seed": "seed",
    "ss_training_comment": "comment",
    "modelspec.merged_from": "merged from",
}
"""Metadata that people ask for, in the order in which they are shown."""
EMPTY = ("", "None", "none", "{}")


@dataclass(frozen=True)
class Info:
    """What a file is.

    algorithms  layers by algorithm
    parts       layers by model
    ranks       layers by (rank, alpha) where there is one
    blocks      label and Frobenius norm of ΔW of each block, in order; empty where it needs the base
    words       labels and values of the metadata
    """

    path: str
    size: int
    family: str
    spelling: str
    algorithms: Mapping[str, int]
    parts: Mapping[str, int]
    ranks: Mapping[tuple[int, float | None], int]
    dtypes: tuple[str, ...]
    blocks: tuple[tuple[str, float], ...]
    unmeasured: int
    words: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, int], ...]
    unknown: tuple[str, ...]
    hashes: tuple[Hashes, ...]


def info(file: LoraFile, base: BaseWeights | None = None, top: int = 20) -> Info:
    """Looks at a file; `top` tags of the training captions are named."""
    blocks, unmeasured = _norms(file, base)
    titles = {name: algorithm.title for name, algorithm in algorithms().items()}
    found = Counter(titles.get(file.algorithm(layer), "unknown") for layer in file.layers)
    names = [file.layer_name(layer) for layer in file.layers]
    return Info(
        path=str(file.path),
        size=sum(opened.path.stat().st_size for opened in file.files),
        family=file.title,
        spelling=spelling_of(file),
        algorithms=dict(found.most_common()),
        parts=dict(Counter(_part(name) for name in names if name)),
        ranks=dict(Counter(_ranks(file)).most_common()),
        dtypes=tuple(file.dtypes),
        blocks=tuple(blocks.items()),
        unmeasured=unmeasured,
        words=tuple(words(file.metadata)),
        tags=tuple(tag_counts(file.metadata).most_common(top)),
        unknown=file.unknown,
        hashes=tuple(hashes_of(opened) for opened in file.files),
    )


def _part(name: LayerName) -> str:
    """What people call the model that a layer is in."""
    return "transformer" if name.part == "unet" and name.model else PART_NAMES[name.part]


def _ranks(file: LoraFile) -> Iterator[tuple[int, float | None]]:
    for layer, keys in file.layers.items():
        for suffix, axis in ((DOWN, 0), ("hada_w1_b", 0), ("lokr_w2_b", 0), ("a2.weight", 0), ("oft_blocks", -1)):
            if suffix in keys:
                tensors = {"alpha": file.read(keys["alpha"])} if "alpha" in keys else file.tensors(layer)
                alpha = round(float(tensors["alpha"]), 4) if "alpha" in tensors else None
                yield file.entry(keys[suffix]).shape[axis], alpha
                break


def _norms(file: LoraFile, base: BaseWeights | None) -> tuple[dict[str, float], int]:
    """The norm of each block, and how many layers could not be measured."""
    squares: dict[str, float] = {}
    order: dict[str, tuple[int, int]] = {}
    unmeasured = 0
    for layer in file.layers:
        name = file.layer_name(layer)
        if name is None:
            label, at = "all layers", (9, 0)
        elif name.part != "unet":
            label, at = PART_NAMES[name.part], (list(PART_NAMES).index(name.part), 0)
        elif name.model:  # a transformer
            label, at = (f"block {name.block:>2}", (5, name.block)) if name.block >= 0 else ("outside blocks", (6, 0))
        else:
            half = next((h for h in ("down", "mid", "up") if name.path.startswith(h)), "ends")
            label, at = f"{name.block:>2} {half}", (5, name.block)
        try:
            norm = change_norm(layer_adapter(file, layer, base))
        except InputError:
            unmeasured += 1
            continue
        squares[label] = squares.get(label, 0.0) + norm**2
        order[label] = min(order.get(label, at), at)
    return {label: squares[label] ** 0.5 for label in sorted(squares, key=lambda text: order[text])}, unmeasured


def words(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Labels and values of what people ask for."""
    for key, label in WORDS.items():
        value = metadata.get(key, "").strip()
        if value and value not in EMPTY:
            yield label, value
    for key, label in (("ss_training_started_at", "trained"), ("modelspec.date", "date")):
        if value := metadata.get(key, ""):
            yield label, _date(value)


def _date(value: str) -> str:
    try:
        return datetime.fromtimestamp(float(value), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return value


def tag_counts(metadata: Mapping[str, str]) -> Counter[str]:
    """How often each tag stands in the training captions, over all folders."""
    counts: Counter[str] = Counter()
    try:
        folders = json.loads(metadata.get("ss_tag_frequency", "") or "{}")
        for tags in folders.values():
            counts.update({str(tag).strip(): int(count) for tag, count in tags.items()})
    except (ValueError, AttributeError, TypeError):
        return Counter()
    return counts

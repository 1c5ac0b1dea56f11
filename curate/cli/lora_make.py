"""`curate lora resize`, `merge` and `extract`: the commands that make a LoRA of others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.cli import lora_checks
from curate.cli.lora_options import (
    Base,
    BaseModel,
    ConvRank,
    ExtractConvRank,
    ExtractPrecision,
    Files,
    Force,
    Loras,
    MaxError,
    MergeBase,
    MergeOut,
    MergeRank,
    Offline,
    Out,
    Precision,
    Rank,
    Recipe,
    Recipes,
    Rescale,
    ResizeOut,
    ShowLayers,
    Size,
    Tuned,
    base_weights,
)
from curate.cli.results import Json, print_json, print_line
from curate.cli.usage_errors import Arguments
from curate.core.counting import counted
from curate.core.findings import raise_together

if TYPE_CHECKING:
    from curate.diffusion.base_weights import BaseWeights


def resize_command(
    file: Files,
    out: ResizeOut,
    rank: Rank = None,
    conv_rank: ConvRank = None,
    recipe: Recipes = None,
    size: Size = None,
    rescale: Rescale = None,
    base: Base = None,
    precision: Precision = None,
    layers: ShowLayers = False,
    force: Force = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Make LoRAs smaller, by SVD.

    LoHa, LoKr, OFT and full weights become a plain LoRA. The error is shown.
    """
    given = Arguments(locals())
    raise_together(lora_checks.resize_checks(given))
    from curate.lora.file import lora_paths

    recipes = lora_checks.recipes_of(given, recipe or ())
    paths = list(lora_paths(file))
    weights = base_weights(base, offline)
    into_folder = len(paths) * len(recipes) > 1 or out.is_dir()
    reports: list[dict[str, Any]] = []
    for path in paths:
        labels = [one.label for one in recipes] if len(recipes) > 1 else [""]
        targets = [_target(out, path, label) if into_folder else out for label in labels]
        reports += _resize([str(path)], recipes, targets, weights, precision, force, layers, as_json)
    if as_json:
        print_json(reports)


def _target(folder: Path, path: Path, label: str) -> Path:
    name = path.stem if path.suffix == ".safetensors" else path.resolve().name
    return folder / ("_".join(filter(None, (name, label))) + ".safetensors")


def _resize(
    loras: Sequence[str],
    recipes: Sequence[Any],
    targets: Sequence[Path],
    base: BaseWeights | None,
    precision: str | None,
    force: bool,
    layers: bool,
    as_json: bool,
) -> list[dict[str, Any]]:
    from curate.lora import tables
    from curate.lora.resize import resize
    from curate.lora.weights import weighted

    reports: list[dict[str, Any]] = []
    for done in resize([weighted(text) for text in loras], recipes, targets, base, precision, force):
        row = dataclasses.asdict(done)
        reports.append({**row, "path": str(done.path), "recipe": done.recipe.text})
        if as_json:
            continue
        if layers:
            tables.show(iter([tables.rows_table(done.rows)]))
        print_line(tables.resized_line(done), err=True)
        _left_out(done.left_out)
    return reports


def _left_out(texts: Sequence[str]) -> None:
    for text in texts:
        print_line(f"left out, because a plain LoRA cannot hold it: {text}", err=True)


def merge_command(
    loras: Loras,
    out: MergeOut,
    base: MergeBase = None,
    rank: MergeRank = None,
    recipe: Recipe = None,
    precision: Precision = None,
    force: Force = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Merge LoRAs into one LoRA, exactly or to a rank. With --base, merge them into a base model."""
    given = Arguments(locals())
    raise_together(lora_checks.merge_checks(given))
    from curate.lora.weights import weighted

    if rank or recipe:
        recipes = lora_checks.recipes_of(given, [recipe] if recipe else [])
        reports = _resize(loras, recipes, [out], base_weights(base, offline), precision, force, False, as_json)
        if as_json:
            print_json(reports)
        return
    files = [weighted(text) for text in loras]
    weights = base_weights(base, offline)
    if weights is None:
        from curate.lora.merge import merge

        done = merge(files, out, precision, force)
        row = {"path": str(done.path), "layers": done.layers, "rank": done.rank, "size": done.size}
        ranks = f", rank up to {done.rank}" if done.rank else ""
        _wrote(as_json, row, f"{counted(done.layers, 'layer')}{ranks}", done.left_out)
        return
    from curate.lora.into_base import merge_into_base

    merged = merge_into_base(files, weights, out, precision, force)
    row = {"path": str(merged.path), "layers": merged.layers, "size": merged.size}
    _wrote(as_json, row, f"{counted(merged.layers, 'layer')} changed", ())


def _wrote(as_json: bool, row: dict[str, Any], what: str, left_out: Sequence[str]) -> None:
    if as_json:
        print_json({**row, "left_out": list(left_out)})
        return
    print_line(f"wrote {row['path']}: {what}, {row['size'] / (1 << 20):.2f} MiB", err=True)
    _left_out(left_out)


def extract_command(
    tuned: Tuned,
    base: BaseModel,
    out: Out,
    rank: Rank = None,
    conv_rank: ExtractConvRank = None,
    error: MaxError = None,
    precision: ExtractPrecision = "fp16",
    layers: ShowLayers = False,
    force: Force = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Make a LoRA from the difference between two models."""
    raise_together(lora_checks.extract_checks(Arguments(locals())))
    from curate.lora import tables
    from curate.lora.extract import Limits, extract, open_model

    models = [open_model(name, offline) for name in (tuned, base)]
    done = extract(models[0], models[1], out, Limits(rank, conv_rank, error), precision, force)
    if as_json:
        print_json({**dataclasses.asdict(done), "path": str(done.path)})
        return
    if layers:
        tables.show(iter([tables.rows_table(done.rows)]))
    size = f"{done.size / (1 << 20):.2f} MiB"
    print_line(f"wrote {done.path}: {counted(len(done.rows), 'layer')}, {size}, error {done.error:.2%}", err=True)
    _left_out(done.lost)

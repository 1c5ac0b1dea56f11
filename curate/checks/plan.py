"""Plan: what a trainer would do with a folder. Pictures, buckets, cropping, repeats, steps, time, memory and disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from curate.checks.folder import CheckedFolder, CheckedPicture
from curate.checks.settings import Settings
from curate.diffusion.base import Backbone
from curate.errors import CurateError
from curate.train.data import buckets
from curate.train.data.dataset import Dataset, Picture
from curate.train.data.run_plan import Outline, outline
from curate.train.options import resolve
from curate.train.planning import device_pace, dry_model, estimate
from curate.train.planning.explain import fitted
from curate.train.planning.preflight import cut_off
from curate.train.runtime.device import resolve_device

_NOTED = 0.01
"""Share of a picture below which a crop is rounding."""


def plan(folder: CheckedFolder, settings: Settings, base: Backbone | None, assumed: str) -> dict[str, Any]:
    """The plan as JSON-able values. `base` is without values; `assumed` says what is not known of it.

    Length and estimate are left out where no picture can be trained.
    """
    found: dict[str, Any] = {
        "folder": str(folder.target),
        "layout": folder.kind,
        "notes": list(folder.notes),
        "assumed": assumed,
        "concepts": _concepts(folder),
        "pictures": len(folder.own),
        "captions": sum(bool(p.text) for p in folder.own),
        "masks": sum(p.mask is not None for p in folder.own),
        "regularization": sum(p.role == "reg" for p in folder.trained),
        "validation": sum(p.role == "validation" for p in folder.pictures),
        "resolution": settings.options.resolution or settings.native,
    }
    data = _dataset(folder)
    if not data.pictures:
        return found
    pictures, fits = fitted(settings.options, data, settings.native)
    made = outline(settings.options, pictures, fits)
    return {**found, **_sizes(pictures, fits, made), **_length(settings, made), **_estimate(settings, made, base)}


def _concepts(folder: CheckedFolder) -> list[dict[str, Any]]:
    pictures: dict[str, list[CheckedPicture]] = {}
    for one in folder.own:
        pictures.setdefault(one.subset.name, []).append(one)
    whole = sum(len(several) * several[0].subset.repeats for several in pictures.values()) or 1
    return [
        {
            "folder": name,
            "trigger": several[0].subset.words,
            "pictures": len(several),
            "captions": sum(bool(p.text) for p in several),
            "repeats": several[0].subset.repeats,
            "shown_per_epoch": len(several) * several[0].subset.repeats,
            "share": len(several) * several[0].subset.repeats / whole,
        }
        for name, several in pictures.items()
    ]


def _dataset(folder: CheckedFolder) -> Dataset:
    """As training reads it; a picture without a known size is left out."""
    rows = [
        Picture(p.path, p.subset.name, p.subset.repeats, p.text, p.name, p.width, p.height, p.subset.words,
                reg=p.role == "reg")
        for p in folder.trained
        if p.width
    ]  # fmt: skip
    own, reg = [r for r in rows if not r.reg], [r for r in rows if r.reg]
    return Dataset(folder.root, own, {}, "", reg=reg)


def _sizes(pictures: Sequence[Picture], fits: Sequence[buckets.Fit], made: Outline) -> dict[str, Any]:
    cuts = [cut_off(f) for f in fits]
    larger = [f.scaled[0] / p.width for p, f in zip(pictures, fits, strict=True)]
    return {
        "buckets": {f"{w}x{h}": n for (w, h), n in made.shapes.items()},
        "cropped": sum(cut > _NOTED for cut in cuts),
        "most_cropped": round(max(cuts), 4),
        "enlarged": sum(factor > 1.01 for factor in larger),
        "most_enlarged": round(max(larger), 2),
        "reduced": sum(factor < 0.99 for factor in larger),
    }


def _length(settings: Settings, made: Outline) -> dict[str, Any]:
    options, order = settings.options, made.order
    return {
        "shown_per_epoch": order.showings_per_epoch,
        "batch": options.batch * options.accumulate,
        "steps_per_epoch": order.steps_per_epoch,
        "epochs": made.epochs,
        "steps": made.steps,
        "shown_each": round(made.showings / max(1, made.pictures), 1),
    }


def _estimate(settings: Settings, made: Outline, base: Backbone | None) -> dict[str, Any]:
    """Time, memory and disk of the run; on a GPU that is assumed where this machine has none."""
    if base is None:
        return {}
    options, device = settings.options, resolve_device("auto")
    pace = None if device.type == "cuda" else device_pace.ASSUMED_PACE
    try:
        adapters = dry_model.adapter_parameters(options, base)
    except CurateError as error:  # options that fit no layer: training says so with more words
        return {"estimate": {"unknown": error.message}}
    files = resolve.files(options, made.steps, made.order.steps_per_epoch)
    on = torch.device("cuda") if pace else device
    counted = estimate.counts(base, adapters)
    name = base.family.name
    expected = estimate.of(options, name, counted, made.shapes, made.steps, on, files, pace)
    device_name = device_pace.ASSUMED_GPU if pace else torch.cuda.get_device_name(device)
    return {
        "estimate": {
            "device": device_name,
            "assumed_device": pace is not None,
            "seconds": round(expected.seconds),
            "memory_gib": _rounded(expected.memory),
            "disk_gib": _rounded(expected.disk),
        }
    }


def _rounded(parts: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in Counter(parts).items()}

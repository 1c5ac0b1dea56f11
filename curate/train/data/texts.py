"""Captions encoded before training, of families that keep what their text encoder makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from curate.diffusion.base import Backbone
from curate.train.data import captions
from curate.train.data.job import Context, Job
from curate.train.runtime import memory
from curate.train.storage.paths import home
from curate.train.storage.text_store import TextStore


def encode_captions(job: Job, further: Sequence[str], context: Context, dtype: torch.dtype) -> TextStore:
    """Encodes what the run will show and is not on disk yet, then lets the text encoder go.

    `further` are prompts of sample pictures. Captions that change with each showing are worked out for the whole run:
    every draw hangs on the showing alone.
    """
    backbone = job.backbone
    assert backbone.captions is not None
    store = store_of(backbone, context, dtype)
    missing = [text for text in dict.fromkeys([*_shown(job), *further]) if text not in store]
    try:
        for count, text in enumerate(missing, 1):
            context.phase("encoding captions", count, len(missing))
            with memory.memory_errors(job.options, "encoding captions"):
                [states] = backbone.captions.encode([text], context.device, dtype)
            store.add(text, states)
            if count == 2:  # the first is the empty caption, which is shorter than others in most families
                check_room(store, text, len(missing) - count)
            context.end_if_stopping("encoding captions")
    finally:
        backbone.captions.free()
    return store


def check_room(store: TextStore, text: str, others: int) -> None:
    """Raises MissingError where the disk has no room for so many captions of the size of one that is there."""
    each = store.path(text).stat().st_size
    more = f"{others} more encoded captions of {memory.size(each / memory.GIB)}"
    memory.require_disk(store.folder, each * others / memory.GIB, more, "captions that are not shuffled are fewer")


def store_of(backbone: Backbone, context: Context, dtype: torch.dtype) -> TextStore:
    """Where the captions of a folder are kept for a base."""
    encoder = backbone.captions
    assert encoder is not None
    how = f"{backbone.family.name} {encoder.version} {encoder.digest}"
    return TextStore(home(context.folder) / "texts", how, dtype)


def _shown(job: Job) -> Iterator[str]:
    """Every caption of the run, the empty one first: it stands for those that are dropped."""
    yield ""
    options = job.options
    yield from (captions.first(entry.picture, options).strip() for entry in job.held)
    possible = [captions.possible(entry.picture, options) for entry in job.entries]
    if captions.is_fixed(options) and None not in possible:
        yield from (text.strip() for every in possible for text in every or ())
        return
    for _, _, batches in job.order.steps(0, job.steps):
        for batch in batches:
            yield from (captions.of_showing(job.entries[s.picture].picture, s, options) for s in batch)

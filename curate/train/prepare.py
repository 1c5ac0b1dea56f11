"""From a folder and options to a job: data checked, base found, latents on disk, steps worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from curate.core.events import Listener, Note
from curate.errors import InputError, Interrupted
from curate.train import buckets, latents, ledger, settled
from curate.train.backbones import Backbone
from curate.train.batches import Order
from curate.train.dataset import Dataset
from curate.train.options import TrainOptions


@dataclass(frozen=True)
class Context:
    """Where and with what a job runs; nothing here changes a result.

    read      decodes a picture file to uint8 H×W×3; raises PictureError
    stopping  asked between units of work
    left_out  absolute paths of pictures in the folder that are not trained
    """

    folder: Path
    read: latents.Read
    device: torch.device
    offline: bool
    tell: Listener
    stopping: Callable[[], bool]
    left_out: frozenset[Path] = frozenset()

    def note(self, level: str, message: str) -> None:
        """Tells the user a line."""
        self.tell(Note(level, message, stage="train"))


@dataclass
class Job:
    """Everything the loop needs, read and checked; `mirrored` are the same pictures, empty without flip."""

    options: TrainOptions
    data: Dataset
    backbone: Backbone
    entries: list[latents.Entry]
    mirrored: list[latents.Entry]
    order: Order
    steps: int
    epochs: int


def sizes_for(options: TrainOptions, resolution: int) -> tuple[int, list[buckets.Size]]:
    """Step and sizes of the buckets. Raises InputError where there are none."""
    step = options.bucket_step or (64 if resolution >= 256 else 32)
    smallest, largest = options.bucket_min or max(step, resolution // 2), options.bucket_max or resolution * 2
    if not smallest <= resolution <= largest:
        raise InputError(f"resolution {resolution} is not between bucket_min {smallest} and bucket_max {largest}")
    return step, buckets.resolutions(resolution, smallest, largest, step)


def prepare(options: TrainOptions, data: Dataset, backbone: Backbone, context: Context) -> Job:
    """Fits pictures to buckets, encodes what is not on disk yet, works out the length of the run."""
    resolution = options.resolution or backbone.resolution
    step, sizes = sizes_for(options, resolution)
    fits = [
        buckets.fit(p.width, p.height, sizes)
        if options.upscale
        else buckets.fit_no_upscale(p.width, p.height, resolution, step)
        for p in data.pictures
    ]
    place = ledger.home(context.folder) / "latents"
    entries = _encoded(latents.place(data.pictures, fits, backbone.vae_digest, place), backbone, context)
    mirrored: list[latents.Entry] = []
    if options.flip:
        kept = [e.picture for e in entries], [e.fit for e in entries]
        mirrored = _encoded(latents.place(*kept, backbone.vae_digest, place, flip=True), backbone, context, flip=True)
    order = Order(
        groups=[(e.picture.concept, e.fit.bucket) for e in entries],
        repeats=[e.picture.repeats for e in entries],
        batch=options.batch,
        accumulate=options.accumulate,
        seed=options.seed,
    )
    steps, epochs = settled.length(options, order.steps_per_epoch, len(entries), order.showings_per_epoch)
    return Job(options, data, backbone, entries, mirrored, order, steps, epochs)


def _encoded(entries: list[latents.Entry], backbone: Backbone, context: Context, flip: bool = False) -> list[latents.Entry]:
    good: set[int] = set()
    batch = 1 if context.device.type == "cpu" else 8
    for entry, error in latents.encode_missing(entries, backbone, context.read, context.device, batch, flip):
        if error:
            context.note("warning", f"{entry.picture.path} cannot be read and is left out: {error}")
        else:
            good.add(id(entry))
        if context.stopping():
            raise Interrupted("stopped while encoding pictures", "run the same command to continue")
    kept = [entry for entry in entries if id(entry) in good]
    if not kept:
        raise InputError(f"none of the pictures in {context.folder} can be read")
    return kept


def resolution_of(job: Job) -> int:
    """The resolution trained at."""
    return job.options.resolution or job.backbone.resolution


def preflight(job: Job) -> list[tuple[str, str]]:
    """What the user should know before the start: (level, line)."""
    options, order, text = job.options, job.order, job.backbone.texts[0]
    by_bucket: dict[buckets.Size, int] = {}
    for entry in job.entries:
        by_bucket[entry.fit.bucket] = by_bucket.get(entry.fit.bucket, 0) + 1
    shapes = ", ".join(f"{w}x{h}: {n}" for (w, h), n in sorted(by_bucket.items()))
    lines = [
        ("info", f"{len(job.entries)} pictures, {order.showings_per_epoch} showings per epoch; buckets {shapes}"),
        ("info", f"{job.steps} steps: {order.steps_per_epoch} per epoch, {job.epochs} epochs"),
    ]
    if job.backbone.family == "sdxl" and options.clip_skip > 1:
        lines.append(("warning", "clip_skip has no effect: SDXL always reads the last but one layer"))
    if resolution_of(job) > job.backbone.resolution:
        lines.append(("warning", f"the base model was made for a resolution of {job.backbone.resolution}"))
    long = [e.picture.path.name for e in job.entries if len(text.words(e.picture.caption)) > options.max_tokens]
    if long:
        lines.append(
            ("warning", f"{len(long)} captions are longer than {options.max_tokens} tokens and are cut: {', '.join(long[:5])}")
        )
    return lines

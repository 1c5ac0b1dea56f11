"""From a folder and options to a job: data checked, base found, latents on disk, steps worked out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from curate.core.events import Listener, Note
from curate.diffusion.base import Backbone, Prediction
from curate.errors import InputError, Interrupted
from curate.train.data import buckets, latents, masks
from curate.train.data.dataset import Dataset, Picture, read_dataset, reg_repeats, split
from curate.train.data.order import Order
from curate.train.options import TrainOptions, resolve
from curate.train.runtime import memory
from curate.train.storage.paths import home


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
    """Everything the loop needs, read and checked.

    entries     pictures that are trained: the concepts', then those for regularisation
    mirrored    the same pictures, empty without flip
    held        pictures that are never trained, to measure the loss on
    """

    options: TrainOptions
    data: Dataset
    backbone: Backbone
    entries: list[latents.Entry]
    mirrored: list[latents.Entry]
    order: Order
    steps: int
    epochs: int
    held: list[latents.Entry] = field(default_factory=list[latents.Entry])


def bucket_step(options: TrainOptions, resolution: int) -> int:
    """What sides of buckets are multiples of."""
    return options.bucket_step or (64 if resolution >= 256 else 32)


def sides_of(options: TrainOptions, resolution: int) -> tuple[int, int]:
    """The shortest and the longest side that a bucket may have."""
    shortest = options.bucket_min or max(bucket_step(options, resolution), resolution // 2)
    return shortest, options.bucket_max or resolution * 2


def sizes_for(options: TrainOptions, resolution: int) -> tuple[int, list[buckets.Size]]:
    """Step and sizes of the buckets. Raises InputError where there are none."""
    step = bucket_step(options, resolution)
    smallest, largest = sides_of(options, resolution)
    if not smallest <= resolution <= largest:
        raise InputError(f"resolution {resolution} is not between bucket_min {smallest} and bucket_max {largest}")
    return step, buckets.resolutions(resolution, smallest, largest, step)


def prepare(options: TrainOptions, data: Dataset, backbone: Backbone, context: Context) -> Job:
    """Fits pictures to buckets, encodes what is not on disk yet, works out the length of the run."""
    fitted = Fitting(options, backbone)
    trained, held = split(data.pictures, options.validation, options.seed)
    if options.validation_folder:
        other = Path(options.validation_folder).expanduser()
        validation = read_dataset(other, options.caption_extension, masks=False, reg=True)
        held += validation.pictures
        for line in validation.warnings:
            context.note("warning", f"{other.name}: {line}")
    elif options.validation and not held:
        raise InputError("validation has no effect: no concept has a picture to spare", "give a validation_folder")

    def encoded(pictures: Sequence[Picture], flip: bool = False) -> list[latents.Entry]:
        place = home(context.folder) / "latents"
        fits = [fitted.of(p) for p in pictures]
        placed = latents.place(pictures, fits, backbone.vae_digest, place, flip)
        with memory.memory_errors(options, "encoding pictures"):
            return _encoded(placed, backbone, context, flip)

    entries = encoded([*trained, *data.reg])
    mirrored = encoded([e.picture for e in entries], flip=True) if options.flip else []
    order = Order(
        groups=[(e.picture.reg, e.picture.concept, e.fit.bucket) for e in entries],
        repeats=shown_repeats(entries),
        batch=options.batch,
        accumulate=options.accumulate,
        seed=options.seed,
    )
    own = sum(not e.picture.reg for e in entries)
    if not own:
        raise InputError(f"none of the pictures in {context.folder} can be read")
    if options.masked_loss:
        _check_masks([e.picture for e in entries], context)
    if unused := sum(e.picture.reg and not shown for e, shown in zip(entries, order.repeats, strict=True)):
        context.note(
            "warning", f"{unused} regularisation pictures are not shown: there are more than showings of the concepts"
        )
    own_showings = sum(e.picture.repeats for e in entries if not e.picture.reg)
    steps, epochs = resolve.length(options, order.steps_per_epoch, own, own_showings)
    return Job(options, data, backbone, entries, mirrored, order, steps, epochs, encoded(held) if held else [])


def _check_masks(pictures: Sequence[Picture], context: Context) -> None:
    """Warns of masks that hide the whole picture. Raises InputError where all do, or one cannot be read."""
    if not (black := masks.blank(pictures)):
        return
    if len(black) == len(pictures):
        raise InputError("every mask is black all over: nothing would be learnt", "white is learnt, black is not")
    names = ", ".join(f"{p.parent.name}/{p.name}" for p in black[:5])
    context.note(
        "warning", f"{len(black)} masks are black all over, and nothing is learnt from their pictures: {names}"
    )


class Fitting:
    """The buckets that options and base make."""

    def __init__(self, options: TrainOptions, backbone: Backbone) -> None:
        """Raises InputError where no bucket is left."""
        self.resolution = options.resolution or backbone.resolution
        self.upscale = options.upscale
        self.step, self.sizes = sizes_for(options, self.resolution)

    def of(self, picture: Picture) -> buckets.Fit:
        """A picture's bucket and its place in it."""
        if self.upscale:
            return buckets.fit(picture.width, picture.height, self.sizes)
        return buckets.fit_no_upscale(picture.width, picture.height, self.resolution, self.step)


def shown_repeats(entries: Sequence[latents.Entry]) -> list[int]:
    """Showings per epoch: the folders' repeats, and regularisation pictures as often as all others together."""
    own = [e.picture.repeats for e in entries if not e.picture.reg]
    reg = [e.picture.repeats for e in entries if e.picture.reg]
    return own + (reg_repeats(reg, sum(own)) if reg else [])


def _encoded(
    entries: list[latents.Entry], backbone: Backbone, context: Context, flip: bool = False
) -> list[latents.Entry]:
    good: set[int] = set()
    missing = sum(8 * 4 * (e.fit.bucket[0] // 8) * (e.fit.bucket[1] // 8) for e in entries if not e.known)
    memory.room(context.folder, missing / memory.GIB, "the latents")
    # one picture at a time on a CPU: there a picture's latents must not depend on what shares its batch
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


def zero_terminal(options: TrainOptions, backbone: Backbone) -> bool:
    """Whether the last timestep holds no signal: as given, or as the base was trained."""
    return backbone.ztsnr if options.ztsnr is None else options.ztsnr


def prediction_of(job: Job) -> Prediction:
    """What the LoRA makes the base predict: as given, or as the base does."""
    return job.backbone.prediction if job.options.prediction == "auto" else job.options.prediction

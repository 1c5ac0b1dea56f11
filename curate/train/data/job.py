"""From a folder and options to a job: data checked, base found, latents on disk, steps worked out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from curate.core.counting import counted
from curate.core.digests import FileDigests
from curate.core.events import Listener, Note, Phase
from curate.diffusion.base import Backbone, Prediction
from curate.errors import InputError, Interrupted
from curate.train.data import buckets, latents, masks
from curate.train.data.dataset import Dataset, Picture, read_dataset
from curate.train.data.order import Order
from curate.train.data.run_plan import fits, outline, split
from curate.train.options import TrainOptions
from curate.train.runtime import memory
from curate.train.storage.paths import home
from curate.train.storage.text_store import TextStore


@dataclass(frozen=True)
class Context:
    """Where and with what a job runs; nothing here changes a result.

    read      decodes a picture file to uint8 H×W×3; raises PictureError
    stopping  asked between units of work
    left_out  absolute paths of pictures in the folder that are not trained
    digests   digests of files, remembered in the ledger
    triggers  trigger words by the absolute path of a picture, where the ledger knows them
    """

    folder: Path
    read: latents.Read
    device: torch.device
    offline: bool
    tell: Listener
    stopping: Callable[[], bool]
    left_out: frozenset[Path] = frozenset()
    digests: FileDigests = field(default_factory=FileDigests)
    triggers: Mapping[Path, tuple[str, ...]] = field(default_factory=dict[Path, tuple[str, ...]])

    def note(self, level: str, message: str) -> None:
        """Tells the user a line."""
        self.tell(Note(level, message, stage="train"))

    def end_if_stopping(self, task: str) -> None:
        """Raises Interrupted where the user asked to stop meanwhile."""
        if self.stopping():
            raise Interrupted(f"stopped while {task}", "run the same command to continue")

    def phase(self, task: str, done: int = 0, total: int = 0) -> None:
        """Tells the user what takes time before or between the steps."""
        self.tell(Phase("train", task, done, total))


@dataclass
class Job:
    """Everything the loop needs, read and checked.

    entries     pictures that are trained, at each resolution: the concepts', then those for regularisation
    mirrored    the same pictures, empty without flip
    held        pictures that are never trained, to measure the loss on
    texts       where the captions are that were encoded before, of families that do so
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
    texts: TextStore | None = None

    @property
    def pictures(self) -> list[Picture]:
        """The pictures that are trained, each once."""
        return list({entry.picture.path: entry.picture for entry in self.entries}.values())


def prepare(options: TrainOptions, data: Dataset, backbone: Backbone, context: Context) -> Job:
    """Fits pictures to buckets, encodes what is not on disk yet, works out the length of the run."""
    trained, held = split(data.pictures, options.validation, options.seed)
    if options.validation_folder:
        other = Path(options.validation_folder).expanduser()
        validation = read_dataset(other, options.caption_reading, masks=False, reg=True)
        held += validation.pictures
        for line in validation.warnings:
            context.note("warning", f"{other.name}: {line}")
    elif options.validation and not held:
        raise InputError("validation has no effect: no concept has a picture to spare", "give a validation_folder")

    def fitted(pictures: Sequence[Picture]) -> list[tuple[Picture, buckets.Fit]]:
        return fits(options, backbone.resolution, backbone.family.step, pictures)

    def encoded(rows: Sequence[tuple[Picture, buckets.Fit]], flip: bool = False) -> list[latents.Entry]:
        place = home(context.folder) / "latents"
        pictures, places = [picture for picture, _ in rows], [fit for _, fit in rows]
        placed = latents.place(pictures, places, backbone.vae_digest, place, backbone.latent_shape, flip)
        with memory.memory_errors(options, "encoding pictures"):
            return _encoded(placed, backbone, context, flip)

    entries = encoded(fitted([*trained, *data.reg]))
    mirrored = encoded([(e.picture, e.fit) for e in entries], flip=True) if options.flip else []
    pictures = [e.picture for e in entries]
    if all(p.reg for p in pictures):
        raise InputError(f"none of the pictures in {context.folder} can be read")
    if options.masked_loss:
        _check_masks(pictures, context)
    made = outline(options, pictures, [e.fit for e in entries])
    if unused := made.hidden:
        context.note(
            "warning",
            f"{counted(unused, 'regularization picture is', 'regularization pictures are')} not used: "
            "there are more of them than the concepts are shown",
        )
    later = encoded(fitted(held)) if held else []
    return Job(options, data, backbone, entries, mirrored, made.order, made.steps, made.epochs, later)


def _check_masks(pictures: Sequence[Picture], context: Context) -> None:
    """Warns of masks that hide the whole picture. Raises InputError where all do, or one cannot be read."""
    if not (black := masks.blank(pictures)):
        return
    if len(black) == len(pictures):
        raise InputError("every mask is completely black: nothing would be learned", "white is learned, black is not")
    names = ", ".join(f"{p.parent.name}/{p.name}" for p in black[:5])
    context.note(
        "warning",
        f"{counted(len(black), 'mask is', 'masks are')} completely black, and nothing is learned from "
        f"{'its picture' if len(black) == 1 else 'their pictures'}: {names}",
    )


def _encoded(
    entries: list[latents.Entry], backbone: Backbone, context: Context, flip: bool = False
) -> list[latents.Entry]:
    good: set[int] = set()
    missing = sum(e.size for e in entries if not e.known)
    memory.require_disk(home(context.folder), missing / memory.GIB, "the latents")
    # one picture at a time on a CPU: there a picture's latents must not depend on what shares its batch
    batch = 1 if context.device.type == "cpu" else 8
    encoded = latents.encode_missing(entries, backbone, context.read, context.device, batch, flip)
    for count, (entry, error) in enumerate(encoded, 1):
        context.phase("encoding pictures", count, len(entries))
        if error:
            context.note("warning", f"{entry.picture.path} cannot be read and is left out: {error}")
        else:
            good.add(id(entry))
        context.end_if_stopping("encoding pictures")
    kept = [entry for entry in entries if id(entry) in good]
    if not kept:
        raise InputError(f"none of the pictures in {context.folder} can be read")
    return kept


def resolution_of(job: Job) -> int:
    """The resolution trained at; the largest of several."""
    return job.options.largest_resolution or job.backbone.resolution


def zero_terminal(options: TrainOptions, backbone: Backbone) -> bool:
    """Whether the last timestep holds no signal: as given, or as the base was trained."""
    return backbone.ztsnr if options.ztsnr is None else options.ztsnr


def prediction_of(job: Job) -> Prediction:
    """What the LoRA makes the base predict: as given, or as the base does."""
    return job.backbone.prediction if job.options.prediction == "auto" else job.options.prediction

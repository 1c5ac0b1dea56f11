"""What the options ask to watch while a loop runs: its measurements, sample pictures and TensorBoard."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch

from curate.core.events import Saved
from curate.diffusion.family import Prediction
from curate.errors import Interrupted
from curate.sampling import parameters, picture_file
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.emphasis import cautions, negative_caution, plain
from curate.sampling.prompts import Prompt, read_prompts
from curate.sampling.settings import PictureSettings, check_settings, usual_of
from curate.train.data.job import prediction_of, resolution_of, zero_terminal
from curate.train.loop.loop import Loop
from curate.train.loop.validation import Validation
from curate.train.monitor.watch import Action, Board, Interval, Monitor, board_command, validating
from curate.train.options import TrainOptions
from curate.train.output import lora_file, run_records
from curate.train.runtime.seeds import derive_seed
from curate.train.storage.paths import home


def monitor_of(loop: Loop, run: run_records.Run) -> Monitor:
    """What the options ask to watch. Raises InputError for a wrong prompt file."""
    job, context, options = loop.job, loop.context, loop.job.options
    board = board_of(loop, run) if options.tensorboard and loop.team.first else None
    actions: list[tuple[Interval, Action]] = []
    each, last = job.order.steps_per_epoch, job.steps
    if job.held and loop.team.first:
        validation = Validation(loop.batches, loop.losses)
        # where several processes train, all of them stop after the same step
        stopping = context.stopping if loop.team.size == 1 else lambda: False

        def measure() -> float | None:
            with loop.evaluating():
                return validation.measure(stopping)

        interval = Interval(options.validate_every_n_steps, options.validate_every_n_epochs, each, last)
        actions.append((interval, validating(measure, last, context, board)))
    if options.sample_prompts:
        interval = Interval(
            options.sample_every_n_steps, options.sample_every_n_epochs, each, last, options.sample_at_start
        )
        actions.append((interval, Sampling(loop, run, board).draw_all))
    return Monitor(actions, board)


def sample_texts(options: TrainOptions) -> list[str]:
    """What the sample pictures are drawn from. Raises InputError for a wrong prompt file."""
    if not options.sample_prompts:
        return []
    prompts = read_prompts(Path(options.sample_prompts).expanduser())
    return [plain(text) for prompt in prompts for text in (prompt.text, prompt.negative)]


def board_of(loop: Loop, run: run_records.Run) -> Board:
    """TensorBoard's files of a run, with its options as text."""
    job, context = loop.job, loop.context
    logs = home(context.folder) / "logs"
    text = json.dumps(job.options.model_dump(mode="json"), indent=1, sort_keys=True)
    context.note("info", f"monitor with: {board_command(logs)}")
    return Board(logs / run_name(loop, run), loop.state.step + 1, f"```\n{text}\n```")


def run_name(loop: Loop, run: run_records.Run) -> str:
    """What sample pictures and logs of a run are called by."""
    return f"{lora_file.usual_name(loop.job.options, loop.job.data, loop.context.folder)}-{run.id[:8]}"


class Sampling:
    """Draws the prompts of the file; several processes share them out."""

    def __init__(self, loop: Loop, run: run_records.Run, board: Board | None) -> None:
        """Raises InputError for a wrong prompt file."""
        job, context, options = loop.job, loop.context, loop.job.options
        self.loop, self.context, self.board = loop, context, board
        self.prompts = read_prompts(Path(options.sample_prompts).expanduser())
        warn(self.prompts, loop)
        self.prediction: Prediction = prediction_of(job)
        self.ztsnr = zero_terminal(options, job.backbone)
        own = job.backbone.family
        side = resolution_of(job) - resolution_of(job) % own.step
        usual = usual_of(own, side, bool(options.distilled))
        if options.sample_sampler:
            usual = replace(usual, sampler=options.sample_sampler)
        self.pictures = [self.picture(usual, index, prompt) for index, prompt in enumerate(self.prompts)]
        for picture in self.pictures:
            check_settings(picture, own, self.ztsnr)
        self.models = parameters.Models(
            parameters.model_name(options.base), job.backbone.hashes.get("new_sd_model_hash", ""), options.clip_skip
        )
        self.place = run_records.output_folder(options, context.folder) / "samples"
        self.name = run_name(loop, run)

    def picture(self, usual: PictureSettings, index: int, prompt: Prompt) -> PictureSettings:
        """The settings of a prompt's picture; without a seed of its own it gets one from the run's and its index."""
        return replace(usual, seed=derive_seed(self.loop.job.options.seed, "sample", index)).of_prompt(prompt)

    def draw_all(self, done: int) -> None:
        """Pictures of all prompts after so many steps. Where the user stops, the rest is left out."""
        mine: list[tuple[int, Path]] = []
        hardware = Hardware(self.context.device, self.loop.dtype)
        backbone = self.loop.job.backbone
        kept = self.loop.job.texts.read if self.loop.job.texts else None
        drawing = TextToImage(backbone, hardware, self.prediction, self.ztsnr, self.context.stopping, kept=kept)
        for index, picture in self.loop.team.share(list(enumerate(self.pictures))):
            if self.context.stopping():
                break
            self.context.phase("drawing sample pictures", index, len(self.pictures))
            if (path := self.draw(drawing, done, index, picture)) is not None:
                mine.append((index, path))
        theirs = self.loop.team.gather(mine)[1:]
        # the first process alone is heard: it tells what the others drew
        for index, path in chain.from_iterable(theirs) if self.loop.team.first else ():
            self.report(done, index, path)

    def draw(self, drawing: TextToImage, done: int, index: int, picture: PictureSettings) -> Path | None:
        """Draws one picture and tells where it is; None where memory did not hold it or the user stopped."""
        try:
            with self.loop.evaluating():
                [pixels] = drawing.draw([picture])
        except torch.OutOfMemoryError:
            self.context.note("warning", f"no memory for a sample picture of {picture.prompt!r}")
            torch.cuda.empty_cache()
            return None
        except Interrupted:
            return None
        data = picture_file.encode(pixels, parameters.text(picture, self.models))
        path = picture_file.write(self.place, f"{self.name}-{done:06d}-{index:02d}", data)
        self.report(done, index, path)
        return path

    def report(self, done: int, index: int, path: Path) -> None:
        """Tells of a picture."""
        self.context.tell(Saved("sample", str(path)))
        if self.board:
            self.board.picture(f"sample/{index:02d}", done, picture_file.pixels(path))


def warn(prompts: list[Prompt], loop: Loop) -> None:
    """Names prompts that are cut, or not wholly understood."""
    texts = dict.fromkeys(text for prompt in prompts for text in (prompt.text, prompt.negative))
    for text in texts:
        for line in cautions(loop.job.backbone, text):
            loop.context.note("warning", f"sample_prompts: {line}")
    for text in dict.fromkeys(prompt.negative for prompt in prompts if prompt.negative):
        if line := negative_caution(loop.job.backbone, text):
            loop.context.note("warning", f"sample_prompts: {line}")

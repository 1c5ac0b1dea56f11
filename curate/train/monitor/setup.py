"""What the options ask to look at while a loop runs: its measurements, sample pictures and TensorBoard."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import torch

from curate.core.events import Note, Saved
from curate.train.data.job import prediction_of, resolution_of, zero_terminal
from curate.train.data.prompts import Prompt, read_prompts
from curate.train.loop.loop import Loop
from curate.train.loop.validation import Validation
from curate.train.monitor import sample_images
from curate.train.monitor.watch import Board, Look, Rhythm, Watch, board_command, validating
from curate.train.output import lora_file, runs
from curate.train.storage.paths import home


def watching(loop: Loop, run: runs.Run) -> Watch:
    """What the options ask for, ready to be told of steps. Raises InputError for a wrong prompt file."""
    job, context, options = loop.job, loop.context, loop.job.options
    board = None
    if options.tensorboard and loop.team.first:
        logs = home(context.folder) / "logs"
        said = json.dumps(options.model_dump(mode="json"), indent=1, sort_keys=True)
        board = Board(
            logs / f"{lora_file.usual_name(job.options, job.data, context.folder)}-{run.id[:8]}",
            loop.state.step + 1,
            f"```\n{said}\n```",
        )
        context.note("info", f"to watch: {board_command(logs)}")
    looks: list[tuple[Rhythm, Look]] = []
    each, last = job.order.steps_per_epoch, job.steps
    if job.held and loop.team.first:
        validation = Validation(loop.batches, loop.losses)

        def measure() -> float:
            with loop.looking():
                return validation.measure()

        rhythm = Rhythm(options.validate_every_n_steps, options.validate_every_n_epochs, each, last)
        looks.append((rhythm, validating(measure, last, context, board)))
    if options.sample_prompts:
        rhythm = Rhythm(
            options.sample_every_n_steps, options.sample_every_n_epochs, each, last, options.sample_at_start
        )
        looks.append((rhythm, sampling(loop, run, board)))
    return Watch(looks, board)


def sampling(loop: Loop, run: runs.Run, board: Board | None) -> Look:
    """Draws the prompts of the file; several processes share them out. Raises InputError for a wrong file."""
    job, context, options = loop.job, loop.context, loop.job.options
    prompts = read_prompts(Path(options.sample_prompts).expanduser())
    warn_long(prompts, loop)
    prediction = prediction_of(job)
    zero = zero_terminal(options, job.backbone)
    made = {
        sampler: sample_images.scheduler(sampler or options.sample_sampler, job.backbone.schedule, prediction, zero)
        for sampler in {prompt.sampler for prompt in prompts}
    }
    artist = sample_images.Artist(job.backbone, made, options.seed, resolution_of(job), context.device)
    place = runs.output_folder(options, context.folder) / "samples"
    name = f"{lora_file.usual_name(job.options, job.data, context.folder)}-{run.id[:8]}"

    def drawn(done: int, index: int, prompt: Prompt) -> tuple[int, Path] | None:
        try:
            with loop.looking():
                pixels = artist.draw(prompt, index)
        except torch.OutOfMemoryError:
            context.tell(Note("warning", f"no memory for a sample picture of {prompt.text!r}", stage="train"))
            torch.cuda.empty_cache()
            return None
        path = sample_images.write(place, f"{name}-{done:06d}-{index:02d}", prompt, pixels)
        shown(done, index, path)
        return index, path

    def shown(done: int, index: int, path: Path) -> None:
        context.tell(Saved("sample", str(path)))
        if board:
            board.picture(f"sample/{index:02d}", done, sample_images.read(path))

    def look(done: int) -> None:
        mine = [drawn(done, index, prompt) for index, prompt in loop.team.share(list(enumerate(prompts)))]
        theirs = loop.team.gather(mine)[1:]
        # the first process alone is heard: it tells what the others drew
        for one in chain.from_iterable(theirs) if loop.team.first else ():
            if one:
                shown(done, *one)

    return look


def warn_long(prompts: list[Prompt], loop: Loop) -> None:
    """Names prompts that are cut."""
    longest, text = loop.job.options.max_tokens, loop.job.backbone.texts[0]
    for prompt in prompts:
        if (count := len(text.words(prompt.text))) > longest:
            line = f"a sample prompt of {count} tokens is cut to {longest}: {prompt.text[:60]} …"
            loop.context.note("warning", line)

"""`train`: from a prepared folder and options to a LoRA file, continuing where an earlier run of the same stopped."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate.core.events import Event, Saved
from curate.core.files import remove_leftovers
from curate.diffusion.base import Backbone
from curate.diffusion.block_swap import swap
from curate.diffusion.device import reproducible
from curate.diffusion.load import LoadOptions, load
from curate.diffusion.locate import locate_base
from curate.diffusion.quantize import quantize
from curate.train.data.dataset import Dataset
from curate.train.data.job import Context, Job, prepare
from curate.train.data.texts import encode_captions
from curate.train.loop.loop import Loop
from curate.train.monitor.periodic_saves import LoraFiles
from curate.train.monitor.setup import monitor_of, sample_texts
from curate.train.network.build import attach
from curate.train.network.network import Network
from curate.train.options import TrainOptions, imported, resolve
from curate.train.output import lora_file, run_records
from curate.train.output.fingerprint import identify
from curate.train.output.metadata_user import has_words
from curate.train.planning import checks, dry_model, estimate
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_traits
from curate.train.planning.preflight import preflight
from curate.train.runtime import compile, distributed, memory
from curate.train.runtime.distributed import Team
from curate.train.storage.paths import home


def train(options: TrainOptions, context: Context, identity: tuple[run_records.Run, Dataset] | None = None) -> Path:
    """Trains and returns the LoRA's path; a finished run of the same options and data is recalled.

    `identity` is what `identity_of` says, where it was asked already. Several processes, as a launcher starts them,
    share each step's batches: the same as one that accumulates more.
    """
    with distributed.process_group(context.device) as team:
        options = effective(options, team.size)
        context = replace(context, left_out=team.broadcast(context.left_out))
        if not team.first:
            context = replace(context, tell=ignore)
        run, data = identity or team.first_then_others(lambda: identity_of(options, context))
        for line in data.warnings:
            context.note("warning", line)
        for line in imported(options.from_kohya).messages(options.from_kohya):
            context.note("info", line)
        if run.is_finished(context.folder):
            return recall(options, run, data, context, team)
        return Training(options, context, team, run, data).execute()


def identity_of(options: TrainOptions, context: Context) -> tuple[run_records.Run, Dataset]:
    """The run that options and the folder's present content make, and that content."""
    return identify(options, context.folder, context.offline, context.left_out, context.digests)


def ignore(event: Event) -> None:
    """Where events of processes other than the first go."""


def effective(options: TrainOptions, processes: int) -> TrainOptions:
    """The options of one process that does what so many do together: they make the same LoRA."""
    return options if processes == 1 else options.model_copy(update={"accumulate": options.accumulate * processes})


def is_current(options: TrainOptions, context: Context, run: run_records.Run) -> bool:
    """Whether the run's LoRA is there as it was written, where and with the words that are wanted; tells where.

    Raises CurateError for options that a fresh run would refuse.
    """
    path = run.path(context.folder)
    if not run.is_finished(context.folder) or not has_words(options, path):
        return False
    checks.check(options, context.folder, context.digests)
    if path.parent.resolve() != run_records.output_folder(options, context.folder).resolve():
        return False
    run.save(context.folder)  # what looks for the run last worked on finds this one
    context.tell(Saved("lora", str(path), recalled=True))
    tell_undrawn(run, context)
    return True


def recall(options: TrainOptions, run: run_records.Run, data: Dataset, context: Context, team: Team) -> Path:
    """The LoRA that was trained before from the same. Raises InputError for options that a fresh run would refuse."""
    team.first_then_others(lambda: checks.check(options, context.folder, context.digests))
    before = run.path(context.folder)
    path = lora_file.bring(options, data, run, context.folder) if team.first else before
    same = path.resolve() == before.resolve()
    if team.first:
        run.save(context.folder)
    context.note(
        "info", f"{before} was trained from exactly this; " + ("nothing to do" if same else f"written as {path}")
    )
    context.tell(Saved("lora", str(path), recalled=True))
    tell_undrawn(run, context)
    team.wait()
    return path


def tell_undrawn(run: run_records.Run, context: Context) -> None:
    """Says where a finished run was stopped before its last sample pictures were drawn."""
    if run.undrawn:
        message = "the sample pictures after the last step were not drawn, since the run was stopped there"
        context.note(
            "warning", f"{message}: `curate grid {shlex.quote(str(context.folder))}` draws with what it trained"
        )


class Training:
    """One run: what it needs is loaded when it is carried out."""

    def __init__(
        self, options: TrainOptions, context: Context, team: Team, run: run_records.Run, data: Dataset
    ) -> None:
        self.options, self.context, self.team, self.run, self.data = options, context, team, run, data
        self.folder = context.folder

    def execute(self) -> Path:
        """Trains to the end and writes the LoRA."""
        context, options, team = self.context, self.options, self.team
        if team.first:
            self.begin()
        team.first_then_others(lambda: checks.check(options, self.folder, context.digests))
        place = locate_base(options.base, context.offline)
        check_base(options, base_traits(options, place), place, context.device)
        dtype = resolve.precision(options, context.device)
        load_options = LoadOptions(
            options.clip_skip,
            options.max_tokens,
            dtype,
            options.tokenizer,
            options.prediction,
            options.vae,
            options.family,
            options.text_encoder,
        )
        context.phase("loading the base model")
        backbone = team.first_then_others(lambda: load(options.base, context.offline, load_options, context.digests))
        self.end_if_stopping("loading the base model")
        with reproducible(context.device, sum(p.numel() for p in backbone.parts["unet"].parameters())):
            with memory.memory_errors(options, "loading the base"):
                backbone.vae_to(context.device)
            job: Job = team.first_then_others(lambda: prepare(options, self.data, backbone, context))
            if backbone.captions is not None:
                prompts = sample_texts(options)
                job.texts = team.first_then_others(lambda: encode_captions(job, prompts, context, dtype))
            with memory.memory_errors(options, "loading the base"):
                if options.base_precision != "auto":
                    quantize(backbone.parts.values(), options.base_precision)
                if isinstance(options.swap_blocks, int) and options.swap_blocks:
                    swap(backbone.parts["unet"], options.swap_blocks, context.device)
                backbone.to(context.device, dtype)
            self.end_if_stopping("loading the base model")
            for level, line in preflight(job, self.context.triggers):
                context.note(level, line)
            network = self.attach(backbone)
            if team.first:
                lora_file.check_names(options, network)
            self.end_if_stopping("making the adapters")
            expected = estimate.of_job(job, network, context.device)
            memory.require_disk(
                home(self.folder), expected.disk["LoRA"] + expected.disk["checkpoints"], "the LoRA and its checkpoints"
            )
            memory.require_disk(run_records.output_folder(options, self.folder), expected.disk["LoRA"], "the LoRA")
            for line in expected.lines():
                context.note("warning" if line.startswith("warning") else "info", line.removeprefix("warning: "))
            return self.loop(job, network)

    def begin(self) -> None:
        """Notes where the run computes, and removes LoRA files that a killed run left half-written.

        Another folder may be shared with trainings that this folder's lock knows nothing of: it is left as it is.
        """
        if not self.options.output_dir:
            remove_leftovers(self.folder / "lora")
        self.run.device = str(self.context.device)
        self.run.save(self.folder)

    def end_if_stopping(self, task: str) -> None:
        """Raises Interrupted where the user asked to stop; of several processes none goes on alone, and none ends."""
        if self.team.size == 1:
            self.context.end_if_stopping(task)

    def attach(self, backbone: Backbone) -> Network:
        """The adapters, on the device."""
        dry_model.fits_memory(self.options, backbone)
        network = attach(self.options, backbone)
        for adapter in network.adapters.values():
            adapter.to(self.context.device)
        if self.options.gradient_checkpointing:
            unet: Any = backbone.parts["unet"]
            unet.enable_gradient_checkpointing()
            unet.train()
        if self.options.compile:
            compile.compile_blocks(backbone.parts["unet"], self.context.device)
            self.context.note("info", "the first steps compile the network's blocks, which takes minutes")
        return network

    def loop(self, job: Job, network: Network) -> Path:
        """Runs the loop; the finished file."""
        loop = Loop(job, network, self.context, self.run.place(self.folder), self.team)
        if loop.state.step:
            self.context.note("info", f"continuing at step {loop.state.step} of {job.steps}")
        elif other := run_records.interrupted(self.run, self.folder):
            self.context.note("info", f"starting at the first step: {other}")
        monitor = monitor_of(loop, self.run)
        try:
            with memory.memory_errors(self.options, "training"), compile.compiling(self.options.compile):
                self.run.undrawn = bool(self.options.sample_prompts)
                loop.run(LoraFiles(loop, self.run, self.folder), monitor)
            if self.run.undrawn and self.team.first:
                self.run.undrawn = False
                self.run.save(self.folder)
        finally:
            monitor.close()
        self.team.wait()
        run = self.run if self.team.first else run_records.Run.of(self.folder, self.run.id)
        return run.path(self.folder)

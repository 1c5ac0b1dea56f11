"""`train`: from a prepared folder and options to a LoRA file, continuing where an earlier run of the same stopped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from curate.core.events import Event, Saved
from curate.errors import CurateError, MissingError
from curate.train import checkpoint, compiled, early, estimate, files, frame, ledger, limits, parallel, settled
from curate.train.attach import attach
from curate.train.backbones import Backbone, Want, load
from curate.train.dataset import Dataset
from curate.train.digests import Known
from curate.train.identity import identify
from curate.train.looks import watching
from curate.train.loop import Loop
from curate.train.network import Network
from curate.train.options import TrainOptions
from curate.train.parallel import Team
from curate.train.prepare import Context, Job, preflight, prepare
from curate.train.saves import Saves

SMALL = 20_000_000


def train(options: TrainOptions, context: Context) -> Path:
    """Trains and returns the LoRA's path; a finished run of the same options and data is recalled.

    Several processes, as a launcher starts them, share each step's batches: the same as one that accumulates more.
    """
    with parallel.together(context.device) as team:
        options = effective(options, team.size)
        context = replace(context, left_out=team.hear(context.left_out))
        if not team.first:
            context = replace(context, tell=unheard)
        found, data = team.turn(lambda: identify(options, context.folder, context.offline, context.left_out))
        for line in data.warnings:
            context.note("warning", line)
        if found.stands(context.folder):
            return recalled(options, found, data, context, team)
        return Training(options, context, team, found, data).carried_out()


def unheard(event: Event) -> None:
    """What processes other than the first tell."""


def effective(options: TrainOptions, processes: int) -> TrainOptions:
    """The options of one process that does what so many do together: they make the same LoRA."""
    return options if processes == 1 else options.model_copy(update={"accumulate": options.accumulate * processes})


def recalled(options: TrainOptions, run: ledger.Run, data: Dataset, context: Context, team: Team) -> Path:
    """The LoRA that was trained before from the same. Raises InputError for options that a fresh run would refuse."""
    team.turn(lambda: early.check(options, context.folder))
    before = run.path(context.folder)
    path = files.bring(options, data, run, context.folder) if team.first else before
    same = path.resolve() == before.resolve()
    context.note("info", f"{before} was trained from exactly this; " + ("nothing to do" if same else f"written as {path}"))
    context.tell(Saved("lora", str(path), recalled=True))
    team.wait()
    return path


class Training:
    """One run: what it needs is loaded when it is carried out."""

    def __init__(self, options: TrainOptions, context: Context, team: Team, run: ledger.Run, data: Dataset) -> None:
        self.options, self.context, self.team, self.run, self.data = options, context, team, run, data
        self.folder = context.folder

    def carried_out(self) -> Path:
        """Trains to the end and writes the LoRA."""
        context, options, team = self.context, self.options, self.team
        if team.first:
            self.run.device = str(context.device)
            self.run.save(self.folder)
        team.turn(lambda: early.check(options, self.folder))
        known = Known(ledger.home(self.folder) / "digests.json")
        dtype = settled.precision(options, context.device)
        want = Want(options.clip_skip, options.max_tokens, dtype, options.tokenizer, options.prediction, options.vae)
        backbone = team.turn(lambda: load(options.base, context.offline, want, known))
        if team.first:
            known.save()
        with reproducible(context.device, sum(p.numel() for p in backbone.parts["unet"].parameters())):
            with limits.memory_errors(options, "loading the base"):
                backbone.to(context.device, dtype)
            job: Job = team.turn(lambda: prepare(options, self.data, backbone, context))
            for level, line in preflight(job):
                context.note(level, line)
            network = self.attached(backbone)
            expected = estimate.of_job(job, network, context.device)
            limits.room(self.folder, expected.disk["LoRA"] + expected.disk["checkpoints"], "the LoRA and its checkpoints")
            limits.room(ledger.output_folder(options, self.folder), expected.disk["LoRA"], "the LoRA")
            for line in expected.lines():
                context.note("warning" if line.startswith("warning") else "info", line.removeprefix("warning: "))
            path = self.looped(job, network)
        context.tell(Saved("lora", str(path)))
        return path

    def attached(self, backbone: Backbone) -> Network:
        """The adapters, on the device."""
        frame.fits_memory(self.options, backbone)
        network = attach(self.options, backbone)
        for adapter in network.adapters.values():
            adapter.to(self.context.device)
        if self.options.gradient_checkpointing:
            unet: Any = backbone.parts["unet"]
            unet.enable_gradient_checkpointing()
            unet.train()
        if self.options.compile:
            compiled.compile_blocks(backbone.parts["unet"], self.context.device)
            self.context.note("info", "the first steps compile the network's blocks, which takes minutes")
        return network

    def looped(self, job: Job, network: Network) -> Path:
        """Runs the loop; the finished file."""
        loop = Loop(job, network, self.context, self.run.place(self.folder), self.team)
        loop.after = Saves(loop, self.run, self.folder)
        if loop.state.step:
            self.context.note("info", f"continuing at step {loop.state.step} of {job.steps}")
        elif other := ledger.interrupted(self.run, self.folder):
            self.context.note("info", f"starting at the first step: {other}")
        watch = loop.watcher = watching(loop, self.run)
        try:
            with limits.memory_errors(self.options, "training"), compiled.compiling(self.options.compile):
                loop.run()
        finally:
            watch.close()
        path = Path()
        if self.team.first:
            path = self.finished(loop)
            checkpoint.clear(self.run.place(self.folder))
        self.team.wait()
        return path if self.team.first else ledger.Run.of(self.folder, self.run.id).path(self.folder)

    def finished(self, loop: Loop) -> Path:
        """Writes the LoRA; where that fails, a checkpoint of the last step, from which a rerun only writes it."""
        try:
            with loop.looking():
                return files.finish(loop.job, loop.network, self.run, self.folder)
        except (OSError, CurateError):
            with contextlib.suppress(OSError, CurateError):
                loop.save()
            raise


@contextlib.contextmanager
def reproducible(device: torch.device, parameters: int) -> Generator[None]:
    """On a CPU: a number of threads that hangs on machine and model alone, and deterministic kernels.

    Sums are split by thread, so that another number of threads would give other last bits. A small model is
    quickest on one thread.
    """
    if device.type != "cpu":
        yield
        return
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1 if parameters < SMALL else min(os.cpu_count() or 1, 16))
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def chosen_device(wanted: str, require_gpu: bool = False) -> torch.device:
    """auto is the first GPU where there is one. Raises MissingError for a GPU that is not there."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    remedy = "`curate doctor` says why; or run on the CPU: without require_gpu, device auto"
    if require_gpu and wanted in ("auto", "cpu") and not count:
        raise MissingError("no GPU for training: PyTorch finds no CUDA device", remedy)
    if wanted in ("auto", "cuda") and count and parallel.size() > 1:
        return torch.device("cuda", parallel.local_rank() % count)
    if wanted == "auto":
        return torch.device("cuda" if count else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise MissingError(f"device {wanted} is not there: PyTorch finds {count} CUDA devices", remedy)
    return device

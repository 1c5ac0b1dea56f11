"""`train`: from a prepared folder and options to a LoRA file, continuing where an earlier run of the same stopped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from curate.core.events import Saved
from curate.errors import MissingError
from curate.train import checkpoint, files, ledger, settled
from curate.train.attach import attach
from curate.train.backbones import Want, load
from curate.train.digests import Known
from curate.train.identity import identify
from curate.train.loop import Loop
from curate.train.options import TrainOptions
from curate.train.prepare import Context, preflight, prepare

SMALL = 20_000_000


def train(options: TrainOptions, context: Context) -> Path:
    """Trains and returns the LoRA's path; a finished run of the same options and data is recalled."""
    folder = context.folder
    run, data = identify(options, folder, context.offline, context.left_out)
    for line in data.warnings:
        context.note("warning", line)
    if run.stands(folder):
        path = files.bring(options, run, folder)
        context.note("info", f"{path} was trained from exactly this; nothing to do")
        context.tell(Saved("lora", str(path), recalled=True))
        return path
    run.device = str(context.device)
    run.save(folder)
    known = Known(ledger.home(folder) / "digests.json")
    dtype = settled.precision(options, context.device)
    want = Want(options.clip_skip, options.max_tokens, dtype, options.tokenizer, options.prediction)
    backbone = load(options.base, context.offline, want, known)
    known.save()
    with reproducible(context.device, sum(p.numel() for p in backbone.parts["unet"].parameters())):
        backbone.to(context.device, dtype)
        job = prepare(options, data, backbone, context)
        for level, line in preflight(job):
            context.note(level, line)
        network = attach(options, backbone)
        for adapter in network.adapters.values():
            adapter.to(context.device)
        if options.gradient_checkpointing:
            unet: Any = backbone.parts["unet"]
            unet.enable_gradient_checkpointing()
            unet.train()

        def epoch_end(step: int, epoch: int) -> None:
            if options.save_every_n_epochs and epoch % options.save_every_n_epochs == 0:
                path, _ = files.write(job, network, run, folder, step, f"-{epoch:06d}")
                context.tell(Saved("lora", str(path)))

        loop = Loop(job, network, context, run.place(folder), epoch_end)
        if loop.state.step:
            context.note("info", f"continuing at step {loop.state.step} of {job.steps}")
        loop.run()
        path = files.finish(job, network, run, folder)
    checkpoint.clear(run.place(folder))
    context.tell(Saved("lora", str(path)))
    return path


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
    if wanted == "auto":
        return torch.device("cuda" if count else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise MissingError(f"device {wanted} is not there: PyTorch finds {count} CUDA devices", remedy)
    return device

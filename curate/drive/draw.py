"""Draw: pictures from a base and LoRAs as a command, with lock, ledger, progress and stop signals around it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import names
from curate.core.counting import counted
from curate.core.events import Event, Listener, RecordDone, StageFinished, StageStarted
from curate.core.lock import run_lock
from curate.core.store import Store
from curate.drive.process_state import process_state
from curate.errors import InputError
from curate.pipeline import RunOptions
from curate.report import open_report

if TYPE_CHECKING:
    from curate.sampling.options import DrawOptions
    from curate.sampling.pictures import Context, Pictures, Request

_SLUG = 40
"""Letters of a prompt in a picture's name."""


@dataclass(frozen=True)
class Drawing:
    """What a command that draws works with."""

    context: Context
    tell: Listener

    def write(self, pictures: Pictures, requests: Sequence[Request], folder: Path) -> list[tuple[Path, bool]]:
        """Files of the requests and whether each was there before; the progress is told."""
        stage, began, found = self.context.stage, time.perf_counter(), list[tuple[Path, bool]]()
        self.tell(StageStarted(stage, len(requests), 0))
        for drawn in pictures.write(requests, folder):
            found.append((drawn.path, drawn.recalled))
            self.tell(RecordDone(stage, drawn.path.name))
        recalled = sum(before for _, before in found)
        self.tell(StageFinished(stage, len(found) - recalled, recalled, 0, time.perf_counter() - began))
        return found


@contextlib.contextmanager
def drawing(folder: Path, run: RunOptions, stage: str, quiet: bool = False) -> Generator[Drawing]:
    """Holds the folder that is drawn into, and knows what its ledger knows. Raises LockedError, MissingError."""
    from curate.diffusion.device import resolve_device
    from curate.sampling.pictures import Context

    with (
        run_lock(folder),
        Store(folder) as store,
        open_report(quiet=quiet) as report,
        process_state(report.tell) as stop,
    ):

        def tell(event: Event) -> None:
            report.tell(event)

        device = resolve_device(run.device, run.require_gpu or run.device.startswith("cuda"))
        yield Drawing(Context(device, run.offline, tell, stop, store.file_digests, stage), tell)
        store.commit()


def sample(
    base: str, options: DrawOptions, loras: Iterable[str], folder: Path, run: RunOptions, quiet: bool = False
) -> dict[str, Any]:
    """Draws the prompts into a folder; what is there already is not drawn again. The pictures as plain values."""
    from curate.sampling.loras import lora_strength
    from curate.sampling.pictures import Pictures, Request

    prompts = options.read_prompts()
    if not prompts:
        raise InputError("there is nothing to draw", "give --prompt TEXT or --prompts FILE")
    used = tuple(lora_strength(text) for text in loras)
    with drawing(folder, run, "sample", quiet) as session:
        pictures = Pictures(base, options, session.context)
        settings = options.pictures(prompts, pictures.traits.resolution)
        requests = [Request(picture_name(n, one.prompt, one.seed), one, used) for n, one in enumerate(settings)]
        found = session.write(pictures, requests, folder)
    rows = [
        {"path": str(path), "prompt": one.prompt, "seed": one.seed, "recalled": recalled}
        for (path, recalled), one in zip(found, settings, strict=True)
    ]
    return {"status": "done", "folder": str(folder), "pictures": rows}


def picture_name(number: int, prompt: str, seed: int) -> str:
    """What a picture's file is called: number, the prompt's beginning, seed."""
    words = names.safe(" ".join(prompt.split())[:_SLUG]).strip(" ._")
    return f"{number:03d}-{words or 'picture'}-{seed}"


def summary(figures: dict[str, Any]) -> str:
    """What was drawn, in a line."""
    rows = figures["pictures"]
    before = sum(row["recalled"] for row in rows)
    line = f"{counted(len(rows) - before, 'picture')} drawn into {figures['folder']}"
    return line + (f", {before:,} already there" if before else "")

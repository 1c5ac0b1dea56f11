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
from curate.core.files import write_text
from curate.core.lock import run_lock
from curate.core.store import Store
from curate.diffusion.family import is_model
from curate.drive.process_state import process_state
from curate.errors import InputError
from curate.pipeline import RunOptions
from curate.report import open_report

if TYPE_CHECKING:
    from curate.sampling.drawing_base import Context
    from curate.sampling.grid_file import Grid
    from curate.sampling.loras import LoraStrength
    from curate.sampling.options import DrawOptions, GridOptions
    from curate.sampling.pictures import Pictures, Request
    from curate.stages.sample import Plan

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
    from curate.sampling.drawing_base import Context

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
        settings = options.pictures(prompts, pictures.traits.resolution, pictures.family, pictures.distilled)
        requests = [Request(picture_name(n, one.prompt, one.seed), one, used) for n, one in enumerate(settings)]
        found = session.write(pictures, requests, folder)
    rows = [
        {"path": str(path), "prompt": one.prompt, "seed": one.seed, "recalled": recalled}
        for (path, recalled), one in zip(found, settings, strict=True)
    ]
    return {"status": "done", "folder": str(folder), "pictures": rows}


def grid(
    source: str,
    options: GridOptions,
    loras: Sequence[str],
    run: RunOptions,
    name: str = "",
    out: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Draws the LoRA files of a training in a folder, or LoRAs on a base, side by side, and writes sheet and page.

    `name` chooses among the trainings of a folder. Raises InputError where nothing is to be compared.
    """
    from curate.core.store import ledger_place
    from curate.sampling.loras import lora_strength
    from curate.stages.sample import Sample
    from curate.train.output.trained import is_trained

    used = [lora_strength(text) for text in loras]
    folder = Path(source).expanduser()
    trained = is_trained(folder)
    if not trained:
        _check_base(folder, source, name)
    place = ledger_place(folder) if trained else out or Path("grid")
    with drawing(place, run, "grid", quiet) as session:
        if trained:
            plan = Sample(**options.model_dump(exclude_unset=True)).plan(folder, session.context, name, out, used)
        else:
            plan = _plan(source, options, used, place, session.context)
        made = _drawn(plan, session)
    return {
        "status": "done",
        "folder": str(plan.folder),
        "page": str(write_page(plan.folder)),
        "sheet": str(plan.folder / "grid.png"),
        "columns": list(made.columns),
        "rows": [{"prompt": row.prompt, "seed": row.seed} for row in made.rows],
        "pictures": [list(row) for row in made.files],
    }


def _drawn(plan: Plan, session: Drawing) -> Grid:
    from curate.stages.sample import draw

    stage, began = session.context.stage, time.perf_counter()
    session.tell(StageStarted(stage, len(plan.columns) * len(plan.rows), 0))
    made, recalled = draw(plan, session.context)
    drawn = sum(map(len, made.files)) - recalled
    session.tell(StageFinished(stage, drawn, recalled, 0, time.perf_counter() - began))
    return made


def _check_base(folder: Path, source: str, name: str) -> None:
    """Raises InputError for a folder that holds neither a training nor a base, and for the run of a base."""
    if folder.is_dir() and not is_model(folder):
        raise InputError(f"no LoRA was trained in {folder}, and it is no base model", "give a trained folder or a base")
    if name:
        raise InputError(f"run {name} has no effect: {source} is a base model", "give the folder that was trained")


def _plan(base: str, options: GridOptions, loras: Sequence[LoraStrength], folder: Path, context: Context) -> Plan:
    """The grid of LoRAs on a base."""
    from curate.sampling.grid import columns_of, evenly
    from curate.sampling.pictures import Pictures
    from curate.stages.sample import Plan

    prompts = options.read_prompts()
    if not prompts or not loras:
        raise InputError("there is nothing to compare", "give --lora FILE and --prompt TEXT, or a trained folder")
    pictures = Pictures(base, options, context)
    rows = options.pictures(prompts, pictures.traits.resolution, pictures.family, pictures.distilled)
    return Plan(pictures, columns_of(evenly(loras, options.checkpoints), options.strengths), rows, folder)


def write_page(folder: Path) -> Path:
    """Writes the page of a folder's grid."""
    from curate.report.grid_page import render
    from curate.sampling import grid_file

    found = grid_file.read(folder)
    assert found is not None
    page = folder / grid_file.PAGE
    write_text(page, render(found, folder), sync=False)
    return page


def picture_name(number: int, prompt: str, seed: int) -> str:
    """What a picture's file is called: number, the prompt's beginning, seed."""
    from curate.sampling.emphasis import plain

    words = names.safe(" ".join(plain(prompt).split())[:_SLUG]).strip(" ._")
    return f"{number:03d}-{words or 'picture'}-{seed}"


def summary(figures: dict[str, Any]) -> str:
    """What was drawn, in a line."""
    rows = figures["pictures"]
    before = sum(row["recalled"] for row in rows)
    line = f"{counted(len(rows) - before, 'picture')} drawn into {figures['folder']}"
    return line + (f", {before:,} already there" if before else "")

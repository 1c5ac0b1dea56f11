"""Report page: writes the HTML report of a prepared folder, and its values beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.core.files import write_atomic, write_text
from curate.core.record import Manifest, Record
from curate.core.stage import Concept
from curate.core.store import LEDGER, SUMMARY
from curate.core.summary_file import planned_training
from curate.drive.process_state import interruptible
from curate.drive.session import quoted
from curate.errors import CurateError, InputError
from curate.report import open_report

if TYPE_CHECKING:
    from curate.evaluate.result import Evaluation
    from curate.report.page import Page
    from curate.report.thumbs import Thumbnails
    from curate.report.training_run import TrainingRun
    from curate.sampling.grid_file import Grid
    from curate.train.data.run_plan import Fitting

UNTRAINED = 1024
"""The resolution of the buckets where nobody knows the base: SDXL's, for which most LoRAs are made."""

_MANY = 5000
"""With more pictures, a process of its own makes the checks, and gives back their memory of 0.85 kB a picture."""

ONE_FILE = 240
"""The most pictures whose report is one file: each adds about 0.01 MB to it."""


@dataclass(frozen=True)
class Pictures:
    """Where pictures lie.

    prepared  a record's picture, None where there is none
    source    the picture that it was made of, None where it is not known
    files     the paths of pictures inside the folder, by key
    """

    prepared: Callable[[Record], Path | None]
    source: Callable[[Record], Path | None]
    files: Mapping[str, str] = field(default_factory=dict[str, str])


@interruptible()
def write_report(
    out: Path,
    manifest: Manifest,
    figures: Mapping[str, Any],
    pictures: Pictures,
    concepts: Mapping[str, Concept],
    folder: Path,
    *,
    quiet: bool = False,
    tokens: bool = True,
) -> None:
    """Writes the page of a prepared folder, and the same for programs beside it, with the ending .json.

    Without `tokens` the checks do not count tokens: the tokenizer takes seconds to load where nothing was trained.

    The page of a small folder is one file. With more than 240 pictures the small pictures lie beside it, in a folder
    of the page's name with `_files`, as browsers save pages: inside the page they would make it too large to open.
    Ctrl-C and SIGTERM end it at once.
    """
    from curate.report.html import render
    from curate.report.page import with_cards
    from curate.report.report_file import report_values
    from curate.report.thumbs import InsideThumbnails, ThumbnailFiles
    from curate.report.values_file import write_values

    sized = Manifest((_sized(record, pictures.prepared) for record in manifest), unique=True)
    files = ThumbnailFiles(out.with_name(f"{out.stem}_files"))
    many = len(sized) > ONE_FILE
    if many:
        _check_place(out, folder)
        with open_report(quiet=quiet) as progress:
            shown = with_cards(sized)
            files.prepare([(path, r.image.digest) for r in shown if (path := pictures.prepared(r))], progress.tell)
    checks = _checks(folder, sized, pictures.files, tokens)
    page = _page(sized, figures, pictures, concepts, folder, files if many else InsideThumbnails(), checks)
    write_text(out, render(page), sync=False)
    write_atomic(out.with_suffix(".json"), lambda file: write_values(file, report_values(page, iter)), sync=False)
    files.remove_unused()


def _page(
    manifest: Manifest,
    figures: Mapping[str, Any],
    pictures: Pictures,
    concepts: Mapping[str, Concept],
    folder: Path,
    thumbnails: Thumbnails,
    checks: dict[str, Any] | None,
) -> Page:
    """What the page shows."""
    from curate.report.page import Page
    from curate.report.training_run import training_runs

    ledger = (folder / LEDGER).absolute()
    runs = training_runs(folder)
    run = runs[-1] if runs else None
    fitting, base = _planned_fitting(folder)
    if run:
        fitting = _fitting(run, _trained_at(figures, run) or UNTRAINED)
    return Page(
        manifest,
        figures,
        pictures.prepared,
        concepts,
        fitting=fitting,
        base=base,
        thumbnails=thumbnails,
        before=pictures.source,
        files=pictures.files,
        checks=checks,
        review=quoted(folder),
        ledger=ledger,
        trainings=runs,
        grid=_grid(run),
        evaluation=_evaluation(run, figures, folder),
        date=_date(ledger / SUMMARY),
    )


def _check_place(page: Path, folder: Path) -> None:
    """Refuses a page among the pictures: those that lie beside it would be taken for some of them."""
    place, whole = page.parent.resolve(), folder.resolve()
    if place.is_relative_to(whole) and not place.is_relative_to(whole / LEDGER):
        remedy = "give a file outside of the folder, or none"
        raise InputError(f"{page} is inside {folder}: its thumbnails would be taken for pictures", remedy)


def _checks(folder: Path, manifest: Manifest, files: Mapping[str, str], tokens: bool) -> dict[str, Any] | None:
    """What `curate check` finds without opening a picture; None where it cannot be made here."""
    from curate.checks import CHECKS
    from curate.drive.check import check_known
    from curate.drive.check_process import check_streamed

    sizes = ((name, (r.image.width, r.image.height)) for r in manifest if (name := files.get(r.key)) is not None)
    with contextlib.suppress(CurateError, ValueError):  # no base, or options of an old training
        if len(files) > _MANY:
            return {**check_streamed(folder, sizes, tokens=tokens), "names": dict(CHECKS)}
        return {**check_known(folder, dict(sizes), tokens=tokens).as_dict(), "names": dict(CHECKS)}
    return None


def _fitting(run: TrainingRun | None, resolution: int) -> Fitting:
    """The buckets of the latest training; the usual ones where its options and that resolution make none."""
    from curate.report.page import fitting_of

    with contextlib.suppress(InputError, ValueError):
        return fitting_of(run.options if run else {}, resolution)
    return fitting_of({}, resolution)


def _planned_fitting(folder: Path) -> tuple[Fitting, str]:
    """The buckets of the training that the folder's pipeline plans, and its base; the assumed ones and "" without."""
    from curate.drive.check_base import base_of
    from curate.train.data.run_plan import Fitting

    with contextlib.suppress(CurateError, ValueError):
        base = base_of(folder, {})
        name = base.name if base.name == planned_training(folder).get("base") else ""
        return Fitting(base.options, base.traits.resolution), name
    return _fitting(None, UNTRAINED), ""


def _grid(run: TrainingRun | None) -> tuple[Grid, Path] | None:
    """The pictures drawn with a run's LoRA files, where there are any."""
    if run is None or not run.loras or not (run.loras[-1].parent / "grid").is_dir():
        return None
    from curate.sampling.grid_file import grid_folder, read

    folder = grid_folder(run.loras[-1])
    found = read(folder)
    return (found, folder) if found else None


def _evaluation(
    run: TrainingRun | None, figures: Mapping[str, Any], folder: Path
) -> tuple[Evaluation, Path, Path] | None:
    """The evaluation that the run made, else that of the latest training, with its folder and the pictures'."""
    from curate.evaluate.result import RESULT, evaluation_folder, read

    places = [Path(one["path"]).parent for one in figures["saved"] if one["kind"] == "evaluation"]
    places += [evaluation_folder(run.loras[-1])] if run and run.loras else []
    for place in places:
        if result := read(place / RESULT):
            return result, place, folder
    return None


def _sized(record: Record, find: Callable[[Record], Path | None]) -> Record:
    """With the size in the file's header where no stage has noted one: a command that changes no picture does not."""
    from curate.images.decode.formats import register_plugins
    from curate.train.data.picture_checks import picture_size

    if record.aside or record.image.width or not (path := find(record)):
        return record
    register_plugins()
    # PIL raises whatever a broken file makes its decoders raise; its size then stays unknown
    with contextlib.suppress(Exception):
        width, height = picture_size(path)
        return dataclasses.replace(record, image=dataclasses.replace(record.image, width=width, height=height))
    return record


def _date(path: Path) -> str:
    """When a file was written, in local time; "" without one."""
    if not path.is_file():
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))


def _trained_at(figures: Mapping[str, Any], run: TrainingRun | None) -> int | None:
    """The resolution of the LoRA that the run made or recalled, else of the latest training, from its metadata."""
    from safetensors import SafetensorError, safe_open

    latest = [str(path) for path in run.loras[-1:]] if run else []
    for path in [*(one["path"] for one in figures["saved"] if one["kind"] == "lora"), *latest]:
        with contextlib.suppress(OSError, SafetensorError, ValueError), safe_open(path, framework="np") as file:
            return int((file.metadata() or {}).get("modelspec.resolution", "").partition("x")[0])
    return None

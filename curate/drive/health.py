"""Health: what a folder holds, as a report, and which of its pictures refuse AI training."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import folder
from curate.core.files import write_text
from curate.core.lock import check_unlocked
from curate.core.record import Image, Manifest, Record
from curate.core.stage import Concept
from curate.core.store import LEDGER, Store, ledger_place
from curate.drive.preview import copy_ledger
from curate.drive.session import SUMMARY, env_over, silent
from curate.errors import InputError
from curate.images.consent import Consent, check
from curate.pipeline import RunOptions
from curate.report import open_report
from curate.scan import RIGHTS, list_pictures, reopen

if TYPE_CHECKING:
    from curate.evaluate.result import Evaluation
    from curate.report.training_run import TrainingRun
    from curate.sampling.grid_file import Grid
    from curate.train.data.run_plan import Fitting

REPORT = f"{LEDGER}/report.html"
"""The health report that a run writes; beside the ledger, since it tells of times and is not part of the dataset."""

UNTRAINED = 1024
"""The resolution of the buckets where nothing was trained yet: SDXL's, for which most LoRAs are made."""

ONE_FILE = 240
"""The most pictures whose report is one file: each adds about 0.01 MB to it."""


def consent_of(source: Path) -> list[tuple[Path, Consent]]:
    """Every picture under a folder, with whether it refuses AI training.

    Raises InputError for a missing folder.
    """
    return [(one.path, check(one.path)) for one in list_pictures([source], silent)]


def report(target: Path, out: Path | None = None) -> tuple[Path, int]:
    """Writes the health report of a prepared folder as it is now; the page's file and the number of pictures in it.

    Without `out` the page goes beside the ledger, or into the cache where the folder takes no files. Nothing else is
    written. Raises InputError where no run or command has worked on the folder.
    """
    out = out or ledger_place(target) / REPORT
    summary = target / LEDGER / SUMMARY
    if not summary.is_file():
        raise InputError(f"{target} is not a folder that curate prepared", "give the output folder of a run or command")
    if out.is_dir():
        raise InputError(f"{out} is a folder", f"give the page's file, as {out / 'report.html'}")
    _check_values_file(out)
    figures = json.loads(summary.read_text(encoding="utf-8"))
    check_unlocked(target)
    with tempfile.TemporaryDirectory() as place:
        copy_ledger(target, Path(place))
        with Store(Path(place)) as store:
            env = env_over(Path(place), target, RunOptions(), {}, store)
            edits = folder.read_changes(target, store, silent).edits
            manifest = reopen(target, store, store, env, silent, consent=RIGHTS, edits=edits)
            figures["edited_with_tags"] = sorted(key for _, key in folder.changed_by_bulk_edits(store))
            sources = store.file_digests.unchanged_files("blake2b")
        find = Pictures(
            lambda r: env.path(r.image) if r.image.path else None,
            lambda r: sources.get(r.origin),
            {r.key: Path(r.image.path).relative_to(target.absolute()).as_posix() for r in manifest},
        )
        write_report(out, with_set_aside(manifest, figures, sources), figures, find, {}, target)
    return out, len(manifest)


def _check_values_file(page: Path) -> None:
    """Refuses a page whose values would be written over a file of another kind."""
    from curate.report.report_file import is_report

    if page.suffix == ".json":
        raise InputError(f"{page} is no name for a page", "the report writes an .html file and a .json file beside it")
    path = page.with_suffix(".json")
    if path.exists() and not is_report(path):
        remedy = "the report also writes its values there: give the page another name"
        raise InputError(f"{path} is not a report of curate", remedy)


def _check_place(page: Path, folder: Path) -> None:
    """Refuses a page among the pictures: those that lie beside it would be taken for some of them."""
    place, whole = page.parent.resolve(), folder.resolve()
    if place.is_relative_to(whole) and not place.is_relative_to(whole / LEDGER):
        remedy = "give a file outside of the folder, or none"
        raise InputError(f"{page} is inside {folder}: its thumbnails would be taken for pictures", remedy)


def with_set_aside(manifest: Manifest, figures: Mapping[str, Any], sources: Mapping[str, Path]) -> Manifest:
    """With what the last run or command set aside, as far as the files are where they were.

    A folder as it is now holds none of these pictures; the figures name them, and `sources` are files by digest.
    """
    known = {record.key for record in manifest}
    concepts = {record.key.partition("/")[0]: record.concept for record in manifest}
    copies = {row["picture"]: row for row in figures.get("duplicates", ())}
    origins: Mapping[str, str] = figures.get("origins", {})
    records: list[Record] = []
    for row in figures["aside"]:
        key: str = row["key"]
        origin = origins.get(key, "")
        if key in known or origin not in sources:
            continue
        concept, copy = key.partition("/")[0], copies.get(key)
        facts = {"duplicate_of": copy["kept"], "duplicate": copy["kind"], "likeness": copy["likeness"]} if copy else {}
        image = Image(origin, str(sources[origin]))
        records.append(Record(key, concepts.get(concept, concept), origin, image, facts=facts, aside=row["reason"]))
    return Manifest([*manifest, *records])


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


def write_report(
    out: Path,
    manifest: Manifest,
    figures: Mapping[str, Any],
    pictures: Pictures,
    concepts: Mapping[str, Concept],
    folder: Path,
    *,
    quiet: bool = False,
) -> None:
    """Writes the page of a prepared folder, and the same for programs beside it, with the ending .json.

    The page of a small folder is one file. With more than 240 pictures the small pictures lie beside it, in a folder
    of the page's name with `_files`, as browsers save pages: inside the page they would make it too large to open.
    """
    from curate.report.html import render
    from curate.report.page import Page
    from curate.report.report_file import report_values
    from curate.report.thumbs import InsideThumbnails, ThumbnailFiles
    from curate.report.training_run import training_runs

    ledger = (folder / LEDGER).absolute()
    runs = training_runs(folder)
    run = runs[-1] if runs else None
    sized = Manifest(_sized(record, pictures.prepared) for record in manifest)
    files = ThumbnailFiles(out.with_name(f"{out.stem}_files"))
    many = len(sized) > ONE_FILE
    if many:
        _check_place(out, folder)
        with open_report(quiet=quiet) as progress:
            files.prepare([(path, r.image.digest) for r in sized if (path := pictures.prepared(r))], progress.tell)
    page = Page(
        sized,
        figures,
        pictures.prepared,
        concepts,
        fitting=_fitting(run, _trained_at(figures, run) or UNTRAINED),
        thumbnails=files if many else InsideThumbnails(),
        before=pictures.source,
        files=pictures.files,
        ledger=ledger,
        trainings=runs,
        grid=_grid(run),
        evaluation=_evaluation(run, figures, folder),
        date=_date(ledger / SUMMARY),
    )
    write_text(out, render(page), sync=False)
    write_text(out.with_suffix(".json"), json.dumps(report_values(page), indent=1), sync=False)
    files.remove_unused()


def _fitting(run: TrainingRun | None, resolution: int) -> Fitting:
    """The buckets of the latest training; the usual ones where its options and that resolution make none."""
    from curate.report.page import fitting_of

    with contextlib.suppress(InputError, ValueError):
        return fitting_of(run.options if run else {}, resolution)
    return fitting_of({}, resolution)


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

"""Drive: carries out a pipeline, or one stage as a command over plain folders, from lock to summary."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import logging
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

from curate import folder
from curate.core.events import Listener, Note, RunFinished, RunStarted
from curate.core.files import write_text
from curate.core.lock import run_lock
from curate.core.record import Manifest, Record
from curate.core.runner import Planned, Runner, stopped
from curate.core.stage import Concept, Env, Findings, Stage, adds_only
from curate.core.store import LEDGER, Store
from curate.errors import CurateError, InputError, Interrupted
from curate.executors.local import choose
from curate.images import DOOR, consent
from curate.names import concept_folder, safe, unique
from curate.pipeline import Pipeline, RunOptions, picture_stage
from curate.report import Report, open_report
from curate.scan import list_pictures, reopen, scan
from curate.stages.export import Export

REPORT = f"{LEDGER}/report.html"
"""The health report that a run writes; beside the ledger, since it tells of times and is not part of the dataset."""

_SUMMARY = "summary.json"

_NAMED = 20
"""With more pictures set aside than the summary names, it says where all are named."""

_NEXT = {
    "convert": "tag",
    "resize": "tag",
    "tag": "captions",
    "captions": "prune",
    "prune": "trigger",
    "trigger": "balance",
    "balance": "train",
    "export": "train",
}
"""What usually follows a stage's command."""


@dataclass(frozen=True)
class Result:
    """What a run or command did: the summary's figures, the final records, and what a stage that looks has found."""

    figures: dict[str, Any]
    manifest: Manifest
    findings: Findings | None = None


# a pipeline ----------------------------------------------------------------------------------------------------------------


def run(pipeline: Pipeline, *, quiet: bool = False) -> Result:
    """Carries out a pipeline. Raises CurateError; what was done until then is kept and a rerun goes on from there."""
    names = tuple(s.name for s in pipeline.stages)
    with _session(pipeline.output, names, pipeline.run, pipeline.concepts, quiet) as session:
        edits = folder.look(pipeline.output, session.store, session.tell)
        manifest = scan(pipeline.input, session.store, session.env, session.tell, rights=pipeline.consent, skip=pipeline.output)
        session.manifest = with_edits(manifest, edits)
        for stage in pipeline.stages:
            stage.survey(session.manifest, session.env, session.tell)
        session.manifest = session.runner.run(pipeline.stages, session.manifest)
        exported = "export" in names
        session.where = {"folder": pipeline.output} if exported else {}
        page = pipeline.output / REPORT
        if exported and (session.computed or not page.exists()):
            session.page = page
        if exported:
            session.where["report"] = page
        session.next = _next(pipeline, names)
    assert session.result is not None
    if session.page is not None:
        result = session.result
        _write_report(session.page, result.manifest, result.figures, _finder(session.env), pipeline.concepts)
    return session.result


def _next(pipeline: Pipeline, names: Sequence[str]) -> str:
    if "train" in names:
        return f"edit captions in {_quoted(pipeline.output)} where you want others, then curate run {_quoted(pipeline.path)}"
    if "export" in names and pipeline.whole:
        return f"curate train {_quoted(pipeline.output)}"
    return f"curate run {_quoted(pipeline.path)}"


def _finder(env: Env) -> Callable[[Record], Path | None]:
    return lambda record: env.path(record.image) if record.image.path else None


def plan(pipeline: Pipeline) -> list[Planned]:
    """What `run` would compute and recall; writes nothing to a folder that no run has made."""
    with contextlib.ExitStack() as stack:
        ledger = pipeline.output
        if (ledger / LEDGER).is_dir():
            stack.enter_context(run_lock(ledger))
        else:
            ledger = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(Store(ledger))
        env = _env(ledger, pipeline.output, pipeline.run, pipeline.concepts, store)
        manifest = scan(pipeline.input, store, env, _silent, rights=pipeline.consent, skip=pipeline.output)
        edits = folder.look(pipeline.output, store, _silent) if ledger == pipeline.output else {}
        runner = Runner(store, env, lambda chain, todo: choose(1, chain, todo), _silent)
        return runner.plan(pipeline.stages, with_edits(manifest, edits))


def with_edits(manifest: Manifest, edits: Mapping[tuple[str, str], str]) -> Manifest:
    """The records with the captions a person edited: by picture, whatever its name is now.

    Where several pictures have the same bytes, the record's key tells them apart; where their keys changed too, the
    edits left over go to the records left over, equal file names first, then in order.
    """
    loose: dict[str, list[str]] = {}
    for origin, key in sorted(edits):
        loose.setdefault(origin, []).append(key)
    texts: dict[str, str] = {}
    rest: dict[str, list[Record]] = {}
    for record in manifest:
        keys = loose.get(record.origin, [])
        if record.key in keys:
            texts[record.key] = edits[record.origin, record.key]
            keys.remove(record.key)
        elif keys or record.origin in loose:
            rest.setdefault(record.origin, []).append(record)
    for origin, records in rest.items():
        keys = loose[origin]
        for by_name in (True, False):
            for record in records:
                same = [k for k in keys if not by_name or PurePosixPath(k).name == PurePosixPath(record.key).name]
                if same and record.key not in texts:
                    texts[record.key] = edits[origin, same[0]]
                    keys.remove(same[0])

    def edit(record: Record) -> Record:
        return dataclasses.replace(record, edited=texts[record.key]) if record.key in texts else record

    return Manifest(map(edit, manifest))


# a stage as a command ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """One stage over plain folders: from `source` to `out`, or within `source`."""

    stage: Stage
    source: Path
    out: Path | None = None
    in_place: bool = False
    only: tuple[str, ...] = ()
    concepts: Mapping[str, Concept] = field(default_factory=dict[str, Concept])
    rights: bool = False
    options: RunOptions = field(default_factory=RunOptions)
    quiet: bool = False

    @property
    def target(self) -> Path:
        """The folder written to."""
        return self.out or self.source


def command(c: Command) -> Result:
    """Carries out one stage. Raises InputError where the folders do not allow it, CurateError where it fails."""
    _check_folders(c)
    if c.stage.looks:
        return _looked(c)
    return _carried_out(c)


def _looked(c: Command) -> Result:
    """The stage over a folder that is only read: the ledger of such a command is nobody's, and gone when it ends."""
    with tempfile.TemporaryDirectory() as place:
        return _carried_out(dataclasses.replace(c, out=Path(place)))


def _carried_out(c: Command) -> Result:
    with _session(c.target, (c.stage.name,), c.options, c.concepts, c.quiet) as session:
        store, env, tell = session.store, session.env, session.tell
        if c.out is None and folder.unfinished(store):
            what, _ = folder.undo(c.source, store)
            tell(Note("warning", f"`curate {what}` was killed in the middle here: what it had changed is taken back first"))
        with contextlib.ExitStack() as stack:
            ledger = store if c.out is None else _ledger_of(c, stack)
            edits = folder.look(c.source, ledger, tell) if ledger else {}
            if c.out is not None:
                edits = {**edits, **folder.look(c.out, store, tell)}
            if ledger:
                manifest = reopen(c.source, ledger, store, env, tell, rights=c.rights, edits=edits)
            else:
                manifest = scan([c.source], store, env, tell, rights=c.rights, skip=c.out)
        manifest = with_edits(manifest, edits)
        session.manifest = manifest
        chosen = _chosen(c, manifest)
        if c.stage.looks:
            # the findings say the same, all of it and in order
            session.runner.tell = lambda event: None if isinstance(event, Note) and event.stage == c.stage.name else tell(event)
        before = Manifest(r for r in manifest if r.key in chosen)
        c.stage.survey(before, env, tell)
        after = session.runner.run([c.stage], before)
        session.manifest = _joined(manifest, after, chosen)
        if not adds_only(type(c.stage)) and not isinstance(c.stage, Export):
            _publish(c, session, manifest)
        session.where = {"folder": c.source if c.stage.looks else c.target}
        following = _NEXT.get(c.stage.name)
        session.next = f"curate {following} {_quoted(c.target)}" if following else ""
    assert session.result is not None
    return dataclasses.replace(session.result, findings=c.stage.findings(after, env))


def _check_folders(c: Command) -> None:
    if not c.source.is_dir():
        what = "is not a folder" if c.source.exists() else "does not exist"
        raise InputError(f"input folder {c.source} {what}", "give a folder of pictures; sub-folders are concepts")
    if c.out is not None:
        source, out = c.source.resolve(), c.out.resolve()
        if source == out:
            raise InputError("input and output are the same folder", "use --in-place: it keeps what it replaces")
        if out in source.parents:
            raise InputError(f"the output {c.out} holds the input {c.source}", "choose another output folder")
        if c.in_place:
            raise InputError("--in-place and -o exclude each other")
        return
    if isinstance(c.stage, Export):
        raise InputError("export writes a new folder: say where with -o OUT", "`curate balance` renames folders in place")
    if adds_only(type(c.stage)) or c.in_place:
        return
    if picture_stage(type(c.stage)):
        raise InputError(
            f"{c.stage.name} makes new pictures: say where with -o OUT", "or give --in-place, which keeps what it replaces"
        )
    if not (c.source / LEDGER / "ledger.sqlite").is_file():
        raise InputError(
            f"{c.source} was not prepared by curate, so it is not changed",
            "give -o OUT, or --in-place, which keeps what it replaces",
        )


def _ledger_of(c: Command, stack: contextlib.ExitStack) -> Store | None:
    """The source folder's own ledger; a copy of it where the command only looks, since opening one may write to it."""
    if not (c.source / LEDGER / "ledger.sqlite").is_file():
        return None
    place = c.source
    if c.stage.looks:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (place / LEDGER).mkdir()
        for file in (c.source / LEDGER).glob("ledger.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copyfile(file, place / LEDGER / file.name)
    return stack.enter_context(Store(place))


def _chosen(c: Command, manifest: Manifest) -> set[str]:
    names = sorted({r.concept for r in manifest})
    wanted = {concept_folder(name)[1] for name in c.only}
    for name in sorted(wanted - set(names)):
        from curate.core.registry import nearest

        raise InputError(f'no concept "{name}" in {c.source}', nearest(name, names))
    return {r.key for r in manifest if not wanted or r.concept in wanted}


def _joined(manifest: Manifest, after: Manifest, chosen: set[str]) -> Manifest:
    """The stage's results, each in the place of the record it came from, among the records that were not chosen."""
    results: dict[str, list[Record]] = {}
    for record in after:
        results.setdefault(record.key if record.key in chosen else record.key.rpartition("#")[0], []).append(record)
    return Manifest(new for old in manifest for new in (results.get(old.key, []) if old.key in chosen else [old]))


def _publish(c: Command, session: _Session, before: Manifest) -> None:
    """Writes what the command made: to OUT, or into the folder itself with a journal to undo it."""
    store, tell = session.store, session.tell
    files = {r.key: Path(r.image.path) for r in before if r.image.path}
    journal = folder.Journal.begin(c.source, store, " ".join(sys.argv[1:]) or c.stage.name) if c.out is None else None
    present = session.manifest.present
    paths = (
        Export().paths(present, session.env)
        if c.stage.layout == "repeats"
        else _same_places(c.source, present, files, session.env)
    )
    folder.publish(session.manifest, paths, c.target, store, session.env, tell, journal=journal)
    if journal is None:
        return
    places = {c.source.absolute() / p for p in paths.values()}
    for record in session.manifest:
        if record.aside and not record.facts.get("failed") and record.key in files:
            _take_out(files[record.key], journal)
    for record in present:
        original = files.get(record.key) or files.get(record.key.rpartition("#")[0])
        if original is not None and original.absolute() not in places and original.exists():
            _take_out(original, journal)
    if journal.empty:
        journal.drop()
    else:
        tell(Note("info", f"`curate undo {_quoted(c.source)}` takes this back", c.stage.name))


def _take_out(path: Path, journal: folder.Journal) -> None:
    journal.replacing(path)
    path.unlink(missing_ok=True)


def _same_places(source: Path, present: Manifest, files: Mapping[str, Path], env: Env) -> dict[str, PurePosixPath]:
    """Each picture where it was, under the suffix it now has."""

    def wanted() -> Iterator[tuple[str, PurePosixPath, str]]:
        for record in sorted(present, key=lambda r: r.key):
            whole, _, part = record.key.partition("#") if record.key not in files else (record.key, "", "")
            relative = PurePosixPath(files[whole].relative_to(source.absolute()).as_posix())
            stem = relative.stem + (f"_{part.replace('#', '_')}" if part else "")
            parts = [safe(p) for p in relative.parts[:-1]]
            suffix = folder.suffix(record, env.path(record.image))
            yield record.key, PurePosixPath(*parts, safe(stem) + suffix), safe(relative.suffix.lstrip("."))

    return unique(wanted())


# both ----------------------------------------------------------------------------------------------------------------------


@dataclass
class _Session:
    store: Store
    env: Env
    report: Report
    runner: Runner
    manifest: Manifest = field(default_factory=Manifest)
    where: dict[str, str | Path] = field(default_factory=dict[str, str | Path])
    next: str = ""
    page: Path | None = None
    result: Result | None = None

    @property
    def tell(self) -> Listener:
        return self.report.tell

    @property
    def computed(self) -> bool:
        """Whether any stage had work to do."""
        return any(row.computed for row in self.report.tally.rows)


@contextlib.contextmanager
def _session(
    output: Path, stages: Sequence[str], options: RunOptions, concepts: Mapping[str, Concept], quiet: bool
) -> Generator[_Session]:
    """Lock, ledger, report and stop signals around what a run does; the summary is printed however it ends."""
    with (
        run_lock(output),
        Store(output) as store,
        open_report(store.root / "events.jsonl", quiet) as report,
        _signals(report) as stop,
        _warnings(report.tell),
    ):
        # records are many and hold no cycles: looking for some after every 700 costs a tenth of a known run
        gc.set_threshold(100_000, 50, 50)
        env = _env(output, output, options, concepts, store)
        env.stop = stop
        workers = options.workers
        runner = Runner(store, env, lambda chain, todo: choose(workers, chain, todo), report.tell)
        session = _Session(store, env, report, runner)
        begun = time.perf_counter()
        report.tell(RunStarted(str(output), tuple(stages), options.device))
        status = "failed"
        try:
            yield session
            status = "done"
        except (Interrupted, KeyboardInterrupt) as error:
            status = "interrupted"
            if isinstance(error, KeyboardInterrupt):
                raise stopped() from None
            raise
        finally:
            store.commit()
            rows = session.manifest
            aside = sum(bool(r.aside) for r in rows)
            report.tell(RunFinished(status, len(rows), len(rows) - aside, aside, time.perf_counter() - begun))
            if aside > _NAMED:
                session.where["events"] = store.root / "events.jsonl"
            figures = report.finish(rows if status == "done" else None, session.where, session.next)
            session.result = Result(figures, rows)
            if status == "done":
                write_text(store.root / _SUMMARY, json.dumps(figures, ensure_ascii=False, indent=1), sync=False)


def _env(ledger: Path, output: Path, options: RunOptions, concepts: Mapping[str, Concept], store: Store) -> Env:
    return Env(
        root=(ledger / LEDGER).absolute(),
        output=output.absolute(),
        door=DOOR,
        device=options.device,
        # who names a GPU wants one
        require_gpu=options.require_gpu or options.device.startswith("cuda"),
        offline=options.offline,
        concepts=dict(concepts),
        store=store,
    )


@contextlib.contextmanager
def _signals(report: Report) -> Generator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM asks the run to stop after the picture in hand; the second stops at once."""
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        report.tell(Note("warning", "stopping after what is in hand; press again to stop at once"))

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, old in before.items():
            signal.signal(number, old)


class _Telling(logging.Handler):
    """Turns what taggers and cleaners log, who know nothing of events, into notes."""

    def __init__(self, tell: Listener) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(Note("warning", record.getMessage()))


@contextlib.contextmanager
def _warnings(tell: Listener) -> Generator[None]:
    handler = _Telling(tell)
    loggers = [logging.getLogger(name) for name in ("taggers", "cleaners")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


def _silent(_: object) -> None:
    """A listener that hears nothing."""


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def refusals(source: Path) -> list[tuple[Path, str]]:
    """The pictures under a folder that refuse AI training, each with its mark. Raises InputError for a missing folder."""
    found = [(one.path, consent.refusal(one.path)) for one in list_pictures([source], _silent)]
    return [(path, mark) for path, mark in found if mark]


def report(target: Path, out: Path) -> int:
    """Writes the health report of a prepared folder as it is now; returns the number of pictures in it.

    Raises InputError where no run or command has worked on the folder.
    """
    summary = target / LEDGER / _SUMMARY
    if not summary.is_file():
        raise InputError(f"nothing is known of {target}", "give the output folder of a run")
    figures = json.loads(summary.read_text(encoding="utf-8"))
    with run_lock(target), Store(target) as store:
        env = _env(target, target, RunOptions(), {}, store)
        edits = folder.look(target, store, _silent)
        manifest = reopen(target, store, store, env, _silent, rights=True, edits=edits)
    _write_report(out, manifest, figures, lambda r: env.path(r.image) if r.image.path else None, {})
    return len(manifest)


def _write_report(
    out: Path,
    manifest: Manifest,
    figures: Mapping[str, Any],
    find: Callable[[Record], Path | None],
    concepts: Mapping[str, Concept],
) -> None:
    from curate.report.html import Page, render

    side = _trained_at(figures) or 512
    write_text(out, render(Page(manifest, figures, find, concepts, side, 64 if side >= 256 else 32)), sync=False)


def _trained_at(figures: Mapping[str, Any]) -> int | None:
    """The resolution of the LoRA that the run made or recalled, from its metadata."""
    from safetensors import SafetensorError, safe_open

    for path in [one["path"] for one in figures["saved"] if one["kind"] == "lora"]:
        with contextlib.suppress(OSError, SafetensorError, ValueError), safe_open(path, framework="np") as file:
            return int((file.metadata() or {}).get("modelspec.resolution", "").partition("x")[0])
    return None


def undo(target: Path) -> tuple[str, int]:
    """Takes back the last in-place command on a folder. Raises InputError where there is none."""
    if not (target / LEDGER / "ledger.sqlite").is_file():
        raise InputError(f"{target} holds no ledger: nothing was changed in place there")
    with run_lock(target), Store(target) as store:
        return folder.undo(target, store)


__all__ = ["Command", "CurateError", "Result", "command", "plan", "run", "undo", "with_edits"]

"""Session: lock, ledger, report and stop signals around whatever a run or a command does."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate import folder
from curate.core.env import Sources
from curate.core.events import Event, Listener, Note, RunFinished, RunStarted
from curate.core.executor import Choose
from curate.core.lock import run_lock
from curate.core.machine import hub_is_offline
from curate.core.old_files import OldFiles
from curate.core.option_names import as_typed
from curate.core.record import Manifest
from curate.core.runner import Runner
from curate.core.stage import Concept, Env, Findings
from curate.core.store import LEDGER, SUMMARY, Store
from curate.core.summary_file import write_summary
from curate.drive.known_run import KnownRun, Recorder
from curate.drive.process_state import Stop, process_state
from curate.errors import CurateError, Interrupted, interruption
from curate.executors.local import choose
from curate.executors.pool import POOL
from curate.images import PICTURE_FILES
from curate.pipeline import RunOptions
from curate.report import Report, open_report

_TRAIN = "train"


_NAMED = 20
"""With more pictures set aside than the summary names, it says where all are named."""


@dataclass(frozen=True)
class Job:
    """What is to be done where: `output` is written to, `stages` are named in events.

    Notes of the stage `quiet_stage` are not reported: its findings say the same. `ledger` is the folder whose ledger
    is used, where it is not `output`. A `temporary` ledger is gone afterwards: nobody is sent to it.
    Options of `typed` are named in messages as they are typed in a command. A `dry_run` writes nothing for good.
    `settings` and `planned` are what the user says of concepts and of the training that follows; None where nobody says
    anything, so that what the last run knew still holds.
    """

    output: Path
    stages: Sequence[str]
    options: RunOptions
    concepts: Mapping[str, Concept]
    quiet: bool = False
    quiet_stage: str = ""
    ledger: Path | None = None
    temporary: bool = False
    training: Mapping[str, Any] = field(default_factory=dict[str, Any])
    typed: Collection[str] = ()
    dry_run: bool = False
    settings: Mapping[str, Concept] | None = None
    planned: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Session:
    """What a run or a command works with."""

    store: Store
    env: Env
    report: Report
    runner: Runner
    tell: Listener
    recorder: Recorder

    def with_concepts(self, concepts: Mapping[str, Concept]) -> Session:
        """The same session, in which `concepts` are what the user said of the concepts."""
        return self._with(dataclasses.replace(self.env, concepts=concepts))

    def with_sources(self, sources: Sources | None) -> Session:
        """The same session, whose workers can get source pictures from where `sources` has them."""
        return self._with(dataclasses.replace(self.env, sources=sources))

    def _with(self, env: Env) -> Session:
        return dataclasses.replace(self, env=env, runner=dataclasses.replace(self.runner, env=env))


@dataclass(frozen=True)
class Completion:
    """What the work in a session came to: the final records, places worth knowing, the command that usually follows.

    `manifest` is None where the run is `known` as a whole. `fingerprint` is of the state that it began with, if a run
    from there does the same again.
    """

    manifest: Manifest | None
    places: Mapping[str, str | Path] = field(default_factory=dict[str, str | Path])
    next_command: str = ""
    findings: Findings | None = None
    known: KnownRun | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Result:
    """What a run or command did: the summary's figures, the final records, and what a stage that looks has found.

    `manifest` is None where nothing had changed since a run that found all known: the records were not looked at.
    """

    figures: dict[str, Any]
    manifest: Manifest | None
    findings: Findings | None = None


def carry_out(job: Job, work: Callable[[Session], Completion]) -> Result:
    """Does the work with lock, ledger, report and stop signals around it; the summary is printed however it ends.

    Raises what `work` raises, and Interrupted where the user stopped it.
    """
    with (
        run_lock(job.ledger or job.output),
        Store(job.ledger or job.output) as store,
        open_report(store.root / "events.jsonl", job.quiet) as report,
        process_state((recorder := Recorder(report.tell)).tell_aside) as stop,
        _executor(job.options) as executor,
    ):
        OldFiles(store.root).free()  # of a review page that was killed
        env = env_over(store.folder, job.output, job.options, job.concepts, store, stop, job.training)
        tell = _listener(recorder.tell, job)
        runner = Runner(store, env, executor, tell)
        begun = time.perf_counter()
        report.tell(RunStarted(str(job.output), tuple(job.stages), job.options.device))

        def close(status: str, done: Completion | None) -> dict[str, Any]:
            POOL.close()
            store.commit()
            return _close(report, store, status, done, job, time.perf_counter() - begun)

        try:
            done = work(Session(store, env, report, runner, tell, recorder))
        except (Interrupted, KeyboardInterrupt) as error:
            close("interrupted", None)
            if isinstance(error, KeyboardInterrupt):
                raise interruption() from None
            raise
        except BaseException:
            with contextlib.suppress(CurateError):  # a full disk, which the first error tells of
                close("failed", None)
            raise
        result = Result(close("done", done), done.manifest, done.findings)
        if done.fingerprint and recorder.events is not None and not store.written_to and not stop():
            _keep(store, done.fingerprint, recorder, result)
        return result


def _keep(store: Store, fingerprint: str, recorder: Recorder, result: Result) -> None:
    """Keeps what a run told that had nothing to do, and changed nothing that the next one starts from."""
    manifest = result.manifest or Manifest()
    aside = sum(bool(r.aside) for r in manifest)
    known = KnownRun(recorder.events or (), recorder.planned, result.figures, len(manifest), aside)
    store.keep_known_run(fingerprint, known.to_json())


def _executor(options: RunOptions) -> contextlib.AbstractContextManager[Choose]:
    """What picks executors for the passes of a run."""
    if options.executor == "ray":
        from curate.executors.ray import ray_cluster  # may not be installed

        return ray_cluster(options.workers, options.address)
    return contextlib.nullcontext(lambda chain, todo: choose(options.workers, chain, todo, POOL))


def _listener(tell_on: Listener, job: Job) -> Listener:
    def tell(event: Event) -> None:
        if isinstance(event, Note) and job.typed:
            event = dataclasses.replace(event, message=as_typed(event.message, job.typed))
        if not (job.quiet_stage and isinstance(event, Note) and event.stage == job.quiet_stage):
            tell_on(event)

    return tell


def _prepared(report: Report, stages: Sequence[str]) -> bool:
    """Whether a run that stopped early had finished every stage before training."""
    running = {row.stage.split(" (")[0]: row.running for row in report.tally.rows}
    before = [name for name in stages if name != _TRAIN]
    return all(not running.get(name, True) for name in before[-1:]) and not any(
        is_running for name, is_running in running.items() if name != _TRAIN
    )


def _close(
    report: Report, store: Store, status: str, done: Completion | None, job: Job, seconds: float
) -> dict[str, Any]:
    """Prints the summary; keeps it beside the ledger where the work was done."""
    if done is None:
        pictures, aside = report.tally.pictures or 0, len(report.tally.aside)
        prepared = pictures - aside if _prepared(report, job.stages) else 0
    elif done.known is not None:
        pictures, aside = done.known.records, done.known.aside
        prepared = pictures - aside
    else:
        records = done.manifest or ()
        pictures, aside = len(records), sum(bool(r.aside) for r in records)
        prepared = pictures - aside
    report.tell(RunFinished(status, pictures, prepared, aside, seconds))
    places = dict(done.places) if done else {}
    if aside > _NAMED and not job.temporary:
        places["events"] = store.root / "events.jsonl"
    if done is not None and done.known is not None:
        figures = report.repeat(done.known.figures)
    else:
        command = done.next_command if done else ""
        by_tags = {key for _, key in folder.changed_by_bulk_edits(store)}
        manifest = done.manifest if done else None
        figures = report.finish(manifest, places, command, dry_run=job.dry_run, by_tags=by_tags)
    if done is not None:
        write_summary(store.root / SUMMARY, figures, job.settings, job.planned)
    return figures


def env_over(
    ledger: Path,
    output: Path,
    options: RunOptions,
    concepts: Mapping[str, Concept],
    store: Store | None,
    stop: Stop | None = None,
    training: Mapping[str, Any] | None = None,
) -> Env:
    """What stages may use: the ledger folder `ledger`, the folder `output` that is written to."""
    return Env(
        root=(ledger / LEDGER).absolute(),
        output=output.absolute(),
        pictures=PICTURE_FILES,
        device=options.device,
        # who names a GPU wants one
        require_gpu=options.require_gpu or options.device.startswith("cuda"),
        offline=options.offline or hub_is_offline(),
        concepts=dict(concepts),
        store=store,
        stop=stop,
        interruptible=stop.interruptible if stop else contextlib.nullcontext,
        training=dict(training or {}),
    )


def silent(_: object) -> None:
    """A listener that drops events."""


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))

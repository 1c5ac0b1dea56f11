"""Session: lock, ledger, report and stop signals around whatever a run or a command does."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from curate.core.events import Listener, Note, RunFinished, RunStarted
from curate.core.files import write_text
from curate.core.lock import run_lock
from curate.core.record import Manifest
from curate.core.runner import Runner, stopped
from curate.core.stage import Concept, Env, Findings
from curate.core.store import LEDGER, Store
from curate.errors import Interrupted
from curate.executors.local import choose
from curate.executors.pool import POOL
from curate.images import DOOR
from curate.pipeline import RunOptions
from curate.report import Report, open_report

SUMMARY = "summary.json"


_NAMED = 20
"""With more pictures set aside than the summary names, it says where all are named."""


@dataclass(frozen=True)
class Result:
    """What a run or command did: the summary's figures, the final records, and what a stage that looks has found."""

    figures: dict[str, Any]
    manifest: Manifest
    findings: Findings | None = None


@dataclass
class Session:
    """What a run or a command works with; it leaves here what the summary tells in the end."""

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
        """Where events go."""
        return self.report.tell

    @property
    def computed(self) -> bool:
        """Whether any stage had work to do."""
        return any(row.computed for row in self.report.tally.rows)


@contextlib.contextmanager
def session_over(
    output: Path, stages: Sequence[str], options: RunOptions, concepts: Mapping[str, Concept], quiet: bool
) -> Generator[Session]:
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
        env = env_over(output, output, options, concepts, store)
        env.stop = stop
        workers = options.workers
        runner = Runner(store, env, lambda chain, todo: choose(workers, chain, todo, POOL), report.tell)
        session = Session(store, env, report, runner)
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
            POOL.empty()
            store.commit()
            rows = session.manifest
            aside = sum(bool(r.aside) for r in rows)
            report.tell(RunFinished(status, len(rows), len(rows) - aside, aside, time.perf_counter() - begun))
            if aside > _NAMED:
                session.where["events"] = store.root / "events.jsonl"
            figures = report.finish(rows if status == "done" else None, session.where, session.next)
            session.result = Result(figures, rows)
            if status == "done":
                write_text(store.root / SUMMARY, json.dumps(figures, ensure_ascii=False, indent=1), sync=False)


def env_over(
    ledger: Path, output: Path, options: RunOptions, concepts: Mapping[str, Concept], store: Store | None
) -> Env:
    """What stages may use: the ledger folder `ledger`, the folder `output` that is written to."""
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


def silent(_: object) -> None:
    """A listener that hears nothing."""


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    import shlex

    return shlex.quote(str(path))

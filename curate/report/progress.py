"""Progress of a run on a stream: bars where it is a terminal, plain lines where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from curate.core.events import (
    Event,
    Note,
    RecordDone,
    Removed,
    RunFinished,
    Saved,
    Scanned,
    StageFinished,
    StageRecalled,
    StageStarted,
    TrainStep,
    Validated,
)
from curate.report.pace import Pace
from curate.report.text import console, counted, live, pace, span, visible

_QUIET_SECONDS = 10.0  # between two progress lines where there are no bars
_ASIDE_LINES = 20  # the summary names them all; a broken folder must not scroll everything away
_COLOURS = {"warning": "yellow", "advice": "cyan"}


@dataclass
class _Job:
    """A stage at work: `unit` is empty for pictures, it for training steps."""

    stage: str
    total: int
    pace: Pace
    said: float
    unit: str = ""
    loss: str = ""
    validation: str = ""
    moved: bool = False

    def figures(self) -> str:
        """The moving part of a progress line."""
        left = self.pace.left(self.total)
        parts = [f"{self.pace.count:,}/{self.total:,}", self.loss, self.validation, pace(self.pace.rate, self.unit)]
        return ", ".join([*(p for p in parts if p), *([f"{span(left)} left"] if left is not None else [])])


class Progress:
    """The listener that shows how far a run is; it remembers nothing that the summary needs."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._console = console(stream)
        self._bars = _bars(self, self._console) if live(stream) else None
        self._tasks: dict[str, TaskID] = {}
        self._jobs: dict[str, _Job] = {}
        self._asides: set[str] = set()

    def tell(self, event: Event) -> None:
        """The listener."""
        match event:
            case Scanned():
                groups = ", ".join(f"{visible(name)} {number:,}" for name, number in event.concepts.items())
                self._say(f"found {counted(event.pictures, 'picture')}" + (f" ({groups})" if groups else ""))
            case StageStarted():
                self._begin(event)
            case RecordDone():
                self._move(event)
            case TrainStep():
                self._train(event)
            case Validated():
                self._measured(event)
            case StageFinished():
                self._end(event)
            case StageRecalled():
                self._say(f"{visible(event.stage)}: nothing to do, {counted(event.recalled, 'picture')} known", "dim")
            case Note() if not event.key:
                prefix = f"{visible(event.stage)}: " if event.stage else ""
                word = "" if event.level == "info" else f"{visible(event.level)}: "
                self._say(f"{word}{prefix}{visible(event.message)}", _COLOURS.get(event.level, ""))
            case Saved() if event.kind != "checkpoint" and not event.recalled:
                self._say(f"wrote {visible(event.path)}")
            case Removed():
                self._say(f"removed {visible(event.path)}")
            case RunFinished():
                self.close()
            case _:
                pass

    def close(self) -> None:
        """Stops drawing; what stands on the screen stays."""
        if self._bars:
            self._bars.stop()

    def job(self, stage: str) -> _Job | None:
        """The stage's figures while it works."""
        return self._jobs.get(stage)

    def _say(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style))

    def _begin(self, event: StageStarted) -> None:
        self._jobs[event.stage] = _Job(event.stage, event.todo, Pace(self._clock), self._clock())
        if self._bars:
            self._bars.start()
            self._tasks[event.stage] = self._bars.add_task(visible(event.stage), total=None, stage=event.stage)
        else:
            known = f", {event.recalled:,} known" if event.recalled else ""
            self._say(f"{visible(event.stage)}: {counted(event.todo, 'picture')} to do{known}")

    def _move(self, event: RecordDone) -> None:
        job = self._jobs.get(event.stage)
        if job:
            self._advance(job, job.pace.count + 1)
        # stages that run fused all tell of a picture that leaves their pass
        if event.aside and event.key not in self._asides and len(self._asides) <= _ASIDE_LINES:
            self._asides.add(event.key)
            full = len(self._asides) > _ASIDE_LINES
            more = "further pictures set aside are listed in the summary"
            self._say(more if full else f"set aside: {visible(event.key)}: {visible(event.aside)}", "yellow")

    def _train(self, event: TrainStep) -> None:
        job = next(reversed(self._jobs.values()), None)
        if job is None:
            return
        if job.unit != "it":
            # steps before the first one heard of took no time now: loading a model and resuming are not progress
            job.unit, job.total, job.pace = "it", event.steps, Pace(self._clock, event.step)
        job.loss = f"loss {event.loss:.4f} (average {event.average:.4f})"
        self._advance(job, event.step)

    def _measured(self, event: Validated) -> None:
        job = next(reversed(self._jobs.values()), None)
        if job is not None:
            job.validation = f"validation {event.loss:.4f}"
            self._say(f"{visible(job.stage)}: validation loss {event.loss:.4f} after step {event.step:,}")

    def _advance(self, job: _Job, count: int) -> None:
        job.pace.reach(count)
        if self._bars:
            self._bars.update(self._tasks[job.stage], completed=count, total=job.total)
        elif self._clock() - job.said >= _QUIET_SECONDS and count < job.total:
            job.said = self._clock()
            self._say(f"{visible(job.stage)}: {job.figures()}")

    def _end(self, event: StageFinished) -> None:
        job = self._jobs.pop(event.stage, None)
        done = f"{job.pace.count:,} steps" if job and job.unit else counted(event.done, "picture")
        aside = f"{event.aside:,} set aside" if event.aside else ""
        line = ", ".join(
            part
            for part in (done, aside, job.loss if job else "", job.validation if job else "", span(event.seconds))
            if part
        )
        if self._bars and event.stage in self._tasks:
            self._bars.update(self._tasks[event.stage], completed=1, total=1, end=line)
        else:
            self._say(f"{visible(event.stage)}: done, {line}")


class _Figures(ProgressColumn):
    """What stands right of a bar."""

    def __init__(self, job: Callable[[str], _Job | None]) -> None:
        super().__init__()
        self._job = job

    def render(self, task: Task) -> Text:
        job = self._job(task.fields["stage"])
        return Text(task.fields.get("end") or (job.figures() if job else ""), no_wrap=True, overflow="ellipsis")


def _bars(progress: Progress, shown: Console) -> Bars:
    name = TextColumn("{task.description}", markup=False)
    return Bars(name, BarColumn(bar_width=24), _Figures(progress.job), console=shown, refresh_per_second=5)

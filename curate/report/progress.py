"""Progress of a run on a stream: bars where it is a terminal, plain lines where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from curate.core.counting import counted
from curate.core.events import (
    Event,
    Note,
    Phase,
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
from curate.core.visible import visible
from curate.report.pace import Pace
from curate.report.text import console, live, pace, span

_QUIET_SECONDS = 10.0  # between two progress lines where there are no bars
_NARROW, _WIDE = 8, 48  # columns of a bar
_COLOURS = {"warning": "yellow", "advice": "cyan"}


@dataclass
class _Job:
    """A stage at work: `unit` is empty for pictures, it for steps; `printed` is when a line was last printed."""

    stage: str
    total: int
    pace: Pace
    printed: float
    unit: str = ""
    phase: str = ""
    epoch: str = ""
    loss: str = ""
    average: str = ""
    validation: str = ""

    def figures(self, room: int = 1000) -> str:
        """The moving part of a progress line in at most `room` columns: what matters least goes first.

        The count, the time left and the loss stay longest.
        """
        remaining = self.pace.remaining(self.total)
        ranked = [
            (0, self.phase or f"{self.pace.count:,}/{self.total:,}"),
            (3, self.epoch),
            (1, f"{span(remaining)} left" if remaining is not None and not self.phase else ""),
            (2, self.loss),
            (5, self.average),
            (4, self.validation),
            (6, pace(self.pace.rate, self.unit)),
        ]
        return _fitting(ranked, room)


def _fitting(ranked: Sequence[tuple[int, str]], room: int) -> str:
    """The parts in at most `room` columns: those of the highest rank go first, the last one stays."""
    kept = [part for part in ranked if part[1]]
    while len(kept) > 1 and len(", ".join(text for _, text in kept)) > room:
        kept.remove(max(kept))
    return ", ".join(text for _, text in kept)


class Progress:
    """The listener that shows how far a run is; it remembers nothing that the summary needs."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._console = console(stream)
        self._bars = _bars(self, self._console) if live(stream) else None
        self._tasks: dict[str, TaskID] = {}
        self._jobs: dict[str, _Job] = {}
        self._titles: dict[str, str] = {}

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
            case Phase():
                self._enter(event)
            case Validated():
                self._measured(event)
            case StageFinished():
                self._end(event)
            case StageRecalled():
                self._titles[event.stage] = event.title
                things = counted(event.recalled, event.unit)
                self._say(f"{self._title(event.stage)}: up to date ({things})", "dim")
            case Note() if not event.key:
                prefix = f"{self._title(event.stage)}: " if event.stage else ""
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

    def _title(self, stage: str) -> str:
        """What people call the stage, safe to print."""
        return visible(self._titles.get(stage) or stage)

    def _say(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style))

    def _begin(self, event: StageStarted) -> None:
        self._titles[event.stage] = event.title
        self._jobs[event.stage] = _Job(event.stage, event.todo, Pace(self._clock), self._clock())
        if self._bars:
            self._bars.start()
            self._tasks[event.stage] = self._bars.add_task(self._title(event.stage), total=None, stage=event.stage)
        else:
            reused = f", {event.recalled:,} reused" if event.recalled else ""
            self._say(f"{self._title(event.stage)}: {counted(event.todo, event.unit)} to process{reused}")

    def _move(self, event: RecordDone) -> None:
        job = self._jobs.get(event.stage)
        if job:
            self._advance(job, job.pace.count + 1)

    def _train(self, event: TrainStep) -> None:
        job = next(reversed(self._jobs.values()), None)
        if job is None:
            return
        if job.unit != "it":
            # steps before the first one heard of took no time now: loading a model and resuming are not progress
            job.unit, job.total, job.pace = "it", event.steps, Pace(self._clock, event.step)
        job.phase, job.loss, job.average = "", f"loss {event.loss:.4f}", f"average {event.average:.4f}"
        job.epoch = f"epoch {event.epoch:,}/{event.epochs:,}" if event.epochs else ""
        self._advance(job, event.step)

    def _enter(self, event: Phase) -> None:
        """Shows what a stage is busy with until its next step; without bars only at its start and after long."""
        job = self._jobs.get(event.stage)
        if job is None:
            return
        begins = not job.phase.startswith(event.task)
        count = f" {event.done:,}/{event.total:,}" if event.total else ""
        job.phase = event.task + count
        if self._bars:
            done = event.done if event.total else None
            self._bars.update(self._tasks[job.stage], completed=done or 0, total=event.total or None)
        elif begins or self._clock() - job.printed >= _QUIET_SECONDS:
            job.printed = self._clock()
            self._say(f"{self._title(job.stage)}: {job.phase}")

    def _measured(self, event: Validated) -> None:
        job = next(reversed(self._jobs.values()), None)
        if job is not None:
            job.validation = f"validation {event.loss:.4f}"
            self._say(f"{self._title(job.stage)}: validation loss {event.loss:.4f} after step {event.step:,}")

    def _advance(self, job: _Job, count: int) -> None:
        job.pace.reach(count)
        if self._bars:
            self._bars.update(self._tasks[job.stage], completed=count, total=job.total)
        elif self._clock() - job.printed >= _QUIET_SECONDS and count < job.total:
            job.printed = self._clock()
            self._say(f"{self._title(job.stage)}: {job.figures()}")

    def _end(self, event: StageFinished) -> None:
        job = self._jobs.pop(event.stage, None)
        done = counted(job.pace.count, "step") if job and job.unit else counted(event.computed, event.unit)
        aside = f"{event.aside:,} set aside" if event.aside else ""
        losses = (job.loss, job.average, job.validation) if job else ("", "", "")
        ranked = [(0, done), (1, aside), *zip((2, 5, 4), losses, strict=True), (3, span(event.seconds))]
        if self._bars and event.stage in self._tasks:
            self._bars.update(self._tasks[event.stage], completed=1, total=1, end=ranked)
        else:
            self._say(f"{self._title(event.stage)}: done, {_fitting(ranked, 1000)}")


class _Figures(ProgressColumn):
    """What stands right of a bar."""

    def __init__(self, job: Callable[[str], _Job | None], shown: Console, names: Callable[[], int]) -> None:
        super().__init__()
        self._job, self._console, self._names = job, shown, names

    def render(self, task: Task) -> Text:
        job = self._job(task.fields["stage"])
        room = self._console.width - _bar_width(self._console) - self._names() - 2
        text = job.figures(room) if job else ""
        if "end" in task.fields:
            text = _fitting(task.fields["end"], room)
        return Text(text, no_wrap=True, overflow="ellipsis")


def _bar_width(shown: Console) -> int:
    """Columns of a bar: a fifth of the terminal, within reason."""
    return min(_WIDE, max(_NARROW, shown.width // 5))


def _bars(progress: Progress, shown: Console) -> Bars:
    name = TextColumn("{task.description}", markup=False)
    figures = _Figures(progress.job, shown, lambda: max((cell_len(t.description) for t in bars.tasks), default=0))
    bars = Bars(name, BarColumn(bar_width=_bar_width(shown)), figures, console=shown, refresh_per_second=5)
    return bars

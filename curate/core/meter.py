"""Meter: tells how far a stage of a pass is."""

from __future__ import annotations

import time

from curate.core.events import Listener, RecordDone, StageFinished, StageRecalled, StageStarted
from curate.core.progress import Progress
from curate.core.stage import Stage


class StageMeter:
    """Tells of the stage at a level of a pass; where there is nothing to do it tells of that once, at the end."""

    def __init__(self, stage: Stage, level: int, progress: Progress, tell: Listener) -> None:
        self._stage, self._title, self._tell = stage.name, stage.display_name, tell
        self._level, self._progress = level, progress
        self._todo, self._recalled = progress.open_count(level), progress.recalled(level)
        self._aside = self._count = 0
        self._begun = time.perf_counter()
        if self._todo:
            tell(StageStarted(stage.name, self._todo, self._recalled, stage.display_name))

    def record_done(self, index: int, key: str, aside: str) -> None:
        """The record has gone through the pass, or was set aside with a reason."""
        if self._progress.is_open(index, self._level):
            self._count += 1
            self._aside += bool(aside)
            self._tell(RecordDone(self._stage, key, aside))

    def finish(self) -> None:
        """The pass has ended."""
        if self._todo:
            seconds = time.perf_counter() - self._begun
            self._tell(StageFinished(self._stage, self._count, self._recalled, self._aside, seconds))
        else:
            self._tell(StageRecalled(self._stage, self._recalled, self._title))

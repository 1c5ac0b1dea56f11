"""What the user sees of a run: progress while it goes, a summary when it ends, a file of everything that was told.

    with open_report(events=output / ".curate/events.jsonl") as report:
        manifest = runner(tell=report.tell).run(...)
        figures = report.finish(manifest, where={"pictures": output}, next_command="curate train prepared/")

Progress and summary go to stderr; `figures` is the summary as plain values, for `--json` on stdout.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from curate.core.events import Event, RecordDone
from curate.core.record import Manifest

if TYPE_CHECKING:
    from curate.report.log import EventLog
    from curate.report.progress import Progress
    from curate.report.tally import Tally


class Report:
    """One run's listeners behind one `tell`; `finish` closes the progress and prints the summary."""

    def __init__(self, tally: Tally, progress: Progress | None, log: EventLog | None, stream: TextIO) -> None:
        self.tally = tally
        self._progress, self._log, self._stream = progress, log, stream

    def tell(self, event: Event) -> None:
        """The listener to hand to a runner."""
        if isinstance(event, RecordDone):
            importlib.import_module("curate.report.summary_text")  # while workers are busy, rather than at the end

        self.tally.tell(event)
        if self._log:
            self._log.tell(event)
        if self._progress:
            self._progress.tell(event)

    def finish(
        self,
        manifest: Manifest | None = None,
        where: Mapping[str, str | Path] | None = None,
        next_command: str = "",
        *,
        dry_run: bool = False,
        by_tags: Collection[str] = (),
    ) -> dict[str, Any]:
        """Prints the summary on the report's stream and returns it as JSON-able values.

        `manifest` is the final one, None where the run did not get that far; `where` names folders and files
        worth knowing (what `Saved` events told of is added by itself). A quiet report prints only what was set
        aside, and warnings. After a `dry_run` it says what would be prepared.
        `by_tags` are the keys of pictures whose caption is as `curate tags` left it.
        """
        from curate.report import summary, summary_text

        self.close()
        figures = summary.summarise(self.tally, manifest, where or {}, next_command, dry_run=dry_run, by_tags=by_tags)
        summary_text.show(figures, self._stream, only_trouble=self._progress is None)
        return figures

    def repeat(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        """`finish` of a run that came to the same as one before, which these are the figures of."""
        from curate.report import summary, summary_text

        self.close()
        now = {**figures, "seconds": summary.seconds(self.tally)}
        summary_text.show(now, self._stream, only_trouble=self._progress is None)
        return now

    def close(self) -> None:
        """Takes the progress off the screen and closes the events file; again is harmless."""
        if self._progress:
            self._progress.close()
        if self._log:
            self._log.close()


@contextmanager
def open_report(events: Path | None = None, quiet: bool = False, stream: TextIO | None = None) -> Generator[Report]:
    """A report of one run.

    `events` is the file that events are appended to (opened on the first one). `quiet` shows no progress. `stream` is
    stderr unless given; bars and colours appear only where it is a terminal, and NO_COLOR is respected.
    """
    import sys

    from curate.report.log import EventLog
    from curate.report.tally import Tally

    out = stream or sys.stderr
    progress = None
    if not quiet:
        from curate.report.progress import Progress  # bars take a tenth of a second to load

        progress = Progress(out)
    report = Report(Tally(), progress, EventLog(events) if events else None, out)
    try:
        yield report
    finally:
        report.close()

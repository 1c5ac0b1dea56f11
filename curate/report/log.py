"""events.jsonl: everything a run told, one JSON object a line, appended run after run."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from curate.core.disk_errors import disk_errors
from curate.core.events import Event


def _now() -> datetime:
    return datetime.now(UTC)


class EventLog:
    """A listener that appends each event to a file and flushes it, so that a killed run leaves what it told.

    A line holds `time` (UTC, ISO 8601), `event` (the event's class name) and the event's fields. Numbers that JSON
    does not know (NaN, infinity) are written as strings. Raises MissingError where the file cannot be written.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = _now) -> None:
        self._path, self._now = path, now
        self._file: BinaryIO | None = None

    def tell(self, event: Event) -> None:
        """Appends one line."""
        fields = {name: _plain(value) for name, value in dataclasses.asdict(event).items()}
        time = self._now().isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "event": type(event).__name__, **fields}, separators=(",", ":"))
        with disk_errors(str(self._path)):
            file = self._file or self._open()
            try:
                file.write(line.encode("ascii") + b"\n")
                file.flush()
            except OSError:
                self.close()  # what its buffer holds would come before the next line
                raise

    def close(self) -> None:
        """Closes the file; a later event opens it again."""
        file, self._file = self._file, None
        if file:
            with disk_errors(str(self._path)):
                file.close()

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+b")
        self._file = file
        # a run killed while it wrote leaves half a line; the next must not be glued to it
        if file.seek(0, 2) and (file.seek(-1, 2), file.read(1))[1] != b"\n":
            file.write(b"\n")
        return file


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value

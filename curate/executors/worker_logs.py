"""Worker logs: what taggers and cleaners warn of in a worker goes to the driver, who logs it once for all workers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from logging.handlers import QueueHandler
from queue import SimpleQueue

LOGGERS = ("taggers", "cleaners")
"""Loggers whose warnings travel."""


class WorkerLogs:
    """In a worker: what was logged since it was last taken."""

    def __init__(self) -> None:
        self._records: SimpleQueue[logging.LogRecord] = SimpleQueue()
        handler = QueueHandler(self._records)
        handler.setLevel(logging.WARNING)
        for name in LOGGERS:
            logging.getLogger(name).addHandler(handler)

    def take(self) -> list[logging.LogRecord]:
        """The records, ready to be pickled."""
        return [self._records.get() for _ in range(self._records.qsize())]


class DriverLogs:
    """In the driver: logs what workers logged, each message once."""

    def __init__(self) -> None:
        self._messages: set[tuple[str, str]] = set()

    def log(self, records: Iterable[logging.LogRecord]) -> None:
        """Logs what was not logged before."""
        for record in records:
            message = (record.name, record.getMessage())
            if message not in self._messages:
                self._messages.add(message)
                logging.getLogger(record.name).handle(record)

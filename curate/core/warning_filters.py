"""Warnings that one thread ignores for a block, while those of other threads come through."""

from __future__ import annotations

import functools
import re
import threading
import warnings
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any


class _PerThread(type):
    """Makes a category to which warnings belong only in the threads that are inside a block."""

    threads: Counter[int]
    real: type[Warning]

    def __subclasscheck__(cls, subclass: type) -> bool:
        return threading.get_ident() in cls.threads and issubclass(subclass, cls.real)


class _Filter:
    """An entry of `warnings.filters`, there as long as a thread is inside."""

    def __init__(self, message: str, category: type[Warning]) -> None:
        self._threads: Counter[int] = Counter()
        own = _PerThread("Ignored", (Warning,), {"threads": self._threads, "real": category})
        self._entry: Any = ("ignore", re.compile(message, re.IGNORECASE) if message else None, own, None, 0)
        self._message, self._category = message, own
        self._lists: list[Any] = []

    def enter(self) -> None:
        with _lock:
            if self._entry not in warnings.filters:
                warnings.filterwarnings("ignore", self._message, self._category)
                self._lists.append(warnings.filters)
            self._threads[threading.get_ident()] += 1

    def leave(self) -> None:
        thread = threading.get_ident()
        with _lock:
            self._threads[thread] -= 1
            if not self._threads[thread]:
                del self._threads[thread]
            if not self._threads:
                # catch_warnings of other code may have put a copy in the place of the list meanwhile
                self._lists.append(warnings.filters)
                for entries in self._lists:
                    with suppress(ValueError):
                        entries.remove(self._entry)
                self._lists.clear()


_lock = threading.Lock()
_filter = functools.cache(_Filter)


@contextmanager
def ignore_warnings(message: str = "", category: type[Warning] = Warning) -> Generator[None]:
    """Ignores this thread's warnings of a category whose text begins with the pattern `message`; may be nested.

    `warnings.catch_warnings` exchanges the list of filters of the whole process. Where two threads do so in turns, the
    one that is done last brings back what the other one had set.
    """
    entry = _filter(message, category)
    entry.enter()
    try:
        yield
    finally:
        entry.leave()

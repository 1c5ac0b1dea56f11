"""Executor: what runs the steps of a pass over records, as the runner sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from curate.core.chain import Outcome, Prepared, Work
from curate.core.stage import Env


class Executor(Protocol):
    """What runs a chain over work; the whole protocol."""

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields an outcome for each piece of work, in any order, once the files that it names are on the disk."""
        ...


Choose = Callable[[Sequence[Prepared], int], Executor]
"""Picks an executor for a chain and a number of records."""

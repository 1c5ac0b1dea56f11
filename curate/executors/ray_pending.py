"""Ray pending: the work of a pass that is not done yet, and which pictures lost their workers how often."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence, Set
from itertools import islice

from curate.core.chain import Outcome, Work

DEATHS = 3
"""Workers that a picture may kill."""
_DIED = f"the worker process died on this picture {DEATHS} times (out of memory, or a crash in a decoder)"


class PendingWork:
    """Work in batches of `size`; what was in the hands of a lost worker is tried again piece by piece."""

    def __init__(self, work: Iterable[Work], size: int) -> None:
        self._pending = iter(work)
        self.size = size
        self._returned: deque[Work] = deque()
        self._suspects: deque[Work] = deque()
        self._deaths: defaultdict[int, list[str]] = defaultdict(list)
        self._ahead: list[Work] = []
        self.unseen: set[int] = set()
        """Places of records whose files some node did not see: they travel with the work."""

    @property
    def has_more(self) -> bool:
        """Whether something waits, besides what is in hand."""
        self._ahead = self._ahead or self.next_batch()
        return bool(self._ahead or self._suspects)

    def next_batch(self) -> list[Work]:
        """What a worker does next; empty where nothing is left."""
        if self._ahead:
            batch, self._ahead = self._ahead, []
            return batch
        batch = [self._returned.popleft() for _ in range(min(self.size, len(self._returned)))]
        return batch + list(islice(self._pending, self.size - len(batch)))

    def next_suspect(self) -> list[Work]:
        """A piece to be tried by a worker that has nothing else in hand; empty where none is left."""
        return [self._suspects.popleft()] if self._suspects else []

    def give_back(self, work: Iterable[Work]) -> None:
        """Takes back what no worker has begun."""
        self._returned.extend(work)

    def lost(self, work: Sequence[Work], node: str, alive: Set[str]) -> list[Outcome]:
        """Takes back what a lost worker on `node` had begun; the outcomes of pictures that are given up.

        A worker that went with its node says nothing about the picture: only nodes that are `alive` count.
        """
        given_up: list[Outcome] = []
        for index, record in work:
            deaths = self._deaths[index]
            deaths.append(node)
            if sum(one in alive for one in deaths) >= DEATHS:
                given_up.append(Outcome(index, error=_DIED))
            else:
                self._suspects.append((index, record))
        return given_up

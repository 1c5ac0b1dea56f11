"""Pace: how fast something goes lately, and how long the rest will take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Pace:
    """The rate over the last `window` seconds, from counts that only grow; where counting begins is not progress."""

    def __init__(self, clock: Callable[[], float], begun: int = 0, window: float = 30.0) -> None:
        self._clock, self._window = clock, window
        self._seen: deque[tuple[float, int]] = deque([(clock(), begun)])

    @property
    def count(self) -> int:
        """The latest count."""
        return self._seen[-1][1]

    def reach(self, count: int) -> None:
        """Notes that `count` is reached now."""
        now = self._clock()
        # a point every quarter of a second is enough: memory stays bounded however fast it goes
        if len(self._seen) > 1 and now - self._seen[-2][0] < 0.25:
            self._seen.pop()
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[1][0] >= self._window:
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Units per second, 0 while unknown."""
        (t0, n0), (t1, n1) = self._seen[0], self._seen[-1]
        return (n1 - n0) / (t1 - t0) if n1 > n0 and t1 > t0 else 0.0

    def remaining(self, total: int) -> float | None:
        """Seconds until `total` at this rate, None while unknown."""
        return (total - self.count) / self.rate if self.rate > 0 else None

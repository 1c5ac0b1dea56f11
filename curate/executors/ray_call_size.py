"""Ray call size: how many pictures one call to an actor carries where a stage takes them one by one.

A call takes about 3 ms of processor time in all, on both sides and whatever it carries (Ray 2.60, 2 cores); converting
and resizing a photo of 1600×1200 takes 33 ms. So a call carries what takes `SECONDS`, and no more: what an actor has in
hand is lost with it, and is waited for when the user stops.
"""

from __future__ import annotations

SECONDS = 0.25
"""How long a call should take."""
LONGEST = 2 * SECONDS
"""After so long a worker gives back what it has not begun: these pictures take longer than those before."""
_MOST = 16
_WEIGHT = 0.2
"""What the last call counts for, beside those before it."""


class CallSize:
    """Learns from calls how many pictures the next one carries; begins with one."""

    def __init__(self) -> None:
        self.count = 1
        self._seconds = 0.0

    def learn(self, count: int, seconds: float) -> None:
        """Notes that a call did `count` pictures in so many seconds. The size doubles at most."""
        if not count:
            return
        each = seconds / count
        self._seconds = (1 - _WEIGHT) * self._seconds + _WEIGHT * each if self._seconds else each
        wanted = int(SECONDS / self._seconds) if self._seconds else _MOST
        self.count = max(1, min(wanted, 2 * self.count, _MOST))

"""Near: compares the pictures of candidates, in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor

from curate.core.record import Record
from curate.errors import interruption
from curate.images.duplicates import crowds
from curate.images.duplicates.comparison import Comparison
from curate.images.duplicates.likeness import Likeness
from curate.images.duplicates.pairs import Pairs

_TOGETHER = 64  # pairs between two questions whether to stop


def near_matches(
    pairs: Pairs, row: Callable[[int], Record], compare: Comparison, stopping: Callable[[], bool]
) -> Generator[tuple[int, int, Likeness, bool]]:
    """Of the pairs, in ascending order, those that are alike: indexes, how alike, whether the first leads a crowd.

    `row` gives the record of an index; it is asked in this thread. Raises Interrupted once the user stops.
    """
    plain, crowded = crowds.split(pairs)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:

        def likenesses(some: Sequence[crowds.Pair]) -> list[Likeness | None]:
            if stopping():
                raise interruption()
            return list(pool.map(compare, [(row(a), row(b)) for a, b in some]))

        for start in range(0, len(plain), _TOGETHER):
            some = [(a, b) for a, b in plain[start : start + _TOGETHER].tolist()]
            for (a, b), likeness in zip(some, likenesses(some), strict=True):
                if likeness is not None:
                    yield a, b, likeness, False
        for a, b, likeness in crowds.search(crowded, lambda i: compare.preview(row(i)), likenesses):
            yield a, b, likeness, likeness.share == 1

"""Tag counts: how many pictures of each concept have each tag, kept in step with the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping


class TagCounts:
    """Counts by concept and by the number of the tag; none of them is zero."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[int]] = {}

    def add(self, concept: str, tags: Iterable[int]) -> None:
        """A picture more with these tags."""
        self._counts.setdefault(concept, Counter()).update(tags)

    def take(self, concept: str, tags: Iterable[int]) -> None:
        """A picture less with these tags."""
        counts = self._counts[concept]
        for number in tags:
            counts[number] -= 1
            if not counts[number]:
                del counts[number]

    def change(self, concept: str, before: Iterable[int], after: Iterable[int]) -> None:
        """A picture's tags are others now; most stay."""
        old, new = set(before), set(after)
        self.add(concept, new - old)
        self.take(concept, old - new)

    def total(self) -> Counter[int]:
        """How many pictures have each tag."""
        total: Counter[int] = Counter()
        for counts in self._counts.values():
            total.update(counts)
        return total

    def by_tag(self) -> Mapping[int, Counter[str]]:
        """How many pictures of each concept have a tag."""
        result: dict[int, Counter[str]] = {}
        for concept, counts in self._counts.items():
            for number, count in counts.items():
                result.setdefault(number, Counter())[concept] = count
        return result

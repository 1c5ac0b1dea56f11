"""Vocabulary: the tags that the page completes: the folder's own, the tagger's, and the names that lead to others."""

from __future__ import annotations

import csv
import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate import captions
from curate.core.record import CaptionStyle
from curate.review.detail import implications
from curate.review.index import Index


@dataclass(frozen=True, slots=True)
class Word:
    """A tag that can be completed; `count` is of pictures on its site, 0 where nobody knows."""

    tag: str
    count: int
    category: str


class Vocabulary:
    """Completes tags. The tables are read when they are first asked for."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._words: dict[str, Word] | None = None
        self._aliases: Mapping[str, str] = {}

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """The tags that hold the text, best first: whole words, beginnings, then anywhere; frequent ones first."""
        wanted = captions.canonical(text).casefold()
        words, aliases = self._tables()
        own, style = self.counts(), self._style()
        matches: dict[str, tuple[tuple[int, int, int, str], str | None]] = {}
        for tag in {*words, *own}:
            rank = _rank(wanted, tag.casefold())
            if rank is not None:
                matches[tag] = ((rank, -own[tag], -words[tag].count if tag in words else 0, tag), None)
        for alias, tag in aliases.items() if wanted else ():
            rank = _rank(wanted, alias.casefold())
            if rank is not None and tag not in matches:
                matches[tag] = ((rank, -own[tag], -words[tag].count if tag in words else 0, tag), alias)
        best = sorted(matches.items(), key=lambda item: item[1][0])[:limit]
        return [
            {
                "tag": tag,
                "text": self._index.table.text(tag) or captions.shown(tag, (), style),
                "count": own[tag],
                "site_count": words[tag].count if tag in words else None,
                "alias": alias,
                "category": words[tag].category if tag in words else None,
            }
            for tag, (_, alias) in best
        ]

    def counts(self) -> Counter[str]:
        """How many pictures of the folder have each tag."""
        names = self._index.table.names
        with self._index.lock:
            numbers = self._index.entries.counts.total()
        return Counter({names[n]: count for n, count in numbers.items()})

    def statistics(self) -> list[dict[str, Any]]:
        """Every tag of the folder with its number of pictures, in all and of each concept, the most frequent first."""
        names = self._index.table.names
        with self._index.lock:
            counts = self._index.entries.counts.by_tag()
        rows = [{"tag": names[n], "count": c.total(), "concepts": dict(c)} for n, c in counts.items()]
        return sorted(rows, key=lambda row: (-row["count"], row["tag"]))

    def _tables(self) -> tuple[Mapping[str, Word], Mapping[str, str]]:
        with self._lock:
            if self._words is None:
                table = implications()
                self._words = _of_taggers(self._models())
                for tag in (*table.parents, *(up for ups in table.parents.values() for up in ups)):
                    self._words.setdefault(tag, Word(tag, 0, "general"))
                self._aliases = table.aliases
            return self._words, self._aliases

    def _style(self) -> CaptionStyle:
        """How the captions of the folder are written, by one of them."""
        with self._index.lock:
            captioned = (e.caption for e in self._index.entries.values() if e.caption is not None)
            one = next(captioned, None)
        return one.record.style if one is not None else CaptionStyle()

    def _models(self) -> set[str]:
        """The taggers that scored pictures of the folder."""
        with self._index.lock:
            captioned = (e.caption for e in self._index.entries.values() if e.caption is not None)
            return {model for one in itertools.islice(captioned, 50) for model in one.record.scores.unpack()}


def _rank(wanted: str, tag: str) -> int | None:
    """0 the tag itself, 1 at its start, 2 at the start of a word in it, 3 anywhere; None where it is not in it."""
    if wanted == tag:
        return 0
    at = tag.find(wanted)
    if at < 0:
        return None
    if at == 0:
        return 1
    return 2 if f"_{wanted}" in tag or f"({wanted}" in tag else 3


def _of_taggers(used: Iterable[str]) -> dict[str, Word]:
    """The tags of the taggers on this machine, those that the folder was tagged with first."""
    import taggers
    from taggers import download
    from taggers.errors import TaggerError

    words: dict[str, Word] = {}
    first = [name for name in used if name in taggers.models()]
    for name in dict.fromkeys([*first, *taggers.names()]):
        family, model = taggers.models()[name]
        try:
            if not (model.embedded or download.placed(model) or download.cached(model)):
                continue
            labels = taggers.find(name, offline=True).labels
            read = family.labels(labels)
        except (TaggerError, OSError):
            continue
        counts = _counts(labels)
        for tag, category in zip(read.names, read.categories, strict=True):
            if tag:
                words.setdefault(tag, Word(tag, counts.get(tag, 0), category))
    return words


def _counts(labels: Path) -> dict[str, int]:
    """The counts that a label file has in a column of that name."""
    if labels.suffix != ".csv":
        return {}
    with labels.open(encoding="utf-8-sig", newline="") as file:
        rows = [(row.get("name") or "", row.get("count") or "") for row in csv.DictReader(file)]
    return {"_".join(name.split()): int(count) for name, count in rows if count.isdecimal()}

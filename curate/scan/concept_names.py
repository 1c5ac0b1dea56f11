"""Concept names: what the concepts of a prepared folder were called by the run that wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from curate.core.record import Record


def concept_names(pictures: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The name of the concept that most pictures of a folder are of, by the words of the folder's name.

    Each of `pictures` is those words, and the concept that the ledger knows of it, None where it does not know the
    picture. Where two folders contend for a name, they keep their words.
    """
    counts: dict[str, Counter[str]] = {}
    for words, concept in pictures:
        count = counts.setdefault(words, Counter())
        if concept is not None:
            count[concept or words] += 1
    names = {words: max(sorted(count), key=lambda name: count[name]) for words, count in counts.items() if count}
    taken = Counter([*names.values(), *(words for words in counts if words not in names)])
    return {words: name for words, name in names.items() if taken[name] == 1}


def ledger_path(record: Record, folder: Path) -> str:
    """The path of a scanned record's picture, as the ledger of its folder has it."""
    return Path(record.image.path).relative_to(folder.absolute()).as_posix()

"""Index: every picture of a folder as the page shows it, kept up with the disk, the ledger and the measurements."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from curate.core.store import LEDGER
from curate.folder import unfinished
from curate.review.entries import Entries
from curate.review.entry import Entry
from curate.review.folder_reader import FolderReader
from curate.review.ledger import Ledger, Wanted
from curate.review.measures import Measures, MeasuresTable
from curate.review.rows import TagTable, caption_row, instructions_row, measured_row, source_name, version
from curate.tags_edit import WriteResult

_NOTHING = Wanted()


class Index:
    """The pictures of a folder. All methods may be called by several threads; `entries` under `lock` alone."""

    def __init__(self, target: Path) -> None:
        self.target = target.absolute()
        self.ledger = Ledger(self.target)
        self.lock = threading.RLock()
        self.table = TagTable()
        self.entries = Entries()
        self._reader = FolderReader(self.target, self.ledger, self.entries, self._put)
        self._measures = MeasuresTable()

    def close(self) -> None:
        """Ends what listens to the ledger."""
        self.ledger.close()

    def refresh(self) -> None:
        """Brings the index up with the disk and the ledger. Cheap where nothing changed."""
        with self.lock:
            self._reader.refresh()

    def rewrote(self, entries: Iterable[Entry], result: WriteResult) -> None:
        """Takes up captions of pictures that were written just now, without reading them.

        The folder's ledger is locked, and nobody else wrote to it since the last `refresh`. What another program made
        of captions meanwhile has another stamp: the next `refresh` sees it.
        """
        with self.lock:
            self.ledger.wrote_captions()
            changed = self._reader.rewrote(entries, result)
            captions = [(one, one.caption) for one in changed if one.caption is not None]
            self.entries.recaption([(one, caption_row(caption, self.table)) for one, caption in captions])
            if len(changed) < len(result.files):
                self.refresh()

    @property
    def revision(self) -> int:
        """Grows with every row that becomes another."""
        return self.entries.revision

    def get(self, id: str) -> Entry | None:
        """The picture of that id, None without one."""
        with self.lock:
            return self.entries.get(id)

    def among(self, ids: Iterable[str]) -> dict[str, Entry]:
        """The pictures of these ids that are there."""
        with self.lock:
            return self.entries.among(ids)

    def row(self, entry: Entry) -> str:
        """What the page knows of a picture, as JSON."""
        with self.lock:
            return self.entries.row(entry.number)

    # what is measured and counted in the background -------------------------------------------------------------------

    def measured(self, measures: Sequence[tuple[str, Measures]]) -> None:
        """Takes up what was measured of files."""
        with self.lock:
            self._measures.add(measures)
            places = {number: file for file, _ in measures for number in self.entries.of_file(file)}
            known = {n: self._measures.get(file, self.entries.stamp(n)) for n, file in places.items()}
            self.entries.update({n: measured_row(one, None) for n, one in known.items() if one is not None})

    def unmeasured(self) -> Iterator[Entry]:
        """The pictures whose file nobody measured as it is."""
        with self.lock:
            ids = [self.entries.at(number).id for number in self.entries.unmeasured(self._measures)]
        return (entry for id in ids if (entry := self.get(id)) is not None)

    def uncounted(self, limit: int) -> list[Entry]:
        """Some of the pictures whose captions' tokens nobody counted."""
        with self.lock:
            return self.entries.uncounted(limit)

    def counted(self, tokens: Sequence[tuple[Entry, int]]) -> None:
        """Takes up how many tokens captions have."""
        with self.lock:
            places = [(self.entries.number(entry.id), entry.state, count) for entry, count in tokens]
            current = {n: count for n, state, count in places if n >= 0 and self.entries.state(n) == state}
            self.entries.update({n: {"tokens": count} for n, count in current.items()})

    def measures_of(self, entry: Entry) -> Measures | None:
        """What was measured of a picture's file as it is now."""
        return self._measures.get(entry.file, entry.stamp)

    # rows -------------------------------------------------------------------------------------------------------------

    def _put(self, changed: Sequence[Entry]) -> None:
        """Takes up entries that are new or another, with their rows."""
        self.entries.put([(entry, self._row(entry)) for entry in changed])

    def _row(self, entry: Entry) -> dict[str, Any]:
        caption, aside = entry.caption, entry.aside
        own: dict[str, Any] = {"tags": [], "sentence": "", "rating": None, "edited": False, "low": [], "score": None}
        return {
            "id": entry.id,
            "key": entry.key,
            "concept": entry.concept,
            "bytes": entry.stamp[1],
            "version": version(entry.stamp),
            **measured_row(self.measures_of(entry), caption.record if caption else None),
            "aside": aside.reason if aside else None,
            "duplicate_of": self.entries.id_of_key(aside.duplicate_of) if aside and aside.duplicate_of else None,
            "loss": self.ledger.loss(entry.file) if entry.picture is not None else None,
            "source": source_name(entry, self.ledger.content),
            "mask": entry.picture is not None and entry.picture.mask is not None,
            **instructions_row(self._wanted(entry), caption.record if caption else None),
            **(caption_row(caption, self.table) if caption else own),  # last: see `Entries.recaption`
            "tokens": entry.tokens,
        }

    def _wanted(self, entry: Entry) -> Wanted:
        """What the person asked for the picture; nothing where it is set aside."""
        return _NOTHING if entry.aside else self.ledger.content.wanted.get(entry.key, _NOTHING)

    # the folder -------------------------------------------------------------------------------------------------------

    def concepts(self) -> list[dict[str, Any]]:
        """The concepts as their folders have them, in order of name."""
        return [
            {
                "name": entry.concept,
                "folder": entry.picture.folder,
                "trigger": list(entry.caption.record.trigger),
                "repeats": entry.picture.name.repeats or 1,
                "kind": None,
            }
            for entry in sorted(self._reader.first_captioned(), key=lambda entry: entry.concept)
            if entry.picture is not None and entry.caption is not None
        ]

    @property
    def notes(self) -> list[str]:
        """What the person should know of the folder: files that cannot be read, an edit that was cut off."""
        messages = self._reader.messages
        if not self.in_ledger() or not unfinished(self.target / LEDGER):
            return messages
        return [*messages, "the last change was cut off in the middle: Undo takes back what it did"]

    @property
    def is_prepared(self) -> bool:
        """Whether curate wrote pictures here."""
        return bool(self.ledger.content.known.rows)

    def in_ledger(self) -> bool:
        """Whether the folder has a ledger."""
        return (self.target / LEDGER / "ledger.sqlite").is_file()

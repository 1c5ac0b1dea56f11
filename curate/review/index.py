"""Index: every picture of a folder as the page shows it, kept up with the disk, the ledger and the measurements."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.captioned import Captioned
from curate.core.caption_options import CaptionReading
from curate.core.events import Event, Note
from curate.core.files import inside
from curate.core.store import LEDGER
from curate.folder import unfinished
from curate.images.masks import FOLDER
from curate.review.entry import NO_FILE, Entry, Listed, legible_id, stamp_of
from curate.review.ledger import Ledger, Wanted
from curate.review.rows import TagTable, caption_row, instructions_row, measured_row, source_name, version
from curate.review.snapshot import Snapshot, snapshot
from curate.review.thumbnails import Measures
from curate.scan import SourcePicture, concept_names
from curate.tags_edit import NewFile
from curate.tags_folder import pictures_of, read_captions, reread, silent

_JSON = json.JSONEncoder(separators=(",", ":"))
_NOTHING = Wanted()


class Index:
    """The pictures of a folder. All methods may be called by several threads."""

    def __init__(self, target: Path) -> None:
        self.target = target.absolute()
        self.ledger = Ledger(self.target)
        self.lock = threading.RLock()
        self.table = TagTable()
        self.revision = 0
        self.messages: list[str] = []
        self.entries: dict[str, Entry] = {}
        self._removed: dict[str, int] = {}
        self._files = Snapshot({}, ())
        self._listed: Sequence[Listed] = ()
        self._forms: dict[tuple[Path, str], str] = {}
        self._measures: dict[str, Measures] = {}

    def close(self) -> None:
        """Ends what listens to the ledger."""
        self.ledger.close()

    def measured(self, measures: Mapping[str, Measures]) -> None:
        """Takes up what was measured of files."""
        with self.lock:
            self._measures.update(measures)
            changed = [e for e in self.entries.values() if e.file in measures]
            self._renew(changed)

    def refresh(self) -> None:
        """Brings the index up with the disk and the ledger. Cheap where nothing changed."""
        with self.lock:
            self._follow(snapshot(self.target), {})

    def rewrote(self, files: Mapping[str, NewFile]) -> None:
        """Takes up captions that were written just now, by file, without reading them.

        What another program made of them meanwhile has another stamp: the next `refresh` sees it.
        """
        with self.lock:
            stamps = {file: new.stamp for file, new in files.items()}
            self._follow(Snapshot({**self._files.files, **stamps}, self._files.outside), files)

    def get(self, id: str) -> Entry | None:
        """The picture of that id, None without one."""
        with self.lock:
            return self.entries.get(id)

    def since(self, revision: int) -> tuple[list[Entry], list[str]]:
        """The pictures that changed after a revision, and the ids of those that went."""
        with self.lock:
            changed = [e for e in self.entries.values() if e.revision > revision]
            return changed, [id for id, when in self._removed.items() if when > revision]

    def unmeasured(self) -> list[Entry]:
        """The pictures whose file nobody measured as it is."""
        with self.lock:
            return [e for e in self.entries.values() if e.file and self.measures_of(e) is None]

    def uncounted(self, limit: int) -> list[Entry]:
        """Some of the pictures whose captions' tokens nobody counted."""
        with self.lock:
            entries = (e for e in self.entries.values() if e.caption is not None and e.tokens is None)
            return list(itertools.islice(entries, limit))

    def counted(self, tokens: Sequence[tuple[Entry, int]]) -> None:
        """Takes up how many tokens captions have."""
        with self.lock:
            changed = [entry for entry, _ in tokens if self.entries.get(entry.id) is entry]
            for entry, count in tokens:
                entry.tokens = count
            self._renew(changed)

    @property
    def notes(self) -> list[str]:
        """What the person should know of the folder: files that cannot be read, an edit that was cut off."""
        if not self.in_ledger() or not unfinished(self.target / LEDGER):
            return self.messages
        return [*self.messages, "the last change was cut off in the middle: Undo takes back what it did"]

    # reading ----------------------------------------------------------------------------------------------------------

    def _follow(self, now: Snapshot, rewritten: Mapping[str, NewFile]) -> None:
        """Takes up the files as they are `now`; captions that were `rewritten` need not be read."""
        renamed = now.files.keys() != self._files.files.keys() or not self._listed
        if renamed:
            self.ledger.follow()
        written = self.ledger.refresh()
        if now == self._files and not written and self._listed:
            return
        if renamed:
            self._listed = list(self._inside(pictures_of(self.target, silent), now))
        self._files = now
        self._read(rewritten)

    def _inside(self, pictures: Iterable[SourcePicture], now: Snapshot) -> Iterator[Listed]:
        """The pictures that lie in the folder, each with the captions and the mask that do."""
        self.messages = [f"{path} leads out of the folder and is left out" for path in now.outside]
        # masks of a folder that was renamed lie beside no picture until the next run
        masks = os.path.join(self.target, FOLDER, "") if self.is_prepared else None  # noqa: PTH118
        relative = inside(self.target)
        for one in pictures:
            listed = Listed.of(one, relative)
            if listed.file not in now.files or (masks and listed.file.startswith(masks)):
                continue
            if any(file not in now.files for file in (*listed.captions, *filter(None, [listed.mask]))):
                texts = [text for text, file in zip(one.texts, listed.captions, strict=True) if file in now.files]
                mask = one.mask if listed.mask in now.files else None
                listed = Listed.of(dataclasses.replace(one, texts=tuple(texts), mask=mask), relative)
            yield listed

    def _read(self, rewritten: Mapping[str, NewFile]) -> None:
        known = self.ledger.content.known
        names = concept_names((listed.picture.concept, known.concept(listed.path)) for listed in self._listed)
        entries: dict[str, Entry] = {}
        stale: list[Entry] = []
        for listed in self._listed:
            one, path, file, name = listed.picture, listed.path, listed.file, listed.id
            row = known.rows.get(path)
            concept = known.concept(path) or names.get(one.concept, one.concept)
            beside = tuple(map(self._files.files.get, listed.captions))
            mask = self._files.files.get(listed.mask)
            key = row.key if row else one.key
            state = (self._files.files[file], listed.captions, beside, mask, row,
                     known.records.get(path), known.bulk.get(path), self.ledger.content.wanted.get(key),
                     concept, self.ledger.loss(file))  # fmt: skip
            before = self.entries.get(name)
            if before is not None and before.state == state:
                entries[name] = before
                continue
            entry = Entry(name, key, concept, file, self._files.files[file], one, state=state,
                          revision=before.revision if before else 0)  # fmt: skip
            entry.row = before.row if before else ""
            if before is not None:
                entry.caption = self._reread(before, listed, rewritten)
            stale.append(entry)
            entries[name] = entry
        self._read_captions([entry for entry in stale if entry.caption is None])
        self._add_aside(entries, stale)
        for id in self.entries.keys() - entries.keys():
            self._removed[id] = self.revision = self.revision + 1
        for id in entries:
            self._removed.pop(id, None)
        self.entries = entries
        self._renew(stale)

    def _reread(self, before: Entry, listed: Listed, rewritten: Mapping[str, NewFile]) -> Captioned | None:
        """The caption of a picture by what was written to its file; None where the file is to be read."""
        if before.caption is None or listed.captions != (str(before.caption.file),):
            return None
        new = rewritten.get(listed.captions[0])
        return reread(self.target, before.caption, new.data, self.ledger.content.known) if new is not None else None

    def _read_captions(self, stale: Sequence[Entry]) -> None:
        """Reads captions in the form that their folder is known to have; the first time all of a folder decide."""
        groups: dict[str, list[SourcePicture]] = {}
        for entry in stale:
            if entry.picture is not None:
                form = self._forms.get((entry.picture.place, entry.picture.folder), "auto")
                groups.setdefault(form, []).append(entry.picture)
        result: dict[str, Captioned] = {}
        for form, pictures in groups.items():
            reading = CaptionReading(form)  # type: ignore[arg-type]
            result |= read_captions(self.target, pictures, self.ledger.content.known, reading, self._tell)
        for entry in stale:
            caption = result.get(entry.picture.key) if entry.picture is not None else None
            if entry.picture is not None and caption is not None and self._is_inside(caption.file):
                entry.caption = caption
                self._forms[entry.picture.place, entry.picture.folder] = caption.form

    def _is_inside(self, file: Path) -> bool:
        """Whether a caption's file is no link that leads out of the folder; it may be missing."""
        return str(file) in self._files.files or not file.is_symlink()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Note) and len(self.messages) < 100:
            self.messages.append(f"{event.key}: {event.message}" if event.key else event.message)

    def _add_aside(self, entries: dict[str, Entry], stale: list[Entry]) -> None:
        """Adds the pictures that are not in the folder, each shown by the file it was made of."""
        present = {entry.key for entry in entries.values()}
        for key, aside in self.ledger.content.aside.items():
            if key in present:
                continue
            name = f"aside:{legible_id(key)}"
            stamp = stamp_of(aside.source)
            state = (aside, stamp)
            before = self.entries.get(name)
            if before is not None and before.state == state:
                entries[name] = before
                continue
            file = aside.source if stamp != NO_FILE else ""
            entry = Entry(name, key, key.partition("/")[0], file, stamp, aside=aside, state=state)
            entries[name] = entry
            stale.append(entry)

    # rows -------------------------------------------------------------------------------------------------------------

    def _renew(self, changed: Sequence[Entry]) -> None:
        """Makes the rows of entries anew; one that is another now gets a new revision."""
        ids = {entry.key: entry.id for entry in self.entries.values()} if any(e.aside for e in changed) else {}
        for entry in changed:
            row = self._row(entry, ids)
            entry.tags = row["tags"]
            text = _JSON.encode(row)
            if text != entry.row:
                entry.row = text
                entry.revision = self.revision = self.revision + 1

    def _row(self, entry: Entry, ids: Mapping[str, str]) -> dict[str, Any]:
        caption, aside = entry.caption, entry.aside
        own: dict[str, Any] = {"tags": [], "sentence": "", "rating": None, "edited": False, "low": [], "score": None}
        return {
            "id": entry.id,
            "key": entry.key,
            "concept": entry.concept,
            "bytes": entry.stamp[1],
            "version": version(entry.stamp),
            **measured_row(self.measures_of(entry), caption.record if caption else None),
            **(caption_row(caption, self.table) if caption else own),
            "aside": aside.reason if aside else None,
            "duplicate_of": ids.get(aside.duplicate_of) if aside else None,
            "tokens": entry.tokens,
            "loss": self.ledger.loss(entry.file) if entry.picture is not None else None,
            "source": source_name(entry, self.ledger.content),
            "mask": entry.picture is not None and entry.picture.mask is not None,
            **instructions_row(self._wanted(entry), caption.record if caption else None),
        }

    def _wanted(self, entry: Entry) -> Wanted:
        """What the person asked for the picture; nothing where it is set aside."""
        return _NOTHING if entry.aside else self.ledger.content.wanted.get(entry.key, _NOTHING)

    def measures_of(self, entry: Entry) -> Measures | None:
        """What was measured of a picture's file as it is now."""
        measures = self._measures.get(entry.file)
        return measures if measures is not None and measures.stamp == entry.stamp else None

    def concepts(self) -> list[dict[str, Any]]:
        """The concepts as their folders have them, in order of name."""
        result: dict[str, dict[str, Any]] = {}
        for entry in self.entries.values():
            if entry.picture is None or entry.caption is None or entry.concept in result:
                continue
            name = entry.picture.name
            result[entry.concept] = {
                "name": entry.concept,
                "folder": entry.picture.folder,
                "trigger": list(entry.caption.record.trigger),
                "repeats": name.repeats or 1,
                "kind": None,
            }
        return [result[name] for name in sorted(result)]

    @property
    def is_prepared(self) -> bool:
        """Whether curate wrote pictures here."""
        return bool(self.ledger.content.known.rows)

    def in_ledger(self) -> bool:
        """Whether the folder has a ledger."""
        return (self.target / LEDGER / "ledger.sqlite").is_file()

"""Folder reader: brings the entries of a folder up with its files and its ledger, and reads what is another."""

from __future__ import annotations

import dataclasses
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from curate.captioned import Captioned
from curate.core.caption_options import CaptionReading
from curate.core.events import Event, Note
from curate.core.files import beginning, inside
from curate.core.packed import Packed
from curate.images.masks import FOLDER
from curate.review.entries import Entries
from curate.review.entry import PICTURES, Entry, Listed, legible_id
from curate.review.known_rows import PLAIN
from curate.review.ledger import Ledger
from curate.review.snapshot import NO_FILE, Snapshot, snapshot, stamp_of
from curate.scan import SourcePicture, concept_names
from curate.tags_edit import WriteResult
from curate.tags_folder import pictures_of, read_captions, reread, silent

_AT_ONCE = 2048
"""Pictures that are held unpacked while their captions are read."""


class FolderReader:
    """Knows a folder as it was last seen. `put` is what takes up new and changed pictures."""

    def __init__(self, target: Path, ledger: Ledger, entries: Entries, put: Callable[[Sequence[Entry]], None]) -> None:
        self._target, self._ledger, self._entries, self._put = target, ledger, entries, put
        self.messages: list[str] = []
        self._seen = Snapshot()
        self._listed: Packed[SourcePicture] = Packed(packing=PICTURES, plain=PLAIN)
        self._listings = 0
        self._captions = array("q")
        self._shared: frozenset[int] = frozenset()
        self._places = array("i")
        self._forms: dict[tuple[Path, str], str] = {}
        self._names: dict[str, str] = {}
        self._names_state = (0, 0)

    def refresh(self) -> None:
        """Reads what changed on the disk and in the ledger. Cheap where nothing did."""
        self._follow(snapshot(self._target))

    def rewrote(self, entries: Iterable[Entry], result: WriteResult) -> list[Entry]:
        """The pictures with the captions that were written just now, without reading them.

        Those whose caption is a new file, one of several, or that of another picture too are left for `refresh`.
        """
        known, relative, changed = self._ledger.content.known, inside(self._target), list[Entry]()
        new = {file: one for file, one in result.files.items() if self._is_own(file)}
        own = [one for one in entries if one.caption is not None and one.caption.file in new]
        own = [one for one in own if one.picture is not None and len(one.picture.texts) == 1]
        stamps = {one.caption.file: new[one.caption.file].stamp for one in own if one.caption is not None}
        self._seen = Snapshot(self._seen.files.but(stamps), self._seen.outside)
        for one in sorted(own, key=lambda one: one.number):
            if one.picture is not None and one.caption is not None:
                listed = Listed.of(one.picture, relative)
                bulk = result.bulk.get(listed.path) or known.bulk.get(listed.path)
                caption = reread(one.caption, new[one.caption.file].data, known.rows.get(listed.path), bulk)
                state = self._state(listed, self._names, bulk)
                changed.append(
                    Entry(one.id, one.key, one.concept, one.file, one.stamp, one.picture, caption, one.aside, state,
                          number=one.number)
                )  # fmt: skip
        return changed

    def _is_own(self, file: str) -> bool:
        """Whether a caption was there before and lies beside one picture alone."""
        return file in self._seen.files and hash(file) not in self._shared

    def first_captioned(self) -> list[Entry]:
        """Of each concept the first picture with a caption, in the order of the folder."""
        return self._entries.first_captioned(self._places)

    # what is there ----------------------------------------------------------------------------------------------------

    def _follow(self, now: Snapshot) -> None:
        """Takes up the files as they are `now`."""
        renamed = not now.files.has_names_of(self._seen.files) or not self._listed
        if renamed:
            self._ledger.follow()
        written = self._ledger.refresh()
        if now == self._seen and not written and self._listed:
            return
        if renamed:
            self._captions = array("q")
            self._listed = Packed(self._inside(pictures_of(self._target, silent), now), PICTURES, PLAIN)
            self._shared, self._captions = _repeated(self._captions), array("q")
            self._listings += 1
        self._seen = now
        self._read()

    def _inside(self, pictures: Iterable[SourcePicture], now: Snapshot) -> Iterator[SourcePicture]:
        """The pictures that lie in the folder, each with the captions and the mask that do."""
        self.messages = [f"{path} leads out of the folder and is left out" for path in now.outside]
        # masks of a folder that was renamed lie beside no picture until the next run
        is_prepared = bool(self._ledger.content.known.rows)
        masks = os.path.join(self._target, FOLDER, "") if is_prepared else None  # noqa: PTH118
        relative = inside(self._target)
        for one in pictures:
            listed = Listed.of(one, relative)
            if listed.file not in now.files or (masks and listed.file.startswith(masks)):
                continue
            self._captions.extend(map(hash, listed.captions))
            if any(file not in now.files for file in (*listed.captions, *filter(None, [listed.mask]))):
                texts = [text for text, file in zip(one.texts, listed.captions, strict=True) if file in now.files]
                mask = one.mask if listed.mask in now.files else None
                yield dataclasses.replace(one, texts=tuple(texts), mask=mask)
            else:
                yield one

    def _read(self) -> None:
        """Looks at each picture, and takes up those that are new or another."""
        self._entries.compact()
        self._places = array("i")
        ours: list[tuple[int, Entry]] = []
        foreign: list[tuple[int, Entry]] = []
        names, relative = self._concepts(), inside(self._target)
        for place, one in enumerate(self._listed):
            listed = Listed.of(one, relative)
            bulk = self._ledger.content.known.bulk
            state = self._state(listed, names, bulk.get(listed.path) if bulk else None)
            self._places.append(number := self._entries.number(listed.id))
            if number >= 0 and self._entries.state(number) == state:
                continue
            is_ours = self._ledger.rows.rows.number(listed.path) is not None
            (ours if is_ours else foreign).append((place, self._entry(listed, names, state, number)))
            if len(ours) == _AT_ONCE:
                self._take_up(ours)
                ours = []
        self._take_up(ours)
        self._take_up(foreign)  # at once: the first time all captions of a folder decide in which form they are
        self._entries.keep({*self._places, *self._take_up_aside()})

    def _concepts(self) -> dict[str, str]:
        """The names of concepts, by the words of their folders."""
        rows = self._ledger.rows
        if (state := (self._listings, rows.revision)) != self._names_state:
            relative, concept = inside(self._target), self._ledger.content.known.concept
            paths = ((one, relative(beginning(one.place) + one.file)) for one in self._listed)
            self._names = concept_names((one.concept, concept(path)) for one, path in paths)
            self._names_state = state
        return self._names

    def _state(self, listed: Listed, names: Mapping[str, str], bulk: str | None) -> int:
        """A hash of all that an entry is made of; `bulk` is what the last bulk edit wrote."""
        content, file_of, path = self._ledger.content, self._seen.files.get, listed.path
        wanted, words = None, listed.picture.concept
        if content.wanted:
            wanted = content.wanted.get(self._key(listed))
        return hash((
            file_of(listed.file), listed.captions, tuple(map(file_of, listed.captions)),
            file_of(listed.mask) if listed.mask else None, self._ledger.rows.state(path),
            bulk, wanted, names.get(words, words), self._ledger.loss(listed.file),
        ))  # fmt: skip

    def _key(self, listed: Listed) -> str:
        row = self._ledger.content.known.rows.get(listed.path)
        return row.key if row is not None else listed.picture.key

    def _entry(self, listed: Listed, names: Mapping[str, str], state: int, number: int) -> Entry:
        """The picture as it is now, without its caption; key and concept are as if curate had not written it."""
        picture, stamp = listed.picture, self._seen.files.get(listed.file) or NO_FILE
        concept = names.get(picture.concept, picture.concept)
        return Entry(listed.id, picture.key, concept, listed.file, stamp, picture, state=state, number=number)

    def _take_up(self, stale: Sequence[tuple[int, Entry]]) -> None:
        """Takes up pictures of some places in the listing, with their captions."""
        if not stale:
            return
        self._read_captions([entry for _, entry in stale])
        self._put([entry for _, entry in stale])
        for place, entry in stale:
            self._places[place] = entry.number

    # captions ---------------------------------------------------------------------------------------------------------

    def _read_captions(self, stale: Sequence[Entry]) -> None:
        """Reads captions in the form that their folder is known to have; the first time all of a folder decide."""
        known, groups = self._ledger.content.known, dict[str, list[SourcePicture]]()
        for entry in stale:
            if entry.picture is not None:
                form = self._forms.get((entry.picture.place, entry.picture.folder), "auto")
                groups.setdefault(form, []).append(entry.picture)
        result, relative = dict[str, Captioned](), inside(self._target)
        for form, pictures in groups.items():
            reading = CaptionReading(form)  # type: ignore[arg-type]
            result |= read_captions(self._target, pictures, known, reading, self._tell)
        for entry in stale:
            caption = result.get(entry.picture.key) if entry.picture is not None else None
            ours = known.get(relative(entry.file)) if caption is None else None
            record = caption.record if caption is not None else ours and ours[1]
            if record is not None and record.origin:  # only those that curate wrote have one
                entry.key, entry.concept = record.key, record.concept or entry.concept
            if entry.picture is not None and caption is not None and self._is_inside(caption.file):
                entry.caption = caption
                self._forms[entry.picture.place, entry.picture.folder] = caption.form

    def _is_inside(self, file: str) -> bool:
        """Whether a caption's file is no link that leads out of the folder; it may be missing."""
        return file in self._seen.files or not os.path.islink(file)  # noqa: PTH114

    def _tell(self, event: Event) -> None:
        if isinstance(event, Note) and len(self.messages) < 100:
            self.messages.append(f"{event.key}: {event.message}" if event.key else event.message)

    # what is set aside ------------------------------------------------------------------------------------------------

    def _take_up_aside(self) -> list[int]:
        """Takes up the pictures that are not in the folder, each shown by the file it was made of; their places."""
        places: list[int] = []
        stale: list[Entry] = []
        present = self._present_keys()
        for key, aside in self._ledger.content.aside.items():
            if hash(key) in present:
                continue
            id, stamp = f"aside:{legible_id(key)}", stamp_of(aside.source)
            number, state = self._entries.number(id), hash((aside, stamp))
            if number >= 0 and self._entries.state(number) == state:
                places.append(number)
                continue
            file = aside.source if stamp != NO_FILE else ""
            stale.append(Entry(id, key, key.partition("/")[0], file, stamp, aside=aside, state=state, number=number))
        self._put(stale)
        return [*places, *(entry.number for entry in stale)]

    def _present_keys(self) -> set[int]:
        """Hashes of the keys of the pictures in the folder; empty where nothing is set aside."""
        return self._entries.key_hashes(self._places) if self._ledger.content.aside else set()


def _repeated(hashes: array[int]) -> frozenset[int]:
    """The hashes that are there more than once."""
    values = np.sort(np.frombuffer(hashes, np.int64)) if hashes else np.empty(0, np.int64)
    return frozenset(values[1:][values[1:] == values[:-1]].tolist())

"""Captioned pictures of a folder: each with its caption as it is now, read as the folder writes its captions."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curate import captions, folder, names
from curate.captions import MARKER, Caption, FolderForm
from curate.captions.form import Form
from curate.core.caption_options import CaptionReading
from curate.core.events import Listener, Note
from curate.core.files import inside
from curate.core.record import CaptionStyle, Image, Record, changed, from_plain
from curate.core.store import LEDGER, Store, Written
from curate.errors import InputError
from curate.scan import TRAINED, SourcePicture, concept_names, list_pictures

_READING = CaptionReading()
_MARKS = ("\ue000", "\ue001")
"""What stands for the first and the second `|||` of a caption among its tags."""
_SEPARATORS = {"spaces": " ", "lines": "\n", "semicolons": "; "}


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and its caption file as it is now. `hand` says that a person edited it one by one.

    text      as one line, with commas between tags where another program wrote it
    raw       as it stands in the file
    encoding  the codec that the file was read with
    edited    other than curate generated it, one by one or in bulk
    form      how the captions of its folder are written
    """

    path: Path
    concept: str
    file: Path
    text: str
    record: Record
    hand: bool
    raw: str = ""
    encoding: str = ""
    edited: bool = False
    form: Form = "tags"

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags in caption order."""
        tags = self.record.tags
        if _MARKS[0] not in tags and _MARKS[1] not in tags:
            return tags
        return tuple(tag for tag in tags if tag not in _MARKS)

    @property
    def marks(self) -> tuple[str, ...]:
        """What stands among the record's tags for the `|||` of the caption."""
        return tuple(mark for mark in _MARKS if mark in self.record.tags)

    @property
    def fixed(self) -> frozenset[str]:
        """What no bulk edit takes away: trigger words, and the marks that keep tags in place."""
        return frozenset((*self.record.trigger, *_MARKS))

    def rendered(self, tags: Sequence[str]) -> str:
        """The caption with these tags, in the form in which it is written."""
        separator = self.record.style.separator
        text = captions.render(changed(self.record, {"tags": tuple(tags), "trigger": tuple(self.fixed)}))
        if _MARKS[0] not in text and _MARKS[1] not in text:
            return text
        for mark in _MARKS:
            text = text.replace(f"{separator}{mark}{separator}", f" {MARKER} ").replace(mark, MARKER)
        return text


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger of a folder knows: pictures that curate wrote by path, and the captions of bulk edits.

    records  those of `rows`, where somebody read them already
    """

    rows: Mapping[str, Written] = field(default_factory=dict[str, Written])
    bulk: Mapping[str, str] = field(default_factory=dict[str, str])
    records: Mapping[str, Record] = field(default_factory=dict[str, Record])

    def record(self, path: str) -> Record:
        """The record of a picture that curate wrote."""
        known = self.records.get(path)
        return known if known is not None else from_plain(self.rows[path].record)

    def concept(self, path: str) -> str | None:
        """The concept of such a picture; None of any other."""
        if path not in self.rows:
            return None
        known = self.records.get(path)
        return known.concept if known is not None else str(self.rows[path].record.get("concept", ""))


def read(
    target: Path, concepts: Sequence[str] = (), reading: CaptionReading = _READING, tell: Listener | None = None
) -> list[Captioned]:
    """The captions of a folder, pictures without one included with an empty text.

    Concepts are called as by the run that wrote the folder, or by the words of their folders.

    A picture whose caption cannot be read is left out, and named to `tell`; so is how the captions of another program
    are taken. Raises InputError for a concept that is not there.
    """
    tell = tell or silent
    known = _ledger(target)
    pictures = pictures_of(target, silent)
    relative = inside(target)
    names = concept_names((one.concept, known.concept(relative(one.path))) for one in pictures)
    there = {one.concept: names.get(one.concept, one.concept) for one in pictures}
    if missing := set(concepts) - {*there, *there.values()}:
        known_ones = ", ".join(sorted(set(there.values())))
        raise InputError(f"no concept {', '.join(sorted(missing))} in {target}", f"there are: {known_ones}")
    chosen = [one for one in pictures if not concepts or {one.concept, there[one.concept]} & {*concepts}]
    result = read_captions(target, chosen, known, reading, tell)
    return [dataclasses.replace(result[one.key], concept=there[one.concept]) for one in chosen if one.key in result]


def pictures_of(target: Path, tell: Listener) -> list[SourcePicture]:
    """The pictures of a dataset: all but those that training put beside them."""
    return list_pictures([target], tell, skip=target / TRAINED if (target / LEDGER).is_dir() else None)


def read_captions(
    target: Path, pictures: Sequence[SourcePicture], known: Known, reading: CaptionReading, tell: Listener
) -> dict[str, Captioned]:
    """The captions of some pictures of a folder, by key; those that cannot be read are left out and named to `tell`."""
    result: dict[str, Captioned] = {}
    foreign: dict[tuple[Path, str], list[SourcePicture]] = {}
    relative = inside(target)
    for one in pictures:
        path = relative(os.path.join(one.place, one.file))  # noqa: PTH118 – of many thousands
        if path not in known.rows:
            foreign.setdefault((one.place, one.folder), []).append(one)
        elif (found := _ours(target, one, path, known, tell)) is not None:
            result[one.key] = found
    for (_, place), several in foreign.items():
        result |= _foreign(place, several, reading, tell)
    return result


def _ours(target: Path, one: SourcePicture, path: str, known: Known, tell: Listener) -> Captioned | None:
    """A picture that curate wrote, with the caption that it has now; None, and a word on it, where that is no text."""
    row, before = known.rows[path], known.record(path)
    file = _caption_file(target, one, path, row, before.style.extension)
    text, is_there = "", True
    try:
        text = captions.read_caption(file)
    except InputError as error:
        is_there = file.is_file()
        if is_there:
            _tell_unreadable(one, error, tell)
            return None
    tags, sentence = captions.parse(text, before.trigger, before.style)
    record = changed(before, {"tags": tags, "sentence": sentence, "edited": None})
    edited = is_there and not folder.same_text(row.caption, text)
    hand = edited and not folder.same_text(known.bulk.get(path, row.caption), text)
    return Captioned(one.path, one.concept, file, text, record, hand, text, edited=edited)


def _caption_file(target: Path, one: SourcePicture, path: str, row: Written, extension: str) -> Path:
    """Where the caption of a picture that curate wrote is, or would be."""
    place, _, name = row.caption_path.rpartition("/")
    if name in one.texts and place == path.rpartition("/")[0]:
        return one.place / name
    there = folder.caption_path(target, row)
    if there and (one.caption is None or inside(target)(one.caption) != there):
        return target / there
    return one.caption or one.path.with_suffix(extension)


def _foreign(
    place: str, several: Sequence[SourcePicture], reading: CaptionReading, tell: Listener
) -> dict[str, Captioned]:
    """The pictures of a folder that curate did not write, by key."""
    trigger = names.words(several[0].name.words) if several[0].name.repeats else ()
    paths = [one.path for one in several]
    beside = {path: one.captions for path, one in zip(paths, several, strict=True)}
    result = captions.read_folder(place, beside, reading, trigger)
    for message in result.messages:
        tell(Note("warning", message))
    captioned: dict[str, Captioned] = {}
    for path, one in zip(paths, several, strict=True):
        if path in result.errors:
            _tell_unreadable(one, result.errors[path], tell)
            continue
        caption = result.captions.get(path)
        file = caption.file if caption else one.caption or path.with_suffix(".txt")
        raw = caption.raw if caption else ""
        record = _record(one, caption, raw, result.form, trigger)
        text, encoding = (caption.text, caption.encoding) if caption else ("", "")
        captioned[one.key] = Captioned(
            path, one.concept, file, text, record, False, raw, encoding, form=result.form.form
        )
    return captioned


def _record(
    one: SourcePicture, caption: Caption | None, raw: str, form: FolderForm, trigger: tuple[str, ...]
) -> Record:
    """The record of a caption of another program, in the style that its folder is written in."""
    record = Record(one.key, one.concept, "", Image(""), trigger=trigger, style=_style(raw, caption, form))
    if caption is None:
        return record
    if form.form == "sentence":
        record = dataclasses.replace(record.noting(caption_form="sentence"), imported=caption.text)
        tags, sentence = captions.parse_imported(record)
    else:
        text = captions.normalize(_with_marks(raw), form) if MARKER in raw else caption.text
        style = dataclasses.replace(record.style, separator=", ")
        tags, sentence = captions.parse(text, trigger, style, spaces=False)
    return changed(record, {"tags": tags, "sentence": sentence})


def _with_marks(raw: str) -> str:
    """Each `|||` as a tag of its own; there may be two."""
    for mark in _MARKS:
        raw = raw.replace(MARKER, f", {mark}, ", 1)
    return raw


def _style(raw: str, caption: Caption | None, form: FolderForm) -> CaptionStyle:
    """The style in which a caption of another program is written."""
    escape = "\\(" in raw
    split = form.mixed and caption is not None and "," in caption.text and "," not in raw
    if form.form == "spaces" or split:
        return CaptionStyle(" ", "keep", escape=escape)
    if form.form in _SEPARATORS:
        return CaptionStyle(_SEPARATORS[form.form], "spaces" if " " in raw else "keep", escape=escape)
    spaced = " " in raw.replace(", ", ",")
    return CaptionStyle(", " if ", " in raw or "," not in raw else ",", "spaces" if spaced else "keep", escape=escape)


def _tell_unreadable(one: SourcePicture, error: InputError, tell: Listener) -> None:
    tell(Note("warning", f"its caption is left as it is: {error.message}", key=one.key))


def _ledger(target: Path) -> Known:
    if not (target / LEDGER / "ledger.sqlite").is_file():
        return Known()
    with Store(target) as store:
        folder.read_changes(target, store, silent)
        rows = store.written()
        return Known(rows, folder.bulk_edits(store, rows))


def silent(_: object) -> None:
    """A listener that hears nothing."""

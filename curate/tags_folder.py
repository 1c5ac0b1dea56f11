"""Captioned pictures of a folder: each with its caption as it is now, read as the folder writes its captions."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curate import captions, folder, names
from curate.captioned import Captioned, of_another_program, of_ours
from curate.captions import UTF8, FolderForm
from curate.core.caption_options import CaptionReading
from curate.core.events import Listener, Note
from curate.core.files import beginning, inside
from curate.core.lock import run_lock
from curate.core.record import Record, from_plain
from curate.core.store import LEDGER, Store, ledger_place
from curate.core.written import Written
from curate.errors import InputError, LockedError
from curate.scan import TRAINED, SourcePicture, concept_names, list_pictures

_READING = CaptionReading()


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger of a folder knows: pictures that curate wrote by path, and the captions of bulk edits.

    records  those of `rows`, where somebody read them already
    """

    rows: Mapping[str, Written] = field(default_factory=dict[str, Written])
    bulk: Mapping[str, str] = field(default_factory=dict[str, str])
    records: Mapping[str, Record] = field(default_factory=dict[str, Record])

    def get(self, path: str) -> tuple[Written, Record] | None:
        """A picture that curate wrote, and its record; None of any other."""
        row = self.rows.get(path)
        if row is None:
            return None
        known = self.records.get(path)
        return row, known if known is not None else from_plain(row.record)

    def concept(self, path: str) -> str | None:
        """The concept of a picture that curate wrote; None of any other."""
        known = self.records.get(path)
        if known is not None:
            return known.concept
        row = self.rows.get(path)
        return str(row.record.get("concept", "")) if row is not None else None


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
    there = _concepts(target, pictures, known, concepts)
    chosen = [one for one in pictures if not concepts or {one.concept, there[one.concept]} & {*concepts}]
    result = read_captions(target, chosen, known, reading, tell)
    return [dataclasses.replace(result[one.key], concept=there[one.concept]) for one in chosen if one.key in result]


def check_concepts(target: Path, concepts: Sequence[str]) -> None:
    """Raises InputError for a concept that is not there."""
    _concepts(target, pictures_of(target, silent), _ledger(target), concepts)


def _concepts(
    target: Path, pictures: Sequence[SourcePicture], known: Known, wanted: Sequence[str]
) -> Mapping[str, str]:
    """What each concept is called, by the words of its folder. Raises InputError for one that is not there."""
    relative = inside(target)
    names = concept_names((one.concept, known.concept(relative(one.path))) for one in pictures)
    there = {one.concept: names.get(one.concept, one.concept) for one in pictures}
    if missing := set(wanted) - {*there, *there.values()}:
        known_ones = ", ".join(sorted(set(there.values())))
        raise InputError(f"no concept {', '.join(sorted(missing))} in {target}", f"there are: {known_ones}")
    return there


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
        path = relative(beginning(one.place) + one.file)
        if (ours := known.get(path)) is None:
            foreign.setdefault((one.place, one.folder), []).append(one)
        elif (found := _ours(target, one, path, *ours, known.bulk.get(path), tell)) is not None:
            result[one.key] = found
    for (_, place), several in foreign.items():
        result |= _foreign(place, several, reading, tell)
    return result


def _ours(
    target: Path, one: SourcePicture, path: str, row: Written, before: Record, bulk: str | None, tell: Listener
) -> Captioned | None:
    """A picture that curate wrote, with the caption that it has now; None, and a word on it, where that is no text."""
    start = beginning(one.place)
    file = _caption_file(target, start, one, path, row, before.style.extension)
    text: str | None = None
    try:
        text = captions.read_caption(file)
    except InputError as error:
        if os.path.isfile(file):  # noqa: PTH113
            _tell_unreadable(one, error, tell)
            return None
    return of_ours(start + one.file, one.concept, file, text, before, row, bulk)


def _caption_file(target: Path, start: str, one: SourcePicture, path: str, row: Written, extension: str) -> str:
    """Where the caption of a picture that curate wrote is, or would be; `start` begins the paths of its folder."""
    place, _, name = row.caption_path.rpartition("/")
    if name in one.texts and place == path.rpartition("/")[0]:
        return start + name
    there = folder.caption_path(target, row)
    if there and (one.caption is None or inside(target)(one.caption) != there):
        return str(target / there)
    return str(one.caption or one.path.with_suffix(extension))


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
        file = str(caption.file if caption else one.caption or path.with_suffix(".txt"))
        captioned[one.key] = of_another_program(one.key, str(path), one.concept, file, caption, result.form, trigger)
    return captioned


def reread(one: Captioned, data: bytes, row: Written | None, bulk: str | None) -> Captioned:
    """A picture as `read_captions` reads it, now that its caption file, the only one beside it, holds `data`.

    `row` is the ledger's where curate wrote the picture, `bulk` what the last bulk edit wrote. Raises ValueError for
    what is no UTF-8.
    """
    text = captions.decode(data, UTF8)
    if row is not None:
        return of_ours(one.path, one.concept, one.file, text.text.strip(), one.record, row, bulk)
    form = FolderForm(one.form)
    caption, key, trigger = captions.caption_of(Path(one.file), text, form), one.record.key, one.record.trigger
    return of_another_program(key, one.path, one.concept, one.file, caption, form, trigger)


def _tell_unreadable(one: SourcePicture, error: InputError, tell: Listener) -> None:
    tell(Note("warning", f"its caption is left as it is: {error.message}", key=one.key))


def _ledger(target: Path) -> Known:
    if not (target / LEDGER / "ledger.sqlite").is_file():
        return Known()
    with _opened(target) as store:
        rows = store.written()
        return Known(rows, folder.bulk_edits(store.root, rows))


@contextlib.contextmanager
def _opened(target: Path) -> Generator[Store]:
    """The ledger, which knows what a person moved or edited; as it is where a run is at it, which follows that itself.

    What a run has in hand looks like what a killed one left behind, and would be removed.
    """
    with contextlib.ExitStack() as stack:
        place, is_free = target, True
        if ledger_place(target) != target:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.copy_ledger(target, place)
        else:
            try:
                stack.enter_context(run_lock(target))
            except LockedError:
                is_free = False
        store = stack.enter_context(Store(place))
        if is_free:
            folder.read_changes(target, store, silent)
        yield store


def silent(_: object) -> None:
    """A listener that hears nothing."""

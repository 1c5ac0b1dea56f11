"""Records: the first record of each picture in the input folders, with its caption, mask and consent."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from curate import captions
from curate.core.caption_options import CaptionReading
from curate.core.database import chunks
from curate.core.events import Listener, Note, Scanned
from curate.core.file_batch import FileBatch
from curate.core.packed import Packed
from curate.core.paths import Paths
from curate.core.record import Image, Manifest, Record, from_plain
from curate.core.stage import Concept, Env
from curate.core.store import STAGING, Store
from curate.core.user_changes import UNTRANSFORMED
from curate.core.written import Written
from curate.errors import InputError
from curate.images import masks
from curate.names import words
from curate.scan.concept_names import concept_names, ledger_path
from curate.scan.consenting import ConsentChoice, consenting
from curate.scan.pictures import SourcePicture, list_pictures
from curate.scan.unread import list_unread
from curate.storage import Unread
from taggers import underage_screening

TRAINED = "lora"
"""The folder inside a prepared one where training puts what it made; sample pictures there are no dataset."""

_UNSAID = Concept()
_READING = CaptionReading()


def scan(
    inputs: Sequence[Path],
    store: Store,
    env: Env,
    tell: Listener,
    *,
    consent: ConsentChoice,
    skip: Path | None = None,
    reading: CaptionReading = _READING,
    accept_truncated: bool = False,
    unread: Sequence[Unread] = (),
) -> Manifest:
    """The records of all pictures under the inputs, with imported captions, triggers and consent resolved.

    What was `unread`, so that it is in none of the folders, is set aside.
    With `accept_truncated` files that are damaged within their picture stay in, where nothing before it refuses.
    Raises InputError where there is no picture at all, or where `concepts` names one that has no folder.
    """
    found = list_pictures(inputs, tell, skip)
    where = ", ".join(map(str, inputs))
    if not found and not unread:
        raise InputError(f"no pictures in {where}", "put pictures in it, one sub-folder for each concept")
    counts: dict[str, int] = {}
    digests: list[str | OSError] = []
    for n, (_, digest) in enumerate(store.digests(Paths(found))):
        counts[found[n].concept] = counts.get(found[n].concept, 0) + 1
        digests.append(digest)
    imported = _read_captions(found, digests, env.concepts, reading, tell)
    drawn = _read_masks(found, digests, store, env, tell)
    left = list(list_unread(unread, {one.key for one in found} if unread else set(), tell))
    for one in left:
        counts[one.concept] = counts.get(one.concept, 0) + 1
    tell(Scanned(len(found) + len(left), counts))
    records = _records(found, digests, env.concepts, imported, drawn)
    return Manifest(consenting(chain(records, left), store, consent, accept_truncated))


def _records(
    found: Sequence[SourcePicture],
    digests: Sequence[str | OSError],
    concepts: Mapping[str, Concept],
    imported: Iterable[tuple[str, CaptionReading] | None],
    drawn: Mapping[int, str],
) -> Iterator[Record]:
    for n, (one, digest, caption) in enumerate(zip(found, digests, imported, strict=True)):
        if isinstance(digest, OSError):
            yield Record(one.key, one.concept, "", Image(""), aside=f"cannot be read: {digest.strerror}")
            continue
        record = _first(one, str(one.path.absolute()), digest, concepts)
        if caption is not None:
            record = _with_imported(record, *caption)
        if n in drawn and not record.aside:
            record = dataclasses.replace(record, mask=drawn[n])
        yield record


def _read_masks(
    found: Sequence[SourcePicture], digests: Sequence[str | OSError], store: Store, env: Env, tell: Listener
) -> dict[int, str]:
    """The masks that lie beside pictures, by the picture's number, taken into the ledger folder."""
    files = {one.mask: n for n, one in enumerate(found) if one.mask is not None and isinstance(digests[n], str)}
    adopted: dict[int, str] = {}
    with FileBatch(env.root / STAGING) as copies:
        for path, digest in store.digests(list(files)):
            n = files[path]
            if isinstance(digest, OSError):
                tell(Note("warning", f"its mask cannot be read: {digest.strerror}", key=found[n].key))
            else:
                adopted[n] = masks.adopt(path, digest, env.root, copies)
            if copies.is_large:
                copies.flush()
    return adopted


def _first(one: SourcePicture, path: str, digest: str, concepts: Mapping[str, Concept]) -> Record:
    settings = concepts.get(one.concept, _UNSAID)
    return Record(
        key=one.key,
        concept=one.concept,
        origin=digest,
        image=Image(digest, path),
        trigger=_trigger(one, concepts),
        repeats=settings.repeats or one.name.repeats or 1,
    )


def _trigger(one: SourcePicture, concepts: Mapping[str, Concept]) -> tuple[str, ...]:
    return concepts.get(one.concept, _UNSAID).trigger or words(one.name.words)


def _read_captions(
    found: Sequence[SourcePicture],
    digests: Sequence[str | OSError],
    concepts: Mapping[str, Concept],
    reading: CaptionReading,
    tell: Listener,
) -> Iterator[tuple[str, CaptionReading] | None]:
    """The text of the caption beside each picture and how it was read, folder by folder; None without one."""
    folders: dict[tuple[Path, str], array[int]] = {}
    for n, one in enumerate(found):
        if one.texts and isinstance(digests[n], str):
            folders.setdefault((one.root, one.folder), array("q")).append(n)
    texts: Packed[tuple[str, CaptionReading]] = Packed()
    places = array("q", [-1]) * len(found)
    for (_, folder), numbers in folders.items():
        first = found[numbers[0]]
        said = concepts.get(first.concept, _UNSAID)
        its = CaptionReading(said.caption_form or reading.form, said.caption_encoding or reading.encoding)
        result = captions.read_in_order(folder, _beside(found, numbers), its, _trigger(first, concepts))
        for line in result.messages:
            tell(Note("warning", line))
        for n, caption in zip(numbers, result.each, strict=True):
            if isinstance(caption, InputError):
                tell(Note("warning", f"the caption is not used: {caption.message}", key=found[n].key))
            elif caption is not None:
                places[n] = len(texts)
                texts.append((caption.text, its))
    return (None if place < 0 else texts[place] for place in places)


def _beside(found: Sequence[SourcePicture], numbers: array[int]) -> Callable[[], Iterator[tuple[Path, ...]]]:
    """The caption files beside some of the pictures."""
    return lambda: (found[n].captions for n in numbers)


def _with_imported(record: Record, text: str, reading: CaptionReading) -> Record:
    if reading.form == "sentence":
        record = record.noting(caption_form="sentence")
    record = dataclasses.replace(record, imported=text)
    tags, sentence = captions.parse_imported(record)
    return dataclasses.replace(
        record, tags=tags, sentence=sentence, aside=underage_screening.screen({}, tags, sentence)
    )


def reopen(
    folder: Path,
    ledger: Store,
    store: Store,
    env: Env,
    tell: Listener,
    *,
    consent: ConsentChoice,
    edits: Mapping[tuple[str, str], str],
    reading: CaptionReading = _READING,
    accept_truncated: bool = False,
) -> Manifest:
    """The records of a folder that commands work on: from its ledger where that knows the picture, else as scanned.

    Concepts have the names that they had in the run that wrote the folder, whatever its folders are called.
    `ledger` is the folder's own, `store` the one that is written to. `edits` are the captions edited by hand there.
    """
    scanned = scan(
        [folder],
        store,
        env,
        tell,
        consent=consent,
        skip=folder / TRAINED,
        reading=reading,
        accept_truncated=accept_truncated,
    )
    rows = _with_rows(scanned, ledger, folder)
    names = concept_names(
        (r.concept, str(row.record.get("concept", "")) if row else None) for r, row in rows if r.image.path
    )
    rows = _with_rows(scanned, ledger, folder)
    records = Manifest((_known(record, row, names, env.concepts, edits) for record, row in rows), unique=True)
    if len({hash(r.key) for r in records}) == len(records):
        return records
    # after a kill a picture may be there twice: its paths tell them apart
    pairs = zip(scanned, records, strict=True)
    return Manifest(dataclasses.replace(new, key=old.key) for old, new in pairs)


def _with_rows(scanned: Manifest, ledger: Store, folder: Path) -> Iterator[tuple[Record, Written | None]]:
    """Each record with what the ledger says of its picture, which is read for a few at a time."""
    for part in chunks(scanned):
        paths = [ledger_path(r, folder) if r.image.path else "" for r in part]
        rows = ledger.written_at(paths)
        yield from zip(part, map(rows.get, paths), strict=True)


def _known(
    record: Record,
    row: Written | None,
    names: Mapping[str, str],
    concepts: Mapping[str, Concept],
    edits: Mapping[tuple[str, str], str],
) -> Record:
    record = dataclasses.replace(record, concept=names.get(record.concept, record.concept))
    if row is None or record.aside:
        return record
    before, same_file = from_plain(row.record), record.image.digest == row.digest
    settings = concepts.get(record.concept)
    return dataclasses.replace(
        before,
        key=row.key,
        origin=row.origin,
        concept=record.concept,
        # the folder is compared as it is now
        facts={name: value for name, value in before.facts.items() if name != UNTRANSFORMED},
        # what was encoded stands on disk now, and may have been edited there
        # by the name that its pixels had in the run, so that what models said of them is recalled
        image=dataclasses.replace(before.image, path=record.image.path) if same_file else record.image,
        trigger=settings.trigger if settings and settings.trigger else before.trigger,
        repeats=settings.repeats if settings and settings.repeats else record.repeats,
        edited=edits.get((row.origin, row.key)),
        imported=before.imported,
        mask=record.mask,
    )

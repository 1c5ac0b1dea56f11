"""Records: the first record of each picture in the input folders, with its caption, mask and consent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from curate import captions
from curate.core.caption_options import CaptionReading
from curate.core.events import Listener, Note, Scanned
from curate.core.record import Image, Manifest, Record, from_plain
from curate.core.stage import Concept, Env
from curate.core.store import Store, Written
from curate.core.user_changes import UNTRANSFORMED
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
    records: list[Record] = []
    counts: dict[str, int] = {}
    for one, (path, digest) in zip(found, store.digests([f.path for f in found]), strict=True):
        counts[one.concept] = counts.get(one.concept, 0) + 1
        if isinstance(digest, OSError):
            records.append(Record(one.key, one.concept, "", Image(""), aside=f"cannot be read: {digest.strerror}"))
        else:
            records.append(_first(one, str(path.absolute()), digest, env.concepts))
    records = _captioned(records, found, env.concepts, reading, tell)
    records = _masked(records, found, store, env, tell)
    for one in list_unread(unread, {record.key for record in records}, tell):
        counts[one.concept] = counts.get(one.concept, 0) + 1
        records.append(one)
    tell(Scanned(len(records), counts))
    return Manifest(consenting(records, store, consent, accept_truncated))


def _masked(
    records: list[Record], found: Sequence[SourcePicture], store: Store, env: Env, tell: Listener
) -> list[Record]:
    """The records with the masks that lie beside their pictures, taken into the ledger folder."""
    files = {one.mask: n for n, one in enumerate(found) if one.mask is not None and not records[n].aside}
    for path, digest in store.digests(list(files)):
        n = files[path]
        if isinstance(digest, OSError):
            tell(Note("warning", f"its mask cannot be read: {digest.strerror}", key=records[n].key))
        else:
            records[n] = dataclasses.replace(records[n], mask=masks.adopt(path, digest, env.root))
    return records


def _first(one: SourcePicture, path: str, digest: str, concepts: Mapping[str, Concept]) -> Record:
    name = one.name
    settings = concepts.get(one.concept, _UNSAID)
    return Record(
        key=one.key,
        concept=one.concept,
        origin=digest,
        image=Image(digest, path),
        trigger=settings.trigger or words(name.words),
        repeats=settings.repeats or name.repeats or 1,
    )


def _captioned(
    records: list[Record],
    found: Sequence[SourcePicture],
    concepts: Mapping[str, Concept],
    reading: CaptionReading,
    tell: Listener,
) -> list[Record]:
    """The records with the captions that lie beside their pictures, read folder by folder."""
    folders: dict[tuple[Path, str], dict[Path, int]] = {}
    for n, one in enumerate(found):
        if one.captions and not records[n].aside:
            folders.setdefault((one.root, one.folder), {})[one.path] = n
    for (_, folder), numbers in folders.items():
        first = records[next(iter(numbers.values()))]
        said = concepts.get(first.concept, _UNSAID)
        its = CaptionReading(said.caption_form or reading.form, said.caption_encoding or reading.encoding)
        files = {path: found[n].captions for path, n in numbers.items()}
        result = captions.read_folder(folder, files, its, first.trigger)
        for line in result.messages:
            tell(Note("warning", line))
        for path, error in result.errors.items():
            tell(Note("warning", f"the caption is not used: {error.message}", key=records[numbers[path]].key))
        for path, caption in result.captions.items():
            records[numbers[path]] = _with_imported(records[numbers[path]], caption.text, its)
    return records


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
    known = ledger.written()
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
    ours = [(r.concept, known.get(ledger_path(r, folder))) for r in scanned if r.image.path]
    names = concept_names((words, str(row.record.get("concept", "")) if row else None) for words, row in ours)
    records = [_known(record, known, folder, names, env.concepts, edits) for record in scanned]
    if len({r.key for r in records}) < len(records):
        # after a kill a picture may be there twice: its paths tell them apart
        records = [dataclasses.replace(new, key=old.key) for old, new in zip(scanned, records, strict=True)]
    return Manifest(records)


def _known(
    record: Record,
    known: Mapping[str, Written],
    folder: Path,
    names: Mapping[str, str],
    concepts: Mapping[str, Concept],
    edits: Mapping[tuple[str, str], str],
) -> Record:
    record = dataclasses.replace(record, concept=names.get(record.concept, record.concept))
    row = known.get(ledger_path(record, folder)) if not record.aside else None
    if row is None:
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

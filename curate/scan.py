"""Scan: lists what is in the input folders and makes the first record of each picture; reads only."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curate import captions, images
from curate.core.events import Listener, Note, Scanned
from curate.core.record import Image, Manifest, Record, from_plain
from curate.core.stage import Concept, Env
from curate.core.store import LEDGER, Store, Written
from curate.errors import CurateError, InputError
from curate.images import masks
from curate.images.consent import Consent, check
from curate.names import FolderName, folder_name, words
from taggers import screening

RIGHTS: Literal["i-hold-the-rights"] = "i-hold-the-rights"
"""The statement under `consent:` that includes pictures which refuse AI training, and those that cannot be checked."""

UNCHECKED: Literal["keep-unchecked"] = "keep-unchecked"
"""The statement under `consent:` that includes pictures whose files cannot be checked for a refusal."""

ConsentChoice = Literal["", "keep-unchecked", "i-hold-the-rights"]
"""What the user states under `consent:`; empty for nothing."""

TRAINED = "lora"
"""The folder inside a prepared one where training puts what it made; sample pictures there are no dataset."""

_UNSAID = Concept()

_READER = 2
"""Raise it when `curate.images.consent` reads more marks than before: known answers are then asked again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A picture file on disk: `key` is `concept/path`, `folder` the concept folder's own name, `caption` a file beside it.

    `mask` is the file in `masks/` beside the concept folders that says what of it counts.
    """

    key: str
    folder: str
    name: FolderName
    path: Path
    caption: Path | None = None
    mask: Path | None = None

    @property
    def concept(self) -> str:
        """The concept's name."""
        return self.name.name


def list_pictures(inputs: Sequence[Path], tell: Listener, skip: Path | None = None) -> list[Found]:
    """All pictures under the inputs, sorted by key; each sub-folder is a concept, the input itself one for loose pictures.

    Hidden files, ledgers and the folder `skip` are left out; symbolic links are followed, loops are not.
    Raises InputError for a missing or unreadable input.
    """
    every: list[Found] = []
    hidden = os.path.realpath(skip) if skip is not None else ""
    for root in inputs:
        if not root.is_dir():
            what = "is not a folder" if root.exists() else "does not exist"
            raise InputError(f"input folder {root} {what}", "give a folder whose sub-folders hold one concept each")
        found: list[Found] = []
        for place, names in _walk(root, hidden, tell, ()):
            parts = [legible(p) for p in place.relative_to(root).parts]
            folder = parts[0] if parts else legible(root.resolve().name)
            name = folder_name(folder) if parts else _root_name(root)
            before = "/".join((name.name, *parts[1:]))
            beside = {file.casefold(): file for file in names if file.casefold().endswith(captions.EXTENSIONS)}
            for file in names:
                if images.looks_like_picture(f"{place}/{file}"):
                    caption = place / beside_it if (beside_it := _beside(file, beside)) else None
                    found.append(Found(f"{before}/{legible(file)}", folder, name, place / file, caption))
        every.extend(_switched_on(root, _with_masks(root, found, tell), tell))
    return _distinct(every)


def _root_name(root: Path) -> FolderName:
    """What the input's own name says of loose pictures in it: N_words, or it is words as a whole."""
    name = folder_name(legible(root.resolve().name))
    whole = unicodedata.normalize("NFC", legible(root.resolve().name))
    return name if name.repeats and not name.warning else FolderName(None, whole)


def _switched_on(root: Path, found: list[Found], tell: Listener) -> list[Found]:
    """The pictures without those in folders such as `0_dog`; folders whose names are not as they should be are named."""
    counts: dict[str, tuple[FolderName, int]] = {}
    for one in found:
        counts[one.folder] = (one.name, counts.get(one.folder, (one.name, 0))[1] + 1)
    for folder, (name, count) in counts.items():
        if name.repeats == 0:
            tell(Note("warning", f"folder {folder} is left out with its {count} pictures: 0 repeats switch it off"))
        elif name.warning:
            tell(Note("warning", f"folder {name.warning}"))
    return [f for f in found if f.name.repeats != 0]


def _with_masks(root: Path, found: list[Found], tell: Listener) -> list[Found]:
    """`masks/10_dog/a.png` is the mask of `10_dog/a.jpg`, where there is such a picture, and else a picture itself.

    One beside the masks of other pictures may be what a picture that is gone left behind: it is told of.
    """
    if not any(f.folder == masks.FOLDER for f in found):
        return found
    stems = {f.path.relative_to(root).with_suffix("") for f in found}
    below = [f.path for f in found if f.path.relative_to(root).parts[0] == masks.FOLDER and f.path.suffix == ".png"]
    drawn = {
        stem: p
        for p in below
        if (stem := p.relative_to(root / masks.FOLDER).with_suffix("")) in stems and stem.parts[1:]
    }
    if not drawn:
        return found
    taken = set(drawn.values())
    homes = {p.parent for p in taken}
    for left in [p for p in below if p.parent in homes and p not in taken]:
        tell(Note("warning", f"{left} masks no picture and is taken for one: remove it if its picture is gone"))
    return [
        dataclasses.replace(f, mask=drawn.get(f.path.relative_to(root).with_suffix("")))
        for f in found
        if f.path not in taken
    ]


def legible(name: str) -> str:
    """A file's name as text: composed (NFC), and read as Latin-1 where its bytes are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = name.encode("utf-8", "surrogateescape" if os.name != "nt" else "surrogatepass").decode("latin-1")
    return unicodedata.normalize("NFC", name)


def _beside(picture: str, texts: Mapping[str, str]) -> str | None:
    """The caption file of a picture among a folder's: `a.txt` or `a.caption`, else `a.png.txt`."""
    if not texts:
        return None
    stem = os.path.splitext(picture)[0]  # noqa: PTH122
    wanted = (f"{s}{e}".casefold() for s in (stem, picture) for e in captions.EXTENSIONS)
    return next((texts[name] for name in wanted if name in texts), None)


def _walk(folder: Path, skip: str, tell: Listener, above: tuple[str, ...]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the names of the files in it, top down and sorted; `above` are the real paths on the way here."""
    real = os.path.realpath(folder)
    if real in above or real == skip:
        return
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():  # noqa: PTH112 – of a link to itself
                    folders.append(entry.name)
                elif not os.path.exists(entry.path) or entry.is_file():  # noqa: PTH110 – a broken link is told of later
                    files.append(entry.name)
                else:
                    tell(Note("warning", f"{entry.path} is neither a file nor a folder and is left out"))
    except OSError as error:
        tell(Note("warning", f"folder {folder} cannot be read and is left out: {error.strerror}"))
    yield folder, sorted(files)
    for name in sorted(folders):
        if os.path.exists(folder / name / LEDGER / "ledger.sqlite"):  # noqa: PTH110
            tell(Note("warning", f"{folder / name} was written by curate and is left out: it is no source"))
            continue
        yield from _walk(folder / name, skip, tell, (*above, real))


def _distinct(found: list[Found]) -> list[Found]:
    """Two inputs may hold the same concept and file name; the later one's key gets a number."""
    taken: set[str] = set()
    result: list[Found] = []
    for one in sorted(found, key=lambda f: (f.key, str(f.path))):
        key, n = one.key, 1
        while key in taken:
            n += 1
            key = f"{one.key}~{n}"
        taken.add(key)
        result.append(dataclasses.replace(one, key=key))
    return result


def scan(
    inputs: Sequence[Path], store: Store, env: Env, tell: Listener, *, consent: ConsentChoice, skip: Path | None = None
) -> Manifest:
    """The records of all pictures under the inputs, with imported captions, triggers and consent resolved.

    Raises InputError where there is no picture at all, or where `concepts` names one that has no folder.
    """
    found = list_pictures(inputs, tell, skip)
    where = ", ".join(map(str, inputs))
    if not found:
        raise InputError(f"no pictures in {where}", "put pictures in it, one sub-folder for each concept")
    records: list[Record] = []
    counts: dict[str, int] = {}
    for one, (path, digest) in zip(found, store.digests([f.path for f in found]), strict=True):
        counts[one.concept] = counts.get(one.concept, 0) + 1
        if isinstance(digest, OSError):
            records.append(Record(one.key, one.concept, "", Image(""), aside=f"cannot be read: {digest.strerror}"))
        else:
            records.append(_first(one, str(path.absolute()), digest, env.concepts, tell))
    records = _masked(records, found, store, env, tell)
    tell(Scanned(len(records), counts))
    return Manifest(_consenting(records, store, consent))


def _masked(records: list[Record], found: Sequence[Found], store: Store, env: Env, tell: Listener) -> list[Record]:
    """The records with the masks that lie beside their pictures, taken into the ledger folder."""
    files = {one.mask: n for n, one in enumerate(found) if one.mask is not None and not records[n].aside}
    for path, digest in store.digests(list(files)):
        n = files[path]
        if isinstance(digest, OSError):
            tell(Note("warning", f"its mask cannot be read: {digest.strerror}", key=records[n].key))
        else:
            records[n] = dataclasses.replace(records[n], mask=masks.adopt(path, digest, env.root))
    return records


def _first(one: Found, path: str, digest: str, concepts: Mapping[str, Concept], tell: Listener) -> Record:
    name = one.name
    settings = concepts.get(one.concept, _UNSAID)
    record = Record(
        key=one.key,
        concept=one.concept,
        origin=digest,
        image=Image(digest, path),
        trigger=settings.trigger or words(name.words),
        repeats=settings.repeats or name.repeats or 1,
    )
    return _with_imported(record, one.caption, tell)


def _with_imported(record: Record, beside: Path | None, tell: Listener) -> Record:
    if beside is None:
        return record
    try:
        text = captions.read_caption(beside)
    except CurateError as error:
        tell(Note("warning", f"the caption is not used: {error.message}", key=record.key))
        return record
    if not text.strip():
        return record
    tags, sentence = captions.parse(text, record.trigger)
    return dataclasses.replace(
        record, imported=text, tags=tags, sentence=sentence, aside=screening.screen({}, tags, sentence)
    )


def _consenting(records: Sequence[Record], store: Store, choice: ConsentChoice) -> Iterator[Record]:
    """Sets aside what refuses AI training and what cannot be checked, unless the user's choice includes it."""
    known = store.consent(_READER, list({r.origin for r in records if r.origin}))
    for record in records:
        if record.aside:
            yield record
            continue
        if record.origin not in known:
            answer = check(Path(record.image.path))
            known[record.origin] = [answer.answer, answer.reason]
            store.keep_consent(_READER, {record.origin: known[record.origin]})
        yield _with_consent(record, Consent(*known[record.origin]), choice)


def _with_consent(record: Record, answer: Consent, choice: ConsentChoice) -> Record:
    """The record with the fact `consent` (a refusal) or `unchecked` (why it could not be checked).

    It is set aside unless the user's choice includes it.
    """
    reason = answer.reason
    if answer.answer == "refused":
        if choice == RIGHTS:
            return record.noting(f"refuses AI training ({reason}); included: the rights are held", consent=reason)
        return dataclasses.replace(record.noting(consent=reason), aside=f"refuses AI training: {reason}")
    if answer.answer == "unchecked":
        unknown = "whether it refuses AI training could not be checked"
        if choice:
            return record.noting(f"{unknown} ({reason}); included by consent: {choice}", unchecked=reason)
        aside = f"{unknown}: {reason}; consent: {UNCHECKED} includes it"
        return dataclasses.replace(record.noting(unchecked=reason), aside=aside)
    return record


def reopen(
    folder: Path,
    ledger: Store,
    store: Store,
    env: Env,
    tell: Listener,
    *,
    consent: ConsentChoice,
    edits: Mapping[tuple[str, str], str],
) -> Manifest:
    """The records of a folder that commands work on: as its ledger left them where it knows the picture, else as scanned.

    `ledger` is the folder's own, `store` the one that is written to. `edits` are the captions edited by hand there.
    """
    known = ledger.written()
    scanned = scan([folder], store, env, tell, consent=consent, skip=folder / TRAINED)
    return Manifest(_known(record, known, folder, env.concepts, edits) for record in scanned)


def _known(
    record: Record,
    known: Mapping[str, Written],
    folder: Path,
    concepts: Mapping[str, Concept],
    edits: Mapping[tuple[str, str], str],
) -> Record:
    if record.aside:
        return record
    row = known.get(Path(record.image.path).relative_to(folder.absolute()).as_posix())
    if row is None:
        return record
    before = from_plain(row.record)
    settings = concepts.get(record.concept)
    return dataclasses.replace(
        before,
        key=record.key,
        origin=row.origin,
        concept=record.concept,
        # what was encoded stands on disk now, and may have been edited there
        image=dataclasses.replace(record.image, width=before.image.width, height=before.image.height)
        if record.image.digest == row.digest
        else record.image,
        trigger=settings.trigger if settings and settings.trigger else before.trigger,
        repeats=settings.repeats if settings and settings.repeats else record.repeats,
        edited=edits.get((row.origin, row.key)),
        imported=before.imported,
        mask=record.mask,
    )

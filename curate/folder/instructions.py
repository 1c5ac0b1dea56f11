"""Instructions: what a person asks for a picture beside its caption: a crop, a turn, a mirror, another concept.

They are kept in the ledger of the folder that the person looked at. The source stays; the next run, or a command that
writes pictures, carries them out before anything else. `curate undo` takes them back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath

from curate.core.lock import run_lock
from curate.core.store import LEDGER, Store, ledger_place
from curate.core.transform import Transform
from curate.core.user_changes import TRANSFORMED, Identity, KeptTransform
from curate.errors import InputError
from curate.folder.journal import Journal
from curate.images import may_be_picture
from curate.names import folder_name, safe, source_key
from curate.scan import picture_key

__all__ = [
    "Transform",
    "concepts",
    "identities",
    "keep_concept",
    "keep_concepts",
    "keep_transform",
    "size_and_phash",
    "source_file",
    "transforms",
]


def keep_transform(folder: Path, path: str, transform: Transform | None) -> None:
    """Keeps how a picture is to be turned, mirrored and cropped; None, or a transform that does nothing, forgets it.

    `path` is the picture's, "/"-separated, in `folder`. The transform is meant of the source as a person sees it,
    upright, whatever an earlier one made of it (`Transform.then` joins two). Raises InputError where the picture is
    not there or the crop leaves too little, LockedError while a run works on the folder.
    """
    with _ledger(folder) as store:
        identity = identities(folder, store, [path])[path]
        before = store.transforms().get(identity)
        kept = None
        if transform is not None and not transform.is_empty:
            kept = _described(folder / path, store, path, identity, transform, before)
        if kept != before:
            what = f"review ({', '.join(kept.transform.words) if kept else 'not changed'}: {path})"
            _keep(folder, store, what, [(identity, kept, store.concept_overrides().get(identity))])


def keep_concept(folder: Path, path: str, concept: str | None) -> None:
    """Moves a picture to another concept; None moves it back. See `keep_concepts`."""
    keep_concepts(folder, [path], concept)


def keep_concepts(folder: Path, paths: Sequence[str], concept: str | None) -> str | None:
    """Moves pictures to another concept, or back where that is None, as one change; returns the concept's name.

    A concept that no folder and no pipeline names is new: its name is its trigger. Raises InputError where a picture
    is not there or is a part of one, or for a name that no folder can have; LockedError while a run is on.
    """
    name = None if concept is None else _concept_name(concept)
    with _ledger(folder) as store:
        known = identities(folder, store, paths)
        for path, (_, key) in known.items():
            if source_key(key) != key:
                whole = source_key(key)
                raise InputError(
                    f"{path} is a part of {whole}", "move the source picture to the other concept's folder"
                )
        overrides, kept = store.concept_overrides(), store.transforms()
        wanted = {one: None if name == one[1].partition("/")[0] else name for one in known.values()}
        changes = [(one, kept.get(one), new) for one, new in wanted.items() if overrides.get(one) != new]
        if changes:
            what = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
            _keep(folder, store, f"review (moved to {name or 'their own concept'}: {what})", changes)
    return name


def transforms(store: Store) -> dict[Identity, Transform]:
    """How pictures are to be turned, mirrored and cropped."""
    return {identity: kept.transform for identity, kept in store.transforms().items()}


def concepts(store: Store) -> dict[Identity, str]:
    """The concepts to which a person moved pictures."""
    return store.concept_overrides()


def identities(folder: Path, store: Store, paths: Sequence[str]) -> dict[str, Identity]:
    """What a person's words on pictures belong to, by path in the folder; of foreign pictures as a scan names them.

    Raises InputError where one is not there, or is not in the folder.
    """
    files = {path: _file(folder, path) for path in paths}
    known = {path: (row.origin, row.key) for path, row in store.written_at(paths).items()}
    foreign = [path for path in files if path not in known]
    for path, (file, digest) in zip(foreign, store.digests([files[path] for path in foreign]), strict=True):
        if isinstance(digest, OSError):
            raise InputError(f"{file} cannot be read: {digest.strerror}", "look again: it may be gone")
        known[path] = digest, picture_key(folder, file)
    return {path: known[path] for path in paths}


def source_file(store: Store, identity: Identity) -> Path | None:
    """The file that a prepared picture was made of, where it still is what it was."""
    name = PurePosixPath(source_key(identity[1])).name
    paths = store.file_digests.paths_of(identity[0], "blake2b")
    for path in sorted(paths, key=lambda one: (one.name != name, str(one))):
        if next(digest for _, digest in store.digests([path])) == identity[0]:
            return path
    return None


def size_and_phash(path: Path) -> tuple[int, int, str]:
    """Width and height of a picture when it is upright, and its perceptual hash in hex. Raises PictureError."""
    from curate.images import read_picture
    from curate.images.duplicates import likeness, perceptual_hash

    pixels = read_picture(path).pixels
    whole, _ = perceptual_hash.hashes(likeness.small(pixels))
    return pixels.shape[1], pixels.shape[0], f"{whole:016x}"


@contextlib.contextmanager
def _ledger(folder: Path) -> Generator[Store]:
    if not folder.is_dir():
        raise InputError(f"folder {folder} does not exist")
    place = ledger_place(folder)
    with run_lock(place), Store(place) as store:
        yield store


def _keep(
    folder: Path, store: Store, command: str, changes: Sequence[tuple[Identity, KeptTransform | None, str | None]]
) -> None:
    """Writes new words on pictures, with what was kept of them before in a journal."""
    kept, overrides = store.transforms(), store.concept_overrides()
    journal = Journal.begin(folder, store, command, moves_pictures=False)
    journal.instructing([(one, kept.get(one), overrides.get(one)) for one, _, _ in changes])
    for identity, transform, concept in changes:
        store.keep_transform(identity, transform)
        store.keep_concept_override(identity, concept)
    store.commit()
    journal.finish()


def _described(
    file: Path, store: Store, path: str, identity: Identity, transform: Transform, before: KeptTransform | None
) -> KeptTransform:
    """The transform with size and look of the source, by which it is known when it is saved again."""
    part = source_key(identity[1]) != identity[1]
    source = None if part else source_file(store, identity)
    width, height, hashed = 0, 0, ""
    if source is None and before is not None:
        width, height, hashed = before.width, before.height, before.phash
    elif source is not None or not _is_transformed(store, path):
        width, height, hashed = size_and_phash(source or file)
    if width and height:
        transform.box(width, height)
    return KeptTransform(transform, width, height, hashed)


def _is_transformed(store: Store, path: str) -> bool:
    """Whether a prepared picture does not show the whole source."""
    row = store.written_at([path]).get(path)
    return row is not None and TRANSFORMED in row.record.get("facts", {})


def _file(folder: Path, path: str) -> Path:
    """A picture in the folder. Raises InputError where the path leads out of it, or to none."""
    relative = PurePosixPath(path)
    file = folder / relative
    outside = relative.is_absolute() or ".." in relative.parts or relative.parts[:1] == (LEDGER,)
    if outside or not file.is_file() or not may_be_picture(str(file)):
        raise InputError(f"there is no picture {path} in {folder}", "it may have been moved or removed: look again")
    return file


def _concept_name(text: str) -> str:
    """The concept's name; `2_cat` names the concept cat."""
    name = folder_name(text.strip()).name.strip() if text.strip() else ""
    if not name or safe(name) != name:
        raise InputError(f"{text!r} cannot be a concept", f"choose a name that a folder can have, such as {safe(name)}")
    return name

"""Duplicate captions: those that a killed run left twice, also where a person moved pictures or folders since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from curate import images
from curate.core.disk_errors import disk_errors
from curate.core.events import Listener, Note
from curate.core.files import prune_empty
from curate.core.packed import Packed
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.core.written import Written
from curate.folder import unplaced_captions
from curate.folder.compare import caption_path, is_any_of, read_text
from curate.folder.listing import files
from curate.folder.renamed_folders import Move, folders_after
from curate.folder.written_rows import ROWS


class DuplicateCaptions:
    """Captions of ours that no row of the ledger names, after a kill.

    Such a file belongs to the picture beside it, if its suffix is one that captions of that picture had. Without a
    picture beside it, it belongs to the caption of its path, else to the caption of its name whose folder has become
    this one. A file with a text of ours is a copy and goes. Any other text is a person's edit and takes the place of
    our caption. What belongs to no caption of ours is left alone.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        rows: Mapping[str, Written],
        known: Sequence[Written],
        moves: Sequence[Move],
        tell: Listener,
    ) -> None:
        """`known` are the rows before the moves, and those that the killed run was about to write."""
        self._folder, self._store, self._rows, self._tell = folder, store, rows, tell
        self._known = Packed((row for row in known if row.caption_path), packing=ROWS)
        self._edits = store.edits()
        self._past = store.past_edits()
        self._renamed = folders_after(folder, moves)
        self._files = [path for path in files(folder) if PurePosixPath(path).parts[0] != unplaced_captions.FOLDER]

    def settle(self) -> None:
        """Removes the copies, and puts a person's edits beside their pictures."""
        claimed = {caption_path(self._folder, row) for row in self._rows.values()}
        suffixes = {PurePosixPath(row.caption_path).suffix for row in self._known}
        for path in self._files:
            if PurePosixPath(path).suffix in suffixes and path not in claimed:
                owner = self._owner(path)
                if owner is not None:
                    self._settle(path, owner)

    def _owner(self, path: str) -> Identity | None:
        """The picture that a caption file belongs to; None where nothing says so, or more than one could be meant."""
        file = PurePosixPath(path)
        beside = [_identity(r) for r in self._rows.values() if PurePosixPath(r.path).with_suffix("") == _stem(file)]
        if beside or self._has_picture(file):
            had = {_identity(r) for r in self._known if PurePosixPath(r.caption_path).suffix == file.suffix}
            return next((one for one in beside if one in had), None)
        candidates = {_identity(r) for r in self._known if r.caption_path == path} or {
            _identity(r) for r in self._known if self._is_moved(PurePosixPath(r.caption_path), file)
        }
        if len(candidates) > 1:
            text = read_text(self._folder / path)
            candidates = {one for one in candidates if is_any_of(text, *self._texts(one))}
        return candidates.pop() if len(candidates) == 1 else None

    def _has_picture(self, file: PurePosixPath) -> bool:
        paths = [path for path in self._files if _stem(PurePosixPath(path)) == _stem(file)]
        return any(images.may_be_picture(f"{self._folder}/{path}") for path in paths)

    def _is_moved(self, old: PurePosixPath, new: PurePosixPath) -> bool:
        return old.name == new.name and new.parent.as_posix() in self._renamed.get(old.parent.as_posix(), ())

    def _texts(self, identity: Identity) -> list[str]:
        """All that we wrote, or a person did as we know, for a picture."""
        texts = [row.caption for row in self._known if _identity(row) == identity]
        texts += self._past.get(identity, [])
        return texts if identity not in self._edits else [*texts, self._edits[identity]]

    def _settle(self, path: str, owner: Identity) -> None:
        text = read_text(self._folder / path)
        ours = self._texts(owner)
        row = next((r for r in self._rows.values() if _identity(r) == owner and (self._folder / r.path).exists()), None)
        with disk_errors(str(self._folder / path)):
            if text is None:
                return
            if is_any_of(text, *ours):
                (self._folder / path).unlink()
            elif row is None:
                self._store.keep_edit(*owner, text)
                self._store.commit()
                (self._folder / path).unlink()
            else:
                name = caption_path(self._folder, row)
                target = self._folder / (name or PurePosixPath(row.path).with_suffix(PurePosixPath(path).suffix))
                if target.exists() and not is_any_of(read_text(target), *ours):
                    message = f"{path} and {name} are both captions that you wrote for it: the first is left there"
                    self._tell(Note("warning", message, key=row.key))
                    return
                (self._folder / path).replace(target)
        prune_empty((self._folder / path).parent, self._folder)


def _identity(row: Written) -> Identity:
    return row.origin, row.key


def _stem(file: PurePosixPath) -> PurePosixPath:
    return file.with_suffix("")

"""Ray files: pictures on a node that does not see the driver's disk, and the files that are made of them there."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from curate.core.chain import Outcome, Work
from curate.core.env import Sources
from curate.core.new_files import NewFile, discard_all, keep_all, new_file
from curate.core.record import Record
from curate.core.stage import Env


class Mirror:
    """A temporary folder of a worker, beside or instead of the folders of the run.

    `env` is what the chain works with: with the driver's folders where its ledger folder is seen, else with some in
    here. Its new files wait until `keep_new_files`.
    """

    def __init__(self, place: Path, env: Env, shares_disk: bool) -> None:
        self._sources = place / "sources"
        self._root = None if shares_disk else place / "root"
        own = env if self._root is None else dataclasses.replace(env, root=self._root, output=place / "output")
        self.env = dataclasses.replace(own, held={}, new_files={})
        self._originals: dict[str, str] = {}
        self._numbers = itertools.count()

    def visible(self, work: Iterable[Work]) -> tuple[list[Work], list[int]]:
        """The work whose files are seen from here, and the places of the rest."""
        seen: list[Work] = []
        unseen: list[int] = []
        for index, record in work:
            if all(os.path.isfile(self.env.root / path) for path in file_paths(record)):  # noqa: PTH113 – quick
                seen.append((index, record))
            else:
                unseen.append(index)
        return seen, unseen

    @contextmanager
    def unpacked(
        self, work: Sequence[Work], files: Mapping[str, bytes], fetches: bool = False
    ) -> Generator[tuple[list[Work], list[int]]]:
        """The work with its files in this folder, until the block ends, and the places of what could not be fetched.

        With `fetches` source pictures that are in a store, and not among the files, are got from there.
        """
        placed: list[Work] = []
        unseen: list[int] = []
        try:
            for index, record in work:
                if fetches and not self._fetched(record, files):
                    unseen.append(index)
                else:
                    placed.append((index, self._placed(record, files)))
            yield placed, unseen
        finally:
            self._originals.clear()
            shutil.rmtree(self._sources, ignore_errors=True)
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)

    def keep_new_files(self) -> None:
        """Gives the files that the chain wrote their names, all at once before the driver is told of them.

        Those that are sent to the driver need not be on a disk here. Raises a CurateError where the disk refuses.
        """
        files = self.env.take_new_files()
        if self._root is None:
            keep_all(files)
            return
        for file in files:
            file.keep(sync=False)

    def discard_new_files(self) -> None:
        """Removes what a call wrote that failed."""
        discard_all(self.env.take_new_files())

    def made(self) -> dict[str, bytes]:
        """The files that the chain wrote to the ledger folder, by their paths in it; none where that is shared."""
        if self._root is None:
            return {}
        paths = [p for p in sorted(self._root.rglob("*")) if p.is_file()]
        return {p.relative_to(self._root).as_posix(): p.read_bytes() for p in paths}

    def restored(self, outcome: Outcome) -> Outcome:
        """The outcome with the paths that the driver knows."""
        error = outcome.error
        for own, original in self._originals.items():
            error = error.replace(own, original)
        steps = tuple(tuple(self._restored(record) for record in step) for step in outcome.steps)
        return Outcome(outcome.index, steps, error)

    def _placed(self, record: Record, files: Mapping[str, bytes]) -> Record:
        image = dataclasses.replace(record.image, path=self._write(record.image.path, files))
        return dataclasses.replace(record, image=image, mask=self._write(record.mask, files))

    def _write(self, path: str, files: Mapping[str, bytes]) -> str:
        own = next((own for own, original in self._originals.items() if original == path), None)
        if own is not None:
            return own
        if path not in files:
            return path
        place = self._place(path)
        place.write_bytes(files[path])
        return str(place)

    def _place(self, path: str) -> Path:
        """Where a file comes to stand here: in a folder each, since error messages show the name."""
        place = self._sources / str(next(self._numbers)) / Path(path).name
        place.parent.mkdir(parents=True)
        self._originals[str(place)] = path
        return place

    def _fetched(self, record: Record, files: Mapping[str, bytes]) -> bool:
        """Whether the record's picture is here: it came with the call, is not in a store, or was got from there."""
        sources, path = self.env.sources, record.image.path
        if sources is None or path in files or not sources.covers(path):
            return True
        place = self._place(path)
        if sources.fetch(path, record.image.digest, place):
            return True
        del self._originals[str(place)]
        return False

    def _restored(self, record: Record) -> Record:
        path, mask = (self._originals.get(p, p) for p in (record.image.path, record.mask))
        return dataclasses.replace(record, image=dataclasses.replace(record.image, path=path), mask=mask)


def file_paths(record: Record) -> list[str]:
    """The files of a record, absolute or in the ledger folder."""
    return [path for path in (record.image.path, record.mask) if path]


def read_files(work: Iterable[Work], root: Path, sources: Sources | None = None) -> dict[str, bytes]:
    """The bytes of the files of the records, by their paths; those that are gone are left out.

    So are copies of what is in a store, which workers get from there with `sources`.
    """
    files: dict[str, bytes] = {}
    for _, record in work:
        for path in file_paths(record):
            if sources is not None and sources.covers(path):
                continue
            try:
                files[path] = (root / path).read_bytes()
            except OSError:
                continue  # reading it again, the worker says what is wrong
    return files


def write_files(files: Mapping[str, bytes], root: Path) -> None:
    """Writes what workers made to the ledger folder; names tell the content, so what is there stays."""
    new: list[NewFile] = []
    try:
        for path, data in files.items():
            if not (root / path).is_file():
                new.append(new_file(root / path, lambda place, data=data: place.write_bytes(data)))
        keep_all(new)
    except BaseException:
        discard_all(new)
        raise

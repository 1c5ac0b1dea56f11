"""Ray files: pictures on a node that does not see the driver's disk, and the files that are made of them there."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from curate.core.chain import Outcome, Work
from curate.core.files import write_bytes
from curate.core.record import Record
from curate.core.stage import Env


class Mirror:
    """A temporary folder of a worker, beside or instead of the folders of the run.

    `env` is what the chain works with: the driver's own where its ledger folder is seen, else one whose folders are in
    here.
    """

    def __init__(self, place: Path, env: Env, shares_disk: bool) -> None:
        self._sources = place / "sources"
        self._root = None if shares_disk else place / "root"
        self.env = env if self._root is None else dataclasses.replace(env, root=self._root, output=place / "output")
        self._originals: dict[str, str] = {}

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
    def unpacked(self, work: Sequence[Work], files: Mapping[str, bytes]) -> Generator[list[Work]]:
        """The work with its files in this folder, until the block ends."""
        try:
            yield [(index, self._placed(record, files)) for index, record in work]
        finally:
            self._originals.clear()
            shutil.rmtree(self._sources, ignore_errors=True)
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)

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
        if path not in files:
            return path
        # a folder each: error messages show the name
        place = self._sources / str(len(self._originals)) / Path(path).name
        place.parent.mkdir(parents=True)
        place.write_bytes(files[path])
        self._originals[str(place)] = path
        return str(place)

    def _restored(self, record: Record) -> Record:
        path, mask = (self._originals.get(p, p) for p in (record.image.path, record.mask))
        return dataclasses.replace(record, image=dataclasses.replace(record.image, path=path), mask=mask)


def file_paths(record: Record) -> list[str]:
    """The files of a record, absolute or in the ledger folder."""
    return [path for path in (record.image.path, record.mask) if path]


def read_files(work: Iterable[Work], root: Path) -> dict[str, bytes]:
    """The bytes of the files of the records, by their paths; those that are gone are left out."""
    files: dict[str, bytes] = {}
    for _, record in work:
        for path in file_paths(record):
            try:
                files[path] = (root / path).read_bytes()
            except OSError:
                continue  # reading it again, the worker says what is wrong
    return files


def write_files(files: Mapping[str, bytes], root: Path) -> None:
    """Writes what workers made to the ledger folder; names tell the content, so what is there stays."""
    for path, data in files.items():
        if not (root / path).is_file():
            write_bytes(root / path, data)

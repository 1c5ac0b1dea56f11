"""Env: what a stage may use besides the records."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from curate.core.concept import Concept
from curate.core.new_files import NewFile, discard_all, new_file
from curate.core.record import Image, Record
from curate.core.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"
"""A picture in memory: uint8, H×W×3, RGB, sRGB, orientation applied, opaque."""


class PictureIO(Protocol):
    """Reads and writes picture files (implemented by curate.images)."""

    def read(self, path: Path) -> Pixels:
        """Decodes a file with the default entry rules. Raises PictureError."""
        ...

    def write(self, pixels: Pixels, path: Path, encoding: str) -> None:
        """Encodes to `path`, which may not exist yet; not atomic by itself."""
        ...


class Sources(Protocol):
    """Source pictures that lie in a store, where any machine can get them (implemented by curate.storage)."""

    def covers(self, path: str) -> bool:
        """Whether the file is a copy of something in a store."""
        ...

    def fetch(self, path: str, digest: str, target: Path) -> bool:
        """Gets what the file is a copy of; False where that cannot be had, or is not of this digest any more."""
        ...


@dataclass
class Env:
    """What a worker may use besides the records; picklable, so that it travels to other processes.

    device    auto, cpu, cuda or cuda:N, as the user gave it
    root      the ledger folder; relative image paths start here
    output    the folder being written
    concepts  what the user said about each concept
    store     the ledger of the folder being written (driver only)
    stop      asked between units of work: True once the user wants to stop (driver only)
    interruptible  around work that ends at once when the user wants to stop, as a kill would end it (driver only)
    training  options of the training that follows, for files by which other programs train the same (driver only)
    sources   what gets source pictures on a machine that does not see the copies of them
    new_files files that were added to the ledger folder and wait for the disk; None where each is waited for at once
    """

    root: Path
    output: Path
    pictures: PictureIO
    device: str = "auto"
    require_gpu: bool = False
    offline: bool = False
    concepts: Mapping[str, Concept] = field(default_factory=dict[str, Concept])
    store: Store | None = None
    stop: Callable[[], bool] | None = None
    interruptible: Callable[[], AbstractContextManager[None]] = nullcontext
    training: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sources: Sources | None = None
    held: dict[str, Pixels] = field(default_factory=dict[str, Pixels])
    new_files: dict[str, NewFile] | None = None

    def path(self, image: Image) -> Path:
        """Where the picture's bytes are."""
        return self.file(image.path)

    def file(self, path: str) -> Path:
        """Where a file of the ledger folder is by now, or any file whose path is absolute."""
        waiting = self.new_files.get(path) if self.new_files else None
        return Path(waiting.temporary) if waiting else self.root / path

    def add_file(self, path: str, write: Callable[[Path], object]) -> None:
        """Adds a file to the ledger folder, under a path that tells its content: what is there already stays.

        Raises a CurateError naming the file where the disk refuses, and what `write` raises.
        """
        if (self.new_files and path in self.new_files) or os.path.isfile(f"{self.root}/{path}"):  # noqa: PTH113
            return
        file = new_file(self.root / path, write)
        if self.new_files is None:
            file.keep()
        else:
            self.new_files[path] = file

    @contextmanager
    def waiting(self) -> Generator[Self]:
        """A copy for one thread whose new files wait until they are taken; those that nobody took are removed.

        Results that name them are told to nobody before these files are kept.
        """
        own = dataclasses.replace(self, held={}, new_files={})
        try:
            yield own
        finally:
            discard_all(own.take_new_files())

    def take_new_files(self) -> list[NewFile]:
        """The files that wait: whoever takes them keeps them."""
        taken = list(self.new_files.values()) if self.new_files else []
        if self.new_files:
            self.new_files.clear()
        return taken

    def pixels(self, record: Record) -> Pixels:
        """The record's picture: the one in memory where a stage before it made one, else decoded from its file.

        Do not write into it. Raises PictureError.
        """
        found = self.held.get(record.key)
        return found if found is not None else self.pictures.read(self.path(record.image))

    def keep(self, record: Record, pixels: Pixels, **changes: Any) -> Record:
        """A copy of the record whose picture is now `pixels`, held in memory until it leaves the pass."""
        key = changes.get("key", record.key)
        self.held[key] = pixels
        image = Image(digest="", width=int(pixels.shape[1]), height=int(pixels.shape[0]))
        return dataclasses.replace(record, image=image, **changes)

    def stopping(self) -> bool:
        """True once the user asked to stop; long loops ask between units of work."""
        return self.stop is not None and self.stop()

    def __getstate__(self) -> dict[str, Any]:
        left_out = {"stop": None, "interruptible": nullcontext, "store": None, "held": {}, "new_files": None}
        return {**self.__dict__, **left_out}

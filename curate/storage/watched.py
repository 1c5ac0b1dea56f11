"""Watched file: an object that is read as a file. A store that is silent meanwhile is told of, and can be left."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

from curate.core.events import Listener
from curate.errors import CurateError
from curate.storage.address import Location
from curate.storage.errors import StoreFault
from curate.storage.waiting import Silence, answered

_BLOCK = 8 << 20
"""Bytes that are asked of a store at a time."""
_BUFFER = 1 << 20
"""Bytes that are waited for at a time: what is read of an archive is often less than a kilobyte."""


def open_watched(location: Location, name: str, tell: Listener, stopping: Callable[[], bool]) -> BinaryIO:
    """Opens an object for reading. Raises StoreFault with what the backend raises, and Interrupted."""
    return io.BufferedReader(_WatchedFile(location, name, tell, stopping), _BUFFER)


class _WatchedFile(io.RawIOBase):
    """A file of fsspec of which each read is waited for in another thread."""

    def __init__(self, location: Location, name: str, tell: Listener, stopping: Callable[[], bool]) -> None:
        super().__init__()
        self._silence, self._stopping = Silence(location, tell), stopping
        self._file: Any = None  # until it is open; what is not is closed all the same
        path = location.path(name)
        self._file = self._wait(lambda: location.file_system.open(path, "rb", block_size=_BLOCK))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._wait(lambda: self._file.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if self._file is not None and not self.closed:
            self._file.close()
        super().close()

    def _wait(self, ask: Callable[[], Any]) -> Any:
        self._silence.ended()
        try:
            return answered(ask, self._silence, self._stopping)
        except CurateError:
            raise
        except Exception as error:
            raise StoreFault(error) from error

"""Standard streams: what happens where one is closed, on a full disk, or no longer read."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from curate.core.disk_errors import disk_error
from curate.errors import InputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_CLOSED = "the result cannot be printed: standard output is closed"


def fill_descriptors() -> None:
    """Opens those of the three standard descriptors that the caller closed: the next file opened would get its number.

    What a library or a worker process prints would be written into that file, say the ledger.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def prepare() -> None:
    """Replaces the streams by those below, and lets them print what their encoding lacks as escapes."""
    fill_descriptors()
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 – for the rest of the process
    sys.stdout = _Closed() if sys.stdout is None else _over(sys.stdout, _Results)
    if sys.stderr is None:  # as cron does
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = _over(sys.stderr, _Messages)


def _over(stream: TextIO, kind: type[io.FileIO]) -> TextIO:
    """A stream to the same descriptor by way of `kind`; as it is where it is none of Python's own."""
    if type(stream) is not io.TextIOWrapper or stream not in (sys.__stdout__, sys.__stderr__):
        return stream
    stream.flush()
    written = io.BufferedWriter(kind(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(
        written, encoding=stream.encoding, errors="backslashreplace", line_buffering=stream.line_buffering
    )


def can_print() -> bool:
    """Whether standard output takes a result."""
    return not isinstance(sys.stdout, _Closed)


class _Closed(io.TextIOBase):
    """Standard output where it is closed: to print anything is refused."""

    def write(self, text: str, /) -> NoReturn:
        raise InputError(_CLOSED, "run again without closing it, or with > FILE")


class _Results(io.FileIO):
    """Standard output: a full disk is an error, a reader who has enough (`| head`) ends the program without a word.

    What is left to print is dropped then: Python would try again at the end, and complain.
    """

    refused = False

    def write(self, data: ReadableBuffer, /) -> int:
        if not self.refused:
            try:
                return super().write(data)
            except OSError as error:
                self.refused = True
                if isinstance(error, BrokenPipeError):  # rich ends with 1 where it meets it
                    raise SystemExit(0) from None
                raise disk_error(error, "standard output") from error
        return memoryview(data).nbytes


class _Messages(io.FileIO):
    """Standard error: a run goes on where the disk has no room for its messages, or nobody reads them."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes

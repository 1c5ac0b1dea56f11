"""Files: digests, atomic writes and cheap copies, the same on every platform."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import random
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from curate.core.disk_errors import disk_errors

_TEMPORARY = re.compile(r"\.curate-[0-9a-f]{16}(\.[^.]*)?")
_BINARY = getattr(os, "O_BINARY", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY
_BLOCK = 1 << 16
_NAMES = random.Random()
"""For names of new files. They need not be secret: a file that is there is never opened."""
_CANNOT_SHARE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest_bytes(data: bytes) -> str:
    """BLAKE2b-160 of the bytes, 40 hex digits."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def digest_plain(value: Any) -> str:
    """Digest of a JSON-able value: equal values give equal digests on every platform and Python."""
    return digest_bytes(_ENCODER.encode(value).encode("utf-8", "surrogatepass"))


def digest_rows(head: Sequence[Any], rows: Iterable[Any]) -> str:
    """`digest_plain` of the head's values and a list of the rows, of which there may be a million."""
    start = _ENCODER.encode([*head, []])
    found = hashlib.blake2b(start[:-2].encode("utf-8", "surrogatepass"), digest_size=20)
    for number, row in enumerate(rows):
        found.update(f"{',' if number else ''}{_ENCODER.encode(row)}".encode("utf-8", "surrogatepass"))
    found.update(start[-2:].encode())
    return found.hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file's content. Raises OSError."""
    found = hashlib.blake2b(digest_size=20)
    with path.open("rb") as f:
        while block := f.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def beginning(folder: Path) -> str:
    """How the paths in a folder begin, with the separator at the end: `os.path.join` takes longer."""
    text = str(folder)
    return text if text.endswith(os.sep) else text + os.sep


def inside(folder: Path) -> Callable[[Path | str], str]:
    """A function that gives paths in `folder` relative to it, in POSIX form: for many of them, since it is fast."""
    start = 0 if str(folder) == "." else len(os.path.join(folder, ""))  # noqa: PTH118
    return lambda path: str(path)[start:].replace(os.sep, "/")


def write_atomic(path: Path, write: Callable[[Path], object], *, sync: bool = True) -> None:
    """Lets `write` fill a temporary file beside `path`, then renames it: readers see the old file or the whole new one.

    Raises a CurateError naming the file where the disk refuses.
    """
    with disk_errors(str(path)):
        temporary = fill_temporary(path, write)
        try:
            if sync:
                flush_file(temporary)
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            remove_temporary(temporary)
            raise


def write_text(path: Path | str, text: str, *, sync: bool = True) -> None:
    """Writes UTF-8 text atomically, newlines as given."""
    write_bytes(path, text.encode("utf-8", "surrogatepass"), sync=sync)


def write_bytes(path: Path | str, data: bytes, *, sync: bool = True, mtime: int | None = None) -> None:
    """Writes bytes atomically. Raises a CurateError naming the file where the disk refuses.

    `mtime` is the time of change in nanoseconds that the file is to have, where its disk lets us say so.
    Many thousands of small files are written so: without the cost of `Path`, and of a file object.
    """
    name = os.fspath(path)
    with disk_errors(name):
        temporary = write_temporary(name, data, sync=sync)
        try:
            if mtime is not None:
                with contextlib.suppress(OSError):
                    os.utime(temporary, ns=(mtime, mtime))
            os.replace(temporary, name)  # noqa: PTH105
        except BaseException:
            remove_temporary(temporary)
            raise


def write_temporary(path: Path | str, data: bytes, *, sync: bool = False) -> str:
    """Writes bytes to a new file beside `path`, which it makes a folder for; its name. Raises OSError."""
    temporary, file = _created(os.fspath(path))
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
    except BaseException:
        remove_temporary(temporary)
        raise
    return temporary


def fill_temporary(path: Path, write: Callable[[Path], object]) -> str:
    """Lets `write` fill a new file beside `path`, which it makes a folder for; its name. Raises what `write` raises."""
    temporary = _temporary(path)
    try:
        write(temporary)
    except BaseException:
        remove_temporary(str(temporary))
        raise
    return str(temporary)


def start_flush(path: str) -> None:
    """Lets the system begin to write a file to the disk, where it can be asked to, and does not wait.

    Files that are flushed after that, several at once, wait less: one commit of a journal holds all that have their
    place on the disk by then. Errors of the disk show when a file is flushed.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDONLY)
        try:
            # Linux begins to write what is not on the disk yet, and does not drop that from memory
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def flush_file(path: str) -> None:
    """Waits until a file's content is on the disk. Raises OSError."""
    file = os.open(path, os.O_RDWR | _BINARY)  # Windows flushes no file that is open for reading alone
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove_temporary(path: str) -> None:
    """Removes a file that could not be given its name; what a disk that fails keeps of it, the next run removes."""
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108


def read_bytes(path: Path | str) -> bytes:
    """The content of a small file. Raises OSError, also for a pipe or device, which might never end.

    Many thousands are read so: without a file object, which asks the system four more things of each.
    """
    file = os.open(path, os.O_RDONLY | _BINARY | _AT_ONCE)
    try:
        mode = os.fstat(file).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise OSError(errno.ENXIO, "neither a file nor a folder", os.fspath(path))
        data = block = os.read(file, _BLOCK)
        while block:
            data += (block := os.read(file, _BLOCK))
        return data
    finally:
        os.close(file)


def copy_file(source: Path, target: Path, *, sync: bool = False) -> None:
    """Copies content atomically; no disk is used for it where the file system can share blocks (Btrfs, XFS)."""
    write_atomic(target, lambda p: _copy(source, p), sync=sync)


def copy_temporary(source: Path, path: Path) -> str:
    """Copies a file to a new one beside `path`, as `copy_file` does; its name. Raises OSError."""
    return fill_temporary(path, lambda temporary: _copy(source, temporary))


def _copy(source: Path, target: Path) -> None:
    """Lets the kernel copy, which shares blocks where it can; as `shutil` does where the kernel cannot."""
    if not hasattr(os, "copy_file_range"):
        shutil.copyfile(source, target)
        return
    with source.open("rb", buffering=0) as old, target.open("wb", buffering=0) as new:
        left = os.fstat(old.fileno()).st_size
        while left:
            try:
                copied = os.copy_file_range(old.fileno(), new.fileno(), left)
            except OSError as error:
                if error.errno not in _CANNOT_SHARE:
                    raise
                copied = 0
            if not copied:
                shutil.copyfileobj(old, new)
                return
            left -= copied


def _temporary(path: Path) -> Path:
    """A new empty file beside `path`."""
    temporary, file = _created(str(path))
    os.close(file)
    return Path(temporary)


def _created(path: str) -> tuple[str, int]:
    """A new file beside `path` and its descriptor to write to, with the rights that the user's umask gives new files.

    Makes the folder where it is not there.
    """
    place, name = os.path.split(path)
    start, ending = os.path.join(place, ".curate-"), os.path.splitext(name)[1]  # noqa: PTH118, PTH122
    made = False
    while True:
        temporary = f"{start}{_NAMES.getrandbits(64):016x}{ending}"
        try:
            # mkstemp would give it to its owner alone, and asking for the umask changes it for all threads
            return temporary, os.open(temporary, _NEW_FILE, 0o666)
        except FileExistsError:
            continue
        except FileNotFoundError:
            # whether the folder is there now says nothing: another thread may have made it meanwhile
            if not place or made:
                raise
            os.makedirs(place, exist_ok=True)  # noqa: PTH103
            made = True


def remove_leftovers(folder: Path) -> bool:
    """Deletes temporary files of a run that was killed, directly inside `folder`; returns whether there were any.

    Only names that `write_atomic` gives: any other file is a person's.
    """
    leftovers = [path for path in folder.glob(".curate-*") if _TEMPORARY.fullmatch(path.name) and path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return bool(leftovers)


def prune_empty(folder: Path, stop: Path) -> None:
    """Removes `folder` and its parents below `stop` as long as they are empty.

    One that is gone already is passed over: a kill may have come before its parent went.
    """
    while folder != stop and stop in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent

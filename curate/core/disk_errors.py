"""Disk errors: what the system says where a file cannot be written, as errors of ours with a remedy."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Generator
from pathlib import Path

from curate.errors import CurateError, InputError, MissingError

WRONG_PATHS = {
    errno.ENAMETOOLONG: "a file name takes 255 bytes and a path 4,096 (Windows: 260 characters): choose a shorter one",
    errno.ENXIO: "move it away: a pipe or a device is in the place of a file",
    errno.ELOOP: "a symbolic link there leads back to itself: remove it, or give the folder that is meant",
}
"""What to do about a path that no system takes, by the number of its error."""


@contextlib.contextmanager
def disk_errors(what: str) -> Generator[None]:
    """Turns a full disk, missing rights and the like into one readable error naming `what`."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            # an encoder's refusal of one picture, not the disk's
            raise
        raise disk_error(error, what) from error


def disk_error(error: OSError, what: str) -> CurateError:
    """The error of ours for the system's refusal to write `what`."""
    reason = error.strerror or str(error)
    if is_full(error):
        return full_disk(f"{what}: {reason}")
    where = f"cannot write {what}: {reason}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
        return InputError(where, "choose an output folder you may write to")
    if error.errno in WRONG_PATHS:
        return InputError(where, WRONG_PATHS[error.errno])
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return InputError(where, "a file is in the place of a folder: move it, or choose another folder")
    return CurateError(where, "run the same command again to resume")


def is_full(error: OSError) -> bool:
    """Whether the system says that a disk, or the user's share of it, has no room."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1))


def full_disk(what: str) -> MissingError:
    """The error of a disk without room for `what`."""
    return MissingError(f"the disk is full while writing {what}", "free some space and run again: what is done is kept")


def has_room(place: Path) -> bool:
    """Whether the disk of a file or folder has a megabyte left, or does not say."""
    with contextlib.suppress(OSError):
        there = next(one for one in (place, *place.absolute().parents) if one.exists())
        disk = shutil.disk_usage(there)
        return disk.total == 0 or disk.free >= 1 << 20  # file systems of the kernel have no size
    return True

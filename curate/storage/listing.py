"""Listing: what objects a store has below an address. S3 says it in pages of 1,000, whatever folders they are in.

Other stores are asked for each folder below the address, with all that is in it where they can say that in pages too.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from curate.core.events import Listener
from curate.errors import CurateError
from curate.storage.address import Location, kind_of
from curate.storage.errors import storage_error
from curate.storage.waiting import answer

_VERSIONS = ("ETag", "etag", "e_tag", "md5Hash", "blob_id", "oid", "generation", "LastModified", "mtime", "created")
"""What file systems call the mark that changes with an object's content, the best one first."""

_IN_PAGES = ("gs", "az", "hf")
"""Kinds of stores whose `find` lists what is below a folder in pages, and raises what goes wrong."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its name below the address, its size in bytes, and a short mark that changes with its content."""

    name: str
    size: int
    version: str


def list_objects(location: Location, tell: Listener, stopping: Callable[[], bool]) -> Iterator[StoredObject]:
    """All objects below the address; hidden files and folders are left out. Where it names one object, that one.

    `tell` hears of a store that is silent. Raises the readable error of a store that does not answer, InputError where
    there is nothing, Interrupted once the user wants to stop.
    """
    try:
        ways = {"s3": _pages, **dict.fromkeys(_IN_PAGES, _sweeps)}
        infos = ways.get(kind_of(location.address), _folders)(location, tell, stopping)
        start = len(location.root) + bool(location.root)
        for info in infos:
            path = str(info["name"])
            if path == location.root:
                yield StoredObject("", int(info.get("size") or 0), version_of(info))
            elif not path.endswith("/") and not _is_hidden(path[start:]):
                yield StoredObject(path[start:], int(info.get("size") or 0), version_of(info))
    except CurateError:
        raise
    except Exception as error:
        raise storage_error(location.address, error) from error


def _is_hidden(name: str) -> bool:
    """Whether a part of the name begins with a dot; "." and ".." are refused by name later."""
    return any(part.startswith(".") and part.strip(".") for part in name.split("/"))


def _pages(location: Location, tell: Listener, stopping: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """What S3 says of each object, a request for each 1,000 of them, whatever folders they are in."""
    files, (bucket, _, key) = location.file_system, location.root.partition("/")
    following: dict[str, str] = {}
    empty = True
    while True:
        ask = functools.partial(
            files.call_s3, "list_objects_v2", Bucket=bucket, Prefix=key and f"{key}/", **files.req_kw, **following
        )
        page: Any = answer(location, ask, tell, stopping)
        for one in page.get("Contents", ()):
            empty = False
            yield {**one, "name": f"{bucket}/{one['Key']}", "size": one["Size"]}
        if not page.get("IsTruncated"):
            break
        following = {"ContinuationToken": page["NextContinuationToken"]}
    if empty and key:  # an object, or nothing, of which it raises an error
        yield answer(location, lambda: files.info(location.root), tell, stopping)


def _sweeps(location: Location, tell: Listener, stopping: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """What a store says of each object that lists a folder with all that is below it in pages.

    The first level is listed alone: so no more than what is in one of its folders is held, and hidden ones are left.
    """
    files = location.file_system
    first: Any = answer(location, lambda: files.ls(location.root, detail=True), tell, stopping)
    for info in first:
        name = str(info["name"]).rstrip("/")
        if info["type"] == "file":
            yield info
        elif name != location.root and not _is_hidden(name.rpartition("/")[2]):
            sweep = functools.partial(files.find, name, detail=True)
            below: Any = answer(location, sweep, tell, stopping)
            yield from (one for one in below.values() if one["type"] == "file")


def _folders(location: Location, tell: Listener, stopping: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """What other stores say of each object, folder by folder: their `find` passes over folders that fail."""
    walk = location.file_system.walk(location.root, detail=True, on_error="raise")
    while step := answer(location, lambda: next(walk, None), tell, stopping):
        _, folders, files = step
        for hidden in [name for name in folders if _is_hidden(name)]:
            del folders[hidden]
        yield from (info for info in files.values() if info["type"] == "file")


def digest_of(objects: Iterable[StoredObject]) -> str:
    """A digest of names and versions; the same in whatever order the store lists them."""
    digest = hashlib.blake2b(digest_size=16)
    for line in sorted(f"{one.name}\0{one.version}\n" for one in objects):
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def version_of(info: dict[str, Any]) -> str:
    """The mark of an object by what its file system says of it."""
    mark = next((info[name] for name in _VERSIONS if info.get(name)), "")
    if isinstance(mark, datetime):  # what one call gives as a time, another gives as a number
        mark = mark.timestamp()
    text = f"{mark}:{info.get('size')}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

"""Listing: what objects a store has below an address, folder by folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from curate.storage.address import Location
from curate.storage.errors import storage_error

_VERSIONS = ("ETag", "etag", "e_tag", "md5Hash", "blob_id", "oid", "generation", "LastModified", "mtime", "created")
"""What file systems call the mark that changes with an object's content, the best one first."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its name below the address, its size in bytes, and a short mark that changes with its content."""

    name: str
    size: int
    version: str


def list_objects(location: Location) -> Iterator[StoredObject]:
    """All objects below the address; hidden files and folders are left out. Where it names one object, that one.

    Raises the readable error of a store that does not answer, InputError where there is nothing.
    """
    try:
        start = len(location.root) + 1 if location.root else len(location.root)
        for _, folders, files in location.file_system.walk(location.root, detail=True, on_error="raise"):
            for hidden in [name for name in folders if name.startswith(".") and name.strip(".")]:
                del folders[hidden]
            for name, info in files.items():
                path = str(info["name"])
                if path.rstrip("/") == location.root and info["type"] == "file" and not path.endswith("/"):
                    yield StoredObject("", int(info.get("size") or 0), version_of(info))
                elif name and not (name.startswith(".") and name.strip(".")) and info["type"] == "file":
                    yield StoredObject(path[start:], int(info.get("size") or 0), version_of(info))
    except Exception as error:
        raise storage_error(location.address, error) from error


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

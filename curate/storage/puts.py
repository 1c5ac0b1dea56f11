"""Puts: files that become objects, with the mark of the version, in one request where the store says it."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from curate.storage.address import Location
from curate.storage.listing import StoredObject, version_of
from curate.storage.waiting import Silence, pieces

_SMALL = 8 << 20
"""Bytes of a file that is read as a whole; sixteen travel at the same time."""
_COPIED = 5 << 30
"""Bytes of an object that S3 copies in one request."""


def put_file(location: Location, file: Path, name: str, silence: Silence | None = None) -> str:
    """Uploads a file; the mark of the version that it became. Raises what the backend raises.

    Each piece of a large file that the store has taken ends the `silence`.

    S3 answers an upload with the mark. Other stores are asked for it, and so is S3 after an upload in parts.
    """
    target, size = location.path(name), file.stat().st_size
    if location.speaks_s3 and size <= _SMALL:
        kind, _ = mimetypes.guess_type(file.name)
        more = {"ContentType": kind} if kind else {}
        answer: Any = location.file_system.pipe_file(target, file.read_bytes(), **more)
        if isinstance(answer, dict) and answer.get("ETag"):  # type: ignore[reportUnknownMemberType]
            return version_of({"ETag": answer["ETag"], "size": size})
    else:
        location.file_system.put_file(str(file), target, callback=pieces(silence))
    return version_of(location.file_system.info(target))


def copy_object(location: Location, source: StoredObject, name: str) -> str:
    """Copies an object within the store under a new name; "" where that did not give what `source` is.

    S3 marks what was uploaded in one part by its content, so that the mark tells whether the copy is right. Nothing is
    copied in other stores.
    """
    if not location.speaks_s3 or source.size > _COPIED:
        return ""
    bucket, key = location.path(name).split("/", 1)
    source_bucket, source_key = location.path(source.name).split("/", 1)
    answer: Any = location.file_system.call_s3(
        "copy_object", Bucket=bucket, Key=key, CopySource={"Bucket": source_bucket, "Key": source_key}
    )
    version = version_of({"ETag": answer["CopyObjectResult"]["ETag"], "size": source.size})
    return version if version == source.version else ""

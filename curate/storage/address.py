"""Addresses: where pictures lie that are not on this disk, such as s3://bucket/photos, and how that is opened."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.core.cache import cache_folder
from curate.core.digests import text_digest
from curate.core.registry import closest
from curate.names import safe

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
WRITABLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Stores in which an object is replaced as a whole, so that no reader sees half of one."""
_USUAL = ("s3", "gs", "hf", *WRITABLE)
_KINDS = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
_EXTRAS = {"s3": "'curate[s3]'", "s3a": "'curate[s3]'", "gs": "'curate[gcs]'", "gcs": "'curate[gcs]'"}
_PACKAGES = {"az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}


@dataclass(frozen=True, slots=True)
class Location:
    """An opened address: `file_system` is fsspec's, `root` the path in it."""

    address: str
    file_system: Any
    root: str

    def path(self, name: str) -> str:
        """The path of an object by its name below the root, as the file system takes it."""
        return f"{self.root}/{name}" if name else self.root

    @property
    def speaks_s3(self) -> bool:
        """Whether the store is reached by S3's protocol."""
        return kind_of(self.address) == "s3"

    def require_bucket(self) -> None:
        """Raises FileNotFoundError where the bucket is not there; one that may not be asked for passes."""
        if protocol_of(self.address) in _EXTRAS.keys() | _PACKAGES.keys():
            with contextlib.suppress(PermissionError):
                self.file_system.info(self.root.partition("/")[0])


def is_address(text: str) -> bool:
    """Whether a text is an address rather than a path."""
    return _ADDRESS.match(text) is not None


_SLASHES = re.compile(rf"({'|'.join(sorted(_USUAL, key=len, reverse=True))}):/?(?!/)(\S+)", re.IGNORECASE)


def misspelled(text: str) -> str:
    """The address that a path with the start of one was meant to be: `s3:/bucket/photos`; "" for other paths."""
    match = _SLASHES.fullmatch(text.strip())
    return f"{match[1].lower()}://{match[2]}" if match else ""


def normalized(address: str) -> str:
    """The address by which a place is known, whether or not it was written with a slash at the end."""
    return address.strip().rstrip("/")


def protocol_of(address: str) -> str:
    """What stands before `://`, in small letters; "" where that is not there."""
    match = _ADDRESS.match(address)
    return match[1].lower() if match else ""


def kind_of(address: str) -> str:
    """The kind of store, by the usual one of its protocols."""
    protocol = protocol_of(address)
    return _KINDS.get(protocol, protocol)


def problem(address: str, *, writes: bool = False) -> str:
    """What is wrong with an address as it is written; "" where nothing is."""
    protocol, rest = protocol_of(address), address.partition("://")[2]
    if not address.startswith(f"{protocol}:"):
        return f"{address} is written in capital letters: write {protocol}://{rest}"
    if "::" in address:
        return f"{redacted(address)} is a chain of addresses: write the last one alone"
    if protocol in ("file", "local"):
        return f"{address} is on this disk: write its path, without {protocol}://"
    if "@" in rest.partition("/")[0]:
        where = "keep keys in the environment or in the store's own settings"
        return f"{redacted(address)} has a key or a password in it, which a pipeline must not hold: {where}"
    if protocol not in _known_protocols():
        close = closest(protocol, _USUAL)
        hint = f'did you mean "{close}://"?' if close else "s3://, gs:// and hf://datasets/ are usual"
        return f'"{protocol}://" is no kind of address that is known: {hint}'
    if (not rest.strip("/") or rest.startswith("/")) and protocol != "memory":
        return f"{address} names no bucket: write {protocol}://BUCKET/FOLDER"
    if writes and protocol not in WRITABLE:
        remedy = "write to a folder, and upload it with `hf upload`" if protocol == "hf" else "write to a folder"
        return f"{address} can only be read: {remedy}"
    return ""


def _known_protocols() -> set[str]:
    from fsspec import available_protocols  # slow to load, and only needed with addresses

    return set(available_protocols())


def backend_missing(address: str) -> tuple[str, str]:
    """What is not installed to open the address, and the command that installs it; ("", "") where nothing is."""
    from fsspec import get_filesystem_class

    protocol = protocol_of(address)
    try:
        get_filesystem_class(protocol)
    except ImportError as error:
        package = _EXTRAS.get(protocol) or _PACKAGES.get(protocol, "")
        remedy = f"pip install {package}" if package else str(error)
        return f"{address}: what reads {protocol}:// is not installed", remedy
    return "", ""


def open_location(address: str) -> Location:
    """Opens an address; nothing is asked of the store yet. Raises what the backend raises."""
    from fsspec.core import url_to_fs

    file_system, root = url_to_fs(address, use_listings_cache=False)
    if kind_of(address) == "s3":
        # botocore tries five times on its own; s3fs would try all that five times
        file_system.retries = 1
    return Location(normalized(address), file_system, root.rstrip("/"))


def last_part(address: str) -> str:
    """The name that a folder has by its address: what loose pictures in it are of."""
    return normalized(address).rpartition("/")[2] or protocol_of(address)


_SECRET = re.compile(r"(//)[^/@\s]+@|([?&](?:X-Amz-|Signature|sig|token|AWSAccessKeyId)[^\s&]*)")


def redacted(text: str) -> str:
    """A text without what may be a key or a password in an address."""
    return _SECRET.sub(lambda match: match[1] or "", text)


def work_folder(address: str) -> Path:
    """The folder in the user's cache where what goes to an address is prepared; a LoRA trained there has its name."""
    return cache_folder() / "work" / text_digest(normalized(address))[:12] / safe(last_part(address))

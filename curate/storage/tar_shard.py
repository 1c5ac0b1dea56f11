"""Tar shard: the samples of a WebDataset shard, also as img2dataset writes it: KEY.jpg, KEY.txt, KEY.json."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from curate.captions import EXTENSIONS
from curate.images import SUFFIXES
from curate.storage.members import MASK, Damaged, Members, facts_of
from curate.storage.places import is_hidden

_MASK = ".mask.png"
_MOST = 1 << 20
"""Bytes of captions and facts; more is no caption."""


def read_shard(file: BinaryIO, size: int, members: Members) -> list[str]:
    """Unpacks a shard; returns messages on what is left out. Raises Damaged where it cannot be read any further."""
    links = 0
    try:
        # never unpacked as a whole: names, links and rights in it are not to be trusted
        with tarfile.open(fileobj=file, mode="r:") as tar:
            end = 0
            for member in _members(tar):
                end = tar.offset
                if member.isfile():
                    _take(tar, member, members)
                elif not member.isdir():
                    links += 1
                tar.members.clear()  # type: ignore[attr-defined] – it keeps all of them
            _check_end(file, max(end, 0), size)
    except (tarfile.TarError, EOFError) as error:
        raise Damaged(str(error)) from error
    return [f"{links} links are left out"] if links else []


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        yield member


def _check_end(file: BinaryIO, end: int, size: int) -> None:
    """A header that cannot be read looks like the end to `tarfile`: behind the real one there are zeros alone."""
    file.seek(end)
    while block := file.read(1 << 20):
        if block.strip(b"\0"):
            raise Damaged(f"what stands at byte {end:,} of {size:,} is no member")


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, members: Members) -> None:
    """Writes a picture, a mask or a caption; anything else is passed over."""
    name = member.name
    suffix = posixpath.splitext(name)[1].lower()
    is_mask, is_text = name.lower().endswith(_MASK), suffix in EXTENSIONS
    if not (suffix in SUFFIXES or is_text or suffix == ".json") or members.refused(name):
        return
    if is_hidden(name):
        members.leave_out(name, "hidden")
        return
    if (is_text or suffix == ".json") and member.size > _MOST:
        members.leave_out(name, "too large for a caption")
        return
    stem = name[: -len(_MASK)] if is_mask else name[: len(name) - len(suffix)]
    key = members.key(stem)
    target = f"{key}{MASK}" if is_mask else key + suffix_of(name)
    if target in members.copied:
        members.leave_out(name, "since another one before it has the same name")
        return
    source = tar.extractfile(member)
    if source is None:
        return
    with source:
        try:
            if suffix == ".json":
                _take_facts(name, key, source.read(), members)
            else:
                members.copy(target, source, member.size)
        except (tarfile.ReadError, Damaged, EOFError) as error:
            raise Damaged("it ends too early", name) from error


def _take_facts(name: str, key: str, data: bytes, members: Members) -> None:
    facts = facts_of(data)
    if facts is None:
        members.leave_out(name, "since it is no JSON")
    members.caption(key, facts)


def suffix_of(name: str) -> str:
    """The suffix, in the case in which it is written."""
    return posixpath.splitext(name)[1]

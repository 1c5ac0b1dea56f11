"""Unread: what is in an input by its name, but could not be copied or unpacked; it is set aside like a bad file."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Sequence

from curate import captions
from curate.core.events import Listener, Note
from curate.core.record import Image, Record
from curate.scan.pictures import picture_place
from curate.storage import Unread, refusal


def list_unread(unread: Sequence[Unread], known: Collection[str], tell: Listener) -> Iterator[Record]:
    """A record, set aside, for each picture that could not be read; of captions a person is told.

    One in an archive is called by the archive as well: another may have a picture of that name.
    """
    taken = set(known)
    for one in sorted(unread, key=lambda one: (str(one.root), one.name)):
        if one.name.lower().endswith(captions.EXTENSIONS):
            tell(Note("warning", f"the caption {one.name} is not used: {one.reason}"))
            continue
        # a name that is no path tells no concept
        concept, key = picture_place(one.root, posixpath.basename(one.name) if refusal(one.name) else one.name)
        if one.archive and one.name == one.archive:
            key = one.archive
        elif one.archive:
            key = f"{one.archive}/{one.name.strip('/')}"
        n, first = 1, key
        while key in taken:
            n += 1
            key = f"{first}~{n}"
        taken.add(key)
        yield Record(key, concept, "", Image(""), aside=one.reason)

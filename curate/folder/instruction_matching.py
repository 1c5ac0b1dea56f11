"""Instruction matching: which records of a run the instructions in a ledger belong to."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curate.core.events import Listener, Note
from curate.core.record import Record
from curate.core.transform import Transform
from curate.core.user_changes import Identity, KeptTransform
from curate.errors import PictureError
from curate.folder.instructions import size_and_phash
from curate.names import source_key

_DISTANCE = 12
"""Bits of 63 in which the hash of a picture that was saved again may differ: other pictures differ in about 32."""
_SHAPE = 0.02
"""How much wider or taller, as a share, it may have become: rounding of an enlarged or reduced copy."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a person asks for the pictures of a run, by the record's key.

    A key of `transforms` may be of a part that a picture will be split into. `moves` are the identities under which
    transforms were kept, with those that they go by now; `unmatched` those that fit no picture any more.
    """

    transforms: Mapping[str, Transform] = field(default_factory=dict[str, Transform])
    concepts: Mapping[str, str] = field(default_factory=dict[str, str])
    moves: Mapping[Identity, Identity] = field(default_factory=dict[Identity, Identity])
    unmatched: Collection[Identity] = ()

    def over(self, others: Instructions) -> Instructions:
        """These and the others; where both concern a picture, these count."""
        return Instructions({**others.transforms, **self.transforms}, {**others.concepts, **self.concepts})


def match(
    transforms: Mapping[Identity, KeptTransform],
    concepts: Mapping[Identity, str],
    records: Mapping[Identity, Record],
    changed: Mapping[Identity, Identity],
    root: Path,
    tell: Listener,
) -> Instructions:
    """The instructions of a ledger for the records that it knows by these identities; `changed` are others by now.

    A source that was saved again keeps its transform where its shape and its look are the same; else the transform is
    told of, and left out. Paths of pictures start at `root`.
    """
    present = _finder(records, changed)
    fitting: dict[str, Transform] = {}
    moves: dict[Identity, Identity] = {}
    unmatched: list[Identity] = []
    for old, kept in sorted(transforms.items(), key=lambda one: one[0]):
        new = present(old)
        if new is None:
            continue
        record = records.get(new) or records[new[0], source_key(new[1])]
        if new[0] != old[0] and not _fits(kept, root / record.image.path):
            unmatched.append(old)
            what = ", ".join(kept.transform.words)
            message = f"its source is another picture now: it is not {what}, as you asked for the one before it"
            tell(Note("warning", message, key=record.key))
            continue
        part = new[1].removeprefix(source_key(new[1])) if new not in records else ""
        fitting[record.key + part] = kept.transform
        if new != old:
            moves[old] = new
    moved: dict[str, str] = {}
    for old, name in concepts.items():
        new = present(old)
        if new is not None and new in records:
            moved[records[new].key] = name
    return Instructions(fitting, moved, moves, tuple(unmatched))


def _finder(
    records: Mapping[Identity, Record], changed: Mapping[Identity, Identity]
) -> Callable[[Identity], Identity | None]:
    """What an identity that was kept goes by now; None where its picture is not there."""
    by_key = {identity[1]: identity for identity in records}

    def present(old: Identity) -> Identity | None:
        new = changed.get(old, old)
        whole = (new[0], source_key(new[1]))
        if new in records or whole in records:
            return new
        origin = by_key.get(whole[1])
        return (origin[0], new[1]) if origin else None

    return present


def _fits(kept: KeptTransform, path: Path) -> bool:
    """Whether a picture may be the one that the transform was meant of, saved again."""
    if not kept.phash:
        return False
    try:
        width, height, phash = size_and_phash(path)
    except PictureError:
        return False
    shape = abs(math.log((width / height) / (kept.width / kept.height)))
    return shape <= _SHAPE and (int(phash, 16) ^ int(kept.phash, 16)).bit_count() <= _DISTANCE

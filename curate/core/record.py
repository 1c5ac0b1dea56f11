"""Record and Manifest: what is known about each picture, as immutable rows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from curate.core.columns import columns
from curate.core.hex_text import hex_apart
from curate.core.packed import Packed
from curate.core.scores import NO_SCORES, Scores
from curate.errors import InputError


@dataclass(frozen=True, slots=True)
class Image:
    """Where a picture's bytes are and what identifies them.

    `digest` identifies the pixels: the digest of the file for a source, of stage and input for a picture that
    has not left its pass, of the encoded file for one that has. `path` is absolute for a source, relative to
    the ledger folder for an object of ours, and empty while the picture is in memory only. Width and height
    are pixels after orientation, 0 while unknown.
    """

    digest: str
    path: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class CaptionStyle:
    """How a caption is written to its file.

    `underscores`: "spaces" turns them into spaces (kaomoji and trigger words stay as they are), "keep" does not.
    `escape` puts a backslash before parentheses and backslashes. `sentence` says where a sentence stands.
    """

    separator: str = ", "
    underscores: Literal["spaces", "keep"] = "spaces"
    escape: bool = False
    extension: str = ".txt"
    sentence: Literal["after", "before", "only", "none"] = "after"


@dataclass(frozen=True, slots=True)
class Record:
    """One picture on its way. Stages return changed copies (`dataclasses.replace`), never mutate.

    key       unique and stable: `concept/path/inside.jpg` in POSIX form; further frames and parts append `#n`
    concept   name of the concept, the input's sub-folder
    origin    digest of the source file's bytes; a person's edit belongs to this
    image     the current picture
    encoding  how the picture is encoded when it leaves a pass: `png[:level]`, `jpeg[:quality]` or `webp[:quality]`
    facts     JSON-able facts noted on entry and by stages (`had_alpha`, `format`, `profile`, measurements); `tag:NAME`
              is a tag that a picture stage found to be true, which tagging adds to its own
    mask      the grey picture that says what of it counts in training, a path in the ledger folder named by its
              content; empty where the whole picture counts
    trigger   the concept's trigger words; protected from every rule
    scores    what taggers said, all above their floor
    tags      canonical tags (underscores) in caption order; trigger words stand as written
    sentence  a natural-language caption, empty without one
    imported  the caption file that came with the picture, None without one
    edited    the caption as a person edited it in the output, None where nobody did
    style     how the caption is written
    repeats   showings per epoch, at least 1
    notes     one line for each decision worth explaining, oldest first
    aside     why the picture is set aside, empty while it is in
    """

    key: str
    concept: str
    origin: str
    image: Image
    encoding: str = "png"
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    mask: str = ""
    trigger: tuple[str, ...] = ()
    scores: Scores = NO_SCORES
    tags: tuple[str, ...] = ()
    sentence: str = ""
    imported: str | None = None
    edited: str | None = None
    style: CaptionStyle = CaptionStyle()
    repeats: int = 1
    notes: tuple[str, ...] = ()
    aside: str = ""

    def noting(self, *lines: str, **facts: Any) -> Record:
        """A copy with further notes and facts."""
        return dataclasses.replace(self, notes=self.notes + lines, facts={**self.facts, **facts})


FINGERPRINT = "fingerprint"
"""The fact that holds hashes of a picture, which are kept by content and not with the record of each picture."""
_PARTS = "parts"

FIELDS = tuple(f.name for f in dataclasses.fields(Record))

_SLOTS = tuple((name, vars(Record)[name].__get__, vars(Record)[name].__set__) for name in FIELDS)


def changed(record: Record, changes: Mapping[str, Any]) -> Record:
    """`dataclasses.replace`, at a third of its cost: a run over known pictures makes many copies and little else."""
    new = object.__new__(Record)
    for name, get, put in _SLOTS:
        put(new, changes[name] if name in changes else get(record))
    return new


def to_plain(record: Record, fields: Iterable[str] = FIELDS) -> dict[str, Any]:
    """The named fields as JSON-able values; `from_plain` reads them back."""
    plain: dict[str, Any] = {}
    for name in fields:
        value = getattr(record, name)
        if name == "scores":
            value = value.packed.hex()
        elif name in ("image", "style"):
            value = {f: getattr(value, f) for f in value.__slots__}
        plain[name] = value
    return plain


def from_plain(plain: Mapping[str, Any], base: Record | None = None) -> Record:
    """A record from `to_plain`'s values; fields that are missing come from `base`."""
    values = typed(plain)
    return changed(base, values) if base is not None else Record(**values)


def typed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """`to_plain`'s values as the fields hold them."""
    values: dict[str, Any] = dict(plain)
    if "image" in values:
        values["image"] = Image(**values["image"])
    if "style" in values:
        values["style"] = CaptionStyle(**values["style"])
    if "scores" in values:
        values["scores"] = Scores(bytes.fromhex(values["scores"]))
    for name in ("trigger", "tags", "notes"):
        if name in values:
            values[name] = tuple(values[name])
    return values


def _without_hashes(record: Record) -> tuple[Record, str]:
    """The record, and the hashes of its picture's parts, of which there are many."""
    own = record.facts.get(FINGERPRINT)
    if not own or not own.get(_PARTS):
        return record, ""
    return changed(record, {"facts": {**record.facts, FINGERPRINT: {**own, _PARTS: ""}}}), own[_PARTS]


def _put_hashes(record: Record, hashes: str) -> None:
    record.facts[FINGERPRINT][_PARTS] = hashes


PACKING = hex_apart(columns(Record, {"image": Image}, as_written=["facts"]), _without_hashes, _put_hashes)
"""How records are packed."""


class Manifest(Sequence[Record]):
    """Records in order, with unique keys; packed, so that a million of them stay small."""

    __slots__ = ("_aside", "_concepts", "_rows")

    def __init__(self, records: Iterable[Record] = (), *, unique: bool = False) -> None:
        """Raises InputError where two records share a key, unless it is known that they are `unique`."""
        self._rows: Packed[Record] = Packed(packing=PACKING)
        self._concepts: set[str] = set()
        self._aside = 0
        keys: set[int] = set()  # the hashes, since a million keys need ten times their memory
        for record in records:
            if not unique:
                keys.add(hash(record.key))
            self._rows.append(record)
            self._concepts.add(record.concept)
            self._aside += bool(record.aside)
        if not unique and len(keys) < len(self._rows):
            [(twice, count)] = Counter(r.key for r in self._rows).most_common(1)
            if count > 1:
                raise InputError(f"two pictures have the same key: {twice}")

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __reduce__(self) -> tuple[type[Manifest], tuple[list[Record]]]:
        return Manifest, (list(self),)

    def __copy__(self) -> Manifest:
        other = Manifest()
        other._rows, other._concepts, other._aside = self._rows, self._concepts, self._aside
        return other

    @property
    def aside_count(self) -> int:
        """How many records are set aside."""
        return self._aside

    @property
    def concepts(self) -> Set[str]:
        """The concepts of the records, those set aside too."""
        return self._concepts

    @property
    def present(self) -> Manifest:
        """The records that are not set aside."""
        return self if not self._aside else Manifest((r for r in self._rows if not r.aside), unique=True)

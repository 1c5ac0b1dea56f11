"""Caption changes: the caption of a picture before and after, and which tags came and went."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from curate import captions
from curate.core.record import Record

_WORDS = re.compile(r"[,\s]+")
_RULES = ("captions: removed ", "prune: ")
"""How the notes begin that name tags which rules removed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A tag or a sentence of a caption; whether the other caption lacks it."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class CaptionChange:
    """A caption before and after.

    source  where it is from before: "original" (it came with the picture), "tagger" or "generated" (before an edit)
    """

    source: str
    before: tuple[Piece, ...]
    after: tuple[Piece, ...]

    @property
    def removed(self) -> list[str]:
        """What is gone."""
        return [piece.text for piece in self.before if piece.changed]

    @property
    def added(self) -> list[str]:
        """What is new."""
        return [piece.text for piece in self.after if piece.changed]


def caption_text(record: Record) -> str:
    """The caption as it is trained."""
    return record.edited.strip() if record.edited is not None else captions.render(record)


def caption_change(record: Record) -> CaptionChange | None:
    """How the caption came to be what it is; None where nothing is known of it before.

    An edit is compared with what was generated, another caption with the one that came with the picture, else with the
    tags that the tagger gave.
    """
    trigger, after = record.trigger, (record.tags, record.sentence)
    if record.edited is not None:
        return _compared("generated", after, captions.parse(record.edited, trigger, record.style), trigger)
    if record.imported is not None:
        return _compared("original", captions.parse_imported(record), after, trigger)
    scored = _selected(record)
    return _compared("tagger", (scored, record.sentence), after, trigger) if scored else None


def _compared(
    source: str, before: tuple[Iterable[str], str], after: tuple[Iterable[str], str], trigger: Collection[str]
) -> CaptionChange:
    old, new = list(_pieces(*before, trigger)), list(_pieces(*after, trigger))
    return CaptionChange(
        source,
        tuple(Piece(text, text not in new) for text in old),
        tuple(Piece(text, text not in old) for text in new),
    )


def _pieces(tags: Iterable[str], sentence: str, trigger: Collection[str]) -> Iterator[str]:
    yield from (tag if tag in trigger else captions.spaced(tag) for tag in tags)
    if sentence.strip():
        yield sentence.strip()


def _selected(record: Record) -> list[str]:
    """The tags that a tagger gave and that stand in the caption or were removed from it by a rule, best first.

    Scores hold many more tags, below the thresholds. What a rule removed is named in its note.
    """
    noted = {word.strip(":;()") for note in record.notes if note.startswith(_RULES) for word in _WORDS.split(note)}
    known = noted.union(record.tags)
    scored = [(score, tag) for tags in record.scores.unpack().values() for tag, (score, _) in tags.items()]
    best = sorted(scored, key=lambda one: (-one[0], one[1]))
    return list(dict.fromkeys(tag for _, tag in best if tag in known))

"""Triggers: the trigger words that captions began with stay first whatever a command makes of the tags."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from curate.core.record import Manifest, Record
from curate.folder import source_key
from curate.names import folder_name


def triggers_first(before: Manifest, after: Manifest) -> Manifest:
    """The records after a stage that wrote tags, with the trigger words of the records before it put first."""
    known = {record.key: _trigger_words(record) for record in before}

    def with_words(record: Record) -> Record:
        words = known.get(record.key) or known.get(source_key(record.key)) or ()
        if record.aside or record.tags[: len(words)] == words:
            return record
        folded = {word.casefold() for word in words}
        rest = (tag for tag in record.tags if tag.casefold() not in folded)
        return dataclasses.replace(record, tags=(*words, *rest))

    return Manifest(map(with_words, after))


def _trigger_words(record: Record) -> tuple[str, ...]:
    """The trigger words that the caption has; where there is none yet, those that a folder called `N_words` names."""
    present = tuple(word for word in record.trigger if word in record.tags)
    named = bool(folder_name(Path(record.image.path).parent.name).repeats)
    return record.trigger if named and not present and not record.tags and not record.sentence else present

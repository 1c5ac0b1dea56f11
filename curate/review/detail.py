"""Detail: what the page shows of one picture: each tag with its score, the caption as it is trained."""

from __future__ import annotations

import json
import threading
from functools import cache
from pathlib import Path
from typing import Any

from curate import captions
from curate.captioned import Captioned
from curate.review.entry import Entry
from curate.review.index import Index
from curate.review.rows import best_scores, source_name
from curate.review.tokens import Tokens

_AT_ONCE = 500
"""Captions whose tokens are counted before the page may ask again."""


class Detail:
    """Tells everything about one picture."""

    def __init__(self, index: Index, tokens: Tokens) -> None:
        self._index, self._tokens = index, tokens

    def __call__(self, entry: Entry) -> dict[str, Any]:
        """The row of the picture with its caption's text, its chips and its source."""
        one = entry.caption
        trained = self._trained(one) if one is not None else ""
        return {
            **json.loads(self._index.row(entry)),
            "caption": one.raw if one is not None else "",
            "trained": trained,
            "chunks": self._tokens.chunks(trained) if one is not None else None,
            "trigger": list(one.record.trigger) if one is not None else [],
            "chips": _chips(one) if one is not None else [],
            "source": source_name(entry, self._index.ledger.content) or entry.id.rpartition("/")[2],
        }

    def count_tokens(self, stopping: threading.Event) -> None:
        """Counts the tokens of all captions that have changed, some at a time; nothing without a tokenizer."""
        while self._tokens.is_known and not stopping.is_set():
            entries = self._index.uncounted(_AT_ONCE)
            counts = self._tokens.counts([self._trained(e.caption) for e in entries if e.caption is not None])
            if not entries or counts is None:
                return
            self._index.counted(list(zip(entries, counts, strict=True)))

    def _trained(self, one: Captioned) -> str:
        """The caption as the trainer reads it: one line; the words of the folder where there is none."""
        from curate.captions import FolderForm

        text = captions.normalize(one.raw, FolderForm(one.form))
        if text:
            return text
        from curate.names import folder_name

        name = folder_name(Path(one.path).parent.name)
        return name.words if name.repeats else ""


def _chips(one: Captioned) -> list[dict[str, Any]]:
    scores = best_scores(one.record)
    implied = _implied(one.tags)
    return [
        {
            "tag": tag,
            "text": captions.shown(tag, one.record.trigger, one.record.style),
            "score": scores[tag][0] if tag in scores else None,
            "implied": tag in implied,
            "trigger": tag in one.record.trigger,
        }
        for tag in one.tags
    ]


def _implied(tags: tuple[str, ...]) -> frozenset[str]:
    """The tags that others of the caption imply."""
    table = implications()
    return frozenset(up for tag in tags for up in table.ancestors(tag) if up != tag)


@cache
def implications() -> Any:
    """The implied tags of danbooru: the full table where `curate tags update` stored one, else the built-in one."""
    from curate.tagging.models import translated
    from taggers import exports

    with translated():
        return exports.table("danbooru")

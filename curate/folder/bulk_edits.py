"""Bulk edits: the captions that `curate tags` wrote, as they are kept beside the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping

from curate.core.files import write_text
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.folder.compare import same_text

BULK_EDITS = "bulk.json"
"""The file beside the ledger that keeps them."""


def bulk_edits(store: Store) -> dict[str, str]:
    """The captions that bulk edits wrote, by picture path."""
    try:
        return json.loads((store.root / BULK_EDITS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def keep_bulk_edits(store: Store, texts: Mapping[str, str]) -> None:
    """Keeps the captions that bulk edits wrote."""
    write_text(store.root / BULK_EDITS, json.dumps(texts, ensure_ascii=False), sync=False)


def changed_by_bulk_edits(store: Store) -> set[Identity]:
    """The edited captions that are as a bulk edit left them: nobody wrote those one by one."""
    texts, edits = bulk_edits(store), store.edits()
    rows = store.written() if texts else {}
    pairs = [((row.origin, row.key), texts[path]) for path, row in rows.items() if path in texts]
    return {identity for identity, text in pairs if identity in edits and same_text(edits[identity], text)}

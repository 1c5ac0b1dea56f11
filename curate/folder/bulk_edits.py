"""Bulk edits: the captions that `curate tags` wrote, as they are kept beside the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from curate.core.files import write_text
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.core.written import Written
from curate.folder.compare import same_text

BULK_EDITS = "bulk.json"
"""The file beside the ledger that keeps them."""


def bulk_edits(root: Path, rows: Mapping[str, Written]) -> dict[str, str]:
    """The captions that bulk edits wrote, by picture path; `rows` are all pictures that curate wrote, by path.

    `root` is the ledger folder.
    """
    texts = _kept(root)
    if not texts:
        return {}
    ours = {row.path: row.key for row in rows.values() if row.key in texts}
    found = {path: texts[key] for path, key in ours.items()}
    keys = set(ours.values())
    return {path: text for path, text in texts.items() if path not in keys} | found


def keep_bulk_edits(store: Store, texts: Mapping[str, str], rows: Mapping[str, Written]) -> None:
    """Keeps the captions that a bulk edit wrote, given by picture path, beside those of earlier ones.

    Pictures that curate wrote, `rows` by path, are kept by key: a run may give them another folder.
    """
    if texts:
        new = {rows[path].key if path in rows else path: text for path, text in texts.items()}
        write_text(store.root / BULK_EDITS, json.dumps(_kept(store.root) | new, ensure_ascii=False), sync=False)


def _kept(root: Path) -> dict[str, str]:
    try:
        return json.loads((root / BULK_EDITS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def changed_by_bulk_edits(store: Store) -> set[Identity]:
    """The edited captions that are as a bulk edit left them: nobody wrote those one by one."""
    edits = store.edits()
    rows = store.written() if edits and _kept(store.root) else {}
    texts = bulk_edits(store.root, rows)
    pairs = [((row.origin, row.key), texts[path]) for path, row in rows.items() if path in texts]
    return {identity for identity, text in pairs if identity in edits and same_text(edits[identity], text)}

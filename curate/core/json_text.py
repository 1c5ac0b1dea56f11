"""JSON text: values as the ledger keeps them, compact and in Unicode."""

from __future__ import annotations

import json
from typing import Any

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def as_json(value: Any) -> str:
    """Compact JSON with sorted keys: equal values give equal text."""
    return compact(value, _SORTED)


def compact(value: Any, encoder: json.JSONEncoder = _COMPACT) -> str:
    """JSON; names of files that are no Unicode are escaped, since the database takes text alone."""
    text = encoder.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), sort_keys=encoder.sort_keys)
    return text

"""Cache: the one folder for what taggers fetch and can fetch again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """`$CURATE_CACHE`, else the platform's cache folder. It need not exist."""
    given = os.environ.get("CURATE_CACHE")
    return Path(given) if given else user_cache_path("curate", appauthor=False)

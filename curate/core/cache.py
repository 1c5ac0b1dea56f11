"""Cache: the one folder for what curate makes or fetches for itself and can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$CURATE_CACHE`, else the platform's cache folder for curate. It need not exist."""
    if given := os.environ.get("CURATE_CACHE"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("curate", appauthor=False)

"""What the e621 families share."""

from __future__ import annotations

from pathlib import Path

from taggers.labels import E621, Labels, from_csv

RATINGS = ("safe", "questionable", "explicit")
"""e621's ratings, where a label file lists them among the tags."""


def from_e621(path: Path) -> Labels:
    """A csv label file with e621's category numbers; ratings listed as general tags become ratings."""
    found = from_csv(path, E621)
    kinds = tuple("rating" if n in RATINGS else c for n, c in zip(found.names, found.categories, strict=True))
    return Labels(found.names, kinds, found.best, found.copyrights)

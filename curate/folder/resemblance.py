"""Resemblance: new source pictures that look like prepared ones whose source is gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from curate.core.record import Record
from curate.core.stage import Env
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.core.written import Written
from curate.errors import PictureError
from curate.names import source_key

_CORRELATION = 0.9
"""Crops of 70 %, retouched and recompressed copies of photographs reach 0.93 to 1, other pictures stay below 0.8."""
_NEAREST = 6
"""So many new pictures, nearest by their hashes, are laid on each prepared one."""


class Resemblance:
    """Compares what is left of pictures whose source is gone with new sources."""

    def __init__(self, folder: Path, store: Store, env: Env) -> None:
        self._folder, self._store, self._env = folder, store, env

    def _files(self, identities: Collection[Identity]) -> dict[Identity, list[Path]]:
        """What the folder holds of each, and what a killed run was about to write there."""
        found: dict[Identity, list[Path]] = {}
        for row in self._store.each_written():
            if _source(row) in identities:
                found.setdefault(_source(row), []).extend((self._folder / row.path, self._encoded(row)))
        for row in self._store.intended():
            if _source(row) in identities:
                found.setdefault(_source(row), []).append(self._encoded(row))
        return found

    def _encoded(self, row: Written) -> Path:
        """What was encoded for the folder: it outlives a file that a person removed there."""
        return self._env.root / str(row.record.get("image", {}).get("path", ""))

    def __call__(self, identities: Sequence[Identity], records: Sequence[Record]) -> dict[Identity, Record]:
        """Pairs by falling likeness; each picture is given once."""
        from curate.images.duplicates.likeness import likeness

        files = self._files(set(identities))
        old = {one: view for one in identities if (view := self._view(*files.get(one, ()))) is not None}
        new = {r.key: view for r in records if old and (view := self._view(self._env.path(r.image))) is not None}
        pairs: list[tuple[float, Identity, str]] = []
        for one, (small, whole, parts) in old.items():
            near = sorted(new, key=lambda key: (_distance((whole, parts), new[key][1:]), key))
            for key in near[:_NEAREST]:
                alike = likeness(small, new[key][0], parts=True).correlation
                if alike >= _CORRELATION:
                    pairs.append((alike, one, key))
        by_key = {r.key: r for r in records}
        matched: dict[Identity, Record] = {}
        for _, one, key in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
            if one not in matched and key in by_key:
                matched[one] = by_key.pop(key)
        return matched

    def _view(self, *paths: Path) -> tuple[Any, int, list[int]] | None:
        """A small version of the picture with the hashes of it and of its parts; None where it cannot be read."""
        from curate.images.duplicates import likeness, perceptual_hash

        path = next((p for p in paths if p.is_file()), None)
        if path is None:
            return None
        try:
            small = likeness.small(self._env.pictures.read(path))
        except PictureError:
            return None
        return small, *perceptual_hash.hashes(small)


def _source(row: Written) -> Identity:
    return row.origin, source_key(row.key)


def _distance(first: tuple[int, list[int]], second: tuple[int, list[int]]) -> int:
    """Bits in which the hashes differ, of whole and whole or of either and a part of the other."""
    pairs = [(first[0], second[0]), *((first[0], p) for p in second[1]), *((second[0], p) for p in first[1])]
    return min((a ^ b).bit_count() for a, b in pairs)

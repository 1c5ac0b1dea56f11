"""Scores: what taggers said of one picture, packed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Scores:
    """Tagger scores of one picture, packed: model name -> tag -> (score 0..1, category).

    Kept as bytes so that a manifest of many pictures stays small; `unpack` is cheap enough for one picture.
    """

    packed: bytes = b""

    @classmethod
    def pack(cls, scores: Mapping[str, Mapping[str, tuple[float, str]]]) -> Self:
        """Packs scores rounded to 4 decimals, models and tags in a stable order (score falling, then name)."""
        plain = {
            model: [[t, round(s, 4), c] for t, (s, c) in sorted(tags.items(), key=lambda i: (-round(i[1][0], 4), i[0]))]
            for model, tags in sorted(scores.items())
        }
        return cls(zlib.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(), 6))

    def unpack(self) -> dict[str, dict[str, tuple[float, str]]]:
        """The scores again, tags by falling score; an empty mapping where nothing was scored."""
        if not self.packed:
            return {}
        plain: dict[str, list[tuple[str, float, str]]] = json.loads(zlib.decompress(self.packed))
        return {model: {tag: (score, category) for tag, score, category in tags} for model, tags in plain.items()}

    def best(self) -> dict[str, float]:
        """The highest score of each tag, whichever model gave it."""
        best: dict[str, float] = {}
        for tags in self.unpack().values():
            for tag, (score, _) in tags.items():
                best[tag] = max(score, best.get(tag, 0.0))
        return best


NO_SCORES = Scores()
"""Those of a picture that no tagger has seen."""

"""Underscores: the tags of each vocabulary whose underscores are part of the word and never become spaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

# not a_(b), which is a word and what it belongs to
_FACE = r"(?![^\W_]_+\()[^\w\s,]{0,3}[^\W_]?[^\w\s,]{0,3}_+[^\w\s,]{0,3}[^\W_]?[^\w\s,]{0,3}"
"""At most one letter or digit on each side: ^_^, o_o, ;_;, (o)_(o), <|>_<|>."""

VOCABULARIES: Mapping[str, tuple[str, ...]] = {
    "danbooru": (_FACE,),
    # the same faces; its other tags have underscores for spaces
    "e621": (_FACE,),
    # Pony Diffusion V6 was trained with these as words; V7 adds its style clusters
    "pony": (
        r"score_\d+(_up)?",
        # not every word: source_request and source_needed are tags of the boards
        r"source_(pony|furry|cartoon|anime|comic|manga|realistic|3d|filmmaker)",
        r"rating_(safe|questionable|explicit|general|sensitive)",
        r"style_cluster_\d+",
    ),
}
"""Patterns of whole tags, by vocabulary."""

_ALL = re.compile("|".join(f"(?:{p})" for p in dict.fromkeys(p for ps in VOCABULARIES.values() for p in ps)))


@lru_cache(maxsize=1 << 14)
def keeps_underscores(tag: str) -> bool:
    """Whether a tag is written with its underscores in every vocabulary that has it."""
    return "_" in tag and _ALL.fullmatch(tag.casefold()) is not None

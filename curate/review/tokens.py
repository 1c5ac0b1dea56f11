"""Tokens: how many a caption has, by the tokenizer of the base model, where one is on this machine."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curate.errors import CurateError

_CHUNK = 75
"""Tokens of a caption that CLIP reads at once."""


class Tokens:
    """Counts tokens. The tokenizer is loaded in the background and never downloaded; until then nothing is known."""

    def __init__(self, base: str = "", tokenizer: str = "") -> None:
        """`base` and `tokenizer` are as the options of training have them; CLIP's own is taken where both are empty."""
        self._base, self._name = base, tokenizer
        self._tokenizer: Any = None
        self.loaded = threading.Event()

    def load(self) -> None:
        """Loads the tokenizer; takes seconds."""
        try:
            self._tokenizer = _find(self._base, self._name)
        except (CurateError, ImportError, OSError, ValueError):
            self._tokenizer = None
        self.loaded.set()

    @property
    def is_known(self) -> bool:
        """Whether there is a tokenizer."""
        return self._tokenizer is not None

    def counts(self, captions: Sequence[str]) -> list[int] | None:
        """Tokens of each caption without start and end; None without a tokenizer."""
        if self._tokenizer is None:
            return None
        if not captions:
            return []
        ids = self._tokenizer(list(captions), add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return [len(one) for one in ids]

    def chunks(self, caption: str) -> list[int] | None:
        """Tokens of each 75 that the trainer would encode together; None without a tokenizer."""
        counts = self.counts([caption])
        if counts is None:
            return None
        whole, rest = divmod(counts[0], _CHUNK)
        return [_CHUNK] * whole + ([rest] if rest or not whole else [])


def _find(base: str, name: str) -> Any:
    """The tokenizer of a base model. Raises CurateError or OSError where it is not on this machine."""
    from curate.diffusion import tiny
    from curate.diffusion.locate import locate_base
    from curate.diffusion.text.tokenizer import tokenizer

    if base == "tiny":  # its tokenizer is made without the model
        with tempfile.TemporaryDirectory() as work:
            tiny.write_tokenizer(Path(work))
            return tokenizer(work, Path(work), offline=True)
    place = locate_base(base, offline=True) if base else Path()
    return tokenizer(str(place / "tokenizer") if base and place.is_dir() else name, place, offline=True)

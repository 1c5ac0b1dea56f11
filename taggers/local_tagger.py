"""A tagger whose files are on this machine, and the families of taggers that there are."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import taggers.families as folder
from taggers.base import OpenTagger, Vocabulary
from taggers.errors import UnknownTaggerError
from taggers.family import Family


@dataclass(frozen=True)
class AtHand:
    """A tagger whose files are on this machine; see `taggers.base.Tagger`."""

    name: str
    family: Family
    model: Path
    labels: Path
    extras: tuple[Path, ...]
    vocabulary: Vocabulary
    thresholds: dict[str, float]
    light: bool = False
    """Without weights: the CPU does as well as a GPU, and is taken where neither is asked for."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything whose content decides the scores."""
        return (self.model, self.labels, *self.extras)

    def best(self) -> dict[str, float]:
        """Per-tag thresholds where the model ships them."""
        return dict(self.family.labels(self.labels).best)

    def known(self) -> frozenset[str]:
        """Every tag the model can say."""
        return frozenset(n for n in self.family.labels(self.labels).names if n)

    def copyrights(self) -> dict[str, tuple[str, ...]]:
        """Works that characters belong to, where the model ships them."""
        return dict(self.family.labels(self.labels).copyrights)

    def open(
        self, device: str = "auto", *, require_gpu: bool = False, floor: float = 0.0, batch: int = 0
    ) -> AbstractContextManager[OpenTagger]:
        """Loads the model and releases it again. Raises BadModelError and NoGpuError."""
        device = "cpu" if self.light and device == "auto" and not require_gpu else device
        return self.family.open(
            self.model, self.labels, self.extras, device=device, require_gpu=require_gpu, floor=floor, batch=batch
        )


@cache
def families() -> dict[str, Family]:
    """All families by name, in order of their files' names. Importing one loads nothing heavy."""
    found: dict[str, Family] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if not m.name.startswith("_")):
        loaded = importlib.import_module(f"{folder.__name__}.{module}")
        for thing in vars(loaded).values():
            if isinstance(thing, type) and issubclass(thing, Family) and thing.__module__ == loaded.__name__:
                found[thing.name] = thing()
    return found


def family(name: str) -> Family:
    """The family of that name. Raises UnknownTaggerError."""
    if name not in families():
        raise UnknownTaggerError(f'no tagger family is called "{name}"', f"choose from: {', '.join(families())}")
    return families()[name]

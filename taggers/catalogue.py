"""Catalogue: every tagger that can be named, and how a name, or a folder on disk, becomes a tagger at hand."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import taggers.families as folder
from taggers.base import OpenTagger, Vocabulary
from taggers.errors import UnknownTaggerError
from taggers.family import Family, Model

HERE = Path(__file__).parent


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


@cache
def models() -> dict[str, tuple[Family, Model]]:
    """All published models by name, each with its family."""
    return {m.name: (f, m) for f in families().values() for m in f.models}


def names() -> list[str]:
    """The names that `find` knows without a folder."""
    return sorted(models())


def vocabulary(name: str) -> Vocabulary:
    """The vocabulary of a published model by its name, "unknown" for anything else."""
    return _vocabulary(*models()[name]) if name in models() else "unknown"


def thresholds(name: str, family_name: str = "", *, offline: bool = False) -> dict[str, float]:
    """Thresholds by category: the published model's own, the given family's, or those of the family of a folder.

    Where they stand in a file of the model's, as `find`.
    """
    if name in models():
        kind, model = models()[name]
        if not kind.extra_files:
            return dict(model.thresholds) or dict(kind.thresholds)
        return find(name, offline=offline).thresholds
    return find(name, family_name=family_name).thresholds


def find(name: str, *, family_name: str = "", offline: bool = False) -> AtHand:
    """The tagger called `name`, fetched if need be, or the model in the folder `name`.

    Raises UnknownTaggerError, MissingModelError (offline, or the download failed), BadModelError (folder unclear).
    """
    if name in models():
        kind, model = models()[name]
        return _at_hand(name, kind, model, _place(model, offline=offline), model.files)
    place = Path(name).expanduser()
    if place.is_dir():
        from taggers.folders import detect

        return detect(place, family(family_name) if family_name else None, _models_of(family_name))
    if place.is_file() and place.suffix == ".onnx":
        from taggers.folders import detect

        return detect(place.parent, family(family_name) if family_name else None, _models_of(family_name), place)
    close = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    raise UnknownTaggerError(
        f'no tagger is called "{name}", and there is no such folder',
        f"{hint}known are: {', '.join(names())}; or give a folder with a model and its label file",
    )


def _models_of(family_name: str) -> Sequence[Model]:
    return family(family_name).models if family_name else ()


def _place(model: Model, *, offline: bool) -> Path:
    if model.embedded:
        return HERE / model.name
    from taggers.download import fetch

    return fetch(model, offline=offline)


def _vocabulary(kind: Family, model: Model) -> Vocabulary:
    return model.vocabulary if model.vocabulary != "danbooru" else kind.vocabulary


def _at_hand(name: str, kind: Family, model: Model, place: Path, files: Sequence[str]) -> AtHand:
    paths = [place / f for f in files]
    thresholds = dict(model.thresholds) or kind.limits(paths[2:])
    speaks = _vocabulary(kind, model)
    return AtHand(name, kind, paths[0], paths[1], tuple(paths[2:]), speaks, thresholds, light=model.embedded)

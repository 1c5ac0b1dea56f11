"""Catalogue: every tagger that can be named, and how a name, or a folder on disk, becomes a tagger at hand."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from taggers.base import Vocabulary
from taggers.errors import UnknownTaggerError
from taggers.family import Family, Model
from taggers.folders import detect
from taggers.local_tagger import AtHand, families, family

HERE = Path(__file__).parent


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
        return detect(place, family(family_name) if family_name else None, _models_of(family_name))
    if place.is_file() and place.suffix == ".onnx":
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

"""A model folder on disk: which file is the graph, which the labels, and which family's rules they follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taggers.errors import BadModelError
from taggers.family import Family, Graph, Model
from taggers.local_tagger import AtHand, families


def detect(place: Path, given: Family | None = None, models: Sequence[Model] = (), model: Path | None = None) -> AtHand:
    """The tagger in a folder: by the family that was given, else the one that the graph and the labels suit.

    Raises BadModelError where a file is missing or no single family suits.
    """
    kinds = [given] if given else list(families().values())
    candidates = [(k, labels) for k in kinds if (labels := _labels(place, k)) is not None]
    if not candidates:
        wanted = sorted({f for k in kinds for f in k.label_files})
        raise BadModelError(f"{place}: no label file", f"expected one of {', '.join(wanted)} beside the model")
    if given:
        kind, labels = candidates[0]
        graph_file = model or _model(place, kind)
    else:
        graph_file = model or _any_model(place, [k for k, _ in candidates])
        kind, labels = _suiting(place, graph_file, candidates)
    extras = tuple(place / f for f in kind.extra_files if (place / f).is_file())
    return AtHand(place.name, kind, graph_file, labels, extras, kind.vocabulary, kind.limits(extras))


def _labels(place: Path, kind: Family) -> Path | None:
    return next((place / f for f in kind.label_files if (place / f).is_file()), None)


def _model(place: Path, kind: Family) -> Path:
    named = [place / f for f in kind.model_files if (place / f).is_file()]
    suffixes = {Path(f).suffix for f in kind.model_files}
    found = named or sorted(p for p in place.iterdir() if p.suffix in suffixes and p.is_file())
    if len(found) != 1 and not named:
        said = f"several models: {', '.join(p.name for p in found)}" if found else "no model file"
        raise BadModelError(f"{place}: {said}", f"expected {' or '.join(kind.model_files)}")
    return found[0]


def _any_model(place: Path, kinds: Sequence[Family]) -> Path:
    problem: BadModelError | None = None
    for kind in kinds:
        try:
            return _model(place, kind)
        except BadModelError as error:
            problem = problem or error
    raise problem or BadModelError(f"{place}: no model file")


def _suiting(place: Path, model: Path, candidates: Sequence[tuple[Family, Path]]) -> tuple[Family, Path]:
    graph = read_graph(model) if model.suffix == ".onnx" else None
    suiting = [(k, labels) for k, labels in candidates if k.suits(graph, labels)]
    if len(suiting) == 1:
        return suiting[0]
    said = "more than one family fits" if suiting else "no family fits the model and its labels"
    names = ", ".join(k.name for k, _ in suiting) or ", ".join(families())
    raise BadModelError(f"{place}: {said}", f"say which it is with the option family: {names}")


def read_graph(model: Path) -> Graph:
    """What the graph says of itself, without loading it where its file can be read so. Raises BadModelError."""
    from taggers import onnxfile

    try:
        inputs, outputs = onnxfile.declared(model)
    except (ValueError, OSError):
        from taggers.providers import session

        return Graph.of(session(model, "cpu"))
    return Graph.declared(inputs, outputs)

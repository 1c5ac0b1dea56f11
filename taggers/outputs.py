"""Outputs: which of a graph's outputs holds the scores."""

from __future__ import annotations

from taggers.errors import BadModelError
from taggers.family import Graph

PROBABILITIES = (
    "prediction",
    "output",
    "refined/output",
    "refined_predictions",
    "probabilities",
    "predictions_sigmoid",
)
LOGITS = ("logits", "refined/logits", "refined_logits")


def named(graph: Graph) -> tuple[str, bool]:
    """The output to fetch, and whether it holds logits. Raises BadModelError where no name is known."""
    names = [o.name for o in graph.outputs]
    for known, logits in ((PROBABILITIES, False), (LOGITS, True)):
        for name in known:
            if name in names:
                return name, logits
    if len(names) == 1:
        return names[0], False
    raise BadModelError(f"none of the outputs {', '.join(names)} is known to hold the scores")

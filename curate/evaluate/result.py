"""The result of an evaluation: scores, ranks, repetitions, and the LoRA that is recommended; as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LISTS, RESULT, PAGE, TABLE, PICTURES = "prompts.yaml", "evaluation.json", "evaluation.html", "scores.csv", "pictures"
"""What the folder of an evaluation holds; the lists lie beside it, for all evaluations."""


def evaluation_folder(lora: Path) -> Path:
    """Where the evaluation of a training is: beside its last LoRA file."""
    return lora.parent / "evaluation" / lora.stem


METRICS: Mapping[str, tuple[str, bool]] = {
    "cosine": ("likeness to the training pictures, average cosine", True),
    "distance": ("squared distance of the centroids", False),
    "prompt": ("likeness to the prompt", True),
    "vendi": ("different pictures of one prompt (Vendi)", True),
    "style": ("style loss against the base", False),
    "leak": ("leakage: nearer to the concept than the base's pictures are", False),
    "copies": ("share of pictures that repeat a training picture", False),
}
"""What is measured, in words, and whether more is better."""
Score = tuple[float, float]
"""A value and its standard error over the seeds."""


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of a column for a concept and a kind of prompts; `each` is the number of pictures of one prompt."""

    column: str
    concept: str
    kind: str
    pictures: int
    each: float
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class Repetition:
    """A drawn picture and the training picture that it repeats, both relative where they lie in their folders."""

    column: str
    concept: str
    picture: str
    training: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Example:
    """A drawn picture for the page."""

    column: str
    concept: str
    kind: str
    prompt: str
    picture: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation came to.

    columns      the base first; `files` the LoRA files behind the others, in order
    training     training pictures of each concept, and `thresholds` the cosine from which one counts as repeated
    ranks        of each LoRA by criterion, 0 to 1, and "mean"
    repeats      LoRAs that repeat training pictures, with the share of their pictures
    errors       half the width of each score's 95 % interval: the median over all rows
    recommended  a column; `reason` in sentences
    """

    identity: str
    base: str
    quick: bool
    count: int
    columns: tuple[str, ...]
    files: tuple[str, ...]
    companions: tuple[str, ...]
    training: Mapping[str, int]
    thresholds: Mapping[str, float]
    rows: tuple[Row, ...]
    ranks: Mapping[str, Mapping[str, float]]
    repeats: Mapping[str, float]
    repetitions: tuple[Repetition, ...]
    examples: tuple[Example, ...]
    errors: Mapping[str, float]
    recommended: str
    reason: str
    reach: str
    models: Mapping[str, str]

    def to_json(self) -> str:
        """The whole of it."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    def to_csv(self) -> str:
        """A line for each score."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["checkpoint", "concept", "prompts", "pictures", "measure", "value", "standard_error"])
        for row in self.rows:
            for metric, (value, error) in row.scores.items():
                table.writerow([row.column, row.concept, row.kind, row.pictures, metric, value, error])
        return text.getvalue()


def read(path: Path) -> Evaluation | None:
    """The result in a file; None where there is none, or none that this version wrote."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        scored: list[dict[str, Any]] = [
            {**row, "scores": {k: tuple(v) for k, v in row["scores"].items()}} for row in found["rows"]
        ]
        values: dict[str, Any] = {
            **found,
            **{name: tuple(found[name]) for name in ("columns", "files", "companions")},
            "rows": tuple(Row(**row) for row in scored),
            "repetitions": tuple(Repetition(**one) for one in found["repetitions"]),
            "examples": tuple(Example(**one) for one in found["examples"]),
        }
        return Evaluation(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None

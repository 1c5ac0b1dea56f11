"""Label files: which output of a model is which tag, and of which category."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from taggers.errors import BadModelError

DANBOORU = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta", 9: "rating"}
"""Danbooru's category numbers, with 9 as tagger label files use it."""

E621 = {
    **{0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "species"},
    **{6: "invalid", 7: "meta", 8: "lore", 9: "rating"},
}
"""e621's category numbers, likewise."""


@dataclass(frozen=True, slots=True)
class Labels:
    """One name and category for each output, in output order.

    An output without a tag (a placeholder) has an empty name. `best` holds thresholds that the model ships by
    tag, `copyrights` the works that a character belongs to.
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]
    best: Mapping[str, float]
    copyrights: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.names)


def canonical(name: str) -> str:
    """A tag as the sites write it: underscores, no surrounding space."""
    return "_".join(name.split())


def rating(name: str) -> str:
    """A rating without the prefix that some models put before it."""
    return name.removeprefix("rating:").removeprefix("rating_")


def labels(
    names: Iterable[str],
    categories: Iterable[str],
    best: Mapping[str, float] | None = None,
    copyrights: Mapping[str, tuple[str, ...]] | None = None,
) -> Labels:
    """Labels from plain values, names made canonical."""
    kinds = tuple(categories)
    plain = (canonical(n) for n in names)
    return Labels(
        tuple(rating(n) if c == "rating" else n for n, c in zip(plain, kinds, strict=True)),
        kinds,
        best or {},
        copyrights or {},
    )


def from_csv(path: Path, numbers: Mapping[int, str] = DANBOORU, *, category: str = "category") -> Labels:
    """Reads `…,name,category,…` rows in output order; empty lines are no rows, rows of empty cells are placeholders.

    Optional columns: `best_threshold` (a threshold of the tag's own) and `ips` (a JSON list of copyrights).
    Raises BadModelError naming file and line for a missing column, a row without a name or an unknown category.
    """
    with _text(path) as file:
        rows = csv.DictReader(file)
        missing = {"name", category} - set(rows.fieldnames or ())
        if missing:
            raise BadModelError(
                f"{path}: column {', '.join(sorted(missing))} is missing "
                f"(found: {', '.join(rows.fieldnames or ('nothing',))})",
                "a label file has one row per output with at least the columns name and category",
            )
        found = [(rows.line_num, row) for row in rows]
    names: list[str] = []
    kinds: list[str] = []
    best: dict[str, float] = {}
    copyrights: dict[str, tuple[str, ...]] = {}
    for line, row in found:
        name = canonical(row["name"] or "")
        if not any(value.strip() for value in row.values() if isinstance(value, str)):
            names.append("")
            kinds.append("")
            continue
        if not name:
            raise BadModelError(f"{path}:{line}: a row without a name", "the file is damaged; fetch it again")
        kinds.append(_category(row[category] or "", numbers, f"{path}:{line}"))
        name = rating(name) if kinds[-1] == "rating" else name
        names.append(name)
        if row.get("best_threshold"):
            best[name] = float(row["best_threshold"])
        if row.get("ips") and row["ips"] not in ("[]", ""):
            copyrights[name] = tuple(canonical(i) for i in json.loads(row["ips"]))
    if not any(names):
        raise BadModelError(f"{path}: no labels in it")
    return Labels(tuple(names), tuple(kinds), best, copyrights)


def categories(path: Path, column: str = "category") -> frozenset[str]:
    """The category numbers that occur in a label file, as they are written. Raises BadModelError."""
    with _text(path) as file:
        return frozenset((row.get(column) or "").strip() for row in csv.DictReader(file))


def columns(path: Path) -> tuple[str, ...]:
    """The column names of a csv label file. Raises BadModelError."""
    with _text(path) as file:
        return tuple(csv.DictReader(file).fieldnames or ())


def read_json(path: Path) -> Any:
    """A JSON label file's content. Raises BadModelError."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise BadModelError(f"{path}: not readable as JSON ({error})") from error


def fit(path: Path, labels: Labels, outputs: int) -> Labels:
    """The labels as they belong to a graph of that many outputs.

    Blank rows are placeholders where that makes the counts agree, and no rows where leaving them out does. Raises
    BadModelError where the label file and the graph do not belong together.
    """
    if len(labels) == outputs:
        return labels
    live = [i for i, name in enumerate(labels.names) if name]
    if len(live) == outputs:
        return replace(
            labels, names=tuple(labels.names[i] for i in live), categories=tuple(labels.categories[i] for i in live)
        )
    raise BadModelError(
        f"{path} has {len(live)} labels, the model has {outputs} outputs",
        "model and label file must come from the same release; fetch both again",
    )


def _text(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise BadModelError(f"{path}: cannot be read ({error.strerror})") from error


def _category(value: str, numbers: Mapping[int, str], where: str) -> str:
    value = value.strip()
    if value in numbers.values():
        return value
    if value.lstrip("-").isdigit() and int(value) in numbers:
        return numbers[int(value)]
    known = ", ".join(f"{n} {c}" for n, c in numbers.items())
    raise BadModelError(f'{where}: unknown category "{value}"', f"known are: {known}")

"""Summary file: the figures of the last run or command, and what the user said of concepts and of the training."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curate.core.concept import Concept
from curate.core.files import write_text
from curate.core.store import LEDGER, SUMMARY

_CONCEPTS, _TRAINING = "concept_settings", "training_options"


def summary_path(folder: Path) -> Path:
    """The file of a prepared folder."""
    return folder / LEDGER / SUMMARY


def read_summary(path: Path) -> dict[str, Any]:
    """What the file holds; nothing without one."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(path.read_text(encoding="utf-8")))
    return {}


def write_summary(
    path: Path, figures: Mapping[str, Any], concepts: Mapping[str, Concept] | None, training: Mapping[str, Any] | None
) -> None:
    """Writes the figures, with what was said of concepts and of the training that follows; None keeps what is there."""
    before = read_summary(path)
    said = before.get(_CONCEPTS, {})
    if concepts is not None:
        said = {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in concepts.items()}
    planned = before.get(_TRAINING, {}) if training is None else dict(training)
    values = {**figures, _CONCEPTS: said, _TRAINING: planned}
    write_text(path, json.dumps(values, ensure_ascii=False, indent=1), sync=False)


def concept_settings(summary: Mapping[str, Any]) -> dict[str, Concept]:
    """What the user said of each concept; nothing where an older version wrote the file."""
    with contextlib.suppress(ValidationError):
        return {name: Concept.model_validate(said) for name, said in summary.get(_CONCEPTS, {}).items()}
    return {}


def planned_training(folder: Path) -> dict[str, Any]:
    """The options of the training that the last pipeline of a prepared folder plans, trained yet or not."""
    return dict(read_summary(summary_path(folder)).get(_TRAINING, {}))

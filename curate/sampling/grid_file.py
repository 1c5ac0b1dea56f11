"""Grids on disk: where they are, and what their index says; read without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.sampling.settings import PictureSettings

PICTURES, SHEET, INDEX, PAGE = "pictures", "grid.png", "grid.json", "grid.html"
"""What a grid's folder holds."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid that was drawn: the files by row and column, relative to the grid's folder."""

    base: str
    columns: tuple[str, ...]
    rows: tuple[PictureSettings, ...]
    files: tuple[tuple[str, ...], ...]


def grid_folder(lora: Path) -> Path:
    """Where the grid of a training is: beside its last LoRA file."""
    return lora.parent / "grid" / lora.stem


def read(folder: Path) -> Grid | None:
    """The grid of a folder; None where there is none, or none that can be read."""
    try:
        found: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        rows = tuple(PictureSettings(**row) for row in found["rows"])
        return Grid(found["base"], tuple(found["columns"]), rows, tuple(map(tuple, found["files"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def row_label(row: PictureSettings) -> str:
    """What a row shows."""
    return f"{row.prompt or 'no prompt'}\nseed {row.seed}"

"""Grids: the base alone, then LoRAs and their strengths, side by side; prompts and seeds one below the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from curate import names
from curate.core.files import remove_leftovers, write_bytes, write_text
from curate.sampling import labelled
from curate.sampling.emphasis import plain
from curate.sampling.grid_file import INDEX, PICTURES, SHEET, Grid, row_label
from curate.sampling.loras import LoraStrength, scaled
from curate.sampling.pictures import Drawn, Pictures, Request
from curate.sampling.settings import PictureSettings

_SLUG = 32


@dataclass(frozen=True, slots=True)
class Column:
    """What the pictures of a column are drawn with; nothing but the base where `loras` is empty."""

    label: str
    loras: tuple[LoraStrength, ...] = ()


def columns_of(loras: Sequence[LoraStrength], strengths: Sequence[float]) -> list[Column]:
    """The base alone, then each LoRA at each strength, which multiplies its own."""
    found = [Column("without LoRA")]
    for lora in loras:
        for strength in dict.fromkeys(strengths):
            one = scaled(lora, strength)
            found.append(Column(f"{lora.name}\nstrength {_strength(one)}", (one,)))
    return found


def evenly(loras: Sequence[LoraStrength], count: int | None) -> list[LoraStrength]:
    """So many of them, evenly spread, the last one among them; all without a number."""
    if count is None or count >= len(loras):
        return list(loras)
    return [loras[len(loras) - 1 - round(n * (len(loras) - 1) / max(1, count - 1))] for n in reversed(range(count))]


def requests_of(columns: Sequence[Column], rows: Sequence[PictureSettings]) -> list[Request]:
    """The pictures of a grid, column by column: LoRAs are exchanged as rarely as can be."""
    return [Request(_name(column, row), row, column.loras) for column in columns for row in rows]


def draw(
    pictures: Pictures, columns: Sequence[Column], rows: Sequence[PictureSettings], folder: Path
) -> Iterator[Drawn]:
    """Draws what is missing of a grid's pictures into its folder."""
    remove_leftovers(folder)
    return pictures.write(requests_of(columns, rows), folder / PICTURES)


def finish(
    base: str, columns: Sequence[Column], rows: Sequence[PictureSettings], drawn: Sequence[Path], folder: Path
) -> Grid:
    """The grid of pictures that were drawn, with its labelled sheet and its index written."""
    height = len(rows)
    names_of = [path.relative_to(folder).as_posix() for path in drawn]
    by_row = tuple(tuple(names_of[c * height + r] for c in range(len(columns))) for r in range(height))
    grid = Grid(base, tuple(column.label for column in columns), tuple(rows), by_row)
    sheet = labelled.sheet(
        list(grid.columns), [row_label(row) for row in rows], [[folder / f for f in row] for row in by_row]
    )
    write_bytes(folder / SHEET, sheet)
    write_text(folder / INDEX, json.dumps(asdict(grid), ensure_ascii=False, indent=1))
    return grid


def _name(column: Column, row: PictureSettings) -> str:
    slug = names.safe(" ".join(plain(row.prompt).split())[:_SLUG]).strip(" ._") or "picture"
    return names.safe(f"{slug}-{row.seed} " + column.label.replace("\nstrength ", "@"))


def _strength(lora: LoraStrength) -> str:
    own = f"{lora.strength:g}"
    return own if lora.text_strength == lora.strength else f"{own} (text {lora.text_strength:g})"

"""Tables in plain text: what a stage has found, in columns that line up whatever the names in them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from curate.core.stage import Findings
from curate.core.visible import visible


def as_text(findings: Findings) -> str:
    """The tables and closing lines as text, an empty line between them."""
    blocks = [table(rows) for rows in findings.tables if len(rows) > 1]
    return "\n\n".join([*blocks, "\n".join(visible(line) for line in findings.closing)]).rstrip()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Headings and rows in columns; columns of numbers stand to the right. The last column runs on as it is."""
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = [max(cell_len(row[n]) for row in cells) for n in range(len(cells[0]))]
    right = [all(row[n].replace(",", "").isdigit() for row in cells[1:]) for n in range(len(widths))]
    return "\n".join("  ".join(map(_padded, row, widths, right)).rstrip() for row in cells)


def _padded(cell: str, width: int, right: bool) -> str:
    gap = " " * (width - cell_len(cell))
    return gap + cell if right else cell + gap

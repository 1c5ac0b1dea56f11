"""What the commands print: tables and bars for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from curate.core.counting import counted
from curate.core.visible import visible
from curate.lora.check import Checked
from curate.lora.info import Info
from curate.lora.resize import Resized, Row

BAR = 40
MIB = 1 << 20


def info_table(info: Info) -> Iterator[RenderableType]:
    """A file's page."""
    yield _text(info.path, "bold")
    rows = Table.grid(padding=(0, 2))
    for label, value in _facts(info):
        rows.add_row(_text(label, "dim"), _text(value))
    yield rows
    if info.blocks:
        yield Text("\nnorm of the change, by block", "bold")
        most = max(norm for _, norm in info.blocks) or 1.0
        bars = Table.grid(padding=(0, 1))
        for label, norm in info.blocks:
            bars.add_row(_text(label), Bar(most, 0, norm, width=BAR), _text(f"{norm:.3g}"))
        yield Padding(bars, (0, 0, 0, 2))
    if info.unmeasured:
        yield _text(f"{counted(info.unmeasured, 'layer')} could not be measured: --base may help", "dim")
    if info.words:
        yield Text("\nmetadata", "bold")
        words = Table.grid(padding=(0, 2))
        for label, value in info.words:
            words.add_row(_text(f"  {label}", "dim"), _text(value))
        yield words
    if info.tags:
        yield Text("\nfrequent tags: " + visible(", ".join(f"{tag} ({count})" for tag, count in info.tags)))


def _text(value: str, style: str = "") -> Text:
    """What a file says may be anything."""
    return Text(visible(value), style)


def _facts(info: Info) -> Iterator[tuple[str, str]]:
    algorithms = ", ".join(f"{title} ({count})" for title, count in info.algorithms.items())
    yield "family", info.family or "unknown"
    yield "algorithm", algorithms
    yield (
        "layers",
        ", ".join(f"{part} {count}" for part, count in info.parts.items()) or str(sum(info.algorithms.values())),
    )
    if info.ranks:
        shown = [f"{r}/{'-' if a is None else f'{a:g}'} ({count})" for (r, a), count in info.ranks.items()]
        more = f" … and {len(shown) - 6} more" if len(shown) > 6 else ""
        yield "rank/alpha", ", ".join(shown[:6]) + more
    yield "precision", ", ".join(info.dtypes)
    yield "names of", info.spelling
    yield "size", f"{info.size / MIB:.2f} MiB"
    for one in info.hashes:
        yield "SHA-256", one.sha256
        yield "AutoV2, AutoV3", f"{one.auto_v2}, {one.auto_v3}" + ("" if one.fits else " (not as the metadata say)")
        yield "legacy hash", one.legacy
    if info.unknown:
        yield "of no layer", counted(len(info.unknown), "key")


def check_table(checked: Checked) -> Iterator[RenderableType]:
    """What programs make of a file, and its problems."""
    mark = "[ok]" if checked.passed else "[lost]"
    yield _text(f"{mark} {checked.path}" + (f": {checked.family}" if checked.family else ""), "bold")
    rows = Table.grid(padding=(0, 2))
    for one in checked.verdicts:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in one.reasons.items())
        rows.add_row(_text(f"  {one.reader.title}", "dim"), _text(one.text), _text(reasons, "dim"))
    if checked.verdicts:
        yield rows
    for problem in checked.problems:
        names = ", ".join(problem.where) + (" …" if problem.count > len(problem.where) else "")
        count = f" ({problem.count}: {names})" if problem.count else ""
        yield _text(f"  {'problem' if problem.loses else 'note'}: {problem.message}{count}")
        if problem.remedy:
            yield _text(f"    {problem.remedy}", "dim")


def rows_table(rows: Sequence[Row]) -> Table:
    """What each layer kept."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("layer", overflow="fold")
    for column in ("from", "rank", "kept", "sum", "error", "of the base"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        base = "" if row.base_error is None else f"{row.base_error:.3%}"
        rank = str(row.rank) if row.rank else "full"
        values = (row.layer, row.algorithm, rank, str(row.kept), f"{row.share:.1%}", f"{row.error:.2%}", base)
        table.add_row(*map(_text, values))
    return table


def resized_line(done: Resized) -> str:
    """One line on a written file."""
    ranks = [row.kept for row in done.rows if row.kept]
    threshold = "" if done.threshold is None else f", threshold {done.threshold:.3f}"
    return (
        f"wrote {done.path}: {counted(len(ranks), 'layer')}, ranks {min(ranks)} to {max(ranks)}, "
        f"{done.size / MIB:.2f} MiB, error {done.error:.2%}{threshold}"
    )


def show(parts: Iterator[RenderableType]) -> None:
    """Prints to stdout."""
    console = Console(soft_wrap=True, highlight=False)
    for part in parts:
        console.print(part)

"""Balance checks: concepts that are shown much more often than others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from curate.checks.findings import Finding, Place, Skipped
from curate.checks.folder import CheckedFolder
from curate.checks.settings import Settings, command

MOST_APART = 2.5
"""Times that one concept may be shown as often as another: a weight of one half, and what rounding adds to it."""


def check(folder: CheckedFolder, settings: Settings) -> Iterator[Finding | Skipped]:
    """The finding."""
    pictures = Counter(p.subset.name for p in folder.own)
    repeats = {s.name: s.repeats for s in folder.subsets}
    shown = {name: count * repeats[name] for name, count in pictures.items()}
    if len(shown) < 2:
        return
    words = {s.name: s.words for s in folder.subsets}
    wanted = {name: count / settings.weights.get(words[name], 1.0) for name, count in shown.items()}
    most, least = max(wanted, key=lambda n: wanted[n]), min(wanted, key=lambda n: wanted[n])
    if wanted[most] <= MOST_APART * wanted[least]:
        return
    rows = tuple(
        Place(name, f"{pictures[name]} × {repeats[name]} = {shown[name]} per epoch")
        for name in sorted(shown, key=lambda n: (-shown[n], n))
    )
    times, by = wanted[most] / wanted[least], " for its weight" if len(set(settings.weights.values())) > 1 else ""
    often = f"{most} is shown {times:.1f} times as often as {least} in each epoch{by}"
    yield Finding(
        "balance",
        f"{often}: one overtrains, the other stays weak",
        f"{command(folder, 'balance')} chooses repeats that show all concepts equally often",
        rows,
    )

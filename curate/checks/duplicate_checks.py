"""Duplicate checks: a picture that is there twice, in two concepts, or trained and validated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from curate.checks.findings import Finding, Place, Skipped
from curate.checks.folder import CheckedFolder
from curate.checks.settings import Settings, command
from curate.core.counting import counted

Pair = tuple[str, str, bool]
"""A picture, the one that it is the same as, and whether they are equal to the pixel."""


def check(folder: CheckedFolder, settings: Settings) -> Iterator[Finding | Skipped]:
    """The findings; skipped where no picture was opened."""
    if not settings.measured:
        yield Skipped("duplicates", "the pictures were not opened", command(folder, "check"))
        return
    named = {name for one, (other, _) in settings.duplicates.items() for name in (one, other)}
    by_name = {name: p for p in folder.pictures if (name := p.name) in named} if named else {}
    within: list[Pair] = []
    across: list[Pair] = []
    overlap: list[Pair] = []
    for name, (other, equal) in sorted(settings.duplicates.items()):
        one, two = by_name[name], by_name[other]
        pair = (name, other, equal)
        if one.role != two.role and "validation" in (one.role, two.role):
            overlap.append(pair if one.role == "validation" else (other, name, equal))
        elif one.role == two.role == "train" and one.subset.name == two.subset.name:
            within.append(pair)
        elif "train" in (one.role, two.role):
            across.append(pair)
    yield from _findings(folder, within, across, overlap)


def _findings(
    folder: CheckedFolder, within: Sequence[Pair], across: Sequence[Pair], overlap: Sequence[Pair]
) -> Iterator[Finding]:
    remedy = f"{command(folder, 'dedupe')} keeps the best copy of each"
    if within:
        which = counted(len(within), "picture is", "pictures are")
        effect = "a copy is learned twice as strongly"
        yield Finding("duplicates", f"{which} in the same folder more than once: {effect}", remedy, _places(within))
    if across:
        which = counted(len(across), "picture is", "pictures are")
        effect = "the concepts run into each other"
        yield Finding(
            "duplicates-across",
            f"{which} in two folders: {effect}",
            f"delete it where it does not belong; {remedy}",
            _places(across),
        )
    if overlap:
        which = counted(len(overlap), "validation picture is", "validation pictures are")
        yield Finding(
            "validation-overlap",
            f"{which} trained as well: the validation loss looks better than it is",
            "delete them from one of the two folders",
            _places(overlap),
        )


def _places(pairs: Sequence[Pair]) -> tuple[Place, ...]:
    return tuple(
        Place(name, f"{'equal to' if equal else 'nearly the same as'} {other}", name) for name, other, equal in pairs
    )

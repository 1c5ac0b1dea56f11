"""Picture checks: files that cannot be opened, formats, sizes, transparency, shared stems, refusals of AI training."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from curate.checks.findings import Finding, Place, Skipped, places
from curate.checks.folder import CheckedFolder, CheckedPicture
from curate.checks.settings import Settings, command
from curate.core.counting import counted
from curate.train.data.buckets import Fit
from curate.train.planning.preflight import MOST_CUT, MOST_ENLARGED, cut_off

SMALLEST = 64
"""Pixels of a shorter side below which kohya's bucket_no_upscale makes a bucket of 0."""
MOST_ASPECT = 4
"""The aspect ratio of the longest bucket: half the resolution by twice the resolution."""


def check(folder: CheckedFolder, settings: Settings) -> Iterator[Finding | Skipped]:
    """The findings."""
    yield from _names(folder)
    if not settings.measured:
        yield Skipped("unreadable", "the pictures were not opened", command(folder, "check"))
        return
    yield from _contents(folder)
    yield from _sizes(folder, settings)


def _names(folder: CheckedFolder) -> Iterator[Finding]:
    if folder.deeper:
        which = counted(len(folder.deeper), "picture lies", "pictures lie")
        yield Finding(
            "deeper-pictures",
            f"{which} in folders inside a concept's folder: trainers do not look there",
            "move them up into the concept's folder",
            tuple(Place(name, picture=name) for name in folder.deeper),
        )
    odd = [p for p in folder.pictures if not p.is_readable_format]
    if odd:
        which = counted(len(odd), "picture is", "pictures are")
        yield Finding(
            "format",
            f"{which} of a format that trainers skip without a word",
            f"{command(folder, 'convert')} makes PNG of all pictures",
            places((p.name, "") for p in odd),
        )
    yield from _shared(folder)


def _shared(folder: CheckedFolder) -> Iterator[Finding]:
    # by the hashes of their stems first: of a million pictures few share one
    hashes = np.fromiter((hash((p.subset.name, _stem(p))) for p in folder.pictures), np.int64, len(folder.pictures))
    values, counts = np.unique(hashes, return_counts=True)
    groups: dict[tuple[str, str], list[CheckedPicture]] = {}
    for number in np.flatnonzero(np.isin(hashes, values[counts > 1])).tolist():
        one = folder.pictures[number]
        groups.setdefault((one.subset.name, _stem(one)), []).append(one)
    shared = [group for group in groups.values() if len(group) > 1]
    if shared:
        number = sum(map(len, shared))
        yield Finding(
            "shared-caption",
            f"{counted(number, 'picture')} share their caption file with another: they differ in the ending alone",
            f"rename one of each with a caption of its own; {command(folder, 'convert')} does so",
            places((p.name, "") for group in shared for p in group),
        )


def _stem(picture: CheckedPicture) -> str:
    return os.path.splitext(picture.file)[0].casefold()  # noqa: PTH122 – of many thousands of names


def _contents(folder: CheckedFolder) -> Iterator[Finding]:
    readable = [p for p in folder.pictures if not p.error]
    broken = [p for p in folder.pictures if p.error]
    if broken:
        which = counted(len(broken), "picture cannot be opened", "pictures cannot be opened")
        yield Finding(
            "unreadable",
            f"{which}: a trainer stops in the middle of the run, or skips it without a word",
            f"delete them or get them again; {command(folder, 'convert')} leaves them out and says why",
            places((p.name, p.error) for p in broken),
        )
    refused = [p for p in readable if p.facts.get("consent", [""])[0] == "refused"]
    if refused:
        which = counted(len(refused), "picture is", "pictures are")
        yield Finding(
            "consent",
            f"{which} marked 'no AI training' by the author",
            "leave them out, or ask the author",
            places((p.name, p.facts["consent"][1]) for p in refused),
        )
    yield from _listed(
        "transparent",
        [p for p in readable if p.facts.get("had_alpha")],
        "has transparency",
        "have transparency",
        "some trainers show the hidden colors under it",
        f"{command(folder, 'convert', '--background white')} puts them on white",
    )
    yield from _listed(
        "animated",
        [p for p in readable if p.facts.get("animated")],
        "is an animation",
        "are animations",
        "trainers take the first frame",
        f"{command(folder, 'convert')} keeps the first frame, or with --frames more",
    )


def _listed(
    check: str, pictures: Sequence[CheckedPicture], singular: str, plural: str, effect: str, remedy: str
) -> Iterator[Finding]:
    if pictures:
        which = counted(len(pictures), f"picture {singular}", f"pictures {plural}")
        yield Finding(check, f"{which}: {effect}", remedy, places((p.name, "") for p in pictures))


def _sizes(folder: CheckedFolder, settings: Settings) -> Iterator[Finding]:
    fitting = settings.fitting
    sized = [p for p in folder.trained if p.width]
    tiny = [p for p in sized if min(p.width, p.height) < SMALLEST]
    if tiny:
        which = counted(len(tiny), "picture is", "pictures are")
        yield Finding(
            "tiny",
            f"{which} less than {SMALLEST} pixels wide or high: training may fail or give a loss of NaN",
            "use larger files, or leave them out",
            places((p.name, f"{p.width}x{p.height}") for p in tiny),
        )
    left = [p for p in sized if min(p.width, p.height) >= SMALLEST]
    long = [p for p in left if _is_long(p)]
    if long:
        which = counted(len(long), "picture is", "pictures are")
        yield Finding(
            "aspect",
            f"{which} more than {MOST_ASPECT} times as long as wide: no bucket fits, and most of it is cut off",
            f"crop them; {command(folder, 'crop', '--aspect 3')} cuts them to 3:1",
            places((p.name, f"{p.width}x{p.height}") for p in long),
        )
    fits = ((p, fitting.of_size(p.width, p.height)) for p in left if not _is_long(p))
    yield from _fits(folder, [(p, f) for p, f in fits if _is_enlarged(p, f) or _is_cropped(f)], fitting.resolution)


def _is_long(picture: CheckedPicture) -> bool:
    return max(picture.width, picture.height) > MOST_ASPECT * min(picture.width, picture.height)


def _fits(folder: CheckedFolder, fits: Sequence[tuple[CheckedPicture, Fit]], resolution: int) -> Iterator[Finding]:
    enlarged = [(p, f) for p, f in fits if _is_enlarged(p, f)]
    if enlarged:
        which = counted(len(enlarged), "picture is", "pictures are")
        yield Finding(
            "enlarged",
            f"{which} enlarged more than {MOST_ENLARGED} times to train at {resolution}: the result will be soft",
            f"use larger files, leave them out, or {command(folder, 'upscale')}",
            places((p.name, f"{p.width}x{p.height} to {f.scaled[0]}x{f.scaled[1]}") for p, f in enlarged),
        )
    cropped = [(p, f) for p, f in fits if _is_cropped(f)]
    if cropped:
        which = counted(len(cropped), "picture loses", "pictures lose")
        yield Finding(
            "cropped",
            f"{which} more than a third to its bucket",
            "crop them yourself, or allow longer buckets with --bucket-max in training",
            places((p.name, f"{p.width}x{p.height}, {cut_off(f):.0%} cut off") for p, f in cropped),
        )


def _is_enlarged(picture: CheckedPicture, fit: Fit) -> bool:
    return fit.scaled[0] / picture.width > MOST_ENLARGED


def _is_cropped(fit: Fit) -> bool:
    return cut_off(fit) > MOST_CUT

"""Mask checks: masks without picture, pictures without mask, masks of another shape, black masks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from curate.checks.findings import Finding, Place, Skipped
from curate.checks.folder import CheckedFolder, CheckedMask, CheckedPicture
from curate.checks.settings import Settings
from curate.core.counting import counted

_APART = 0.02
"""Share by which the aspect ratios of a mask and its picture may differ: less is rounding."""


_CALLED = re.compile(r"(.+)[-_. ]mask", re.IGNORECASE)


def check(folder: CheckedFolder, settings: Settings) -> Iterator[Finding | Skipped]:
    """The findings."""
    yield from _missing(folder)
    yield from _trained(folder)
    if settings.measured and (masks := [m for m in folder.masks if m.picture]):
        yield from _contents(masks, {p.name: p for p in folder.pictures})


def _missing(folder: CheckedFolder) -> Iterator[Finding]:
    alone = [m for m in folder.masks if not m.picture]
    if alone:
        which = counted(len(alone), "mask fits", "masks fit")
        yield Finding(
            "mask-alone",
            f"{which} no picture: it does nothing" if len(alone) == 1 else f"{which} no picture: they do nothing",
            "the mask of 10_dog/a.jpg is masks/10_dog/a.png or 10_dog/a-masklabel.png: rename or delete it",
            tuple(Place(m.name) for m in alone),
        )
    masked = {p.subset.name for p in folder.own if p.mask}
    without = [p for p in folder.own if p.subset.name in masked and not p.mask]
    if without:
        which = counted(len(without), "picture has", "pictures have")
        yield Finding(
            "mask-missing",
            f"{which} no mask, and others of the folder have one: the whole picture is learned; kohya's trainer stops",
            "draw the mask, or a white one where all of the picture counts",
            tuple(Place(p.name, picture=p.name) for p in without),
        )


def _trained(folder: CheckedFolder) -> Iterator[Finding]:
    named = [(p, match[1]) for p in folder.own if (match := _CALLED.fullmatch(str(PurePath(p.name).with_suffix(""))))]
    stems = {str(PurePath(p.name).with_suffix("")) for p in folder.own} if named else set[str]()
    if masks := [p for p, stem in named if stem in stems]:
        which = counted(len(masks), "mask lies", "masks lie")
        yield Finding(
            "mask-as-picture",
            f"{which} among the pictures, by the name, and {'is' if len(masks) == 1 else 'are'} trained as a picture",
            "the mask of 10_dog/a.jpg is masks/10_dog/a.png or 10_dog/a-masklabel.png: move or rename it",
            tuple(Place(p.name, picture=p.name) for p in masks),
        )


def _contents(masks: list[CheckedMask], by_name: dict[str, CheckedPicture]) -> Iterator[Finding]:
    broken = [m for m in masks if m.error]
    if broken:
        which = counted(len(broken), "mask cannot be opened", "masks cannot be opened")
        yield Finding(
            "mask-unreadable",
            f"{which}: training stops, or leaves the picture out",
            "save it again as PNG, or delete it",
            tuple(Place(m.name, m.error, m.picture) for m in broken),
        )
    black = [m for m in masks if m.brightest == 0]
    if black:
        which = counted(len(black), "mask is", "masks are")
        yield Finding(
            "mask-black",
            f"{which} black all over: nothing is learned from the picture",
            "paint white what counts; in most programs white is learned, in some the mask is meant the other way round",
            tuple(Place(m.name, picture=m.picture) for m in black),
        )
    odd = [(m, p) for m in masks if m.width and (p := by_name[m.picture]).width and not _fits(m, p)]
    if odd:
        which = counted(len(odd), "mask has", "masks have")
        yield Finding(
            "mask-shape",
            f"{which} another shape than the picture: it covers the wrong parts",
            "draw it again at the size of the picture; was the picture cropped or turned since?",
            tuple(Place(m.name, f"{m.width}x{m.height}, picture {p.width}x{p.height}", m.picture) for m, p in odd),
        )


def _fits(mask: CheckedMask, picture: CheckedPicture) -> bool:
    one, other = mask.width / mask.height, picture.width / picture.height
    return abs(one / other - 1) <= _APART or (mask.width, mask.height) == (picture.width, picture.height)

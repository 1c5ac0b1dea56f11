"""Badges: what a person wants to know of a picture at a glance, read off its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from curate.core.counting import counted
from curate.core.record import Record

_FAULTS = {
    "aspect": "wide or tall",
    "blank": "blank",
    "blocks": "JPEG blocks",
    "blur": "blurred",
    "border": "border",
    "damaged": "damaged",
    "enlarged": "enlarged",
    "noise": "noisy",
    "small": "small",
}
"""The faults of `inspect` in a word or two."""


@dataclass(frozen=True, slots=True)
class Badge:
    """A word or two, the whole reason, and whether something is to be done.

    `kind` is what such badges of several pictures have in common, "" where that is the word.
    """

    word: str
    reason: str = ""
    warns: bool = False
    kind: str = ""


def faults(record: Record) -> Mapping[str, str]:
    """Why the picture needs editing, by fault; empty where it does not or where `inspect` was not asked."""
    return record.facts.get("faults") or {}


def fault_word(fault: str) -> str:
    """A fault in a word or two."""
    return _FAULTS.get(fault, fault)


def badges(record: Record, duplicates: int = 0, *, by_tags: bool = False) -> Iterator[Badge]:
    """The badges of a picture, what needs a person first; `duplicates` of it were set aside.

    `by_tags` says that an edited caption is as `curate tags` left it.
    """
    facts = record.facts
    if record.aside:
        yield Badge("set aside", record.aside, warns=True)
    if found := faults(record):
        yield Badge("needs editing", "; ".join(found.values()), warns=True)
        for fault, reason in found.items():
            yield Badge(fault_word(fault), reason, warns=True)
    if facts.get("lowres"):
        yield Badge("too small", "smaller than the training resolution, and not enlarged", warns=True)
    for fact in ("consent", "unchecked"):
        if facts.get(fact):
            yield Badge("included by consent:", str(facts[fact]), warns=True, kind="included by consent")
    if record.edited is not None and by_tags:
        yield Badge("edited", "you changed its caption with `curate tags`")
    elif record.edited is not None:
        yield Badge("edited by hand", "you wrote its caption")
    yield from _changes(record)
    if duplicates:
        yield Badge(counted(duplicates, "duplicate"), "set aside in favor of this one", kind="has duplicates")
    if record.repeats > 1:
        yield Badge(f"{record.repeats:,} repeats", "how often an epoch shows it", kind="repeated")


def _changes(record: Record) -> Iterator[Badge]:
    """What stages did to the picture."""
    facts = record.facts
    if facts.get("crop"):
        yield Badge("cropped")
    if facts.get("flipped"):
        yield Badge("mirrored")
    if facts.get("view"):
        yield Badge("part", f"part {facts['view']} of {facts.get('views', '?')} of a picture that was split")
    denoised, upscaled = facts.get("denoise"), facts.get("upscaled")
    if isinstance(denoised, Mapping) and denoised.get("done"):
        yield Badge("cleaned", f"noise taken out with {', '.join(denoised.get('methods', ()))}")
    if isinstance(upscaled, Mapping):
        sizes = ("×".join(map(str, upscaled.get(name, ()))) for name in ("from", "to"))
        yield Badge("upscaled", f"{' to '.join(sizes)} with {upscaled.get('model', '')}")
    if record.mask:
        yield Badge("mask", "a mask says which part of it is trained")

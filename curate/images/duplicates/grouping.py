"""Which pictures of a set are duplicates of which, from what is alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from curate.core.record import FINGERPRINT, Manifest, Record
from curate.core.scores import Scores
from curate.images.duplicates.keeper import Rule, keeper

FACT = "alike"
"""Fact of the first by name of alike pictures: key of each other one -> [correlation, share]."""

LEADS = "leads"
"""Fact of a picture with which those of a crowd were compared, in place of each with every other."""

Match = tuple[float, float]
"""How well a copy correlates with the picture that stays, and the share of the larger one's side that both show."""

Copies = list[tuple[Record, Match]]


def is_compared(record: Record) -> bool:
    """Whether a record takes part in the search and in the choice."""
    return not record.aside and FINGERPRINT in record.facts


def alike_records(manifest: Manifest) -> dict[str, Record]:
    """The records that are alike to others, by key: without scores and hashes, which take most of their memory."""
    keys: set[str] = set()
    for record in manifest:
        if FACT in record.facts:
            keys.update((record.key, *record.facts[FACT]))
    return {r.key: _slim(r) for r in manifest if r.key in keys and is_compared(r)}


def _slim(record: Record) -> Record:
    own = {name: value for name, value in record.facts[FINGERPRINT].items() if name not in ("whole", "parts")}
    return dataclasses.replace(record, scores=Scores(), facts={**record.facts, FINGERPRINT: own})


def choose(records: Mapping[str, Record], rule: Rule) -> Iterator[tuple[Record, Copies]]:
    """Each picture that stays in place of others, with those.

    A duplicate is alike to the picture that stays itself, not to another duplicate: a chain would drift from picture
    to picture. In a crowd both may be alike to the one that leads it. Pictures equal to the pixel share one fate.
    """
    equal, near = _edges(records)
    for group in _groups(near, equal):
        yield from _of_group({key: records[key] for key in group}, near, equal, records, rule)


def _edges(records: Mapping[str, Record]) -> tuple[dict[str, list[str]], dict[str, dict[str, Match]]]:
    """Under the first of each set of equal pictures the others, and the matches of those that are alike, both ways."""
    equal: dict[str, list[str]] = {}
    near: dict[str, dict[str, Match]] = {}
    for key in sorted(records):
        for other, (correlation, share) in records[key].facts.get(FACT, {}).items():
            if other not in records:
                continue
            if _pixels(records[key]) == _pixels(records[other]):
                equal.setdefault(key, []).append(other)
            else:
                near.setdefault(key, {})[other] = near.setdefault(other, {})[key] = (correlation, share)
    return equal, near


def _groups(near: Mapping[str, Mapping[str, Match]], equal: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Keys that are connected by matches; equal pictures stand for themselves."""
    seen: set[str] = set()
    for start in sorted({*near, *equal}):
        if start in seen:
            continue
        group, open_ = [], [start]
        seen.add(start)
        while open_:
            key = open_.pop()
            group.append(key)
            fresh = [other for other in near.get(key, {}) if other not in seen]
            seen.update(fresh)
            open_.extend(fresh)
        yield sorted(group)


def _of_group(
    left: dict[str, Record],
    near: Mapping[str, Mapping[str, Match]],
    equal: Mapping[str, list[str]],
    records: Mapping[str, Record],
    rule: Rule,
) -> Iterator[tuple[Record, Copies]]:
    while left:
        kept = keeper(list(left.values()), rule)
        del left[kept.key]
        copies: Copies = [(records[key], (1.0, 1.0)) for key in equal.get(kept.key, [])]
        for key, match in sorted(_matches(kept.key, near, records).items()):
            if key in left:
                copies.extend((records[k], match) for k in (key, *equal.get(key, [])))
                del left[key]
        if copies:
            yield kept, copies


def _matches(kept: str, near: Mapping[str, Mapping[str, Match]], records: Mapping[str, Record]) -> Mapping[str, Match]:
    """What is alike to a picture, by itself or, both as a whole, through the one that leads its crowd."""
    found = dict(near.get(kept, {}))
    for leader, (correlation, share) in near.get(kept, {}).items():
        if share == 1 and LEADS in records[leader].facts:
            for key, match in near[leader].items():
                if match[1] == 1 and key != kept:
                    found.setdefault(key, (min(correlation, match[0]), 1.0))
    return found


def _pixels(record: Record) -> str:
    return record.facts["fingerprint"]["pixels"]

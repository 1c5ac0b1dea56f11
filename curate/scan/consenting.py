"""Consenting: which pictures are left out since they refuse AI training, or cannot be checked for that."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from curate.core.record import Record
from curate.core.store import Store
from curate.images.consent import Consent, check

RIGHTS: Literal["i-hold-the-rights"] = "i-hold-the-rights"
"""The statement under `consent:` that includes pictures which refuse AI training, and those that cannot be checked."""

UNCHECKED: Literal["keep-unchecked"] = "keep-unchecked"
"""The statement under `consent:` that includes pictures whose files cannot be checked for a refusal."""

_INCLUDED_BY = {
    "": f"consent: {UNCHECKED} includes it",
    "metadata": f"consent: {UNCHECKED} includes it, together with accept_truncated of convert for its damage",
    "picture": "accept_truncated of convert uses it, because no opt-out was found before the damage",
}

ConsentChoice = Literal["", "keep-unchecked", "i-hold-the-rights"]
"""What the user states under `consent:`; empty for nothing."""

_TOGETHER = 2000
"""Records whose answers are asked for together."""

_READER = 3
"""Raise it when `curate.images.consent` reads more marks than before: known answers are then asked again."""


def consenting(
    records: Iterable[Record], store: Store, choice: ConsentChoice, accept_truncated: bool
) -> Iterator[Record]:
    """Sets aside what refuses AI training and what cannot be checked, unless the user's choice includes it."""
    each = iter(records)
    while some := list(islice(each, _TOGETHER)):
        yield from _consenting(some, store, choice, accept_truncated)


def _consenting(
    records: Sequence[Record], store: Store, choice: ConsentChoice, accept_truncated: bool
) -> Iterator[Record]:
    known = store.consent(_READER, list({r.origin for r in records if r.origin}))
    for record in records:
        if record.aside:
            yield record
            continue
        if record.origin not in known:
            answer = check(Path(record.image.path))
            known[record.origin] = [answer.answer, answer.reason, answer.damage]
            store.keep_consent(_READER, {record.origin: known[record.origin]})
        kind, reason, damage = known[record.origin]
        yield _with_consent(record, Consent(kind, reason, damage=damage), choice, accept_truncated)


def _with_consent(record: Record, answer: Consent, choice: ConsentChoice, accept_truncated: bool) -> Record:
    """The record with the fact `consent` (a refusal) or `unchecked` (why it could not be checked).

    It is set aside unless the user's choice includes it, or damaged files are accepted and nothing before the damage
    refuses.
    """
    reason = answer.reason
    if answer.answer == "refused":
        if choice == RIGHTS:
            return record.noting(f"marked 'no AI training' ({reason}); included: the rights are held", consent=reason)
        return dataclasses.replace(record.noting(consent=reason), aside=f"marked 'no AI training': {reason}")
    if answer.answer == "unchecked":
        unknown = "could not be checked for a 'no AI training' mark"
        if choice:
            return record.noting(f"{unknown} ({reason}); included by consent: {choice}", unchecked=reason)
        if accept_truncated and answer.damage == "picture":
            note = f"a damaged file ({reason}): no 'no AI training' mark before the damage; accept_truncated keeps it"
            return record.noting(note, unchecked=reason)
        aside = f"{unknown}: {reason}; {_INCLUDED_BY[answer.damage]}"
        return dataclasses.replace(record.noting(unchecked=reason), aside=aside)
    return record

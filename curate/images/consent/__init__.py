"""Machine-readable refusals of AI training that a picture file carries."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curate.images.consent.c2pa import training_mining
from curate.images.consent.containers import packets
from curate.images.consent.packet import Damage, Gap, Packet
from curate.images.consent.xmp import data_mining
from curate.images.iso_boxes import CutPictureError, UnreadableError

Answer = Literal["refused", "not-refused", "unchecked"]

_MEANING = {
    "DMI-UNSPECIFIED": "nothing said",
    "DMI-ALLOWED": "data mining allowed",
    "DMI-PROHIBITED": "data mining prohibited",
    "DMI-PROHIBITED-AIMLTRAINING": "AI training prohibited",
    "DMI-PROHIBITED-GENAIMLTRAINING": "generative AI training prohibited",
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": "data mining prohibited except for search engines",
    "DMI-PROHIBITED-SEECONSTRAINT": "data mining prohibited with a constraint",
    "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": "data mining prohibited, see the embedded rights expression",
    "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": "data mining prohibited, see the linked rights expression",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A statement about AI training in a file.

    `source` is where it is: the XMP DataMining property or a C2PA/CAWG assertion. `value` is the `DMI-…` term, or
    `entry=use` for an assertion. `certainty` is "stated" for sound XMP and "possible" for what was read from a damaged
    packet or from a manifest, whose signature is not verified: an unverified refusal is respected like any other.
    """

    source: Literal["xmp", "c2pa"]
    value: str
    refuses: bool
    certainty: Literal["stated", "possible"]

    def __str__(self) -> str:
        if self.source == "xmp":
            text = f"XMP DataMining: {_MEANING.get(self.value, self.value)} ({self.value})"
        else:
            text = f"content credentials: {self.value.replace('=', ' ')}"
        return text if self.certainty == "stated" else f"{text}, not verified"


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a file refuses AI training.

    `answer` is "unchecked" where no refusal was read and a place that may hold one could not be. `reason` is the
    refusal in words, or why it could not be checked; empty where nothing refuses. `marks` are all statements,
    refusals first. `damage` says of an unchecked file where it is damaged: "picture" where all marks before the
    picture were read, else "metadata".
    """

    answer: Answer
    reason: str = ""
    marks: tuple[Mark, ...] = ()
    damage: Damage = ""


def check(path: Path) -> Consent:
    """What the file says of AI training; never raises."""
    marks: list[Mark] = []
    gaps: list[Gap] = []
    for one in _statements(path):
        if isinstance(one, Gap):
            gaps.append(one)
        else:
            marks.append(one)
    ordered = tuple(dict.fromkeys(sorted(marks, key=lambda mark: not mark.refuses)))
    if refusals := [str(mark) for mark in ordered if mark.refuses]:
        return Consent("refused", "; ".join(refusals), ordered)
    if gaps:
        return Consent("unchecked", "; ".join(dict.fromkeys(gap.reason for gap in gaps)), ordered, _damage(gaps))
    return Consent("not-refused", "", ordered)


def _damage(gaps: Sequence[Gap]) -> Damage:
    if all(gap.damage == "picture" for gap in gaps):
        return "picture"
    return "metadata" if any(gap.damage for gap in gaps) else ""


def _statements(path: Path) -> Iterator[Mark | Gap]:
    try:
        with path.open("rb") as file:
            for part in packets(file):
                if isinstance(part, Gap):
                    yield part
                else:
                    yield from _read(part)
    except OSError as error:
        yield Gap(f"the file cannot be read: {error.strerror or error}")
    except (IndexError, struct.error):
        yield Gap("it ends early, or its structure is damaged", "metadata")
    except UnreadableError as error:
        yield Gap(str(error), "picture" if isinstance(error, CutPictureError) else "metadata")
    except (ValueError, OverflowError) as error:
        yield Gap(str(error))


def _read(packet: Packet) -> Iterator[Mark | Gap]:
    if packet.source == "xmp":
        for value in data_mining(packet.data):
            if isinstance(value, Gap):
                yield value
                continue
            refuses = f"{value.term}-".startswith("DMI-PROHIBITED-")
            yield Mark("xmp", value.term, refuses, "stated" if value.well_formed else "possible")
        return
    for assertion in training_mining(packet.data):
        if isinstance(assertion, Gap):
            yield assertion
            continue
        refuses = assertion.use.replace("_", "").lower() in ("notallowed", "constrained")
        yield Mark("c2pa", f"{assertion.entry}={assertion.use}", refuses, "possible")

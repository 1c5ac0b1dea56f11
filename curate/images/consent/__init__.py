"""Machine-readable refusals of AI training that a picture file carries."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curate.images.consent.c2pa import training_mining
from curate.images.consent.containers import packets
from curate.images.consent.xmp import data_mining

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

    `source` is where it stands: the XMP DataMining property or a C2PA/CAWG assertion. `value` is the `DMI-…` term, or
    `entry=use` for an assertion. `certainty` is "stated" for sound XMP and "possible" for what was read from a damaged
    packet or from a manifest, whose signature is not verified: an unverified refusal is respected like any other.
    """

    source: Literal["xmp", "c2pa"]
    value: str
    refuses: bool
    certainty: Literal["stated", "possible"]

    def __str__(self) -> str:
        if self.source == "xmp":
            said = f"XMP DataMining: {_MEANING.get(self.value, self.value)} ({self.value})"
        else:
            said = f"content credentials: {self.value.replace('=', ' ')}"
        return said if self.certainty == "stated" else f"{said}, not verified"


def marks(path: Path) -> list[Mark]:
    """All statements about AI training in the file, refusals first; what cannot be read is passed over, nothing is raised."""
    found = sorted(_marks(Path(path)), key=lambda mark: not mark.refuses)
    return list(dict.fromkeys(found))


def refusal(path: Path) -> str:
    """Why the file must not be trained on, in words; empty where it does not refuse."""
    return "; ".join(str(mark) for mark in marks(path) if mark.refuses)


def _marks(path: Path) -> Iterator[Mark]:
    try:
        with path.open("rb") as file:
            for source, data in packets(file):
                yield from _read(source, data)
    except (OSError, ValueError, IndexError, OverflowError, struct.error, zlib.error):
        return


def _read(source: Literal["xmp", "c2pa"], data: bytes) -> Iterator[Mark]:
    if source == "xmp":
        for value, sound in data_mining(data):
            yield Mark("xmp", value, f"{value}-".startswith("DMI-PROHIBITED-"), "stated" if sound else "possible")
    else:
        for entry, use in training_mining(data):
            refuses = use.replace("_", "").lower() in ("notallowed", "constrained")
            yield Mark("c2pa", f"{entry}={use}", refuses, "possible")

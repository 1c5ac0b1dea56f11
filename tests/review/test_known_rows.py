"""The rows that the page keeps of a ledger: without the stored records, and the same objects where nothing changed."""

from __future__ import annotations

import dataclasses

from curate.core.record import CaptionStyle, Image, Record, to_plain
from curate.core.store import Written, as_json
from curate.review.known_rows import KnownRows

RECORD = Record(
    "dog/a.png", "dog", "0" * 40, Image("1" * 40, "objects/a", 64, 48), facts={"format": "PNG", "moved_from": "cat"},
    trigger=("zwx dog",), tags=("zwx dog", "grass"), style=CaptionStyle(escape=True), notes=("resized",),
)  # fmt: skip


def row(name: str, record: Record = RECORD, caption: str = "zwx dog, grass") -> Written:
    record = dataclasses.replace(record, key=f"dog/{name}")
    return Written(f"1_dog/{name}", record.key, record.origin, "d", 10, 1, f"1_dog/{name}.txt", caption,
                   as_json(to_plain(record)))  # fmt: skip


def test_a_record_keeps_what_the_page_shows_and_no_more() -> None:
    known = KnownRows()
    known.read([row("a.png"), row("b.png")])
    one, two = known.records["1_dog/a.png"], known.records["1_dog/b.png"]
    assert (one.key, one.concept, one.origin, one.trigger) == ("dog/a.png", "dog", "0" * 40, ("zwx dog",))
    assert one.image == Image("", "", 64, 48) and dict(one.facts) == {"moved_from": "cat"} and one.tags == ()
    assert one.style is two.style and one.trigger is two.trigger and not known.rows["1_dog/a.png"].stored


def test_what_did_not_change_stays_the_same_object() -> None:
    known = KnownRows()
    known.read([row("a.png"), row("b.png"), row("c.png")])
    before, records = known.rows, known.records
    other = dataclasses.replace(RECORD, trigger=("sks dog",))
    known.read([row("a.png"), row("b.png", other), row("d.png")])
    assert known.rows["1_dog/a.png"] is before["1_dog/a.png"]
    assert known.records["1_dog/a.png"] is records["1_dog/a.png"]
    assert known.records["1_dog/b.png"].trigger == ("sks dog",)  # where the stored record alone is another
    assert list(known.rows) == list(known.records) == ["1_dog/a.png", "1_dog/b.png", "1_dog/d.png"]

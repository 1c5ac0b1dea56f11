"""The rows that the page keeps of a ledger: without the stored records, packed, with what tells of changes."""

from __future__ import annotations

import dataclasses

from curate.core.json_text import as_json
from curate.core.record import CaptionStyle, Image, Record, to_plain
from curate.core.written import Written
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
    assert one.style == two.style == CaptionStyle(escape=True) and not known.rows["1_dog/a.png"].stored


def test_rows_that_change_come_and_go_are_told_by_their_state() -> None:
    known = KnownRows()
    known.read([row("a.png"), row("b.png"), row("c.png")])
    before = {path: known.state(path) for path in known.rows}
    other = dataclasses.replace(RECORD, trigger=("sks dog",))
    revision = known.revision
    known.read([row("a.png"), row("b.png"), row("c.png")])
    assert known.revision == revision
    known.read([row("a.png"), row("b.png", other), row("c.png")])
    assert known.records["1_dog/b.png"].trigger == ("sks dog",) and known.records["1_dog/c.png"].key == "dog/c.png"
    known.read([row("a.png"), row("b.png", other), row("d.png")])
    assert known.revision == revision + 2
    assert known.rows["1_dog/a.png"] == dataclasses.replace(row("a.png"), stored="")
    assert known.state("1_dog/a.png") == before["1_dog/a.png"] and known.state("1_dog/c.png") == 0
    assert known.state("1_dog/b.png") not in (0, before["1_dog/b.png"])
    assert known.records["1_dog/d.png"].key == known.rows["1_dog/d.png"].key == "dog/d.png"
    assert known.records["1_dog/b.png"].trigger == ("sks dog",)  # where the stored record alone is another
    assert list(known.rows) == list(known.records) == ["1_dog/a.png", "1_dog/b.png", "1_dog/d.png"]

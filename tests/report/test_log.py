"""events.jsonl: one object a line whatever is told, whatever was there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.events import Note, RecordDone, TrainStep
from curate.core.visible import visible
from curate.errors import InputError, MissingError
from curate.report.log import EventLog
from curate.report.pace import Pace
from curate.report.text import listed, pace, span
from tests.report.streams import HOSTILE, RUN


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_event_is_a_line_with_time_and_name(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a" / "events.jsonl", lambda: datetime(2026, 1, 2, 3, 4, 5, 678000, UTC))
    for event in RUN:
        log.tell(event)
    log.close()
    found = lines(tmp_path / "a" / "events.jsonl")
    assert [line["event"] for line in found] == [type(event).__name__ for event in RUN]
    assert {line["time"] for line in found} == {"2026-01-02T03:04:05.678+00:00"}
    assert found[6] == {
        "time": "2026-01-02T03:04:05.678+00:00",
        "event": "RecordDone",
        "stage": "convert",
        "key": HOSTILE,
        "aside": "truncated \x07file",
    }


def test_lines_are_on_disk_before_the_file_is_closed(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.tell(Note("info", "a"))
    assert len(lines(tmp_path / "events.jsonl")) == 1
    log.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    log = EventLog(tmp_path / "events.jsonl")
    for _ in range(2):
        with pytest.raises(MissingError, match="the disk is full"):
            log.tell(Note("info", "a"))
    log.close()


def test_a_second_run_appends_even_after_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event":"Note"}\n{"event":"No')
    log = EventLog(path)
    log.tell(Note("info", "a"))
    log.close()
    log.tell(Note("info", "b"))
    log.close()
    rows = path.read_bytes().splitlines()
    assert rows[:2] == [b'{"event":"Note"}', b'{"event":"No']
    assert [json.loads(row)["message"] for row in rows[2:]] == ["a", "b"]


def test_numbers_json_does_not_know(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "e")
    log.tell(TrainStep(1, 2, float("nan"), float("inf"), 0.1))
    log.close()
    (line,) = lines(tmp_path / "e")
    assert (line["loss"], line["average"], line["rate"]) == ("nan", "inf", 0.1)


@given(st.text(st.characters(), max_size=30))
@settings(deadline=None)
def test_any_name_makes_one_line_that_reads_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("log") / "e"
    log = EventLog(path)
    log.tell(RecordDone("tag", name, "odd \udc80"))
    log.close()
    (line,) = lines(path)
    assert line["key"] == name


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        EventLog(tmp_path / "file" / "events.jsonl").tell(Note("info", "a"))


@given(st.text(st.characters()))
@settings(deadline=None)
def test_visible_text_is_one_harmless_line(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown and "\u202e" not in shown
    shown.encode("utf-8")


def test_visible_leaves_ordinary_names_alone() -> None:
    for name in ("dog/été 日本.png", "👩\u200d🚀.png", "[red] & <b>.jpg"):
        assert visible(name) == name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.42, "0.42 s"),
        (8.06, "8.1 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_pace_and_listed() -> None:
    assert [pace(12.34), pace(0.25), pace(2, "it"), pace(0.5, "it"), pace(0)] == [
        "12.3/s",
        "4.0 s/each",
        "2.0 it/s",
        "2.0 s/it",
        "",
    ]
    assert listed(["a", "b", "c", "d\n"]) == "a, b, c and 1 more"
    assert listed(["a", "d\n"]) == r"a, d\n"


def test_pace_forgets_what_is_long_past() -> None:
    now = 0.0
    clock = Pace(lambda: now, 0, window=10)
    for _ in range(100):
        now += 1
        clock.reach(clock.count + 1)
    for _ in range(20):
        now += 1
        clock.reach(clock.count + 5)
    assert clock.rate == pytest.approx(5)
    assert clock.remaining(200 + 50) == pytest.approx(10)


def test_pace_of_many_fast_counts_stays_small() -> None:
    now = 0.0
    clock = Pace(lambda: now)
    for n in range(100_000):
        now += 0.001
        clock.reach(n + 1)
    assert clock.rate == pytest.approx(1000, rel=0.02)
    assert len(clock._seen) < 200

"""The summary names everything that a user must know, as text and as plain values."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

from curate.core.events import (
    Note,
    RecordDone,
    Removed,
    RunFinished,
    Saved,
    Scanned,
    SourcesChanged,
    StageFinished,
    StageRecalled,
    StageStarted,
    TrainStep,
)
from curate.core.record import Image, Manifest, Record
from curate.report import open_report
from curate.report.summary import summarise
from curate.report.summary_text import show
from curate.report.tally import Tally
from tests.report.streams import HOSTILE, RUN, Terminal, printed

RECORDS = Manifest(
    [
        Record("dog/a.png", "dog", "1", Image("1"), edited="zwx dog, by hand"),
        Record(HOSTILE, "dog", "2", Image("2"), aside="truncated \x07file"),
        Record("robe/b.png", "robe", "3", Image("3"), aside="consent"),
    ]
)


def tallied(*events: object) -> Tally:
    tally = Tally()
    for event in events:
        tally.tell(event)  # type: ignore[arg-type]
    return tally


def test_figures() -> None:
    figures = summarise(tallied(*RUN), RECORDS, {"folder": Path("prepared")}, "curate report prepared")
    assert json.loads(json.dumps(figures)) == figures
    assert figures["status"] == "done"
    assert (figures["pictures"], figures["prepared"], figures["seconds"]) == (3, 1, 64.0)
    assert figures["aside"] == [
        {"key": HOSTILE, "stage": "convert", "reason": "truncated \x07file"},
        {"key": "robe/b.png", "stage": "", "reason": "consent"},
    ]
    assert figures["edited"] == ["dog/a.png"]
    assert figures["saved"] == [{"kind": "lora", "path": "prepared/dog.safetensors"}]
    curves = {"curve": [[21, 0.6], [22, 0.5]], "validation": [[22, 0.8]]}
    assert figures["training"] == {"step": 22, "steps": 40, "loss": 0.25, "average": 0.5, **curves}
    assert figures["notes"][0] == {
        "level": "warning",
        "stage": "captions",
        "message": "only one tag",
        "pictures": ["dog/a.png", "robe/b.png"],
    }
    turns = [(s["stage"], s["turn"], s["computed"], s["recalled"], s["finished"]) for s in figures["stages"]]
    assert turns == [
        ("convert", 1, 2, 1, True),
        ("resize", 1, 2, 1, True),
        ("tag", 0, 0, 2, True),
        ("balance", 2, 2, 0, True),
        ("train", 3, 2, 0, True),
    ]


def test_text() -> None:
    figures = summarise(tallied(*RUN), RECORDS, {"folder": "prepared"}, "curate report prepared")
    assert printed(figures) == [
        "",
        "Done in 1 min 04 s",
        "  pictures      3  (dog 2, robe 1)",
        "  prepared      1",
        "  set aside     2",
        "  kept          1 caption edited by hand: dog/a.png",
        "  convert + resize  2 processed, 1 reused, 2.5 s",
        "  balance           2 processed, 0.01 s",
        "  train             2 processed, 1 min 01 s",
        "  unchanged     tag",
        "  trained       22 of 40 steps, loss 0.5000 on average, validation loss 0.8000",
        "",
        "2 pictures set aside:",
        r"  dog/[bold]x[/bold]\x1b[31m\n\u202egnp.exe: truncated \x07file (convert)",
        "  robe/b.png: consent",
        "warning: captions: only one tag (dog/a.png, robe/b.png)",
        "advice: balance: 8 pictures are the floor",
        "",
        "  folder        prepared",
        "  lora          prepared/dog.safetensors",
        "  next          curate report prepared",
    ]


def test_more_than_twenty_are_counted_and_the_place_to_look_is_named() -> None:
    events = [RecordDone("convert", f"dog/{n:03}.png", "broken") for n in range(25)]
    figures = summarise(tallied(*events), None, {"events": "out/events.jsonl"})
    lines = printed(figures, only_trouble=True)
    assert len(figures["aside"]) == 25
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  and 5 more, see out/events.jsonl"


def test_nothing_had_changed() -> None:
    tally = tallied(
        Scanned(2, {}), StageRecalled("convert", 2), StageRecalled("tag", 2), RunFinished("done", 2, 2, 0, 0.3)
    )
    figures = summarise(tally, None, {})
    assert figures["computed"] == 0 and figures["recalled"] == 4
    assert "  unchanged     convert, tag" in printed(figures)


def test_pictures_that_are_new_or_gone_are_named() -> None:
    tally = tallied(SourcesChanged(("dog/new.png",), ("dog/a.png", "dog/b.png")), RunFinished("done", 1, 1, 0, 1.0))
    figures = summarise(tally, None, {})
    assert (figures["added"], figures["removed"]) == (["dog/new.png"], ["dog/a.png", "dog/b.png"])
    lines = printed(figures)
    assert "  new           1 picture since the last run: dog/new.png" in lines
    assert "  removed       2 pictures are no longer in the input folder: dog/a.png, dog/b.png" in lines


def test_a_dry_run_says_what_would_be_prepared() -> None:
    figures = summarise(tallied(Scanned(3, {}), RunFinished("done", 3, 2, 1, 1.0)), None, {}, dry_run=True)
    assert figures["dry_run"] is True
    lines = printed(figures)
    assert lines[1:5] == [
        "Dry run done in 1.0 s",
        "  pictures         3",
        "  would prepare    2",
        "  would set aside  0",
    ]


def test_captions_that_curate_tags_changed_are_not_called_edited_by_hand() -> None:
    rows = Manifest([Record(f"dog/{n}.png", "dog", n, Image(n), edited="mine") for n in "ab"])
    figures = summarise(tallied(RunFinished("done", 2, 2, 0, 1.0)), rows, {}, by_tags={"dog/b.png"})
    assert (figures["edited"], figures["edited_with_tags"]) == (["dog/a.png", "dog/b.png"], ["dog/b.png"])
    lines = printed(figures)
    assert "  kept          1 caption edited by hand: dog/a.png" in lines
    assert "  kept          1 caption changed with `curate tags`: dog/b.png" in lines


def test_an_interrupted_run_says_that_a_rerun_continues() -> None:
    tally = tallied(
        Scanned(9, {}),
        StageStarted("tag", 9, 0),
        RecordDone("tag", "a"),
        RunFinished("interrupted", 9, 1, 0, 3.0),
    )
    lines = printed(summarise(tally, None, {}))
    assert "Interrupted in 3.0 s" in lines
    assert "  tag           1 processed, not finished" in lines
    assert lines[-1] == "  next          run the same command to resume"


def test_a_stage_that_runs_twice_has_two_rows() -> None:
    once = (StageStarted("captions", 2, 0), StageFinished("captions", 2, 0, 0, 1.0))
    rows = summarise(tallied(*once, *once), None, {})["stages"]
    assert [(row["stage"], row["turn"]) for row in rows] == [("captions", 1), ("captions", 2)]


def test_a_quiet_report_prints_trouble_only() -> None:
    stream = io.StringIO()
    with open_report(quiet=True, stream=stream) as report:
        for event in RUN:
            report.tell(event)
        assert stream.getvalue() == ""
        report.finish(RECORDS)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "2 pictures set aside:" and lines[-1].startswith("warning")
    stream = io.StringIO()
    with open_report(quiet=True, stream=stream) as report:
        report.tell(RunFinished("done", 1, 1, 0, 1.0))
        report.finish(Manifest())
    assert stream.getvalue() == ""


def test_a_report_shows_logs_and_sums_up(tmp_path: Path) -> None:
    stream = io.StringIO()
    with open_report(events=tmp_path / "deep/events.jsonl", stream=stream) as report:
        for event in RUN:
            report.tell(event)
        figures = report.finish(RECORDS, {"folder": tmp_path})
    assert stream.getvalue().index("train: done") < stream.getvalue().index("Done in")
    assert len((tmp_path / "deep/events.jsonl").read_text().splitlines()) == len(RUN)
    assert figures["where"] == {"folder": str(tmp_path)}


def test_markup_in_a_name_is_text_on_a_terminal() -> None:
    stream = Terminal()
    show(summarise(tallied(Note("warning", "[red]odd[/red]", "x", "[link=http://a]k[/link]")), None, {}), stream)
    assert "[red]odd[/red] ([link=http://a]k[/link])" in stream.getvalue()


def test_the_loss_curve_stays_small_and_evenly_spread() -> None:
    tally = tallied(*(TrainStep(n, 10_000, 0.1, n / 10_000, 1e-4) for n in range(1, 10_001)))
    assert 200 <= len(tally.curve) <= 400
    steps = [step for step, _ in tally.curve]
    assert steps[0] == 1 and steps[-1] > 9_900
    assert {b - a for a, b in itertools.pairwise(steps)} == {steps[1] - steps[0]}
    assert all(value == step / 10_000 for step, value in tally.curve)


def test_a_file_that_was_removed_again_is_not_offered() -> None:
    saved = [Saved("lora", f"/p/lora/{name}.safetensors") for name in ("dog-step2", "dog-step4", "dog")]
    figures = summarise(tallied(*RUN[:1], saved[0], saved[1], Removed(saved[0].path), saved[2]), RECORDS, {})
    assert figures["saved"] == [{"kind": "lora", "path": one.path} for one in saved[1:]]


def test_numbers_add_up_where_pictures_were_taken_apart() -> None:
    parts = [Record(f"a.png#{n}", "x", "1", Image(str(n)), facts={"view": n}) for n in (1, 2, 3)]
    rest = [Record("b.png", "x", "2", Image("b"), facts={"crop": [0, 0, 4, 4]}), Record("c#d", "x", "3", Image("c"))]
    figures = summarise(tallied(Scanned(3, {"x": 3})), Manifest([*parts, *rest]), {})
    assert (figures["pictures"], figures["prepared"], figures["split"]) == (3, 5, {"a.png": 3})
    lines = printed(figures)
    assert "  split         1 picture became 3 pictures: a.png" in lines
    assert "  cropped       1 picture: b.png" in lines


def test_a_name_with_a_number_sign_is_no_part_of_another_picture() -> None:
    keys = ["dog/take #2 of it.png", "dog/sheet.png#1", "dog/sheet.png#2", "dog/a.gif#1#2"]
    manifest = Manifest([Record(key, "dog", key, Image(key)) for key in keys])
    assert summarise(Tally(), manifest, {})["split"] == {"dog/sheet.png": 2, "dog/a.gif": 1}

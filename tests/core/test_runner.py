"""The runner: what is known is recalled, what failed is tried again, and nobody sees or writes more than they said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from curate.core.events import RecordDone, StageStarted
from curate.core.record import Image, Manifest, Record
from curate.core.scores import Scores
from curate.core.stage import Concept
from curate.errors import CurateError, InputError, Interrupted, MissingError
from tests.core.helpers import Bench, pictures, told
from tests.core.stages import (
    CALLS,
    Annotate,
    Batched,
    Brighter,
    Count,
    Crashing,
    Darker,
    Decide,
    Fussy,
    Halves,
    Meddle,
    Missing,
    Other,
    Peek,
    Unloadable,
    Word,
)


@pytest.fixture(autouse=True)
def _calls() -> None:
    CALLS.clear()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "out")


@pytest.fixture
def four(tmp_path: Path) -> Manifest:
    return pictures(tmp_path / "in")


# recall


def test_a_second_run_computes_nothing_and_gives_the_same(bench: Bench, four: Manifest) -> None:
    stages = [Brighter(), Word(), Count(), Other()]
    first = bench.run(stages, four)
    assert bench.started() == {"brighter": 4, "word": 4, "count": 4, "other": 4}
    CALLS.clear()
    second = bench.run(stages, four)
    assert not [e for e in bench.events if isinstance(e, (StageStarted, RecordDone))]
    assert bench.recalled() == ["brighter", "word", "count", "other"]
    assert CALLS == []
    assert list(second) == list(first)


def test_a_changed_option_runs_its_stage_and_later_ones_only(bench: Bench, four: Manifest) -> None:
    bench.run([Word(), Other(), Count()], four)
    after = bench.run([Word(), Other(word="y"), Count()], four)
    assert bench.started() == {"other": 4, "count": 4}
    assert bench.recalled() == ["word"]
    assert told(after) == [(f"p{n}", "x", "y") for n in range(4)]


def test_going_back_to_old_options_computes_nothing(bench: Bench, four: Manifest) -> None:
    first = bench.run([Word(), Count()], four)
    bench.run([Word(word="y"), Count()], four)
    assert list(bench.run([Word(), Count()], four)) == list(first)
    assert bench.started() == {}


def test_a_field_that_is_not_read_does_not_matter(bench: Bench, four: Manifest) -> None:
    bench.run([Word()], four)
    others = Manifest(dataclasses.replace(r, sentence="new", repeats=7, notes=("n",), trigger=("t",)) for r in four)
    after = bench.run([Word()], others)
    assert bench.started() == {}
    assert [(r.sentence, r.repeats, r.notes, r.tags) for r in after] == [
        ("new", 7, ("n",), (f"p{n}", "x")) for n in range(4)
    ]


def test_a_field_that_is_read_does(bench: Bench, four: Manifest) -> None:
    bench.run([Word()], four)
    changed = Manifest(dataclasses.replace(r, tags=("a",)) if r.key.endswith("2.raw") else r for r in four)
    after = bench.run([Word()], changed)
    assert bench.started() == {"word": 1}
    assert told(after)[2] == ("a", "x")


def test_a_renamed_picture_is_recalled(bench: Bench, four: Manifest) -> None:
    bench.run([Word(), Brighter()], four)
    renamed = Manifest(dataclasses.replace(r, key=f"cat/{n}", concept="cat") for n, r in enumerate(four))
    after = bench.run([Word(), Brighter()], renamed)
    assert bench.started() == {}
    assert [r.key for r in after] == [f"cat/{n}" for n in range(4)]


def test_more_pictures_compute_only_the_new_ones(bench: Bench, tmp_path: Path) -> None:
    bench.run([Brighter(), Word()], pictures(tmp_path / "in", 3))
    bench.run([Brighter(), Word()], pictures(tmp_path / "in", 5))
    assert bench.started() == {"brighter": 2, "word": 2}


def test_concept_settings_that_a_stage_reads_enter_its_key(bench: Bench, four: Manifest) -> None:
    class Weighed(Count):
        concept_reads = frozenset({"weight"})

    bench.run([Weighed()], four)
    bench.concepts = {"dog": Concept(class_word="dog")}
    bench.run([Weighed()], four)
    assert bench.started() == {}
    bench.concepts = {"dog": Concept(weight=2.0)}
    bench.run([Weighed()], four)
    assert bench.started() == {"count": 4}


def test_a_file_that_a_stage_uses_enters_its_key(bench: Bench, four: Manifest, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"

    class Tabled(Word):
        def files(self, env):  # type: ignore[no-untyped-def]
            return [table]

    table.write_text("a")
    bench.run([Tabled()], four)
    bench.run([Tabled()], four)
    assert bench.started() == {}
    table.write_text("b")
    bench.run([Tabled()], four)
    assert bench.started() == {"tabled": 4}
    table.unlink()
    with pytest.raises(InputError, match=r"table\.csv"):
        bench.run([Tabled()], four)


def test_added_notes_and_facts_do_not_carry_those_of_another_run(bench: Bench, four: Manifest) -> None:
    bench.run([Annotate()], Manifest(r.noting("old", was=1) for r in four))
    after = bench.run([Annotate()], Manifest(r.noting("new", now=2) for r in four))
    assert bench.started() == {}
    assert {(r.notes, tuple(sorted(r.facts.items()))) for r in after} == {(("new", "saw x"), (("now", 2), ("x", 1)))}


# what a stage sees and writes


def test_a_worker_sees_only_what_its_stage_reads(bench: Bench) -> None:
    full = Record(
        "dog/a", "dog", "o", Image("d", "/p", 1, 1), "png", {"f": 1}, "m", ("t",),
        Scores.pack({"m": {"a": (0.5, "general")}}),
        ("a",), "s", "i", "e", repeats=3, notes=("n",),
    )  # fmt: skip
    after = bench.run([Peek()], Manifest([full]))
    assert set(told(after)[0]) == {"key", "concept", "origin", "tags"}


def test_only_what_a_stage_writes_is_taken(bench: Bench, four: Manifest) -> None:
    for _ in range(2):
        after = bench.run([Meddle()], four)
        assert {(r.tags, r.sentence, r.repeats) for r in after} == {(("meant",), "", 1)}


def test_only_what_a_dataset_stage_writes_is_taken(bench: Bench, four: Manifest) -> None:
    for _ in range(2):
        after = bench.run([Count()], four)
        assert {(r.repeats, r.sentence, r.notes) for r in after} == {(4, "", ("counted",))}


def test_recalled_notes_of_a_dataset_stage_join_those_of_this_run(bench: Bench, four: Manifest) -> None:
    bench.run([Count()], four)
    after = bench.run([Count()], Manifest(r.noting("earlier") for r in four))
    assert bench.started() == {}
    assert {r.notes for r in after} == {("earlier", "counted")}


# pictures that fail, and decisions


@pytest.mark.parametrize("stage", [Fussy(), Batched(), Crashing()])
def test_a_failure_sets_one_picture_aside_and_is_tried_again(bench: Bench, four: Manifest, stage: Fussy) -> None:
    after = bench.run([stage, Other()], four)
    assert [bool(r.aside) for r in after] == [False, True, False, False]
    assert after[1].aside in ("no good", "ZeroDivisionError: oops")
    assert after[1].facts["failed"] is True
    assert bench.started() == {stage.name: 4, "other": 3}
    assert bench.finished()[stage.name].aside == 1
    CALLS.clear()
    again = bench.run([stage, Other()], four)
    assert bench.started() == {stage.name: 1}
    assert [(stage.name, "dog/1.raw")] == CALLS
    assert [r.aside for r in again] == [r.aside for r in after]


def test_a_failed_batch_is_tried_one_by_one(bench: Bench, four: Manifest) -> None:
    bench.run([Batched()], four)
    seen = [key for _, key in CALLS]
    assert seen == [r.key for r in four][:2] + [r.key for r in four] or seen[-4:] == [r.key for r in four]


def test_a_decision_is_remembered(bench: Bench, four: Manifest) -> None:
    after = bench.run([Decide(), Other()], four)
    assert [r.aside for r in after] == ["", "too dark", "", ""]
    assert bench.finished()["decide"].aside == 1
    again = bench.run([Decide(), Other()], four)
    assert bench.started() == {}
    assert list(again) == list(after)


def test_a_stage_that_fails_on_everything_ends_the_run(bench: Bench, four: Manifest) -> None:
    with pytest.raises(CurateError, match="failed on all 4 pictures; the first: no good"):
        bench.run([Fussy(on="all")], four)


def test_what_the_machine_lacks_ends_the_run(bench: Bench, four: Manifest) -> None:
    with pytest.raises(MissingError, match="no model here"):
        bench.run([Missing()], four)


def test_a_library_that_does_not_load_is_no_fault_of_the_pictures(bench: Bench, four: Manifest) -> None:
    with pytest.raises(MissingError, match=r"libGL\.so\.1.*\n.*curate doctor"):
        bench.run([Unloadable()], four)


def test_a_picture_set_aside_before_is_left_alone(bench: Bench, four: Manifest) -> None:
    first = Manifest(dataclasses.replace(r, aside="broken") if n == 0 else r for n, r in enumerate(four))
    after = bench.run([Word(), Count()], first)
    assert ("word", "dog/0.raw") not in CALLS
    assert (after[0].aside, after[0].tags) == ("broken", ("p0",))
    assert [r.repeats for r in after.present] == [3, 3, 3]


# pictures


def _bytes(bench: Bench, manifest: Manifest) -> list[bytes]:
    return [(bench.folder / ".curate" / r.image.path).read_bytes() for r in manifest]


def test_a_fused_pass_gives_the_bytes_of_single_ones(tmp_path: Path, four: Manifest) -> None:
    fused, staged = Bench(tmp_path / "fused"), Bench(tmp_path / "staged")
    together = fused.run([Brighter(by=3), Darker(by=1)], four)
    staged.run([Brighter(by=3)], four)
    apart = staged.run([Brighter(by=3), Darker(by=1)], four)
    assert _bytes(fused, together) == _bytes(staged, apart)
    assert [r.image for r in together] == [r.image for r in apart]
    assert _bytes(fused, together)[0] == bytes([2, 3, 4] * 4)


def test_a_lost_object_is_made_again(bench: Bench, four: Manifest) -> None:
    first = bench.run([Brighter(), Word()], four)
    lost = bench.folder / ".curate" / first[2].image.path
    lost.unlink()
    assert bench.plan([Brighter(), Word()], four)[0] == ("brighter", 0, 4, 0)
    again = bench.run([Brighter(), Word()], four)
    assert lost.is_file()
    assert list(again) == list(first)
    assert not [e for e in bench.events if isinstance(e, StageStarted) and e.stage == "word"]


def test_one_picture_becomes_two(bench: Bench, four: Manifest) -> None:
    stages = [Halves(), Brighter(), Word()]
    after = bench.run(stages, four)
    assert [r.key for r in after] == [f"dog/{n}.raw#{p}" for n in range(4) for p in (1, 2)]
    assert bench.started() == {"halves": 4, "brighter": 4, "word": 8}
    again = bench.run(stages, four)
    assert bench.started() == {}
    assert list(again) == list(after)
    assert len({r.image.digest for r in after}) == 4  # both halves of each raw picture are alike


# stopping


def test_a_stop_request_keeps_what_is_done(tmp_path: Path, four: Manifest) -> None:
    asked = Bench(tmp_path / "out", stop=lambda: len(CALLS) >= 2)
    with pytest.raises(Interrupted) as stopped:
        asked.run([Word(), Other()], four)
    assert stopped.value.exit_code == 130
    assert CALLS == [("word", "dog/0.raw"), ("word", "dog/1.raw")]
    asked.stop = None
    CALLS.clear()
    after = asked.run([Word(), Other()], four)
    assert asked.started() == {"word": 2, "other": 4}
    whole = Bench(tmp_path / "whole").run([Word(), Other()], four)
    assert list(after) == list(whole)


def test_a_stop_between_stages_is_a_stop(tmp_path: Path, four: Manifest) -> None:
    with pytest.raises(Interrupted):
        Bench(tmp_path / "out", stop=lambda: len(CALLS) >= 4).run([Word(), Other()], four)
    assert {name for name, _ in CALLS} == {"word"}


# dataset stages


def test_a_dataset_stage_runs_again_where_its_files_are_gone(bench: Bench, four: Manifest) -> None:
    bench.run([Count()], four)
    (bench.folder / "count.txt").unlink()
    bench.run([Count()], four)
    assert bench.started() == {"count": 4}
    assert (bench.folder / "count.txt").is_file()


def test_a_dataset_stage_minds_which_pictures_are_in(bench: Bench, four: Manifest) -> None:
    bench.run([Count()], four)
    after = bench.run([Count()], Manifest(list(four)[:3]))
    assert [r.repeats for r in after] == [3, 3, 3]


# planning


def test_a_plan_says_what_a_run_would_do(bench: Bench, four: Manifest) -> None:
    stages = [Brighter(), Word(), Count()]
    assert bench.plan(stages, four) == [("brighter", 4, 0, 0), ("word", 0, 0, 4), ("count", 0, 0, 4)]
    assert CALLS == []
    bench.run(stages, four)
    assert bench.plan(stages, four) == [("brighter", 0, 4, 0), ("word", 0, 4, 0), ("count", 0, 4, 0)]
    changed = [Brighter(), Word(word="y"), Count()]
    assert bench.plan(changed, four) == [("brighter", 0, 4, 0), ("word", 4, 0, 0), ("count", 0, 0, 4)]

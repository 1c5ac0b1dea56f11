"""kill -9 between any two file writes: a rerun gives the bytes of a run that was never killed, and loses no edit."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.folder.helpers import Project, killed, same_but

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die in the middle of a run")

MINE = "zwx dog, written by me"
LATER = "zwx dog, written after the kill"


def _trigger(project: Project) -> None:
    project.concepts = {"dog": {"trigger": ["qqq hound"]}}


def _repeats(project: Project) -> None:
    project.concepts = {"dog": {"trigger": ["zwx dog"], "repeats": 3}}


def _extension(project: Project) -> None:
    project.stages = ["convert", {"captions": {"extension": ".caption"}}, "trigger", "export"]


def _pixels(project: Project) -> None:
    project.stages = ["convert", {"resize": {"max_side": 3}}, "trigger", "export"]


def _rule(project: Project) -> None:
    project.stages = ["convert", {"captions": {"blacklist": ["sky"]}}, "trigger", "export"]


CHANGES = [_trigger, _repeats, _extension, _pixels, _rule]


def _changed(project: Project, change: Callable[[Project], None]) -> Project:
    change(project)
    return project


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__.strip("_"))
def test_a_killed_run_rerun_is_a_whole_one(dogs: Project, change: Callable[[Project], None]) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    whole = _changed(dogs.twin("whole"), change)
    whole.run()
    assert MINE in whole.captions().values()
    after, alive = 0, False
    while not alive:
        project = _changed(dogs.twin(f"killed{after}"), change)
        alive = not killed(project.run, after)
        project.run()
        assert project.files() == whole.files(), (
            f"killed after {after} changes: {same_but(project.files(), whole.files())}"
        )
        assert project.edits() == whole.edits()
        project.run()
        assert project.edits() == whole.edits()
        after += 1 + after // 6
    assert after > 8


def test_killed_twice_on_the_way_to_different_captions(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    whole = _changed(dogs.twin("whole"), _rule)
    whole.run()
    for first in (3, 6, 9):
        for second in (2, 5, 8):
            project = _changed(dogs.twin(f"killed{first}{second}"), _trigger)
            killed(project.run, first)
            project.concepts, project.stages = dogs.concepts, dogs.stages
            killed(_changed(project, _rule).run, second)
            project.run()
            assert project.files() == whole.files(), f"{first}, {second}: {same_but(project.files(), whole.files())}"
            assert project.edits() == whole.edits()


@pytest.mark.parametrize("change", [_trigger, _rule], ids=["trigger", "rule"])
def test_an_edit_made_after_the_kill_is_kept(dogs: Project, change: Callable[[Project], None]) -> None:
    dogs.run()
    for after in range(0, 16, 3):
        project = _changed(dogs.twin(f"killed{after}"), change)
        killed(project.run, after)
        # a person finds the folder as the kill left it, and edits the caption that trainers would read
        mine = [n for n in project.captions() if n.endswith("/2.txt")]
        for name in mine:
            project.edit(name, LATER)
        project.run()
        project.run()
        assert [t for n, t in project.captions().items() if n.endswith("/2.txt")] == [LATER], after
        assert list(project.edits().values()) == [LATER]


def test_a_first_run_killed_anywhere(project: Project) -> None:
    project.picture("dog/a.png", 1)
    project.picture("cat/b.png", 2)
    project.name = "whole"
    project.run()
    whole = project.files()
    for after in range(0, 60, 4):
        project.name = f"killed{after}"
        alive = not killed(project.run, after)
        project.run()
        assert project.files() == whole
        assert project.edits() == {}
        assert not list(project.out.rglob(".curate-*"))
        if alive:
            return
    raise AssertionError("the run never ended")

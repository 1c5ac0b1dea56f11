"""A folder that was prepared and not trained yet: report, check and review know the base of its pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate import drive
from curate.drive.check_base import base_of
from curate.errors import InputError, MissingError
from curate.pipeline import load
from curate.review.opened import opened
from tests.folder.helpers import Project, photo


@pytest.fixture
def untrained(tmp_path: Path) -> Project:
    """Two pictures prepared for the tiny base, whose resolution is 64, with `--until export`."""
    one = Project(tmp_path, ["convert", "trigger", "export", {"train": {"base": "tiny", "rank": 2}}])
    for n in range(2):
        photo(one.place / f"in/dog/{n}.png", n, 96, 96)
    drive.run(load(one.pipeline(), until="export"), quiet=True)
    return one


def buckets(page: Path) -> list[tuple[int, int]]:
    values = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    return [(one["width"], one["height"]) for one in values["buckets"]]


def test_the_report_draws_the_buckets_of_the_base_that_will_be_trained(untrained: Project) -> None:
    resolution = base_of(untrained.out, {}).traits.resolution
    assert resolution < 512
    assert buckets(untrained.out / drive.REPORT) == [(resolution, resolution)]
    page, _ = drive.report(untrained.out, untrained.place / "page.html")
    assert buckets(page) == [(resolution, resolution)]
    text = page.read_text(encoding="utf-8")
    assert "resolution 1024" not in text and "the resolution of tiny, the base of the pipeline" in text


def test_check_and_review_take_it_too(untrained: Project) -> None:
    base = base_of(untrained.out, {})
    assert base.name == "tiny" and base.options.rank == 2 and "the pipeline that prepared it" in base.assumed
    assert opened(untrained.out) == (untrained.out, "tiny", "")
    assert opened(untrained.out, "toy") == (untrained.out, "toy", "")
    for name, error in (("no_such_model", InputError), ("nobody/knows-it", MissingError)):
        with pytest.raises(error, match=name):
            opened(untrained.out, name)


def test_a_base_that_is_not_here_is_assumed_by_its_name(untrained: Project) -> None:
    summary = untrained.out / ".curate/summary.json"
    for name, words in (("stabilityai/sdxl-turbo", "by its name"), ("nobody/knows-it", "SDXL assumed")):
        values = json.loads(summary.read_text(encoding="utf-8"))
        summary.write_text(json.dumps({**values, "training_options": {"base": name}}), encoding="utf-8")
        base = base_of(untrained.out, {})
        assert base.traits.family == "sdxl" and words in base.assumed
    summary.write_text("[]", encoding="utf-8")
    assert base_of(untrained.out, {}).traits.family == "sdxl"

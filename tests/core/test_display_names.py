"""Steps of a stage have a name that people understand wherever one reads it; ledgers keep their own."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from curate.core import registry
from curate.core.events import Note, RecordDone, StageFinished, StageRecalled, StageStarted
from curate.core.record import Image, Manifest, Record
from curate.report import open_report
from curate.report.html import render
from curate.report.page import Page
from curate.report.summary import title


@pytest.mark.parametrize("name", registry.stage_names())
def test_no_step_shows_the_name_of_a_class(name: str) -> None:
    stage = registry.stage(name).build({})
    names = [part.display_name for part in stage.parts()]
    assert all(re.fullmatch(rf"{name}(: [a-z]+)?", shown) for shown in names)
    assert len(set(names)) == len(names)
    # what is in ledgers and event files of before stays
    assert all(part.name == name or re.fullmatch(rf"{name} \([a-z]+\)", part.name) for part in stage.parts())


def test_the_steps_of_tag_and_dedupe() -> None:
    def names(stage: str) -> list[tuple[str, str]]:
        return [(part.name, part.display_name) for part in registry.stage(stage).build({}).parts()]

    assert names("tag") == [("tag (scoring)", "tag: scores"), ("tag (selection)", "tag: thresholds")]
    assert names("dedupe")[0] == ("dedupe (fingerprint)", "dedupe: fingerprints")


def test_progress_summary_and_page_show_it(tmp_path: Path) -> None:
    stream = io.StringIO()
    record = Record("dog/a.png", "dog", "o", Image("d"), aside="no tags")
    with open_report(tmp_path / "events.jsonl", stream=stream) as report:
        for event in (
            StageRecalled("dedupe (fingerprint)", 3, "dedupe: fingerprints"),
            StageStarted("tag (scoring)", 3, 0, "tag: scores"),
            RecordDone("tag (scoring)", "dog/a.png", "no tags"),
            Note("warning", "slow", "tag (scoring)"),
            StageFinished("tag (scoring)", 3, 0, 1, 0.1),
        ):
            report.tell(event)
        figures = report.finish(Manifest([record]))
    page = render(Page(Manifest([record]), figures, lambda _: None))
    for text in (stream.getvalue(), page):
        assert "tag: scores" in text and "(scoring)" not in text
        assert "dedupe: fingerprints" in text and "(fingerprint)" not in text
    assert [row["stage"] for row in figures["stages"]] == ["dedupe (fingerprint)", "tag (scoring)"]
    assert '"stage":"tag (scoring)"' in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


def test_a_summary_of_before_has_names_alone() -> None:
    figures = {"stages": [], "aside": [], "notes": []}
    assert title(figures, "tag (scoring)") == "tag (scoring)"

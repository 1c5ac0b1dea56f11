"""report.json says what the page says, in fields that stay."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from curate.core.events import Note
from curate.core.record import Image, Manifest, Record
from curate.report import report_file
from curate.report.page import Page
from curate.report.report_file import is_report, report_values
from curate.report.summary import summarise
from curate.report.tally import Tally
from curate.report.training_run import Sample, TrainingRun

FIELDS = {
    "": "format version curate date counts advice checks concepts resolution buckets tags tag_pairs pictures set_aside "
    "duplicates cleaning trainings",
    "counts": "pictures prepared set_aside edited to_edit",
    "advice": "level stage message pictures",
    "checks": "traps not_checked",
    "concepts": "name trigger pictures prepared repeats weight shown_per_epoch share share_before",
    "buckets": "width height pictures enlarged cropped cropped_most shown_per_epoch",
    "tags": "concept tag pictures",
    "tag_pairs": "concept tags pictures share",
    "pictures": "key concept file width height repeats caption before before_source removed added marks faults",
    "set_aside": "key stage reason",
    "duplicates": "picture kept kind likeness",
    "trainings": "id base date finished loras settings losses samples",
}


def record(name: str, *tags: str, **rest: Any) -> Record:
    image = Image(name, "", 640, 512)
    return Record(f"dog/{name}", "dog", name, image, trigger=("zwx dog",), tags=("zwx dog", *tags), **rest)


RUN = TrainingRun(
    "tiny", {"algo": "lokr"}, (Path("lora/dog.safetensors"),), (Sample(Path("s.png"), 4, 0, "a dog"),),
    "2031-05-07 12:30", True, "0123456789abcdef", {}, {"training loss, moving average": ((1, 0.5), (2, 0.25))},
)  # fmt: skip


TRAP = {"check": "tiny", "message": "1 picture is tiny", "remedy": "use a larger file", "places": [], "pictures": []}
CHECKS = {"plan": {}, "traps": [TRAP], "not_checked": [], "names": {"tiny": "tiny pictures"}}


def values(*more: Record) -> dict[str, Any]:
    edit = {"triage": "edit", "faults": {"blur": "soft"}}
    facts = {"duplicate_of": "dog/a.png", "duplicate": "near", "likeness": 0.97}
    rows = [
        record("a.png", "hat", "coat", repeats=2, imported="a_cat, hat", facts=edit),
        *(record(f"{n}.png", *tags) for n, tags in enumerate([("hat", "coat"), ("hat", "coat"), ("sun",)])),
        record("copy.png", aside="near duplicate of dog/a.png", facts=facts),
        *more,
    ]  # fmt: skip
    tally = Tally()
    tally.tell(Note("warning", "slow", "tag", "dog/a.png"))
    manifest = Manifest(rows)
    page = Page(manifest, summarise(tally, manifest, {}), lambda _: None, trainings=[RUN], date="2031-05-07 13:00",
                checks=CHECKS, files={"dog/a.png": "2_zwx dog/a.png"})  # fmt: skip
    return json.loads(json.dumps(report_values(page)))


@pytest.mark.parametrize("part", FIELDS)
def test_fields_stay_and_are_described(part: str) -> None:
    found: Any = values()[part] if part else values()
    for one in found if isinstance(found, list) else [found]:
        assert list(one) == FIELDS[part].split()
    assert found and report_file.__doc__
    assert all(name in report_file.__doc__ for name in FIELDS[part].split())


def test_what_it_says() -> None:
    found = values()
    assert (found["format"], found["version"]) == ("curate report", 1)
    assert found["counts"] == {"pictures": 5, "prepared": 4, "set_aside": 1, "edited": 0, "to_edit": 1}
    picture = found["pictures"][0]
    assert (picture["file"], found["pictures"][1]["file"]) == ("2_zwx dog/a.png", None)
    assert (picture["caption"], picture["before"]) == ("zwx dog, hat, coat", "a cat, hat")
    assert (picture["removed"], picture["added"]) == (["a cat"], ["zwx dog", "coat"])
    assert picture["marks"] == ["needs editing", "blurred", "has duplicates", "repeated"]
    assert found["concepts"][0]["shown_per_epoch"] == 5
    assert found["buckets"] == [
        {"width": 576, "height": 448, "pictures": 4, "enlarged": 0, "cropped": 0.0282, "cropped_most": 0.0282,
         "shown_per_epoch": 5}
    ]  # fmt: skip
    assert found["tag_pairs"] == [{"concept": "dog", "tags": ["coat", "hat"], "pictures": 3, "share": 1.0}]
    assert found["duplicates"] == [{"picture": "dog/copy.png", "kept": "dog/a.png", "kind": "near", "likeness": 0.97}]
    assert found["trainings"][0]["losses"] == {"training loss, moving average": [[1, 0.5], [2, 0.25]]}
    assert {"level": "warning", "stage": "tag", "message": "slow", "pictures": ["dog/a.png"]} in found["advice"]


def test_any_name_is_written_and_read_again() -> None:
    name = "\ud800\u202e</script>\x00\n犬"
    odd = dataclasses.replace(record("x"), key=name, tags=(name,))
    assert values(odd)["pictures"][-1]["key"] == name


def test_a_report_is_told_from_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert not is_report(path)
    for text in ("", "[]", "{}", '{"format": "another"}', "\xff"):
        path.write_text(text, encoding="latin-1")
        assert not is_report(path)
    path.write_text(json.dumps(values()), encoding="utf-8")
    assert is_report(path)

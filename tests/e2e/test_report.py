"""The report of a run, and of its folder later: captions, duplicates, cleaned pictures, and the values beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from curate.drive.report_page import ONE_FILE
from tests.e2e.conftest import Curate, draw, pipeline

STAGES = """
  - convert
  - dedupe
  - denoise: {when: always, guard: false}
  - tag: {tagger: palette}
  - captions: {replace: {grass: lawn}}
  - trigger
  - export
"""


def test_the_report_of_a_run_and_of_its_folder_later(tmp_path: Path, raw: Path, curate: Curate) -> None:
    shutil.copy(raw / "dog/0.png", raw / "dog/copy.png")
    (raw / "dog/1.txt").write_text("grass, sky", encoding="utf-8")
    for path in raw.rglob("*.*"):
        os.utime(path, (1e9, 1e9))  # the ledger trusts the time of an old file alone
    file = pipeline(tmp_path, raw, stages=STAGES)
    curate("run", file)
    place = tmp_path / "prepared/.curate"
    first = (place / "report.html").read_text(encoding="utf-8")
    values = json.loads((place / "report.json").read_text(encoding="utf-8"))
    (place / "report.html").unlink()
    curate("report", tmp_path / "prepared")
    later = (place / "report.html").read_text(encoding="utf-8")
    for page in (first, later):
        assert 'id="list-cleaned" data-size="4" data-count="6"' in page, "each cleaned picture has a slider"
        assert page.count('<div class="compare"><img') == 4
        pair = re.search(r'<section id="duplicates">(.*?)</section>', page)
        assert pair and pair[1].count("<img") == 2 and "dog/copy.png" in pair[1]
        assert "<del>grass</del> <ins>lawn</ins>" in page
    checks = {trap["check"]: trap for trap in values["checks"]["traps"]}
    assert len(checks["enlarged"]["pictures"]) == 6 and "To correct the pictures in a browser" in first
    assert "enlarges much" in first and values["checks"]["not_checked"]
    pictures = {row["key"]: row for row in values["pictures"]}
    assert pictures["dog/1.png"]["caption"] == "zwx dog, lawn, sky"
    assert all((tmp_path / "prepared" / row["file"]).is_file() for row in pictures.values())
    again = json.loads((place / "report.json").read_text(encoding="utf-8"))
    assert again["duplicates"] == values["duplicates"] != []
    assert {row["key"]: row["file"] for row in again["pictures"]} == {key: row["file"] for key, row in pictures.items()}


def test_a_training_whose_base_is_not_known_any_more_leaves_the_usual_buckets(
    tmp_path: Path, raw: Path, curate: Curate
) -> None:
    curate("convert", raw, "-o", tmp_path / "work")
    run = {"id": "0123456789abcdef"}
    for options, expected in (
        ({"base": "gone", "bucket_max": 512}, (1216, 832)),
        ({"base": "gone", "bucket_max": 512, "upscale": False}, (1216, 832)),
        ({"resolution": 128, "bucket_step": 32, "bucket_max": None}, (160, 96)),
        ({"upscale": False, "bucket_max": None}, (64, 64)),
    ):
        state = tmp_path / "work/.curate/train/0123456789abcdef/run.json"
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps({**run, "options": options}), encoding="utf-8")
        curate("report", tmp_path / "work")
        bucket = json.loads((tmp_path / "work/.curate/report.json").read_text(encoding="utf-8"))["buckets"][0]
        assert (bucket["width"], bucket["height"]) == expected


def test_the_thumbnails_of_a_large_folder_are_not_put_among_its_pictures(tmp_path: Path, curate: Curate) -> None:
    for n in range(ONE_FILE + 1):
        draw(tmp_path / f"raw/dog/{n}.png", n, (16, 12))
    work = tmp_path / "work"
    curate("convert", tmp_path / "raw", "-o", work)
    assert "would be taken for pictures" in curate("report", work, "-o", work / "dog/page.html", code=2).stderr
    assert not list(work.rglob("page*"))
    assert "report: thumbnails: done, 241 pictures" in curate("report", work).stderr
    small = list((work / ".curate/report_files").iterdir())
    assert len(small) == ONE_FILE + 1 and all(path.suffix == ".jpg" for path in small)
    (work / ".curate/report_files/.curate-0123456789abcdef.jpg").write_bytes(b"half")
    (work / "dog/7.png").unlink()
    assert "241" not in curate("report", work).stderr
    assert not (work / ".curate/report_files").exists(), "a page of 240 pictures is one file"


def test_a_report_takes_no_other_file_for_its_own(tmp_path: Path, raw: Path, curate: Curate) -> None:
    curate("convert", raw, "-o", tmp_path / "work")
    (tmp_path / "mine.json").write_text("[1]", encoding="utf-8")
    assert (
        "mine.json is not a report of curate"
        in curate("report", tmp_path / "work", "-o", tmp_path / "mine.html", code=2).stderr
    )
    assert (tmp_path / "mine.json").read_text(encoding="utf-8") == "[1]" and not (tmp_path / "mine.html").exists()
    assert "is no name for a page" in curate("report", tmp_path / "work", "-o", tmp_path / "mine.json", code=2).stderr
    for _ in range(2):
        curate("report", tmp_path / "work", "-o", tmp_path / "page.html")
    assert json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["counts"]["prepared"] == 6

"""Sections of the report begin with sentences that are true of the records."""

from __future__ import annotations

import re
from typing import Any

import pytest

from curate.core.record import Image, Manifest, Record
from curate.report.page import Page, fitting_of
from curate.report.sections.aside import aside
from curate.report.sections.balance import balance
from curate.report.sections.buckets import buckets
from curate.report.sections.captions import captions
from curate.report.sections.overview import advice
from curate.report.sections.tags import together
from curate.report.sections.traps import trap_marks, traps
from curate.report.summary import summarise
from curate.report.tally import Tally


def record(name: str, *tags: str, size: tuple[int, int] = (512, 512), **rest: Any) -> Record:
    concept = name.partition("/")[0]
    trigger = (f"zwx {concept}",)
    return Record(name, concept, name, Image(name, "", *size), trigger=trigger, tags=(*trigger, *tags), **rest)


def page(*records: Record, **options: Any) -> Page:
    manifest = Manifest(records)
    return Page(manifest, summarise(Tally(), manifest, {}), lambda _: None, **options)


def words(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup)).strip()


def test_captions_that_came_and_what_became_of_them() -> None:
    text = words(
        captions(
            page(
                record("dog/a", "hat", imported="cat, hat"),
                record("dog/b", "hat", imported="cat, hat"),
                record("dog/c", "hat", imported="hat"),
                record("dog/d", "hat", edited="zwx dog, coat"),
                record("dog/e", "hat"),
            )
        )
    )
    assert text.startswith(
        "1 caption was edited by you. 3 captions came with the pictures. 3 captions differ from what"
    )
    assert "removed most often tag captions cat 2 hat 1" in text and "added most often tag captions coat 1" in text
    assert "zwx dog" not in text


def test_what_no_stage_set_aside_is_counted_too() -> None:
    rows = page(
        record("dog/a", aside="duplicate of dog/c", facts={"duplicate_of": "dog/c"}),
        record("dog/b", aside="opted out of AI training"),
        record("dog/c"),
    )
    assert words(aside(rows)).startswith("2 pictures were set aside: 1 by dedupe, 1 for other reasons.")


def test_of_many_warnings_of_one_stage_the_rest_is_folded() -> None:
    one = page(record("dog/a", "hat"))
    one.figures["notes"] = [
        {"level": "warning", "stage": "inspect", "message": f"concept {n} is small", "pictures": []} for n in range(6)
    ]
    before, _, after = advice(one).partition("<details>")
    assert [f"concept {n} " in before for n in range(6)] == [True] * 4 + [False] * 2
    assert words(after).startswith("2 more of this kind warning inspect: concept 4 is small")


def test_captions_that_only_got_their_trigger() -> None:
    assert "Besides trigger words, nothing was changed." in words(
        captions(page(record("dog/a", "hat", imported="hat")))
    )
    assert captions(page(record("dog/a", "hat"))) == ""


def test_balance_before_and_after() -> None:
    rows = [*(record(f"dog/{n}", repeats=1) for n in range(3)), record("robe/a", repeats=3)]
    text = words(balance(page(*rows)))
    assert "An epoch shows 6 pictures. Every concept gets the same share." in text
    assert "dog zwx dog 3 3 1 1 3 75.0% 50.0%" in text and "robe zwx robe 1 1 3 1 3 25.0% 50.0%" in text
    text = words(balance(page(*rows, record("robe/b", repeats=3))))
    assert "robe gets the largest share, dog the smallest." in text


@pytest.mark.parametrize(
    ("sizes", "options", "expected"),
    [
        ([(512, 512)], {}, "At a resolution of 512, 1 picture goes into 1 bucket, in steps of 64 pixels."),
        ([(1024, 512)], {}, "1 picture goes into 1 bucket"),
        ([(512, 512), (100, 100)], {}, "1 picture is smaller than the bucket and enlarged."),
        ([(512, 512), (100, 100)], {"upscale": False}, "2 pictures go into 2 buckets"),
        ([(2000, 520)], {}, "Up to 3% of a picture is cropped, in the bucket 960 × 256."),
        ([(2000, 500)], {"bucket_max": 512}, "Up to 50% of a picture is cropped, in the bucket 512 × 256."),
    ],
)  # fmt: skip
def test_buckets_of_the_training(sizes: list[tuple[int, int]], options: dict[str, Any], expected: str) -> None:
    rows = [record(f"dog/{n}", size=size) for n, size in enumerate(sizes)]
    markup = buckets(page(*rows, fitting=fitting_of(options, 512)))
    assert expected in words(markup)
    number = re.search(r"into (\d+) bucket", words(markup))
    assert number and markup.count('class="kept"') == markup.count('class="cut"') == int(number[1])


def test_an_extreme_bucket_leaves_the_others_visible() -> None:
    rows = [record("dog/a", size=(512, 512)), record("dog/b", size=(9000, 90))]
    drawn = re.findall(r'class="kept" x="[^"]*" y="[^"]*" width="([^"]*)"', buckets(page(*rows)))
    assert len(drawn) == 2 and min(map(float, drawn)) >= 50


def trap(check: str, *files: str, detail: str = "") -> dict[str, Any]:
    places = [{"file": file, "detail": detail, "picture": file} for file in files]
    return {
        "check": check,
        "message": f"{len(files)} are {check}",
        "remedy": f"no {check}",
        "places": places,
        "pictures": list(files),
    }


def test_traps_with_their_pictures_and_remedies() -> None:
    checks = {
        "traps": [
            trap("tiny", "1_dog/a.png", "1_dog/b.png", detail="8x8"),
            trap("alone", *(f"{n}.txt" for n in range(25))),
        ],
        "not_checked": [{"check": c, "reason": "no tokenizer", "remedy": "name a base"} for c in ("tokens", "split")],
        "names": {"tiny": "tiny pictures"},
    }
    files = {"dog/a": "1_dog/a.png", "dog/c": "1_dog/c.png"}
    made = page(record("dog/a"), record("dog/c"), checks=checks, files=files, review="my\\ folder")
    text = words(traps(made))
    assert text.startswith("The checks before training found 2 traps.")
    assert "run curate review my\\ folder ." in text
    assert "trap 2 are tiny show 1 picture Remedy: no tiny 2 files 1_dog/a.png (8x8) 1_dog/b.png (8x8)" in text
    assert "1_dog/b.png (8x8) In review: curate review my\\ folder --show tiny trap" in text
    assert 'data-check="tiny" data-count="2 pictures"' in traps(made)
    assert "25 files" in text and "and 5 more" in text
    assert "2 checks not made 2 checks: no tokenizer; name a base" in text
    assert trap_marks(made, made.manifest) == {"tiny pictures": {"dog/a"}}
    assert "&quot;mark&quot;: &quot;tiny pictures&quot;" in traps(made)


def test_without_traps_the_section_says_so() -> None:
    assert traps(page(record("dog/a"))) == ""
    none = {"traps": [], "not_checked": [], "names": {}}
    assert words(traps(page(record("dog/a"), checks=none))) == "The checks before training found nothing wrong."


def test_tags_that_are_always_together() -> None:
    rows = [*(record(f"dog/{n}", "hat", "coat") for n in range(3)), record("dog/3", "sun")]
    assert "coat + hat : always together, on 3 pictures" in words(together(page(*rows)))
    assert together(page(record("dog/a", "hat", "coat"))) == ""

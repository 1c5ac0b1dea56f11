"""The report in a real browser, opened from a file: filters, pages and sliders work, and no name runs anything."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pil

from curate.core.record import Image, Manifest, Record
from curate.report.html import render
from curate.report.page import Page
from curate.report.summary import summarise
from curate.report.tally import Tally
from curate.report.thumbs import ThumbnailFiles

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

EVIL = "</script><script>window.ran=1</script><img src=x onerror='window.ran=1'>\"'\u202e"
CLEANED = {"done": True, "suspected": True, "score": 4.0, "methods": ["adverse"], "after": {"score": 0.5}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as play:
        path = next(
            (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
        )
        if path is None and not Path(play.chromium.executable_path).exists():
            pytest.skip("there is no Chromium: install it, or run `playwright install chromium`")
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


def records(place: Path) -> list[Record]:
    """120 pictures of two concepts: every third has a hat, every fifth a coat; one is edited, some have evil names."""
    path = place / "a.png"
    Pil.new("RGB", (64, 48), "teal").save(path)
    rows = [
        Record(
            f"dog/{n:03}.png", "robe" if n >= 100 else "dog", f"o{n}", Image("d", str(path), 64, 48), trigger=("zwx",),
            tags=("zwx", f"tag_{n}", *(("red_hat",) if n % 3 == 0 else ()), *(("coat",) if n % 5 == 0 else ())),
        )
        for n in range(120)
    ]  # fmt: skip
    rows[7] = dataclasses.replace(rows[7], edited="zwx, my own Words", repeats=2)
    rows[8] = dataclasses.replace(rows[8], facts={"denoise": {**CLEANED, "psnr": 36.0, "ssim": 0.95}})
    for n in (3, 60, 110):
        rows[n] = dataclasses.replace(
            rows[n],
            key=f"dog/{n}{EVIL}",
            concept=EVIL,
            tags=("zwx", EVIL.replace(" ", "_")),
            imported=EVIL,
            notes=(EVIL,),
        )
    rows += [dataclasses.replace(rows[n], key=f"dog/gone{n}{EVIL}", aside=EVIL) for n in range(15)]
    return rows


@pytest.fixture(scope="module")
def tab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("report")
    manifest = Manifest(records(place))
    page = Page(
        manifest,
        summarise(Tally(), manifest, {}),
        lambda record: Path(record.image.path),
        thumbnails=ThumbnailFiles(place / "my report_files"),
        before=lambda record: Path(record.image.path),
        title=EVIL,
    )
    (place / "my report.html").write_text(render(page), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 420, "height": 900})
    tab.troubles = []
    tab.on("console", lambda message: tab.troubles.append(message.text))
    tab.on("pageerror", lambda error: tab.troubles.append(str(error)))
    tab.goto((place / "my report.html").as_uri())
    yield tab
    assert tab.troubles == [] and tab.evaluate("window.ran") is None
    tab.close()


@pytest.fixture(autouse=True)
def unfiltered(tab: Any) -> None:
    tab.locator("#filters button").click()


def names(tab: Any) -> list[str]:
    return tab.locator("#list-pictures figcaption > b").all_text_contents()


def count(tab: Any) -> str:
    return tab.locator("#shown-count").text_content()


def test_all_pictures_by_page(tab: Any) -> None:
    assert count(tab) == "120 of 120 pictures"
    assert len(names(tab)) == 48
    bar = tab.locator("#pictures .pager")
    seen = names(tab)
    for _ in range(2):
        bar.get_by_text("next", exact=True).click()
        seen += names(tab)
    assert bar.locator("span").text_content() == "97 to 120 of 120"
    assert len(set(seen)) == 120
    assert tab.locator("#list-pictures img").first.evaluate("image => image.complete || image.loading === 'lazy'")
    bar.get_by_text("first", exact=True).click()
    assert names(tab) == seen[:48]


def test_at_usual_width_no_table_is_cut_off(tab: Any) -> None:
    tab.set_viewport_size({"width": 1280, "height": 900})
    cut = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert (tab.locator("#balance th").count(), tab.evaluate(cut)) == (11, 0)
    tab.set_viewport_size({"width": 420, "height": 900})


def test_pictures_beside_the_page_are_shown(tab: Any) -> None:
    first = tab.locator("#list-pictures img").first
    first.scroll_into_view_if_needed()
    tab.wait_for_function("document.querySelector('#list-pictures img').naturalWidth === 64")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("tag", "red hat", "38 of 120 pictures"),
        ("tag", "red_hat, coat", "7 of 120 pictures"),
        ("tag", "red_hat, -coat", "31 of 120 pictures"),
        ("tag", "no such tag", "0 of 120 pictures"),
        ("tag", EVIL.replace("\u202e", "\\u202e").replace(" ", "_"), "3 of 120 pictures"),
        ("text", "MY words", "1 of 120 pictures"),
        ("text", "onerror", "3 of 120 pictures"),
    ],
)
def test_filters_by_tag_and_text(tab: Any, field: str, value: str, expected: str) -> None:
    tab.locator(f"#filters [name={field}]").fill(value)
    assert count(tab) == expected
    assert len(names(tab)) == min(48, int(expected.split()[0]))


def test_filters_by_concept_and_mark(tab: Any) -> None:
    tab.locator("#filters [name=concept]").select_option(label="robe (19)")
    assert count(tab) == "19 of 120 pictures"
    tab.locator("#filters [name=mark]").select_option("edited by hand")
    assert count(tab) == "0 of 120 pictures"
    tab.locator("#filters [name=concept]").select_option("")
    assert names(tab) == ["007.png"]


def test_a_tag_leads_to_its_pictures(tab: Any) -> None:
    tab.locator("#tags a", has_text="coat").first.click()
    assert count(tab) == "22 of 120 pictures"


def test_advice_leads_to_its_pictures(tab: Any) -> None:
    tab.locator("#advice a").first.click()
    assert count(tab) == "120 of 120 pictures"
    assert tab.locator("#filters [name=mark]").input_value() == "few tags"


def test_a_long_table_is_turned(tab: Any) -> None:
    rows = tab.locator("#list-aside tr")
    assert rows.count() == 10
    tab.locator("#set-aside .pager").get_by_text("next", exact=True).click()
    assert rows.count() == 5 and "onerror" in rows.first.text_content()


def test_the_edge_of_a_slider_follows_the_keyboard(tab: Any) -> None:
    slider = tab.locator(".compare input")
    slider.focus()
    for _ in range(10):
        tab.keyboard.press("ArrowRight")
    assert tab.locator(".compare").evaluate("box => box.style.getPropertyValue('--edge')") == "60%"


def test_the_page_is_no_wider_than_a_telephone(tab: Any) -> None:
    assert tab.evaluate("document.documentElement.scrollWidth") <= 420

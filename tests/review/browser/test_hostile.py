"""Hostile names, tags and sentences are text on the page and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import draw
from tests.folder.helpers import Project
from tests.review.browser.conftest import Page, expect, served, window

SCRIPT = "<script>window.injected=1</script>"
IMAGE = "<img src=x onerror='window.injected=2'>"
TAGS = (SCRIPT, IMAGE, "\"><svg onload=alert(3)>",
        "'single' \"double\" `back` ${window.injected=4}", "שלום \u202e olleh",
        "😀👩‍👩‍👧", "x" * 200, "javascript:alert(5)", "&lt;b&gt; &amp;amp;")  # fmt: skip
NAMES = ("&lt;b&gt; ' ${alert(1)}.png", "\u202egnp.txe שלום 😀.png", f"{'long' * 50}.png", "%2e%2e%2f?token=#x.png")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder that curate did not prepare: its names and captions are what somebody sent."""
    one = Project(tmp_path_factory.mktemp("hostile"))
    for i, name in enumerate(NAMES):
        file = draw(one.out / "1_evil <b>" / name, i)
        file.with_suffix(".txt").write_text(
            f"{', '.join(TAGS)}, {IMAGE} stands here. It is a sentence.", encoding="utf-8"
        )
    return one


@pytest.fixture(scope="module")
def address(hostile: Project) -> Iterator[str]:
    with served(hostile.out) as at:
        yield at


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Page]:
    one = window(chromium, address)
    one.page.on("dialog", lambda dialog: (one.troubles.append(dialog.message), dialog.dismiss()))
    yield one
    assert one.page.evaluate("[window.injected, document.scripts.length]") == [None, 1]
    assert one.find("body script, svg, img[onerror], [onload]").count() == 0
    one.page.context.close()
    assert one.troubles == []


def test_the_grid_shows_them_as_text(page: Page) -> None:
    shown = page.find(".tile:visible .name").evaluate_all("names => names.map((name) => name.textContent)")
    assert sorted(shown) == sorted(NAMES)
    expect(page.find(".tile:visible img").first).to_have_js_property("complete", True)
    loaded = "images => images.every((one) => !one.complete || one.naturalWidth > 0)"
    assert page.find(".tile:visible img").evaluate_all(loaded)


def test_one_picture_shows_them_as_text(page: Page) -> None:
    for name in NAMES:
        page.keys("Enter")
        expect(page.find(".panel h2 bdi")).to_be_visible()
        assert {SCRIPT, "x" * 200} <= set(page.tags()), name
        page.keys("Escape", "ArrowRight")


def test_suggestions_filter_and_statistics_show_them_as_text(page: Page) -> None:
    page.keys("f")
    page.type("<scr")
    expect(page.find("[role=option]", has_text=SCRIPT)).to_be_visible()
    page.keys("ArrowDown", "Enter")
    expect(page.find("#count")).to_have_text(f"{len(NAMES)} pictures")
    assert "script" in page.page.url
    page.find("#grid").focus()
    page.keys("t")
    expect(page.find("#statistics")).to_contain_text(SCRIPT)
    page.keys("Escape")


def test_a_bulk_edit_and_its_messages_show_them_as_text(page: Page, hostile: Project) -> None:
    before = hostile.files()
    page.keys("b")
    page.type(f"{SCRIPT.replace('1', '9')},")
    expect(page.find(".result")).to_contain_text("would change")
    page.find("#bulk button[type=submit]").press("Enter")
    expect(page.find(".notice", has_text="captions changed")).to_be_visible()
    assert all(SCRIPT.replace("1", "9") in text for text in hostile.captions().values())
    page.undo()
    expect(page.find(".notice", has_text="Undone")).to_contain_text("script")
    assert hostile.files() == before


def test_a_link_cannot_inject(page: Page, address: str) -> None:
    page.page.goto("about:blank")
    page.page.goto(
        f"{address}#q={IMAGE}&with={SCRIPT}&concept=<b>&sort=__proto__&id=../../etc/passwd&reason=<svg onload=alert(1)>"
    )
    expect(page.find("#nothing")).to_be_visible()

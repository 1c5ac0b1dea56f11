"""What the page says of trigger words: missing, not first, or those of the concept that a picture left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.folder.helpers import Project
from tests.review.browser.conftest import Page, expect, window
from tests.review.helpers import TOKEN, site

DOG = "1_zwx dog/0.txt"


@pytest.fixture
def mine(project: Project, tmp_path: Path) -> Project:
    """The prepared pictures in a place of the test's own."""
    shutil.copytree(project.place, tmp_path / "mine")
    return Project(tmp_path / "mine", concepts=project.concepts)


@pytest.fixture
def page(chromium: Any, mine: Project) -> Iterator[Page]:
    with site(mine.out) as served:
        one = window(chromium, f"http://127.0.0.1:{served.port}/?token={TOKEN}")
        yield one
        one.page.context.close()
    assert one.troubles == []


def hint(page: Page, text: str) -> Any:
    return page.find(".hints p", has_text=text)


def test_a_tag_before_the_trigger_is_told_of_and_mended(page: Page, mine: Project) -> None:
    page.open("dog/0.png")
    expect(page.find(".hints")).to_be_empty()
    page.keys("g", "End", "Shift+Home")
    expect(hint(page, "sky stands before the trigger word “zwx dog”")).to_be_visible()
    assert mine.captions()[DOG] == "sky, zwx dog, grass"
    hint(page, "sky stands before").locator("button").press("Enter")
    expect(page.find(".hints")).to_be_empty()
    assert mine.captions()[DOG] == "zwx dog, sky, grass"


def test_a_missing_trigger_is_told_of_and_mended(page: Page, mine: Project) -> None:
    mine.edit(DOG, "sky, grass")
    page.open("dog/0.png")
    hint(page, "The caption lacks the trigger word “zwx dog”").locator("button").press("Enter")
    expect(page.find(".hints")).to_be_empty()
    assert mine.captions()[DOG] == "zwx dog, sky, grass"


def test_a_caption_of_ones_own_keeps_the_trigger_of_the_concept_it_left(page: Page, mine: Project) -> None:
    mine.edit(DOG, "zwx dog, my own words")
    page.open("dog/0.png")
    page.keys("o")
    page.find("#choose-concept button", has_text="robe").press("Enter")
    expect(page.find(".notice", has_text="You edited its caption, so it keeps the old trigger words")).to_be_visible()
    expect(hint(page, "The next run moves the picture to robe")).to_contain_text("it keeps the trigger word “zwx dog”")
    mine.run()
    assert mine.captions()["1_robe/0.txt"] == "zwx dog, my own words"
    page.keys("Escape", "Escape")
    page.open("1_robe/0.png")
    found = hint(page, "The caption has the trigger word “zwx dog” of dog, and lacks “robe”")
    found.locator("button").press("Enter")
    expect(page.find(".hints")).to_be_empty()
    assert mine.captions()["1_robe/0.txt"] == "robe, my own words"


def test_a_new_concept_is_told_by_its_name(page: Page) -> None:
    page.open("dog/1.png")
    page.keys("o")
    page.page.get_by_label("Another concept", exact=True).fill("5_neu")
    page.keys("Enter")
    expect(page.find(".notice", has_text="Moved to neu: 1.png.")).to_be_visible()
    page.undo()
    expect(page.find(".notice", has_text="Undone: moved to neu: 1_zwx dog/1.png")).to_be_visible()

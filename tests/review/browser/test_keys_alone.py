"""What is done in dialogs and tools, with nothing but keys."""

from __future__ import annotations

from tests.folder.helpers import Project
from tests.review.browser.conftest import Page, changed, expect


def test_dialogs(page: Page, project: Project) -> None:
    before = project.files()
    page.open("dog/0.png")
    page.keys("o", "Tab", "Enter")
    expect(page.find(".notice", has_text="Moved to robe: 0.png.")).to_be_visible()
    page.undo()
    page.keys("Escape", "Escape", "b", "Shift+Tab", "ArrowDown", "Tab")
    expect(page.page.get_by_label("What")).to_have_value("remove")
    page.type("grass,")
    expect(page.find(".result")).to_have_text("1 caption of 1 would change.")
    page.keys("Enter")
    expect(page.find(".notice", has_text="1 caption changed")).to_be_visible()
    assert changed(before, project.files()) == {"1_zwx dog/0.txt"}
    page.undo()
    page.keys("t")
    expect(page.find("#statistics[open]")).to_be_visible()
    page.keys("Tab", "Tab", "Enter")
    expect(page.find("#filters .tag")).to_be_visible()
    assert changed(before, project.files()) == set()


def test_tools(page: Page, project: Project) -> None:
    before = project.files()
    page.open("dog/1.png")
    page.keys("c")
    page.find("[aria-label=Crop][role=toolbar]").wait_for()
    page.keys("Shift+ArrowLeft", "Shift+ArrowUp", "ArrowRight", "Enter")
    expect(page.find(".notice", has_text="Kept. The next run carries it out")).to_be_visible()
    expect(page.find(".panel .mark", has_text="crop")).to_be_visible()
    page.undo()
    page.keys("m")
    page.find("[aria-label=Mask][role=toolbar]").wait_for()
    page.keys("]", "Shift+ArrowRight", "e", "[", "Space", "i", "z", "Enter")
    expect(page.find(".notice", has_text="Mask saved")).to_be_visible()
    assert changed(before, project.files()) == {"masks/1_zwx dog/1.png"}
    page.undo()
    page.keys("Escape", "x")
    expect(page.find(".notice", has_text="Set aside: 1.png")).to_be_visible()
    page.undo()
    assert changed(before, project.files()) == set()

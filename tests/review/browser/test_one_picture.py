"""One picture in the browser, by keys: each action changes exactly the files that it should, and can be undone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.folder.helpers import Project
from tests.review.browser.conftest import Page, changed, expect, window

CAPTION, PICTURE = "1_zwx dog/0.txt", "1_zwx dog/0.png"
OFFLINE = "net::ERR_"


@pytest.fixture(autouse=True)
def unchanged(project: Project) -> Any:
    """Every test leaves the folder as it was."""
    before = project.files()
    yield
    assert changed(before, project.files()) == set()


def test_a_tag_is_added_with_a_suggestion(page: Page, project: Project) -> None:
    before = project.files()
    page.open("dog/0.png")
    page.keys("a")
    page.type("og ea")
    expect(page.find("[role=option]", has_text="dog ears")).to_be_visible()
    page.keys("ArrowDown", "Enter")
    page.saved()
    assert changed(before, project.files()) == {CAPTION}
    assert project.captions()[CAPTION] == "zwx dog, grass, sky, dog ears"
    page.keys("Escape")
    page.undo()


def test_a_tag_is_moved_and_removed_by_keys(page: Page, project: Project) -> None:
    before = project.files()
    page.open("dog/0.png")
    page.keys("g", "End", "Shift+ArrowLeft")
    page.saved()
    assert project.captions()[CAPTION] == "zwx dog, sky, grass"
    page.keys("Delete")
    page.saved()
    assert project.captions()[CAPTION] == "zwx dog, grass"
    assert changed(before, project.files()) == {CAPTION}
    page.undo()
    assert project.captions()[CAPTION] == "zwx dog, sky, grass"
    page.undo()


def test_a_tag_is_dragged(page: Page, project: Project) -> None:
    page.open("dog/0.png")
    first, second = (page.find(f'.chips li[data-tag="{tag}"]').bounding_box() for tag in ("grass", "sky"))
    page.page.mouse.move(second["x"] + 12, second["y"] + 12)
    page.page.mouse.down()
    page.page.mouse.move(first["x"] + 12, first["y"] + 12, steps=4)
    page.page.mouse.up()
    page.saved()
    assert project.captions()[CAPTION] == "zwx dog, sky, grass"
    page.undo()


def test_a_trigger_word_stays(page: Page) -> None:
    page.open("dog/0.png")
    page.keys("g", "Delete")
    expect(page.find(".notice", has_text="trigger word")).to_be_visible()
    assert page.tags() == ["zwx dog", "grass", "sky"]


def test_a_sentence_is_saved_when_one_leaves_its_field(page: Page, project: Project) -> None:
    before = project.files()
    page.open("dog/0.png")
    page.keys("s")
    page.type("A disc lies on the ground.")
    page.keys("Escape")
    expect(page.find(".panel h3 .hint")).to_have_text("saved")
    assert changed(before, project.files()) == {CAPTION}
    assert project.captions()[CAPTION] == "zwx dog, grass, sky, A disc lies on the ground."
    expect(page.find(".trained")).to_have_text("zwx dog, grass, sky, A disc lies on the ground.")
    page.undo()


def test_tokens_are_shown_by_75(page: Page) -> None:
    def counted(route: Any) -> None:
        route.fulfill(json=route.fetch().json() | {"chunks": [75, 12]})

    page.page.route("**/api/picture/**", counted)
    page.open("dog/0.png")
    expect(page.find(".tokens")).to_have_text("87 tokens (75 + 12)")
    assert page.find(".tokens meter").evaluate_all("meters => meters.map((one) => one.value)") == [75, 12]


def test_the_caption_file_is_edited_as_text(page: Page, project: Project) -> None:
    page.open("dog/0.png")
    page.find(".file summary").focus()
    page.keys("Enter", "Tab", "Control+a")
    page.type("zwx dog, moon")
    page.keys("Control+Enter")
    page.saved()
    assert project.captions()[CAPTION] == "zwx dog, moon"
    page.keys("Escape")
    page.undo()


def test_a_lost_server_loses_no_typing(page: Page, project: Project) -> None:
    page.open("dog/0.png")
    page.page.context.set_offline(True)
    page.keys("s")
    page.type("It lies on the grou")
    page.keys("Control+Enter")
    expect(page.find("#banner")).to_contain_text("The server does not answer")
    page.type("nd.")
    assert project.captions()[CAPTION] == "zwx dog, grass, sky"
    page.page.context.set_offline(False)
    page.find("#banner button").press("Enter")
    expect(page.find("#banner")).to_be_hidden()
    page.keys("Control+Enter", "Escape")
    expect(page.find(".panel h3 .hint")).to_have_text("saved")
    assert project.captions()[CAPTION] == "zwx dog, grass, sky, It lies on the ground."
    page.undo()
    page.undo()
    page.troubles = [one for one in page.troubles if OFFLINE not in one]


def test_what_was_typed_is_there_after_the_window_was_closed(page: Page, project: Project) -> None:
    page.open("dog/1.png")
    page.page.route("**/api/edit", lambda route: route.abort())
    page.keys("s")
    page.type("Never sent.")
    page.keys("Control+Enter")
    expect(page.find("#banner")).to_be_visible()
    page.page.on("dialog", lambda dialog: dialog.accept())
    page.page.reload()
    expect(page.page.get_by_label("Sentence", exact=True)).to_have_value("Never sent.")
    assert project.captions()["1_zwx dog/1.txt"] == "zwx dog, grass, sky"
    page.troubles = [one for one in page.troubles if OFFLINE not in one]


def test_a_text_that_changed_on_disk_is_shown_and_not_overwritten(page: Page, project: Project) -> None:
    page.open("dog/0.png")
    page.keys("s")
    project.edit(CAPTION, "zwx dog, from elsewhere")
    page.type("Mine.")
    page.keys("Control+Enter")
    dialog = page.find("#conflict[open]")
    expect(dialog.locator("pre").first).to_have_text("zwx dog, from elsewhere")
    expect(dialog.locator("pre").last).to_have_text("zwx dog, from elsewhere, Mine.")
    sentence = page.page.get_by_label("Sentence", exact=True)
    page.keys("Escape")  # decides nothing: what was typed waits, and the question comes again
    expect(sentence).to_have_value("Mine.")
    page.keys("Control+Enter")
    dialog.get_by_text("Keep the text on disk", exact=True).press("Enter")
    expect(sentence).to_have_value("")
    assert project.captions()[CAPTION] == "zwx dog, from elsewhere"

    sentence.focus()
    project.edit(CAPTION, "zwx dog, grass, sky")
    page.type("Mine.")
    page.keys("Control+Enter")
    dialog.get_by_text("Save yours", exact=True).press("Enter")
    expect(dialog).to_be_hidden()
    page.saved()
    expect(page.find(".trained")).to_have_text("zwx dog, grass, sky, Mine.")
    assert project.captions()[CAPTION] == "zwx dog, grass, sky, Mine."
    page.find("canvas").focus()
    page.undo()
    page.troubles = [one for one in page.troubles if "409" not in one]


def test_two_windows_agree(page: Page, chromium: Any, address: str) -> None:
    other = window(chromium, address)
    for one in (page, other):
        one.open("dog/0.png")
    page.keys("a")
    page.type("zebra,")
    page.saved()
    expect(other.find('.chips li[data-tag="zebra"]')).to_be_visible()
    other.undo()
    expect(page.find('.chips li[data-tag="zebra"]')).to_have_count(0)
    other.page.context.close()
    assert other.troubles == []


def test_escape_closes_suggestions_then_leaves_the_field(page: Page) -> None:
    page.open("dog/0.png")
    page.keys("a")
    page.type("og ea")
    expect(page.find(".suggestions [role=option]:visible")).to_have_count(1)
    page.keys("Escape")
    expect(page.find(".suggestions:visible")).to_have_count(0)
    expect(page.page.get_by_label("Add a tag", exact=True)).to_be_focused()
    page.keys("Escape")
    expect(page.find("canvas.stage")).to_be_focused()
    expect(page.find(".panel h2")).to_contain_text("0.png")
    page.keys("Escape")
    expect(page.find("#grid")).to_be_focused()


def test_lines_typed_into_a_caption_are_joined_aloud(page: Page, project: Project) -> None:
    page.open("dog/0.png")
    page.find(".file summary").focus()
    page.keys("Enter", "Tab", "Control+a")
    page.type("zwx dog")
    page.keys("Enter")
    page.type("moon")
    page.keys("Control+Enter")
    expect(page.find(".notice", has_text="Saved as one line")).to_be_visible()
    assert project.captions()[CAPTION] == "zwx dog moon"
    page.keys("Escape")
    page.undo()
    expect(page.find(".notice", has_text=f"Undone: caption file: {PICTURE}")).to_be_visible()

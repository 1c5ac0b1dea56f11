"""The grid in the browser: moving, selecting, filtering, editing many captions at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.folder.helpers import Project
from tests.review.browser.conftest import Page, changed, expect, window


@pytest.fixture(autouse=True)
def unchanged(project: Project) -> Any:
    """Every test leaves the folder as it was."""
    before = project.files()
    yield
    assert changed(before, project.files()) == set()


def names(page: Page) -> list[str]:
    """The pictures in sight, in order."""
    return page.find(".tile:visible").evaluate_all(
        """tiles => tiles.sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)
        .map((tile) => tile.querySelector('.name').title)"""
    )


def cursor(page: Page) -> str:
    return page.find(".tile.cursor .name").get_attribute("title")


def count(page: Page, text: str) -> None:
    expect(page.find("#count")).to_have_text(text)


def test_arrows_move_and_enter_opens(page: Page) -> None:
    first, second, *_, last = names(page)
    assert cursor(page) == first
    page.keys("ArrowRight")
    assert cursor(page) == second
    page.keys("End")
    assert cursor(page) == last
    page.keys("Home", "ArrowRight", "Enter")
    expect(page.find(".panel h2")).to_have_text(re.compile(r"1\.png 2 of 8"))
    page.keys("ArrowRight")
    expect(page.find(".panel h2")).to_have_text(re.compile(r"2\.png 3 of 8"))
    page.keys("Escape")
    assert cursor(page).endswith("dog/2.png")
    page.page.go_back()
    expect(page.find("#grid")).to_be_visible()


def test_a_filter_shows_what_it_says(page: Page, address: str) -> None:
    page.keys("f")
    page.type("silk,")
    count(page, "2 of 8 pictures")
    page.keys("Tab")
    page.type("grass,")
    count(page, "2 of 8 pictures")
    page.page.goto("about:blank")
    page.page.goto(f"{address}#with=grass&concept=dog&sort=size&down=yes")
    count(page, "6 of 8 pictures")
    page.page.get_by_label("Concept").select_option("robe")
    expect(page.find("#nothing")).to_have_text("No picture matches the filter.")
    page.find("#filters button", has_text="Clear").press("Enter")
    count(page, "8 pictures")
    page.keys("/")
    page.type("R1")
    count(page, "1 of 8 pictures")
    assert "q=R1" in page.page.url


def test_sorting(page: Page) -> None:
    ascending = names(page)
    assert [name.partition("/")[0] for name in ascending] == ["1_zwx dog"] * 6 + ["1_robe"] * 2  # by concept
    page.find("#sorting button").press("Enter")
    assert names(page) == ascending[::-1]
    page.page.get_by_label("Sort").select_option("Sharpness")
    assert sorted(names(page)) == sorted(ascending)


def test_keys_and_clicks_select(page: Page) -> None:
    page.keys("Shift+ArrowRight", "Shift+ArrowRight")
    expect(page.find("#selection")).to_contain_text("3 pictures selected")
    page.keys("Escape")
    expect(page.find("#selection")).to_be_hidden()
    page.keys("Space")
    expect(page.find("#selection")).to_contain_text("1 picture selected")
    tiles = page.find(".tile:visible .facts")
    tiles.nth(0).click()
    tiles.nth(3).click(modifiers=["Shift"])
    expect(page.find("#selection")).to_contain_text("4 pictures selected")
    tiles.nth(1).click(modifiers=["ControlOrMeta"])
    expect(page.find("#selection")).to_contain_text("3 pictures selected")
    page.keys("Control+a")
    expect(page.find("#selection")).to_contain_text("8 pictures selected")


def test_many_captions_are_edited_after_a_look_at_the_difference(page: Page, project: Project) -> None:
    before = project.files()
    page.keys("f")
    page.type("grass,")
    count(page, "6 of 8 pictures")
    page.find("#grid").focus()
    page.keys("b")
    page.type("moon,")
    expect(page.find(".result")).to_have_text("6 captions of 6 would change.")
    expect(page.find(".difference ins").first).to_have_text("moon")
    assert project.files() == before
    page.keys("Enter")
    expect(page.find(".notice", has_text="6 captions changed")).to_be_visible()
    assert changed(before, project.files()) == {f"1_zwx dog/{i}.txt" for i in range(6)}
    assert set(project.captions().values()) == {"zwx dog, grass, sky, moon", "robe, silk, sky"}
    expect(page.find(".notice .action")).to_have_text("Undo")
    page.keys("Control+z")
    expect(page.find(".notice", has_text="Undone")).to_be_visible()
    expect(page.find(".notice .action")).to_have_count(0)  # it would take back an older change


@pytest.mark.parametrize(
    ("operation", "more", "caption"),
    [
        ("remove", (), "zwx dog, grass"),
        ("replace", ("With", "moon,"), "zwx dog, grass, moon"),
        ("move", ("Place (1 = first)", "2"), "zwx dog, sky, grass"),
    ],
)
def test_many_captions(page: Page, project: Project, operation: str, more: tuple[str, ...], caption: str) -> None:
    page.keys("b")
    page.page.get_by_label("What").select_option(operation)
    page.page.get_by_label("Tags", exact=True).focus()
    page.type("sky,")
    if more:
        label, text = more
        page.page.get_by_label({"With": "Replace with"}.get(label, label), exact=True).focus()
        page.type(text)
    expect(page.find(".differences section").first).to_be_visible()
    page.find("#bulk button[type=submit]").press("Enter")
    expect(page.find(".notice", has_text="captions changed")).to_be_visible()
    assert project.captions()["1_zwx dog/0.txt"] == caption
    page.undo()


def test_statistics_lead_to_the_pictures(page: Page) -> None:
    page.keys("t")
    expect(page.find("#statistics tbody tr", has_text="grass").locator("td").first).to_have_text("6")
    page.find("#statistics").get_by_label("sky in robe").press("Enter")
    count(page, "2 of 8 pictures")
    assert all("robe" in name for name in names(page))
    page.keys("t")
    expect(page.find("#statistics[open]")).to_be_visible()
    page.find("#statistics").get_by_label("Rename silk").press("Enter")
    expect(page.find("#bulk-title")).to_have_text("Edit the tags of 2 pictures")
    expect(page.page.get_by_label("What")).to_have_value("replace")


def test_the_help_page_names_the_keys(page: Page) -> None:
    page.keys("?")
    expect(page.find("#help")).to_contain_text("set aside, or bring back")
    page.keys("Escape")
    expect(page.find("#help")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_nothing_is_wider_than_the_screen(chromium: Any, address: str, scheme: str, width: int) -> None:
    page = window(chromium, address, viewport={"width": width, "height": 800}, color_scheme=scheme)
    wide = "() => document.documentElement.scrollWidth - window.innerWidth"
    assert page.page.evaluate(wide) <= 0
    page.keys("Enter")
    expect(page.find(".panel h2")).to_contain_text("0.png")
    assert page.page.evaluate(wide) <= 0
    page.page.context.close()
    assert page.troubles == []


def test_every_control_has_a_name(page: Page) -> None:
    nameless = """() => [...document.querySelectorAll('button, input, select, textarea')]
        .filter((one) => one.checkVisibility() && !one.ariaLabel && !one.textContent.trim() && !one.labels?.length)
        .map((one) => one.outerHTML)"""
    assert page.page.evaluate(nameless) == []
    page.keys("Enter")
    expect(page.find(".panel h2")).to_contain_text("0.png")
    assert page.page.evaluate(nameless) == []


def test_what_the_filter_hides_is_left_alone(page: Page, project: Project) -> None:
    page.keys("Control+a", "/")
    page.type("silk")
    count(page, "2 of 8 pictures")
    expect(page.find("#selection")).to_contain_text("8 pictures selected (6 hidden by the filter: left alone)")
    page.keys("Escape", "b")
    expect(page.find("#bulk-title")).to_have_text("Edit the tags of 2 pictures")
    page.keys("Escape", "/", "Control+a")
    page.type("no such picture")
    expect(page.find("#selection button", has_text="Edit tags")).to_be_disabled()
    page.keys("Escape")
    expect(page.find("#selection")).to_contain_text("8 pictures selected")
    page.keys("x")
    expect(page.find("#count")).to_have_text("0 of 8 pictures")
    page.keys("Escape")
    expect(page.find("#selection")).to_be_hidden()


def test_escape_leaves_a_field_and_nothing_else(page: Page) -> None:
    page.keys("Control+a", "f")
    page.type("gra")
    expect(page.find(".suggestions [role=option]:visible")).to_have_count(1)
    page.keys("Escape")
    expect(page.find(".suggestions:visible")).to_have_count(0)
    expect(page.page.get_by_label("Has the tag", exact=True)).to_be_focused()
    page.keys("Escape")
    expect(page.find("#grid")).to_be_focused()
    expect(page.find("#selection")).to_contain_text("8 pictures selected")
    page.keys("Escape")
    expect(page.find("#selection")).to_be_hidden()


def test_escape_closes_the_filter_where_it_covers_the_grid(chromium: Any, address: str) -> None:
    page = window(chromium, address, viewport={"width": 420, "height": 700})
    page.keys("/")
    page.type("r1")
    count(page, "1 of 8 pictures")
    page.keys("Escape")
    expect(page.find("#filters")).to_be_hidden()
    expect(page.find("#grid")).to_be_focused()
    page.page.context.close()


def test_pictures_set_aside_are_filtered_by_the_kind_of_reason(page: Page) -> None:
    kind = "async (reason) => (await import('/page/filter_match.js')).reasonKind(reason)"
    kinds = {
        "near duplicate of dog/a (1).png": "near duplicate",
        "duplicate of dog/b.png": "duplicate",
        "damaged: its header cannot be read": "damaged",
        "more pixels than the limit (a decompression bomb?): trust it": "more pixels than the limit",
    }
    assert {reason: page.page.evaluate(kind, reason) for reason in kinds} == kinds


def test_what_can_be_done_to_a_tag_is_in_sight_beside_many_concepts(page: Page) -> None:
    page.page.evaluate(
        """async () => (await import('/page/store.js')).state.concepts
        .push(...Array.from({ length: 20 }, (_, i) => ({ name: `concept ${i}` })))"""
    )
    page.keys("t")
    row = page.find("#statistics tbody tr").first
    box = page.find("#statistics .scroll").bounding_box()
    for part in ("button:has-text('Remove')", "th"):
        place = row.locator(part).bounding_box()
        assert box["x"] <= place["x"]
        assert place["x"] + place["width"] <= box["x"] + box["width"]


def test_tags_have_spaces_as_in_captions(page: Page, project: Project) -> None:
    before = (project.out / "1_robe/r0.txt").read_text(encoding="utf-8")
    project.edit("1_robe/r0.txt", "robe, Red Hat")
    page.keys("/")
    page.type("red hat")
    count(page, "1 of 8 pictures")
    page.keys("Control+a", "Delete", "Escape", "f")
    page.type("red_h")
    expect(page.find(".suggestions [role=option]", has_text="Red Hat")).to_be_visible()
    page.keys("ArrowDown", "Enter")
    expect(page.find("#filters .tag")).to_have_text("Red Hat ×")
    count(page, "1 of 8 pictures")
    page.find("#grid").focus()
    page.keys("t")
    expect(page.find("#statistics tbody th", has_text="Red Hat")).to_be_visible()
    page.keys("Escape")
    project.edit("1_robe/r0.txt", before)
    expect(page.find("#nothing")).to_be_visible()


@pytest.mark.parametrize("width", [420, 1280])
def test_every_button_can_be_reached_and_no_message_covers_one(chromium: Any, address: str, width: int) -> None:
    page = window(chromium, address, viewport={"width": width, "height": 700})
    page.page.on("dialog", lambda dialog: dialog.dismiss())
    beyond = """() => [...document.querySelectorAll('dialog[open] button')].filter((one) => one.checkVisibility())
        .filter((one) => { const box = one.closest('.scroll, dialog').getBoundingClientRect();
                           return one.getBoundingClientRect().right > box.right + 1; }).map((one) => one.ariaLabel)"""
    covered = """() => { const top = document.querySelector('#notices').getBoundingClientRect().top;
        return [...document.querySelectorAll('header, #grid-view, #picture-view')]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().bottom > top + 1)
            .map((one) => one.id); }"""
    page.keys("t")
    expect(page.find("#statistics[open]")).to_be_visible()
    assert page.page.evaluate(beyond) == []
    page.keys("Escape", "b")
    page.type("moon,")
    expect(page.find(".result")).to_contain_text("would change")
    assert page.page.evaluate(beyond) == []
    page.keys("Escape")
    for _ in range(3):
        page.keys("Enter", "ArrowLeft", "Escape")
    expect(page.find(".notice")).to_have_count(3)
    assert page.page.evaluate(covered) == []
    page.keys("Enter")
    expect(page.find(".panel h2")).to_contain_text("0.png")
    assert page.page.evaluate(covered) == []
    page.page.context.close()
    assert page.troubles == []

"""Pictures in the browser: set aside, turned, cropped, masked, moved; each survives a run and is undone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate.review.server import CAN
from tests.folder.helpers import Project
from tests.review.browser.conftest import Page, changed, expect, window
from tests.review.helpers import TOKEN, site

PICTURE = "1_zwx dog/0.png"


def said(page: Page, text: str) -> None:
    expect(page.find(".notice", has_text=re.compile(text)).first).to_be_visible()


def set_aside(page: Page) -> None:
    page.keys("x")
    said(page, "Set aside")


def turn(page: Page) -> None:
    page.keys("r")
    said(page, "next run")


def mirror(page: Page) -> None:
    page.keys("h")
    said(page, "next run")


def crop(page: Page) -> None:
    page.keys("c")
    page.find("[aria-label=Crop][role=toolbar]").wait_for()
    page.keys("r", "r", "Enter")  # free, as the picture, 1:1
    said(page, "next run")


def move(page: Page) -> None:
    page.keys("o")
    page.find("#choose-concept button", has_text="robe").press("Enter")
    said(page, "Moved to robe")


def paint(page: Page) -> None:
    page.keys("m")
    page.find("[aria-label=Mask][role=toolbar]").wait_for()
    page.keys("Shift+ArrowRight", "Shift+ArrowRight", "Enter")
    said(page, "Mask saved")


NEEDS = {
    set_aside: "aside", turn: "transform", mirror: "transform", crop: "transform", move: "concept", paint: "mask",
}  # fmt: skip


def need(*actions: Callable[[Page], None]) -> None:
    """Skips where the server does not do these things to pictures."""
    missing = sorted({NEEDS[action] for action in actions} - set(CAN))
    if missing:
        pytest.skip(f"curate review does not do this yet: {', '.join(missing)}")


def pixels(project: Project, name: str = PICTURE) -> np.ndarray:
    with Image.open(project.out / name) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize(
    ("action", "paths"),
    [
        (set_aside, {PICTURE, "1_zwx dog/0.txt"}),
        (turn, set()),
        (mirror, set()),
        (crop, set()),
        (move, set()),
        (paint, {"masks/1_zwx dog/0.png"}),
    ],
)
def test_it_changes_just_that_and_is_undone(
    page: Page, project: Project, action: Callable[[Page], None], paths: set[str]
) -> None:
    need(action)
    before = project.files()
    page.open("dog/0.png")
    action(page)
    page.saved()
    assert changed(before, project.files()) == paths
    page.undo()
    assert changed(before, project.files()) == set()


def test_all_of_it_survives_a_run(page: Page, project: Project) -> None:
    """One run after all actions, each on a picture of its own."""
    need(*NEEDS)
    before, old = project.files(), {i: pixels(project, f"1_zwx dog/{i}.png") for i in range(6)}
    sources = {path: path.read_bytes() for path in (project.place / "in").rglob("*") if path.is_file()}
    for i, action in enumerate((set_aside, turn, mirror, crop, paint, move)):
        page.open(f"dog/{i}.png")
        page.find(".notice").evaluate_all("lines => lines.forEach((line) => line.remove())")
        action(page)
        page.saved()
        page.keys("Escape")
    page.open("r0.png")
    page.keys("a")
    page.type("moon,")
    page.saved()

    page.keys("Escape")
    page.page.goto(re.sub("#.*|$", "#change=yes", page.page.url, count=1))
    expect(page.find("#count")).to_have_text("4 of 8 pictures")  # two are turned or mirrored, one cropped, one moved
    page.page.goto(re.sub("#.*|$", "#", page.page.url, count=1))

    project.run()
    files = project.files()
    assert PICTURE not in files and "1_zwx dog/0.txt" not in files
    assert np.array_equal(pixels(project, "1_zwx dog/1.png"), np.rot90(old[1], -1))
    assert np.array_equal(pixels(project, "1_zwx dog/2.png"), old[2][:, ::-1])
    assert pixels(project, "1_zwx dog/3.png").shape == (64, 64, 3)
    with Image.open(project.out / "masks/1_zwx dog/4.png") as mask:
        assert {*np.unique(np.asarray(mask.convert("L")))} >= {0, 255}
    assert "1_robe/5.png" in files and "1_zwx dog/5.png" not in files
    assert project.captions()["1_robe/r0.txt"] == "robe, silk, sky, moon"
    assert {path: path.read_bytes() for path in sources} == sources

    page.page.goto(re.sub("#.*|$", "#change=yes", page.page.url, count=1))
    expect(page.find("#count")).to_have_text("0 of 8 pictures")  # what is done is not planned any more
    page.page.goto(re.sub("#.*|$", "#", page.page.url, count=1))
    page.open("dog/4.png")
    expect(page.find(".panel .mark", has_text="mask")).to_be_visible()
    page.keys("Escape")
    for _ in range(7):
        page.undo()
    project.run()
    assert changed(before, project.files()) == set()


def test_a_picture_set_aside_and_a_mask_survive_a_run(page: Page, project: Project) -> None:
    before = project.files()
    page.open("dog/0.png")
    set_aside(page)
    page.saved()
    page.keys("Escape")
    page.open("dog/1.png")
    paint(page)
    page.saved()
    painted = project.files()["masks/1_zwx dog/1.png"]
    project.run()
    files = project.files()
    assert PICTURE not in files and "1_zwx dog/0.txt" not in files
    assert files["masks/1_zwx dog/1.png"] == painted
    page.page.reload()
    page.find(".panel h2").wait_for()  # the address names the picture: it is opened again
    page.keys("Escape")
    page.find(".panel h2").wait_for(state="hidden")
    page.undo()
    page.undo()
    project.run()
    assert changed(before, project.files()) == set()


def test_what_the_server_cannot_do_is_not_shown(page: Page) -> None:
    page.open("dog/0.png")
    shown = {"aside": "Set aside", "concept": "Another concept"}
    for name, text in shown.items():
        buttons = page.find(".panel button", has_text=text)
        expect(buttons).to_be_visible() if name in CAN else expect(buttons).to_be_hidden()
    page.keys("?")
    help_page = page.find("#help")
    expect(help_page).to_contain_text("set aside, or bring back")
    if "transform" not in CAN:
        expect(help_page).not_to_contain_text("turn right")
    page.keys("Escape")


def test_many_are_set_aside_and_brought_back(page: Page, project: Project) -> None:
    before = project.files()
    page.keys("f")
    page.type("silk,")
    expect(page.find("#count")).to_have_text("2 of 8 pictures")
    page.find("#grid").focus()
    page.keys("Control+a")
    expect(page.find("#selection button", has_text="Bring back")).to_be_disabled()
    page.keys("x")
    said(page, "Set aside: 2 pictures")
    assert changed(before, project.files()) == {f"1_robe/r{i}.{kind}" for i in range(2) for kind in ("png", "txt")}
    page.find("#filters button", has_text="Clear").press("Enter")
    page.page.get_by_label("In the set").select_option("aside")
    expect(page.find("#count")).to_have_text("2 of 8 pictures")
    page.find("#grid").focus()
    page.keys("Control+a", "x")
    said(page, "Brought back: 2 pictures")
    project.run()
    assert changed(before, project.files()) == set()


def test_no_button_waits_without_a_run(page: Page) -> None:
    expect(page.find("#continue")).to_be_hidden()


def test_a_waiting_run_goes_on_after_what_was_typed_is_saved(chromium: Any, project: Project, tmp_path: Path) -> None:
    place = tmp_path / "waits"
    shutil.copytree(project.out, place)
    with site(place, waits=True) as running:
        page = window(chromium, f"http://127.0.0.1:{running.port}/?token={TOKEN}")
        page.open("dog/0.png")
        page.keys("s")
        page.type("A last word.")
        assert not running.review.accepted.is_set()
        page.find("#continue").press("Enter")
        expect(page.find("#banner")).to_contain_text("The run goes on")
        assert running.review.accepted.is_set()
        assert (place / "1_zwx dog/0.txt").read_text(encoding="utf-8") == "zwx dog, grass, sky, A last word."
    page.page.wait_for_timeout(2500)  # the page asks every two seconds: that nobody answers is no news
    expect(page.find("#banner")).to_contain_text("The run goes on")
    page.page.context.close()

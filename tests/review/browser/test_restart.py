"""A server that ends and is started anew: open tabs go on, and nothing that was typed is lost."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from tests.folder.helpers import Project
from tests.review.browser.conftest import expect, window
from tests.review.helpers import site

CAPTION = "1_zwx dog/0.txt"


def address(port: int, token: str) -> str:
    return f"http://127.0.0.1:{port}/?token={token}"


def test_a_tab_goes_on_once_the_new_address_is_open(chromium: Any, project: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(project.out, out)
    with site(out, token="first") as served:
        port = served.port
        page = window(chromium, address(port, "first"))
        page.open("dog/0.png")
    page.keys("s")
    page.type("It lies on the ground.")
    page.keys("Control+Enter")
    expect(page.find("#banner")).to_contain_text("The server does not answer")
    with site(out, port=port, token="second"):
        expect(page.find("#banner")).to_contain_text("started anew")
        assert (out / CAPTION).read_text(encoding="utf-8") == "zwx dog, grass, sky"
        other = page.page.context.new_page()
        other.goto(address(port, "second"))
        expect(page.find("#banner")).to_be_hidden()
        expect(page.find(".panel h3 .hint")).to_have_text("saved")
        assert (out / CAPTION).read_text(encoding="utf-8") == "zwx dog, grass, sky, It lies on the ground."
        expect(page.page).to_have_url(re.compile(r"token=second#.*id="))
        page.page.reload()
        expect(page.page.get_by_label("Sentence", exact=True)).to_have_value("It lies on the ground.")
        page.page.context.close()


def test_a_tab_of_another_folder_does_not_take_the_new_token(chromium: Any, project: Project, tmp_path: Path) -> None:
    for name in ("one", "other"):
        shutil.copytree(project.out, tmp_path / name)
    with site(tmp_path / "one", token="first") as served:
        port = served.port
        page = window(chromium, address(port, "first"))
    with site(tmp_path / "other", port=port, token="second"):
        other = page.page.context.new_page()
        other.goto(address(port, "second"))
        other.locator("#grid .tile:visible").first.wait_for()
        expect(page.find("#banner")).to_contain_text("started anew")
        expect(page.page).to_have_url(re.compile("token=first"))
        page.page.context.close()


def test_what_changed_while_the_server_was_away_is_shown(chromium: Any, project: Project, tmp_path: Path) -> None:
    """The revisions of a new server are not those of the old one."""
    out = tmp_path / "out"
    shutil.copytree(project.out, out)
    with site(out) as served:
        port = served.port
        page = window(chromium, address(port, "the-token-of-this-test"))
    shutil.rmtree(out / "1_robe")
    (out / CAPTION).write_text("zwx dog, moon", encoding="utf-8")
    with site(out, port=port) as served:
        for n in range(12):  # its revision passes that of the old server
            served.edit("1_zwx dog/1.png", operation="add", tags=[f"tag_{n}"])
        expect(page.find("#count")).to_have_text("6 of 8 pictures")
        page.keys("/")
        page.type("moon")
        expect(page.find("#count")).to_have_text("1 of 8 pictures")
        page.page.context.close()

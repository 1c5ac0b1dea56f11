"""A real browser on the review server: one folder, one server and one browser for each module of tests."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import draw
from tests.folder.helpers import Project

try:
    from playwright import sync_api as api
except ImportError:
    api = None
expect: Any = getattr(api, "expect", None)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium: Debian's, or the one that `playwright install chromium` brought."""
    if api is None:
        pytest.skip("playwright is not installed: pip install 'curate[dev]'")
    with api.sync_playwright() as playwright:
        installed = Path(playwright.chromium.executable_path)
        path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
        if path is None and not installed.exists():
            pytest.skip("there is no Chromium: install it, or run `playwright install chromium`")
        browser = playwright.chromium.launch(
            executable_path=path or str(installed), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Paths that came, went, or have another content."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Six dogs and two robes, prepared. Their sources are so old that the ledger trusts their times."""
    one = Project(tmp_path_factory.mktemp("reviewed"), concepts={"dog": {"trigger": ["zwx dog"]}})
    for i in range(6):
        draw(one.place / f"in/dog/{i}.png", i).with_suffix(".txt").write_text("grass, sky", encoding="utf-8")
    for i in range(2):
        draw(one.place / f"in/robe/r{i}.png", 10 + i).with_suffix(".txt").write_text("silk, sky", encoding="utf-8")
    for path in one.place.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    one.run()
    return one


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is reviewed until the block ends."""
    helpers = pytest.importorskip("tests.review.helpers", reason="the server of the page is not part of this tree")
    with helpers.site(folder) as running:
        yield f"http://127.0.0.1:{running.port}/?token={helpers.TOKEN}"


@pytest.fixture(scope="module")
def address(project: Project) -> Iterator[str]:
    """Where the prepared folder is reviewed."""
    with served(project.out) as at:
        yield at


@dataclass
class Page:
    """A page of the browser, driven by keys. `troubles` are errors of its scripts and of the console."""

    page: Any
    troubles: list[str] = field(default_factory=list[str])

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def find(self, selector: str, **options: Any) -> Any:
        return self.page.locator(selector, **options)

    def open(self, picture: str) -> None:
        """Opens a picture by search and keys, and waits until its tags are there."""
        self.keys("Escape", "/", "Control+a")
        self.type(picture)
        expect(self.find("#count")).to_have_text(re.compile("^1 of "))
        expect(self.find(".tile:visible .name")).to_have_attribute("title", re.compile(f"{re.escape(picture)}$"))
        self.find("#grid").focus()
        self.keys("Enter")
        expect(self.find(".panel h2")).to_contain_text(Path(picture).name)
        expect(self.find(".panel .buttons, .panel .row button").first).to_be_visible()

    def saved(self) -> None:
        """Waits until everything is written."""
        expect(self.find("#saving")).to_have_text("Saved")

    def undo(self) -> None:
        """Takes back the last change and waits until that is done."""
        self.find(".notice").evaluate_all("lines => lines.forEach((line) => line.remove())")
        self.keys("Control+z")
        expect(self.find(".notice", has_text="Undone")).to_be_visible()

    def tags(self) -> list[str]:
        """The tags of the picture that is open, in order."""
        return self.find(".chips li").evaluate_all("chips => chips.map((chip) => chip.dataset.tag)")


def window(chromium: Any, address: str, **options: Any) -> Page:
    """The page in a window of its own."""
    page = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options}).new_page()
    page.set_default_timeout(15_000)
    one = Page(page)
    page.on("pageerror", lambda error: one.troubles.append(str(error)))
    page.on("console", lambda line: one.troubles.append(line.text) if line.type == "error" else None)
    page.goto(address)
    page.locator("#grid .tile:visible").first.wait_for()
    return one


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Page]:
    """The page in a fresh window. No script of it may fail."""
    one = window(chromium, address)
    yield one
    one.page.context.close()
    assert one.troubles == []

"""From the report to review: its links open what a check found, and the filter of the page does the same by keys."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from curate import drive
from tests.folder.helpers import Project
from tests.review.browser.conftest import Page, changed, expect, window

EMPTY = "1_zwx dog/3.txt"


@pytest.fixture(autouse=True)
def faulty(project: Project) -> Iterator[None]:
    """One caption is empty while a test runs, and the report says so; afterwards all is as before."""
    before = project.files()
    project.edit(EMPTY, "")
    drive.report(project.out)
    yield
    project.edit(EMPTY, before[EMPTY].decode())
    assert changed(before, project.files()) == set()


def report_tab(chromium: Any, address: str) -> tuple[Any, list[str]]:
    """A page of a report, and what its console says."""
    tab = chromium.new_context().new_page()
    tab.set_default_timeout(15_000)
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(address)
    return tab, said


def test_links_of_the_report_open_what_a_check_found(page: Page) -> None:
    with page.page.context.expect_page() as opened:
        page.find("#open-report").press("Enter")
    tab = opened.value
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    link = tab.locator("[data-check=caption-empty] a")
    expect(link).to_have_text("open 1 picture in review")
    link.press("Enter")
    expect(tab.locator("#count")).to_have_text("1 of 8 pictures")
    expect(tab.locator(".tile:visible .name")).to_have_attribute("title", re.compile(r"3\.png$"))
    expect(tab.locator("#check-found")).to_contain_text("Remedy")
    assert said == []


def test_the_filter_by_keys(page: Page, project: Project) -> None:
    page.find("#run-checks").press("Enter")
    expect(page.find("#run-checks")).to_have_text("Check again")
    choice = page.page.get_by_label("Found by a check")
    choice.select_option("caption-empty")
    expect(choice.locator("option:checked")).to_have_text("empty captions (1)")
    expect(page.find("#count")).to_have_text("1 of 8 pictures")
    assert "check=caption-empty" in page.page.url
    page.find("#grid").focus()
    page.keys("b")
    expect(page.find("#bulk")).to_be_visible()
    page.keys("Escape")
    project.edit(EMPTY, "zwx dog, grass")
    page.find("#run-checks").press("Enter")
    expect(page.find("#check-found")).to_have_text("This check finds nothing now.")
    expect(page.find("#count")).to_have_text("0 of 8 pictures")


def test_an_address_with_a_check_makes_it(chromium: Any, address: str) -> None:
    one = window(chromium, f"{address}#check=caption-empty")
    expect(one.find("#count")).to_have_text("1 of 8 pictures")
    one.page.goto("about:blank")
    one.page.goto(f"{address}#check=duplicates")
    expect(one.find("#check-found")).to_contain_text("Not checked: no picture is opened here")
    one.page.goto("about:blank")
    one.page.goto(f"{address}#check=%3Cimg src=x onerror=alert(1)%3E")
    expect(one.find("#nothing")).to_have_text("No picture matches the filter.")
    one.page.context.close()
    assert one.troubles == []


def test_the_report_as_a_file_has_a_command_to_copy(chromium: Any, project: Project) -> None:
    tab, said = report_tab(chromium, (project.out / ".curate/report.html").as_uri())
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    line = tab.locator("[data-check=caption-empty]")
    command = f"curate review {drive.session.quoted(project.out)} --show caption-empty"
    expect(line.locator("code")).to_have_text(command)
    assert line.locator("a").count() == 0
    line.locator("button").press("Enter")
    expect(line.locator("button")).to_have_text(re.compile("copied|selected"))
    if line.locator("button").text_content() == "copied":
        assert tab.evaluate("navigator.clipboard.readText()") == command
    tab.context.close()
    assert said == []


def test_a_report_from_elsewhere_runs_nothing(chromium: Any, address: str, project: Project) -> None:
    """A folder that somebody shared may hold any page: in review it gets no script, no token and no other site."""
    elsewhere = socket.create_server(("127.0.0.1", 0))
    elsewhere.settimeout(0.3)
    page = project.out / ".curate/report.html"
    page.write_text(
        "<p id=here>evil</p><script>window.ran=1</script><script src=/page/main.js></script>"
        f"<img src=x onerror='window.ran=1'><img src=http://127.0.0.1:{elsewhere.getsockname()[1]}/x>"
        "<form action=/api/undo method=post><button>go</button></form><svg onload='window.ran=1'></svg>"
        "<iframe src=/></iframe><a id=run href='javascript:window.ran=1'>click</a>",
        encoding="utf-8",
    )
    answered: list[str] = []
    site, _, token = address.partition("/?token=")
    tab, said = report_tab(chromium, "about:blank")
    tab.on("response", lambda response: answered.append(response.url.removeprefix(f"{site}/report/{token}/")))
    tab.goto(f"{site}/report/{token}/report.html")
    expect(tab.locator("#here")).to_be_visible()
    tab.locator("#run").click()
    tab.locator("form button").click(no_wait_after=True)
    assert tab.evaluate("window.ran") is None
    assert tab.url.endswith("/report.html")
    assert set(answered) == {"report.html", "x"}
    with elsewhere, pytest.raises(TimeoutError):
        elsewhere.accept()
    assert sum("Content Security Policy" in line for line in said) >= 6
    tab.context.close()

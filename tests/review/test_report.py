"""The report as the review server shows it: to who knows the token alone, and without trust in what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate import drive
from tests.folder.helpers import Project
from tests.review.helpers import TOKEN, Site

PAGE = f"/report/{TOKEN}/report.html"
PICTURE = "0" * 32 + "-192.jpg"


@pytest.fixture
def reported(served: Site, dogs: Project) -> Site:
    drive.report(dogs.out)
    files = dogs.out / ".curate/report_files"
    files.mkdir()
    (files / PICTURE).write_bytes(b"a JPEG")
    return served


def test_the_report_is_shown_to_who_knows_the_token(reported: Site) -> None:
    reply = reported.ask("GET", PAGE)
    assert reply.status == 200 and b"Dataset report" in reply.body
    assert reply.headers["content-type"].startswith("text/html") and reply.headers["cache-control"] == "no-store"
    picture = reported.ask("GET", f"/report/{TOKEN}/report_files/{PICTURE}")
    assert (picture.status, picture.body, picture.headers["content-type"]) == (200, b"a JPEG", "image/jpeg")
    wrong = ("report.html", "wrong/report.html", "/report.html", f"{TOKEN}x/report.html",
             f"wrong/report.html?token={TOKEN}", f"wrong/report_files/{PICTURE}")  # fmt: skip
    for path in (f"/report/{end}" for end in wrong):
        assert reported.ask("GET", path).status == 403, path
    assert reported.ask("GET", "/report/wrong/report.html", x_curate_token=TOKEN).status == 403
    assert reported.ask("GET", PAGE, host="evil.example").status in (400, 403)
    assert reported.ask("GET", PAGE, origin="http://evil.example").status == 403
    assert reported.ask("POST", PAGE, b"{}", content_type="application/json").status == 405


def test_its_token_opens_nothing_else(reported: Site) -> None:
    """The token in a path counts for the report alone, not for what changes something."""
    for path in (f"/report/{TOKEN}/api/index", f"/report/{TOKEN}/", f"/report/{TOKEN}"):
        assert reported.ask("GET", path).status == 404, path
    assert reported.ask("POST", "/api/undo", b"{}", content_type="application/json").status == 403


def test_only_its_own_program_may_run(reported: Site) -> None:
    headers = {name.lower(): value for name, value in reported.ask("GET", PAGE).headers.items()}
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "form-action 'none'" in policy
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts.startswith("script-src 'sha256-") and "unsafe" not in scripts and "self" not in scripts
    own = (reported.folder / ".curate/report.html").read_text(encoding="utf-8")
    assert scripts.split("'")[1] in own, "the page's own policy names the same program"
    assert headers["referrer-policy"] == "no-referrer" and headers["x-content-type-options"] == "nosniff"


def test_no_token_is_in_the_file(reported: Site) -> None:
    text = (reported.folder / ".curate/report.html").read_text(encoding="utf-8")
    assert TOKEN not in text and "127.0.0.1:" not in text


@pytest.mark.parametrize("name", ["../report.json", "..%2freport.json", "%2e%2e%2fledger.sqlite", "none.jpg",
                                  "secret.jpg", "%2fetc%2fpasswd", "a.html"])  # fmt: skip
def test_no_path_leads_out(reported: Site, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("SECRET", encoding="utf-8")
    (reported.folder / ".curate/report_files/secret.jpg").symlink_to(tmp_path / "secret")
    (reported.folder / ".curate/report_files/a.html").write_text("SECRET", encoding="utf-8")
    reply = reported.ask("GET", f"/report/{TOKEN}/report_files/{name}")
    assert reply.status == 404 and b"SECRET" not in reply.body


def test_a_report_that_is_a_link_is_not_followed(reported: Site, tmp_path: Path) -> None:
    page = reported.folder / ".curate/report.html"
    page.unlink()
    assert not reported.get("/api/index")["report"] and reported.ask("GET", PAGE).status == 404
    (tmp_path / "secret").write_text("SECRET", encoding="utf-8")
    page.symlink_to(tmp_path / "secret")
    reply = reported.ask("GET", PAGE)
    assert reply.status == 404 and b"SECRET" not in reply.body

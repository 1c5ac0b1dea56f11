"""Who may ask the server, and what an answer may do: no token, another site, another host name, other paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.review.helpers import TOKEN, Site, site


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("access")
    (place / "secret.txt").write_text("SECRET", encoding="utf-8")
    Image.new("RGB", (8, 8), "red").save(place / "secret.png")
    folder = place / "set" / "1_dog"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8), "blue").save(folder / "a.png")
    (folder / "a.txt").write_text("dog, grass", encoding="utf-8")
    (folder / "b.png").symlink_to(place / "secret.png")
    Image.new("RGB", (8, 8), "green").save(folder / "c.png")
    (folder / "c.txt").symlink_to(place / "secret.txt")
    (place / "set" / "2_out").symlink_to(place, target_is_directory=True)
    with site(place / "set") as served:
        yield served


EDIT = b'{"ids": ["1_dog/a.png"], "operation": "add", "tags": ["x"]}'


def edit(served: Site, **headers: str) -> int:
    return served.ask("POST", "/api/edit", EDIT, **headers).status


@pytest.mark.parametrize("path", ["/", "/api/index", "/api/changes", "/thumb/1_dog/a.png", "/picture/1_dog/a.png",
                                  "/mask/1_dog/a.png", "/source/1_dog/a.png", "/api/tags", "/nothing"])  # fmt: skip
def test_nothing_is_told_without_the_token(served: Site, path: str) -> None:
    for query in ("", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?token={TOKEN}&token={TOKEN}", "?token=%C3%A9"):
        reply = served.ask("GET", path + query)
        assert reply.status == 403, query
        assert "token" in reply.json["message"]
    assert served.ask("GET", path, x_curate_token="wrong").status == 403


def test_the_api_takes_the_token_from_its_header_alone(served: Site) -> None:
    assert served.ask("GET", f"/api/index?token={TOKEN}").status == 403
    assert served.ask("POST", f"/api/edit?token={TOKEN}", EDIT, content_type="application/json").status == 403
    assert served.ask("GET", "/api/index", x_curate_token=TOKEN).status == 200
    assert served.ask("GET", f"/?token={TOKEN}").status == 200


def test_names_of_other_sites_that_lead_here_are_refused(served: Site) -> None:
    """DNS rebinding: the browser takes our answer for the other site's."""
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", "127.0.0.1:1", f"[::1]:{served.port}",
                 f"127.0.0.1.evil.example:{served.port}", ""):  # fmt: skip
        for path in (f"/?token={TOKEN}", "/page/index.html"):
            assert served.ask("GET", path, host=host).status in (400, 403), host
        assert edit(served, host=host, x_curate_token=TOKEN, content_type="application/json") in (400, 403)
    assert served.ask("GET", f"/?token={TOKEN}", host=f"localhost:{served.port}").status == 200


def test_pages_of_other_sites_are_refused(served: Site) -> None:
    """Cross-site requests: with a foreign Origin, as a form, or without the header that a form cannot send."""
    known = {"x_curate_token": TOKEN, "content_type": "application/json"}
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{served.port}", ""):
        assert edit(served, origin=origin, **known) == 403, origin
        assert served.ask("GET", f"/thumb/1_dog/a.png?token={TOKEN}", origin=origin).status == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "image/png"):
        assert edit(served, x_curate_token=TOKEN, content_type=kind) == 415
    assert edit(served, content_type="application/json") == 403
    assert (served.folder / "1_dog/a.txt").read_text(encoding="utf-8") == "dog, grass"
    assert edit(served, origin=f"http://127.0.0.1:{served.port}", **known) == 200


@pytest.mark.parametrize(
    "path", ["edit", "aside", "restore", "concept", "transform", "undo", "continue", "mask/1_dog/a.png"]
)
def test_every_change_wants_the_token_and_its_own_page(served: Site, path: str) -> None:
    kind = "image/png" if path.startswith("mask") else "application/json"

    def files() -> list[Path]:
        # what an edit before replaced goes by itself
        every = (p.relative_to(served.folder) for p in served.folder.rglob("*"))
        return sorted(p for p in every if "replaced" not in p.parts)

    before = files()

    def status(**headers: str) -> int:
        return served.ask("POST", f"/api/{path}", b"{}", **headers).status

    assert status(content_type=kind) == 403
    assert status(content_type=kind, x_curate_token="wrong") == 403
    assert status(content_type=kind, x_curate_token=TOKEN, origin="http://evil.example") == 403
    assert status(content_type=kind, x_curate_token=TOKEN, host="evil.example") in (400, 403)
    assert status(content_type="text/plain", x_curate_token=TOKEN) == 415
    assert files() == before


@pytest.mark.parametrize("path", [
    "../secret.png", "..%2fsecret.png", "1_dog/../../secret.png", "%2e%2e/secret.png", "..%5csecret.png", "1_dog/b.png",
    "/etc/passwd", "%2fetc%2fpasswd", "1_dog/a.txt", ".curate/review.sqlite", "2_out/secret.png", "1_dog/a.png%00",
    "file:///etc/passwd", "1_dog//a.png", "aside:../secret.png",
])  # fmt: skip
def test_no_path_leads_out_of_the_folder(served: Site, path: str) -> None:
    for place in ("thumb", "picture", "source", "mask", "api/picture"):
        reply = served.ask("GET", f"/{place}/{path}", x_curate_token=TOKEN)
        assert reply.status == 404, place
        assert b"SECRET" not in reply.body
    served.edit(path, operation="add", tags=["x"], expect=404)
    served.post("/api/transform", id=path, crop=None, rotate=90, flip=False, expect=404)
    assert served.post("/api/concept", ids=[path], concept="x")["skipped"][0]["reason"] == "no longer there"


@pytest.mark.parametrize("name", ["../server.py", "%2e%2e/server.py", "..%2fserver.py", "/etc/passwd", "none.js", ""])
def test_only_files_of_the_page_are_served(served: Site, name: str) -> None:
    assert served.ask("GET", f"/page/{name}").status == 404


def test_links_that_lead_out_are_named_and_not_read(served: Site, tmp_path: Path) -> None:
    index = served.get("/api/index")
    assert [one["id"] for one in index["pictures"]] == ["1_dog/a.png", "1_dog/c.png"]
    assert sum("leads out of the folder" in message for message in index["messages"]) == 3
    assert "SECRET" not in str(served.picture("1_dog/c.png"))


def test_every_answer_says_what_it_may_do(served: Site) -> None:
    for path in (f"/?token={TOKEN}", "/api/index", "/page/index.html", "/thumb/1_dog/a.png", "/nothing"):
        headers = {k.lower(): v for k, v in served.ask("GET", path, x_curate_token=TOKEN).headers.items()}
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
    assert headers["cache-control"] == "no-store"


def test_bodies_are_checked(served: Site) -> None:
    known = {"x_curate_token": TOKEN, "content_type": "application/json"}
    for body in (b"", b"[]", b"{", b'{"ids": []}', b'{"ids": ["a"], "operation": "delete"}',
                 b'{"ids": ["a"], "operation": "add", "more": 1}', b"\xff\xfe"):  # fmt: skip
        assert served.ask("POST", "/api/edit", body, **known).status == 400, body
    assert served.ask("POST", "/api/edit", None, content_length=str(1 << 40), **known).status == 413
    assert served.ask("PUT", "/api/edit", EDIT, **known).status == 405
    assert served.ask("GET", "/api/changes?since=x", x_curate_token=TOKEN).status == 400

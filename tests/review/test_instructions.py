"""Crops, turns, mirrors and other concepts asked for on the page: what is kept, shown, undone and refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate.core.transform import Transform
from curate.folder import instructions
from tests.folder.helpers import Project
from tests.review.helpers import TOKEN, Site, site

A, B, CAT = "1_zwx dog/0.png", "1_zwx dog/1.png", "1_cat/ä b.png"
PLAIN = {"crop": None, "rotate": 0, "flip": False}
TURN = {"crop": [0.0, 0.0, 0.5, 1.0], "rotate": 90, "flip": True}


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def shown(served: Site, kind: str, id: str) -> np.ndarray:
    reply = served.ask("GET", f"/{kind}/{id.replace(' ', '%20')}", x_curate_token=TOKEN)
    assert reply.status == 200, reply.body
    return pixels(reply.body)


def test_a_transform_is_kept_carried_out_and_undone(dogs: Project, served: Site) -> None:
    before = dogs.files()
    assert served.post("/api/transform", id=A, **TURN)["skipped"] == []
    assert dogs.files() == before
    row = served.rows()[A]
    assert (row["transform"], row["transform_done"]) == (TURN, False)
    dogs.run()
    row = served.rows()[A]
    assert (row["transform"], row["transform_done"]) == (TURN, True)
    assert {name for name in before if dogs.files()[name] != before[name]} == {A}
    assert shown(served, "picture", A).shape == (32, 16, 3)
    assert np.abs(shown(served, "source", A) - pixels(before[A]).astype(int)).max() <= 8  # WebP

    assert "rotated" in served.post("/api/undo")["undone"]
    row = served.rows()[A]
    assert (row["transform"], row["transform_done"]) == (PLAIN, False)  # the file still shows the turned picture
    dogs.run()
    assert served.rows()[A]["transform"] is None
    assert dogs.files() == before


def test_a_second_transform_takes_the_place_of_the_first(dogs: Project, served: Site) -> None:
    served.post("/api/transform", id=A, **TURN)
    served.post("/api/transform", id=A, **PLAIN)
    assert served.rows()[A]["transform"] is None
    served.post("/api/undo")
    assert served.rows()[A]["transform"] == TURN


@pytest.mark.parametrize(
    "bad",
    [
        {**PLAIN, "rotate": 45},
        {**PLAIN, "crop": [0, 0, 2, 1]},
        {**PLAIN, "crop": [0, 0, 0.01, 1]},
        {**PLAIN, "crop": [0, 0, 1]},
        {**PLAIN, "crop": "all"},
        {**PLAIN, "more": 1},
        {"rotate": 90},
    ],
)
def test_what_is_no_transform_is_refused(dogs: Project, served: Site, bad: dict[str, Any]) -> None:
    reply = served.post("/api/transform", expect=400, id=A, **bad)
    assert reply["message"]
    assert served.rows()[A]["transform"] is None


def test_pictures_move_to_another_concept_and_back(dogs: Project, served: Site) -> None:
    before = dogs.files()
    assert served.post("/api/concept", ids=[A, B, "gone.png"], concept="cat")["skipped"] == [
        {"id": "gone.png", "reason": "no longer there"}
    ]
    rows = served.rows()
    assert [rows[id]["concept_next"] for id in (A, B, CAT)] == ["cat", "cat", None]
    dogs.run()
    rows = served.rows()
    moved = {id: row for id, row in rows.items() if row["key"] in ("dog/0.png", "dog/1.png")}
    assert {row["concept"] for row in moved.values()} == {"cat"}
    assert {row["concept_next"] for row in moved.values()} == {None}
    assert all(id.startswith("1_cat/") for id in moved)

    served.post("/api/concept", ids=list(moved), concept=None)
    assert {served.rows()[id]["concept_next"] for id in moved} == {"dog"}
    dogs.run()
    assert dogs.files() == before


def test_a_concept_that_no_folder_can_have_is_refused(dogs: Project, served: Site) -> None:
    for name in ("", " ", "a/b", "..", "a\x00b", "con?"):
        assert served.post("/api/concept", expect=400, ids=[A], concept=name)["message"]
    assert served.rows()[A]["concept_next"] is None


def test_what_is_set_aside_is_neither_turned_nor_moved(dogs: Project, served: Site) -> None:
    served.post("/api/aside", ids=[A])
    gone = "aside:dog/0.png"
    assert served.post("/api/concept", ids=[gone], concept="cat")["skipped"][0]["reason"] == "it is set aside"
    served.post("/api/transform", expect=404, id=gone, **TURN)


def test_the_source_of_a_turned_picture_may_be_gone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for n in range(2):
        project.picture(f"dog/{n}.png", 10 + 60 * n, size=32)
    project.run()
    instructions.keep_transform(project.out, "1_dog/0.png", Transform(rotate=90))
    project.run()
    for n in range(2):
        (tmp_path / f"in/dog/{n}.png").unlink()
    with site(project.out) as served:
        reply = served.ask("GET", "/source/1_dog/0.png", x_curate_token=TOKEN)
        assert reply.status == 404 and b"source picture" in reply.body
        assert shown(served, "source", "1_dog/1.png").shape == (32, 32, 3)


def test_undo_after_a_run_leaves_what_the_run_wrote(dogs: Project, served: Site) -> None:
    """The ledger forgets only what the undone change concerned: other pictures stay ours."""
    before = dogs.files()
    served.post("/api/aside", ids=[A])
    served.post("/api/transform", id=B, **TURN)
    dogs.run()
    served.post("/api/undo")
    served.post("/api/undo")
    dogs.run()
    assert dogs.files() == before

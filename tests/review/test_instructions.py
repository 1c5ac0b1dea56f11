"""Crops, turns, mirrors and other concepts asked for on the page: what is kept, shown, undone and refused."""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate import drive, tags_edit, tags_folder, tags_rules
from curate.core.transform import Transform
from curate.errors import InputError
from curate.folder import instructions
from curate.review.tokens import Tokens
from curate.stages.balance import Balance
from curate.stages.export import Export
from tests.folder.helpers import Project, command
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


def test_undo_follows_a_caption_that_a_run_gave_another_folder(dogs: Project, served: Site) -> None:
    dogs.edit("1_zwx dog/1.txt", "zwx dog, mine")
    served.edit(A, operation="add", tags=["moon"])
    served.edit(B, operation="add", tags=["moon"])
    dogs.concepts["dog"] = {"trigger": ["new dog"]}
    dogs.run()
    assert dogs.captions()["1_new dog/0.txt"] == "zwx dog, grass, sky, moon"
    served.post("/api/undo")
    served.post("/api/undo")
    captions = dogs.captions()
    assert captions["1_new dog/1.txt"] == "zwx dog, mine"
    assert captions["1_new dog/0.txt"] == "new dog, grass, sky", "what was generated is generated again"
    assert not any(name.startswith("1_zwx dog") for name in captions)
    assert [row["edited"] for id, row in sorted(served.rows().items()) if "new dog" in id] == [False, True, False]
    before = dogs.files()
    dogs.run()
    assert dogs.files() == before


def test_undo_finds_what_was_typed_since_in_the_other_folder(dogs: Project, served: Site) -> None:
    served.edit(A, operation="add", tags=["moon"])
    dogs.concepts["dog"] = {"trigger": ["new dog"]}
    dogs.run()
    dogs.edit("1_new dog/0.txt", "typed since")
    assert "1_new dog/0.txt" in served.post("/api/undo", expect=400)["message"]
    assert dogs.captions()["1_new dog/0.txt"] == "typed since"


def test_a_bulk_edit_is_known_as_one_in_another_folder(dogs: Project) -> None:
    def add(tag: str) -> tags_edit.Edited:
        return tags_edit.edit(dogs.out, tags_rules.adding([tag]), "tags add")

    assert len(add("moon").changes) == 4
    dogs.concepts["dog"] = {"trigger": ["new dog"]}
    dogs.run()
    assert len(add("sun").changes) == 4


def test_a_painted_mask_follows_its_picture_and_is_undone_there(dogs: Project, served: Site) -> None:
    mask = io.BytesIO()
    Image.new("L", (32, 32), 0).save(mask, "PNG")
    url = f"/api/mask/{A.replace(' ', '%20')}"
    assert served.ask("POST", url, mask.getvalue(), x_curate_token=TOKEN, content_type="image/png").status == 200
    painted = dogs.files()["masks/1_zwx dog/0.png"]
    (dogs.out / "1_zwx dog").rename(dogs.out / "4_zwx dog")
    dogs.run()
    files = dogs.files()
    assert files["masks/4_zwx dog/0.png"] == painted and "masks/1_zwx dog/0.png" not in files
    dogs.concepts["dog"] = {"trigger": ["new dog"]}
    dogs.run()
    files = dogs.files()
    assert files["masks/4_new dog/0.png"] == painted
    assert [name for name in files if name.startswith("masks")] == ["masks/4_new dog/0.png"]
    dogs.run()
    assert dogs.files() == files
    assert "mask painted" in served.post("/api/undo")["undone"]
    assert not [name for name in dogs.files() if name.startswith("masks")]


def paint(served: Site, id: str, mask: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    url = f"/api/mask/{id.replace(' ', '%20')}"
    assert served.ask("POST", url, file.getvalue(), x_curate_token=TOKEN, content_type="image/png").status == 200


def test_a_painted_mask_is_turned_mirrored_and_cropped_with_its_picture(dogs: Project, served: Site) -> None:
    before = dogs.files()
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 2:20] = 255
    paint(served, A, mask)
    served.post("/api/transform", id=A, **TURN)
    dogs.run()
    name = "masks/1_zwx dog/0.png"
    meant = Transform.from_plain(TURN).apply(mask[:, :, None])[:, :, 0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(dogs.files()[name]))), meant)
    files = dogs.files()
    dogs.run()
    assert dogs.files() == files

    # painted again on the turned picture, which is then shown whole again: what was cut off counts
    paint(served, A, np.zeros((32, 16), np.uint8))
    served.post("/api/transform", id=A, **PLAIN)
    dogs.run()
    whole = np.asarray(Image.open(io.BytesIO(dogs.files()[name])))
    black = Transform.from_plain(TURN).apply(whole[:, :, None])
    assert whole.shape == (32, 32) and not black.any() and (whole == 255).sum() == 32 * 16
    for _ in range(4):
        served.post("/api/undo")
        dogs.run()
    assert dogs.files() == before


def test_what_a_crop_cuts_off_a_painted_mask_comes_back(dogs: Project, served: Site) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 2:20] = 255
    paint(served, A, mask)
    painted = dogs.files()["masks/1_zwx dog/0.png"]
    for values in (TURN, {**PLAIN, "rotate": 180}):
        served.post("/api/transform", id=A, **values)
        dogs.run()
    turned = np.asarray(Image.open(io.BytesIO(dogs.files()["masks/1_zwx dog/0.png"])))
    assert np.array_equal(turned, mask[::-1, ::-1])
    served.post("/api/undo")
    served.post("/api/undo")
    dogs.run()
    assert dogs.files()["masks/1_zwx dog/0.png"] == painted


def test_a_move_that_was_carried_out_is_not_carried_out_again(dogs: Project, served: Site) -> None:
    served.post("/api/concept", ids=[A], concept="cat")
    dogs.run()
    command(Export(), dogs.out, out=dogs.place / "again")
    folders = {p.parent.name for p in (dogs.place / "again").rglob("*.png")}
    assert folders == {"1_cat", "1_zwx dog"}


def test_tokens_of_all_captions_are_counted(dogs: Project) -> None:
    with site(dogs.out) as served:
        served.review.tokens = served.review.detail._tokens = Tokens("tiny")
        served.review.tokens.load()
        end = time.monotonic() + 20
        while any(row["tokens"] is None for row in served.rows().values()) and time.monotonic() < end:
            time.sleep(0.05)
        rows = served.rows()
        assert rows[A]["tokens"] == sum(served.picture(A)["chunks"])
        assert all(row["tokens"] for row in rows.values())


def test_an_edit_that_was_cut_off_is_named(dogs: Project, served: Site) -> None:
    assert served.get("/api/index")["messages"] == []
    served.edit(A, B, operation="add", tags=["moon"])
    next((dogs.out / ".curate/undo").glob("*/after.json")).unlink()
    assert "cut off in the middle" in served.get("/api/index")["messages"][0]
    served.post("/api/undo")
    assert served.get("/api/index")["messages"] == []


def test_masks_of_a_folder_renamed_while_the_page_is_open_are_no_pictures(dogs: Project, served: Site) -> None:
    paint(served, A, np.zeros((32, 32), np.uint8))
    (dogs.out / "1_zwx dog").rename(dogs.out / "4_zwx dog")
    assert not [id for id in served.rows() if id.startswith("masks")]


def test_concepts_have_one_name_whatever_commands_and_people_do_to_their_folders(dogs: Project) -> None:
    with site(dogs.out) as served:
        before = {row["id"]: row["concept"] for row in served.rows().values()}
        assert {"dog", "cat"} == {*before.values()}
        command(Balance(base=2), dogs.out)
        assert {row["concept"] for row in served.rows().values()} == {"dog", "cat"}
        drive.undo(dogs.out)
        assert {row["id"]: row["concept"] for row in served.rows().values()} == before
        shutil.copy(dogs.out / "1_zwx dog/0.png", dogs.out / "1_zwx dog/mine.png")
        assert served.rows()["1_zwx dog/mine.png"]["concept"] == "dog"
        assert [one["name"] for one in served.get("/api/index")["concepts"]] == ["cat", "dog"]
    for name in ("dog", "zwx dog"):
        assert len(tags_folder.read(dogs.out, [name])) == 4
    assert {one.concept for one in tags_folder.read(dogs.out)} == {"dog", "cat"}
    with pytest.raises(InputError, match="no concept bird"):
        tags_folder.read(dogs.out, ["bird"])

"""Pictures set aside, brought back, and masks: which files change, undo, reruns, and what is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.folder.helpers import Project, photo
from tests.review.helpers import TOKEN, Reply, Site, site

A, B, CAT = "1_zwx dog/0.png", "1_zwx dog/1.png", "1_cat/ä b.png"
A_TXT = "1_zwx dog/0.txt"


def send(served: Site, path: str, **values: object) -> Reply:
    body = json.dumps(values).encode()
    return served.ask("POST", path, body, x_curate_token=TOKEN, content_type="application/json")


def png(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, 255).save(file, "PNG")
    return file.getvalue()


def test_a_picture_set_aside_stays_so_and_comes_back_with_undo(dogs: Project, served: Site) -> None:
    before = dogs.files()
    assert send(served, "/api/aside", ids=[A]).json["skipped"] == []
    gone = {name: data for name, data in before.items() if name not in (A, A_TXT)}
    assert dogs.files() == gone
    assert served.rows()["aside:dog/0.png"]["aside"] == "you removed it"
    dogs.run()
    assert dogs.files() == gone
    served.post("/api/undo")
    assert dogs.files() == before
    dogs.run()
    assert dogs.files() == before
    assert served.rows()[A]["aside"] is None


def test_a_picture_that_is_undone_before_a_run_is_in_the_set(dogs: Project, served: Site) -> None:
    before = dogs.files()
    send(served, "/api/aside", ids=[A, B])
    served.post("/api/undo")
    dogs.run()
    assert dogs.files() == before


def test_the_edited_caption_comes_back_with_the_picture(dogs: Project, served: Site) -> None:
    dogs.edit(A_TXT, "zwx dog, my own words")
    before = dogs.files()
    send(served, "/api/aside", ids=[A])
    dogs.run()
    assert A_TXT not in dogs.files()
    assert send(served, "/api/restore", ids=["aside:dog/0.png"]).json["skipped"] == []
    dogs.run()
    assert dogs.files() == before


@pytest.mark.parametrize("runs", [False, True], ids=["at once", "after a run"])
def test_bringing_back_can_be_undone(dogs: Project, served: Site, runs: bool) -> None:
    dogs.edit(A_TXT, "zwx dog, my own words")
    before = dogs.files()
    send(served, "/api/aside", ids=[A])
    dogs.run()
    gone = dogs.files()
    send(served, "/api/restore", ids=["aside:dog/0.png"])
    if runs:
        dogs.run()
        assert dogs.files() == before
    assert served.post("/api/undo")["undone"] == "review (bring back: dog/0.png)"
    assert served.rows()["aside:dog/0.png"]["aside"] == "you removed it"
    dogs.run()
    assert dogs.files() == gone
    assert "set aside" in served.post("/api/undo")["undone"]
    dogs.run()
    assert dogs.files() == before


def test_what_cannot_be_set_aside_says_why(dogs: Project, served: Site) -> None:
    (dogs.out / "1_cat/mine.png").write_bytes((dogs.out / CAT).read_bytes())
    before = dogs.files()
    rows = send(served, "/api/aside", ids=["1_cat/mine.png", "gone.png"]).json["skipped"]
    assert {row["id"] for row in rows} == {"1_cat/mine.png", "gone.png"}
    everything = [id for id in served.rows() if id != "1_cat/mine.png"]
    assert send(served, "/api/aside", ids=everything).status == 409
    assert send(served, "/api/restore", ids=[A]).json["skipped"][0]["reason"] == "it is not set aside"
    assert dogs.files() == before


def test_a_painted_mask_is_kept_and_undone(dogs: Project, served: Site) -> None:
    before = dogs.files()
    reply = served.ask("POST", f"/api/mask/{A.replace(' ', '%20')}", png((32, 32)), x_curate_token=TOKEN,
                       content_type="image/png")  # fmt: skip
    assert reply.status == 200, reply.body
    mask = dogs.files()["masks/1_zwx dog/0.png"]
    assert np.asarray(Image.open(io.BytesIO(mask))).min() == 255 and served.rows()[A]["mask"]
    dogs.run()
    assert dogs.files()["masks/1_zwx dog/0.png"] == mask
    served.post("/api/undo")
    assert dogs.files() == before


@pytest.mark.parametrize(("body", "status"), [(png((8, 8)), 400), (b"no picture", 400)])
def test_a_mask_that_does_not_fit_is_refused(dogs: Project, served: Site, body: bytes, status: int) -> None:
    before = dogs.files()
    path = f"/api/mask/{A.replace(' ', '%20')}"
    assert served.ask("POST", path, body, x_curate_token=TOKEN, content_type="image/png").status == status
    assert served.ask("POST", path, body, x_curate_token=TOKEN, content_type="application/json").status == 415
    assert dogs.files() == before


def test_the_source_of_a_picture_is_its_own_file_and_not_that_of_a_copy(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.stages = ["convert", "dedupe", "export"]
    first = photo(project.place / "in/dog/a.jpg", 1)
    for name in ("in/cat/zz.jpg", "in/dog/b.jpg"):
        (project.place / name).parent.mkdir(exist_ok=True)
        shutil.copy(first, project.place / name)
    photo(project.place / "in/cat/a.jpg", 2)
    photo(project.place / "in/dog/c.png", 3)
    for path in project.place.rglob("*.*g"):
        os.utime(path, (1e9, 1e9))  # so old that the ledger trusts it
    project.run()
    with site(project.out) as served:
        rows = served.rows()
        assert {id: row["source"] for id, row in rows.items()} == {
            "1_dog/a.png": "a.jpg", "1_cat/a.png": "a.jpg", "1_dog/c.png": None,
            "aside:dog/b.jpg": None, "aside:cat/zz.jpg": None,
        }  # fmt: skip
        sources = {id: served.picture(id)["source"] for id in rows}
        assert sources == {id: row["source"] or id.rpartition("/")[2] for id, row in rows.items()}

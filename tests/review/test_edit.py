"""Edits of the page: which files they change, how they are undone, and what a rerun makes of them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from curate import drive, tags_edit, tags_rules
from curate.core.lock import run_lock
from tests.folder.helpers import Project
from tests.review.helpers import TOKEN, Site, site

A, B, CAT = "1_zwx dog/0.png", "1_zwx dog/1.png", "1_cat/ä b.png"
A_TXT, CAT_TXT = "1_zwx dog/0.txt", "1_cat/ä b.txt"


def test_the_index_has_every_picture(served: Site) -> None:
    rows = served.rows()
    assert list(rows) == [CAT, A, B, "1_zwx dog/2.png"]
    assert rows[A]["tags"] == ["zwx dog", "grass", "sky"]
    assert rows[CAT]["tags"] == ["cat", "a_cat", "<script>alert(1)</script>"]
    assert (rows[A]["width"], rows[A]["height"], rows[A]["edited"], rows[A]["aside"]) == (32, 32, False, None)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"operation": "add", "tags": ["solo"]}, "zwx dog, grass, sky, solo"),
        ({"operation": "add", "tags": ["blue_sky", "grass"], "position": 1}, "zwx dog, blue sky, grass, sky"),
        ({"operation": "remove", "tags": ["grass", "zwx dog"]}, "zwx dog, sky"),
        ({"operation": "replace", "tags": ["grass", "sky"], "with": ["lawn", "cloud"]}, "zwx dog, lawn, cloud"),
        ({"operation": "move", "tags": ["sky"], "position": 1}, "zwx dog, sky, grass"),
        ({"operation": "set", "tags": ["zwx dog", "sky"]}, "zwx dog, sky"),
        ({"operation": "sentence", "text": "It sleeps\non a mat."}, "zwx dog, grass, sky, It sleeps on a mat."),
        ({"operation": "text", "text": " my  own words "}, "my own words"),
    ],
)
def test_an_edit_changes_one_file_and_is_undone(dogs: Project, served: Site, values: dict[str, Any], text: str) -> None:
    before = dogs.files()
    done = served.edit(A, **values, preview=True)
    assert done["changes"] == [{"id": A, "before": "zwx dog, grass, sky", "after": text}]
    assert dogs.files() == before
    served.edit(A, **values)
    assert dogs.files() == {**before, A_TXT: text.encode()}
    assert served.picture(A)["edited"] is True
    dogs.run()
    assert dogs.files() == {**before, A_TXT: text.encode()}
    assert served.post("/api/undo")["undone"].startswith("review (")
    assert dogs.files() == before
    assert served.rows()[A]["edited"] is False
    assert dogs.edits() == {}


def test_other_names_of_a_caption_keep_its_text_and_the_server_frees_it(dogs: Project, served: Site) -> None:
    other, replaced = dogs.place / "other.txt", dogs.out / ".curate/replaced"
    os.link(dogs.out / A_TXT, other)
    served.edit(A, operation="add", tags=["solo"])
    assert other.read_text(encoding="utf-8") == "zwx dog, grass, sky"
    end = time.monotonic() + 20
    while time.monotonic() < end and (replaced.exists() or other.stat().st_nlink > 1):
        time.sleep(0.05)
    assert not replaced.exists()
    assert other.stat().st_nlink == 1


def test_many_pictures_are_one_entry_of_the_journal(dogs: Project, served: Site) -> None:
    before = dogs.captions()
    done = served.edit(A, B, CAT, "gone.png", operation="add", tags=["outdoors"])
    assert [one["id"] for one in done["changes"]] == [A, B, CAT]
    assert done["skipped"] == [{"id": "gone.png", "reason": "no longer there"}]
    assert [text.endswith(", outdoors") for text in dogs.captions().values()] == [True, True, True, False]
    assert drive.undo(dogs.out)[0] == f"review (add outdoors: {A}, {B}, {CAT})"
    assert dogs.captions() == before
    assert served.rows()[A]["edited"] is False


def test_the_journal_is_that_of_the_commands(dogs: Project, served: Site) -> None:
    before = dogs.captions()
    tags_edit.edit(dogs.out, tags_rules.adding(["solo"]), "tags add solo")
    assert served.rows()[A]["tags"][-1] == "solo"
    assert served.post("/api/undo")["undone"] == "tags add solo"
    assert dogs.captions() == before
    assert served.post("/api/undo")["undone"] is None


def test_one_picture_is_edited_by_hand_and_many_in_bulk(dogs: Project, served: Site) -> None:
    served.edit(A, operation="add", tags=["mine"])
    served.edit(B, "1_zwx dog/2.png", operation="add", tags=["bulk"])
    done = tags_edit.edit(dogs.out, tags_rules.adding(["solo"]), "tags add solo")
    assert [Path(one.path).name for one in done.skipped] == ["0.png"]
    served.edit(A, B, operation="add", tags=["both"])
    assert dogs.captions()[A_TXT] == "zwx dog, grass, sky, mine, both"


def test_what_changed_on_disk_is_shown_and_not_overwritten(dogs: Project, served: Site) -> None:
    shown = served.picture(A)["caption"]
    dogs.edit(A_TXT, "typed elsewhere")
    refused = served.edit(A, operation="add", tags=["x"], expected={A: shown}, expect=409)
    assert refused["now"]["caption"] == "typed elsewhere"
    assert dogs.captions()[A_TXT] == "typed elsewhere"
    done = served.edit(A, B, operation="add", tags=["x"], expected={A: shown, B: "zwx dog, grass, sky"})
    assert done["skipped"] == [{"id": A, "reason": "changed on disk meanwhile"}]
    assert dogs.captions()[A_TXT] == "typed elsewhere"
    served.edit(A, operation="add", tags=["x"], expected={A: "typed elsewhere\r\n"})
    assert dogs.captions()[A_TXT] == "typed elsewhere, x"


def test_undo_takes_nothing_away_that_was_typed_since(dogs: Project, served: Site) -> None:
    served.edit(A, operation="add", tags=["x"])
    dogs.edit(A_TXT, "typed since")
    assert A_TXT in served.post("/api/undo", expect=400)["message"]
    assert dogs.captions()[A_TXT] == "typed since"


def test_two_browsers_agree(dogs: Project, served: Site) -> None:
    with site(dogs.out) as other:
        other.measured()
        index = other.get("/api/index")
        served.edit(A, operation="add", tags=["from one"])
        changes = other.get(f"/api/changes?since={index['revision']}&tags={len(index['tags'])}")
        assert [one["id"] for one in changes["pictures"]] == [A]
        assert changes["tags"] == ["from_one"]
        other.edit(A, operation="add", tags=["from other"])
        assert served.picture(A)["caption"] == "zwx dog, grass, sky, from one, from other"
        assert other.get("/api/changes?since=999999") == {"reload": True}


def test_files_that_come_and_go_are_seen(dogs: Project, served: Site) -> None:
    served.measured()
    revision = served.get("/api/index")["revision"]
    (dogs.out / A).unlink()
    (dogs.out / A_TXT).unlink()
    changes = served.get(f"/api/changes?since={revision}&tags=0")
    assert changes["removed"] == [A]
    assert [(one["id"], one["aside"]) for one in changes["pictures"]] == [("aside:dog/0.png", "you removed it")]
    assert served.ask("GET", "/thumb/aside%3Adog/0.png", x_curate_token=TOKEN).status == 200


def test_a_run_at_the_folder_is_named_and_not_waited_for(dogs: Project, served: Site) -> None:
    with run_lock(dogs.out):
        refused = served.edit(A, operation="add", tags=["x"], expect=423)
    assert "another run is working on" in refused["message"]
    assert dogs.captions()[A_TXT] == "zwx dog, grass, sky"
    served.edit(A, operation="add", tags=["x"])


@pytest.mark.parametrize("tag", ["a, b", "", "  ", "a ||| b", "a\x00b", "\ud800", "bell\x07"])
def test_tags_that_no_caption_can_hold_are_refused(dogs: Project, served: Site, tag: str) -> None:
    before = dogs.files()
    served.edit(A, operation="add", tags=[tag], expect=400)
    assert dogs.files() == before


@pytest.mark.parametrize(
    "tag", ["<script>alert(1)</script>", "'\";--", "\u202eevil\u202c", "🐕\u200d🦺", "x" * 200, "a\nb", "*"]
)
def test_hostile_tags_are_data(dogs: Project, served: Site, tag: str) -> None:
    served.edit(A, operation="add", tags=[tag])
    kept = "_".join(tag.split())
    assert served.rows()[A]["tags"][-1] == kept
    served.edit(A, operation="remove", tags=[kept])
    assert dogs.captions()[A_TXT] == "zwx dog, grass, sky"


def test_a_foreign_folder_keeps_its_own_form(tmp_path: Path, dogs: Project) -> None:
    folder = tmp_path / "theirs" / "10_my dog"
    folder.mkdir(parents=True)
    texts = {"a": "my_dog red_hat looking_up", "b": "my_dog blue_hat 1girl", "c": "my_dog solo sitting_down"}
    for name, text in texts.items():
        (folder / f"{name}.png").write_bytes((dogs.out / A).read_bytes())
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    with site(folder.parent) as served:
        assert not served.get("/api/index")["prepared"]
        assert not (folder.parent / ".curate/ledger.sqlite").exists()
        served.edit("10_my dog/a.png", operation="add", tags=["green scarf"])
        assert (folder / "a.txt").read_text(encoding="utf-8") == "my_dog red_hat looking_up green_scarf"
        assert served.picture("10_my dog/a.png")["chips"][-1]["tag"] == "green_scarf"
        served.post("/api/undo")
        assert (folder / "a.txt").read_text(encoding="utf-8") == "my_dog red_hat looking_up"


def test_captions_of_two_kept_parts_keep_their_marks(tmp_path: Path, dogs: Project) -> None:
    folder = tmp_path / "theirs" / "10_my dog"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes((dogs.out / A).read_bytes())
    (folder / "a.txt").write_text("my dog ||| grass, sky ||| high quality", encoding="utf-8")
    with site(folder.parent) as served:
        served.edit("10_my dog/a.png", operation="remove", tags=["grass"])
        assert (folder / "a.txt").read_text(encoding="utf-8") == "my dog ||| sky ||| high quality"


def test_vocabulary_completes_anywhere_in_the_word(served: Site) -> None:
    found = served.get("/api/vocabulary?q=ras&limit=5")
    assert found[0]["tag"] == "grass" and found[0]["count"] == 3
    assert len(served.get("/api/vocabulary?q=a&limit=7")) == 7
    assert json.dumps(served.get("/api/vocabulary?q=%3Cscript"))
    assert {"tag": "grass", "count": 3, "concepts": {"dog": 3}} in served.get("/api/tags")


def test_a_sentence_that_reads_as_tags_is_told_of(served: Site) -> None:
    assert "reads as tags" in served.edit(A, operation="sentence", text="a cat, on a mat")["note"]
    assert served.edit(A, operation="sentence", text="A cat sleeps on a red mat.")["note"] == ""
    assert served.edit(A, operation="add", tags=["moon"])["note"] == ""


def test_tags_are_the_same_in_any_case(dogs: Project, served: Site) -> None:
    dogs.edit(A_TXT, "zwx dog, Red Hat, grass")
    assert served.edit(A, operation="add", tags=["red hat"])["changes"] == []
    assert [c["after"] for c in served.edit(A, operation="remove", tags=["red_hat"], preview=True)["changes"]] == [
        "zwx dog, grass"
    ]
    served.edit(A, operation="replace", tags=["RED HAT"], **{"with": ["blue hat"]})
    assert dogs.captions()[A_TXT] == "zwx dog, blue hat, grass"
    served.edit(A, operation="move", tags=["GRASS"], position=1)
    assert dogs.captions()[A_TXT] == "zwx dog, grass, blue hat"
    assert served.edit(A, operation="remove", tags=["ZWX dog"])["changes"] == []
    tags_edit.edit(dogs.out, tags_rules.replacing({"Blue Hat": ["cap"]}), "tags rename", edited_too=True)
    assert dogs.captions()[A_TXT] == "zwx dog, grass, cap"


def test_tags_are_shown_as_the_caption_writes_them(dogs: Project, served: Site, tmp_path: Path) -> None:
    dogs.edit(A_TXT, "zwx dog, red hat, ^_^, a_(b)")
    assert [chip["text"] for chip in served.picture(A)["chips"]] == ["zwx dog", "red hat", "^_^", "a (b)"]
    index = served.get("/api/index")
    texts = dict(zip(index["tags"], index["texts"], strict=True))
    assert texts["red_hat"] == "red hat" and texts["zwx dog"] == "zwx dog"
    suggested = {one["tag"]: one["text"] for one in served.get("/api/vocabulary?q=hat&limit=50")}
    assert suggested["red_hat"] == "red hat" and suggested["straw_hat"] == "straw hat"
    folder = tmp_path / "theirs" / "10_my dog"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes((dogs.out / A).read_bytes())
    (folder / "a.txt").write_text("my_dog red_hat looking_up", encoding="utf-8")
    with site(folder.parent) as theirs:
        assert [chip["text"] for chip in theirs.picture("10_my dog/a.png")["chips"]][-2:] == ["red_hat", "looking_up"]


def test_lines_that_become_one_are_told_of(dogs: Project, served: Site) -> None:
    assert "one line" in served.edit(A, operation="text", text="zwx dog, grass\nsky")["note"]
    assert dogs.captions()[A_TXT] == "zwx dog, grass sky"
    assert served.edit(A, operation="text", text="zwx dog, moon\n")["note"] == ""


def test_undo_names_the_pictures(dogs: Project, served: Site) -> None:
    served.edit(A, operation="remove", tags=["grass"])
    served.post("/api/transform", id=A, crop=None, rotate=90, flip=False)
    served.post("/api/concept", ids=[A, B], concept="cat")
    assert [served.post("/api/undo")["undone"] for _ in range(4)] == [
        f"review (moved to cat: {A}, {B})", f"review (rotated: {A})", f"review (remove grass: {A})", None,
    ]  # fmt: skip


def test_a_concept_is_called_by_its_name_and_not_by_its_folder(served: Site) -> None:
    assert served.post("/api/concept", ids=[A], concept=" 5_neu ")["concept"] == "neu"
    assert served.rows()[A]["concept_next"] == "neu"
    assert served.post("/api/concept", ids=[A], concept=None)["concept"] is None

"""Output to a store: the same files as in a folder; nothing is sent twice; what others change there is kept."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.storage.conftest import Run, picture, tree, write_files, write_pipeline
from tests.storage.conftest import pictures as raw_pictures
from tests.storage.server import S3

OURS = (".curate/about.txt", ".curate/ledger.sqlite", ".curate/report.html", ".curate/report.json")


def stored(s3: S3) -> dict[str, bytes]:
    """The dataset in the bucket, without what is curate's own."""
    return {name: data for name, data in s3.tree("target", "set/").items() if not name.startswith(".curate/")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path, "s3://source/raw", "s3://target/set")


def renamed(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The pictures of a folder, by their names alone."""
    return {n.partition("/")[2]: b for n, b in files.items() if n.startswith(f"{folder}/") and n.endswith(".png")}


def work(tmp_path: Path, cache: str = "cache") -> Path:
    [folder] = (tmp_path / cache / "work").glob("*/set")
    return folder


def test_from_bucket_to_bucket_twice(s3: S3, curate: Run, file: Path, expected: dict[str, bytes]) -> None:
    done = curate("run", file)
    assert stored(s3) == expected
    assert "output        s3://target/set" in done.stderr
    assert {name for name in s3.tree("target", "set/") if name.startswith(".curate/")} == set(OURS)

    s3.requests.clear()
    done = curate("run", file, "--json")
    assert json.loads(done.stdout)["computed"] == 0
    assert s3.asked("GET") == []
    assert {p.removeprefix("/target/set/") for p in s3.asked("HEAD")} <= {".curate/ledger.sqlite"}
    # both addresses are listed once, whatever folders they have; a GET of the bucket more looks for another machine
    listings = [path.rstrip("/") for method, path in s3.requests if method == "GET" and path.count("/") == 1]
    assert (listings.count("/source"), listings.count("/target")) == (1, 2)
    assert [s3.asked(method) for method in ("PUT", "POST", "DELETE")] == [[], [], []]
    assert stored(s3) == expected


def test_pictures_go_before_captions_and_those_before_the_list(s3: S3, curate: Run, file: Path) -> None:
    s3.requests.clear()
    curate("run", file)
    puts = s3.asked("PUT")
    kinds = [1 if p.endswith(".txt") else 0 if p.endswith(".png") else 2 for p in puts if "/.curate/" not in p]
    assert kinds == sorted(kinds)
    assert puts[-1].endswith(".curate/ledger.sqlite")
    assert len(puts) == len(set(puts))
    # what an upload became is in its answer
    assert {p.rpartition("/")[2] for p in s3.asked("HEAD")} <= {"target", "source", "ledger.sqlite"}


def test_only_what_changed_is_sent(tmp_path: Path, s3: S3, curate: Run) -> None:
    stages = "\n  - convert\n  - trigger\n  - export: {also: [metadata.jsonl]}\n"  # without repeats, which name folders
    file = write_pipeline(tmp_path, "s3://source/raw", "s3://target/set", stages=stages)
    curate("run", file)
    s3.put("source", {"raw/dog/new.png": picture(40)})
    s3.requests.clear()
    curate("run", file)
    sent = [p for p in s3.asked("PUT") if "/.curate/" not in p]
    assert sorted(p.rpartition("/")[2] for p in sent) == ["metadata.jsonl", "new.png", "new.txt"]

    s3.client.delete_object(Bucket="source", Key="raw/dog/new.png")
    s3.requests.clear()
    curate("run", file)
    assert sorted(p.rpartition("/")[2] for p in s3.asked("DELETE")) == ["new.png", "new.txt"]


def test_a_caption_edited_in_the_bucket_is_kept_and_follows_its_picture(s3: S3, curate: Run, file: Path) -> None:
    curate("run", file)
    edited = b"zwx dog, what I really see"
    s3.put("target", {"set/1_zwx dog/ü 犬.txt": edited})
    done = curate("run", file, "--json")
    assert json.loads(done.stdout)["edited"] == ["dog/ü 犬.png"]
    assert stored(s3)["1_zwx dog/ü 犬.txt"] == edited

    file.write_text(file.read_text(encoding="utf-8").replace("zwx dog", "qqq hound"), encoding="utf-8")
    before = renamed("1_zwx dog", stored(s3))
    s3.copied.clear()
    curate("run", file)
    after = stored(s3)
    assert renamed("1_qqq hound", after) == before
    assert sum(path.endswith(".png") for path in s3.copied) == len(before) == 6
    assert after["1_qqq hound/ü 犬.txt"] == edited
    assert not [name for name in after if "zwx" in name]


def test_a_picture_removed_in_the_bucket_stays_away(s3: S3, curate: Run, file: Path) -> None:
    curate("run", file)
    s3.client.delete_object(Bucket="target", Key="set/1_zwx dog/a.png")
    done = curate("run", file, "--json")
    assert [row["key"] for row in json.loads(done.stdout)["aside"]] == ["dog/a.png"]
    assert "1_zwx dog/a.png" not in stored(s3)


def test_a_folder_renamed_in_the_bucket_sets_the_repeats(s3: S3, curate: Run, file: Path) -> None:
    curate("run", file)
    client = s3.client
    for name, data in stored(s3).items():
        if name.startswith("1_zwx dog/"):
            client.put_object(Bucket="target", Key=f"set/5_zwx dog/{name.partition('/')[2]}", Body=data)
            client.delete_object(Bucket="target", Key=f"set/{name}")
    done = curate("run", file)
    assert "5 repeats, since you renamed its folder" in done.stderr
    assert {name.partition("_")[0] for name in stored(s3) if "zwx" in name} == {"5"}


def test_what_others_put_there_is_left_alone(s3: S3, curate: Run, file: Path) -> None:
    others = {"set/metadata.jsonl": b"mine", "set/notes.md": b"notes", "set/other/x.bin": b"x"}
    s3.put("target", others)
    done = curate("run", file)
    assert "metadata.jsonl is kept as it is in the store: not curate's" in done.stderr
    found = s3.tree("target")
    assert {name: found[name] for name in others} == others


def test_a_caption_edited_during_the_run_is_kept(s3: S3, curate: Run, file: Path) -> None:
    curate("run", file)
    file.write_text(file.read_text(encoding="utf-8").replace("zwx dog]", "zwx dog, hound]"), encoding="utf-8")
    curate("run", file)
    name = next(name for name in stored(s3) if name.endswith("/a.txt"))
    s3.put("source", {"raw/dog/a.txt": b"new words"})
    seen: list[str] = []

    def edit(method: str, path: str) -> None:
        # the picture's caption is edited while the source is read
        if path.endswith("raw/dog/a.txt") and not seen:
            seen.append(path)
            s3.client.put_object(Bucket="target", Key=f"set/{name}", Body=b"edited meanwhile")

    s3.fault = edit
    done = curate("run", file)
    assert f"{name} is kept as it is in the store: changed in the store during the run" in done.stderr
    assert stored(s3)[name] == b"edited meanwhile"
    s3.fault = None
    done = curate("run", file, "--json")
    assert json.loads(done.stdout)["edited"] == ["dog/a.png"]
    assert stored(s3)[name] == b"edited meanwhile"


def test_another_machine_goes_on_where_the_first_one_stopped(
    tmp_path: Path, s3: S3, curate: Run, file: Path, expected: dict[str, bytes]
) -> None:
    curate("run", file)
    edited = b"zwx dog, edited"
    s3.put("target", {"set/1_zwx dog/a.txt": edited})
    s3.requests.clear()
    done = curate("run", file, "--json", cache=tmp_path / "other")
    assert json.loads(done.stdout)["edited"] == ["dog/a.png"]
    assert [p for p in s3.asked("PUT") if "/.curate/" not in p and "metadata.jsonl" not in p] == []
    assert s3.asked("DELETE") == []
    found = stored(s3)
    assert {**found, "metadata.jsonl": b""} == {**expected, "1_zwx dog/a.txt": edited, "metadata.jsonl": b""}

    done = curate("run", file, code=2)
    assert "another machine went on with s3://target/set" in done.stderr
    shutil.rmtree(work(tmp_path))
    curate("run", file)
    assert stored(s3) == found


def test_a_lost_ledger_destroys_nothing(tmp_path: Path, s3: S3, curate: Run, file: Path) -> None:
    curate("run", file)
    s3.put("target", {"set/1_zwx dog/a.txt": b"edited"})
    s3.client.delete_object(Bucket="target", Key="set/.curate/ledger.sqlite")
    shutil.rmtree(work(tmp_path))
    before = stored(s3)
    s3.requests.clear()
    curate("run", file)
    assert stored(s3) == before
    assert [p for p in s3.asked("PUT") if p.endswith((".png", ".txt")) and "/.curate/" not in p] == []


def test_a_run_of_its_own_folder_and_its_plan(tmp_path: Path, s3: S3, curate: Run, expected: dict[str, bytes]) -> None:
    write_files(tmp_path / "raw", raw_pictures())
    file = write_pipeline(tmp_path, "raw", "s3://target/set", more="run: {work: place}\n")
    s3.requests.clear()
    rows = json.loads(curate("plan", file, "--json").stdout)
    assert rows[0]["compute"] == 8
    assert s3.asked("PUT") == []
    curate("run", file)
    assert stored(s3) == expected
    assert tree(tmp_path / "place") == expected
    rows = json.loads(curate("plan", file, "--json").stdout)
    assert {row["compute"] for row in rows} == {0}


def test_the_ledger_in_the_bucket_is_whole(tmp_path: Path, s3: S3, curate: Run, file: Path) -> None:
    curate("run", file)
    (tmp_path / "copy.sqlite").write_bytes(s3.tree("target", "set/.curate/")["ledger.sqlite"])
    with sqlite3.connect(tmp_path / "copy.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM written").fetchone() == (8,)
    for secret in (b"AKIATESTKEY", b"very-secret"):
        assert not [name for name, data in s3.tree("target").items() if secret in data]

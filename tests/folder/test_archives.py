"""Archives that export writes: what readers find in them; reruns, kills and a person's own files."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate.folder.split_names import named_like_splits
from tests.folder.helpers import Project, killed

SHARDS = ["webdataset/dataset-000000.tar", "webdataset/dataset-000001.tar"]
TABLES = ["parquet/dataset-000000.parquet", "parquet/dataset-000001.parquet"]


@pytest.fixture
def archived(dogs: Project) -> Project:
    """Three dogs, of one the caption was edited, in a zip and in shards of two."""
    (dogs.out / "1_zwx dog/1.txt").write_text("zwx dog, my own words")
    dogs.picture("dog/v1.5 x.png", 40)
    dogs.stages = [
        "convert",
        "trigger",
        {"export": {"also": ["dataset.zip", "webdataset", "parquet"], "shard_size": 2}},
    ]
    dogs.run()
    return dogs


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


def archives(project: Project) -> dict[str, bytes]:
    return {name: data for name, data in project.files().items() if name.endswith((".tar", ".zip", ".parquet"))}


def test_a_zip_holds_the_folder_as_it_lies(archived: Project) -> None:
    with zipfile.ZipFile(archived.out / "dataset.zip") as archive:
        assert archive.testzip() is None
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held == {name: data for name, data in archived.files().items() if name.startswith("1_zwx dog/")}
    assert held["1_zwx dog/1.txt"] == b"zwx dog, my own words"


def test_shards_hold_pictures_captions_and_facts_under_one_key(archived: Project) -> None:
    first, second = (members(archived.out / name) for name in SHARDS)
    assert [len(first), len(second)] == [6, 6]
    assert first["1_zwx dog/1.txt"] == b"zwx dog, my own words"
    assert first["1_zwx dog/1.png"] == archived.files()["1_zwx dog/1.png"]
    facts = json.loads(first["1_zwx dog/0.json"])
    assert facts["concept"] == "dog" and facts["trigger"] == ["zwx dog"] and facts["tags"][-1] == "sky"
    assert [json.loads(first[f"1_zwx dog/{n}.json"])["edited"] for n in (0, 1)] == [False, True]
    # a reader would take what follows the first dot for the kind of the member
    assert "1_zwx dog/v1_5 x.png" in second


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_webdataset_package_reads_the_shards(archived: Project) -> None:
    webdataset: Any = pytest.importorskip("webdataset", reason="webdataset is not installed")
    rows = list(webdataset.WebDataset([str(archived.out / name) for name in SHARDS], shardshuffle=False))
    assert [row["__key__"] for row in rows] == [f"1_zwx dog/{stem}" for stem in ("0", "1", "2", "v1_5 x")]
    for row in rows:
        assert Image.open(io.BytesIO(row["png"])).size == (6, 6) and row["txt"].startswith(b"zwx dog")
        assert json.loads(row["json"])["repeats"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("form", ["webdataset", "imagefolder", "parquet"])
def test_hugging_face_datasets_reads_them(archived: Project, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets: Any = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
    cache = str(archived.place / "cache")
    if form == "webdataset":
        files = {"train": [str(archived.out / name) for name in SHARDS]}
        rows = datasets.load_dataset("webdataset", data_files=files, split="train", cache_dir=cache)
        read = {(row["png"].size, row["txt"]) for row in rows}
    elif form == "parquet":
        rows = datasets.load_dataset(str(archived.out / "parquet"), split="train", cache_dir=cache)
        read = {(row["image"].size, row["text"]) for row in rows}
        assert rows[0]["trigger"] == ["zwx dog"] and rows[1]["edited"] is True and rows[0]["mask"] is None
    else:
        archived.stages = ["convert", "trigger", {"export": {"also": ["metadata.jsonl"]}}]
        archived.run()
        rows = datasets.load_dataset("imagefolder", data_dir=str(archived.out), split="train", cache_dir=cache)
        read = {(row["image"].size, row["text"]) for row in rows}
    assert len(rows) == 4 and ((6, 6), "zwx dog, my own words") in read


def test_tables_hold_the_pictures_as_they_lie_in_the_folder(archived: Project) -> None:
    pq: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = [row for name in TABLES for row in pq.read_table(archived.out / name).to_pylist()]
    files = archived.files()
    assert len(rows) == 4
    assert all(row["image"]["bytes"] == files[row["image"]["path"]] for row in rows)
    assert [row["text"] for row in rows][1] == "zwx dog, my own words"
    assert rows[0]["concept"] == "dog" and rows[0]["repeats"] == 1 and rows[0]["tags"][-1] == "sky"


def test_another_folder_gives_the_same_bytes_and_a_rerun_writes_nothing(archived: Project) -> None:
    before = {name: (archived.out / name).stat().st_mtime_ns for name in archives(archived)}
    archived.run()
    assert {name: (archived.out / name).stat().st_mtime_ns for name in before} == before
    twin = archived.twin("twin")
    for name in before:
        (twin.out / name).unlink()
    twin.run()
    assert archives(twin) == archives(archived)


def test_a_new_caption_is_in_the_next_archive_and_unwanted_ones_go(archived: Project) -> None:
    (archived.out / "1_zwx dog/0.txt").write_text("zwx dog, other words")
    archived.run()
    assert members(archived.out / SHARDS[0])["1_zwx dog/0.txt"] == b"zwx dog, other words"
    archived.stages = ["convert", "trigger", {"export": {"also": ["webdataset"]}}]
    archived.run()
    assert list(archives(archived)) == SHARDS[:1]
    assert len(members(archived.out / SHARDS[0])) == 12
    archived.stages = ["convert", "trigger", "export"]
    archived.run()
    assert archives(archived) == {} and not (archived.out / "webdataset").exists()


def test_a_persons_archive_is_kept_and_named(dogs: Project) -> None:
    (dogs.out / "dataset.zip").write_bytes(b"mine")
    dogs.stages = ["convert", "trigger", {"export": {"also": ["dataset.zip"]}}]
    dogs.run()
    assert (dogs.out / "dataset.zip").read_bytes() == b"mine"
    assert any("dataset.zip is not curate's" in note for note in dogs.notes())
    dogs.stages = ["convert", "trigger", "export"]
    dogs.run()
    assert (dogs.out / "dataset.zip").read_bytes() == b"mine"


def test_killed_anywhere_the_next_run_ends_with_the_same_archives(archived: Project) -> None:
    whole = archives(archived)
    for after in range(60):
        project = archived.twin(f"killed{after}")
        for name in whole:
            (project.out / name).unlink()
        if not killed(project.run, after):
            break
        project.run()
        assert archives(project) == whole, after
    assert after > 3


def test_a_size_of_shards_without_shards_is_refused(dogs: Project) -> None:
    dogs.stages = ["convert", "trigger", {"export": {"shard_size": 5}}]
    with pytest.raises(Exception, match=r"shard_size.*has no effect"):
        dogs.run()


@pytest.mark.parametrize(
    ("name", "is_split"),
    [
        ("1_dog/a_test_1.png", True), ("1_test dog/a.png", True), ("1_dog/val.png", True), ("1_dev/a.png", True),
        ("1_dog/attest.png", False), ("1_dog/latest one.png", False), ("1_zwx dog/a.png", False),
    ],
)  # fmt: skip
def test_names_that_datasets_takes_for_splits_are_known(name: str, is_split: bool, tmp_path: Path) -> None:
    patterns = pytest.importorskip("datasets.data_files", reason="datasets is not installed")
    for path in (tmp_path / name, tmp_path / "1_dog/x.png"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    split = {str(one) for one in patterns.get_data_patterns(str(tmp_path)).values()} != {"['**']"}
    assert (bool(named_like_splits([name])), split) == (is_split, is_split)

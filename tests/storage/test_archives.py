"""Archives as input: the same dataset as from a folder; what is broken or hostile in them is set aside by name."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate.core.counting import counted
from curate.core.events import Event, Note
from curate.storage import Fetched, fetch
from tests.storage.conftest import Run, picture, pictures, tree, write_files, write_pipeline
from tests.storage.server import S3


def shard(members: Iterable[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in members:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return file.getvalue()


def table(columns: Mapping[str, Any]) -> bytes:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def put(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def fetched(source: Path, output: Path) -> tuple[Fetched, dict[str, bytes], list[str]]:
    """What `source` became: also the files, and the warnings."""
    events: list[Event] = []
    result = fetch([source], output, events.append, lambda: False)
    files = {p.relative_to(result.folders[0]).as_posix(): p.read_bytes() for p in result.folders[0].rglob("*.*")}
    return result, files, [e.message for e in events if isinstance(e, Note) and e.level == "warning"]


def as_table() -> bytes:
    files = pictures()
    names = [name for name in files if not name.endswith(".txt")]
    texts = [files.get(name.rpartition(".")[0] + ".txt", b"").decode() for name in names]
    return table({"image": [{"bytes": files[n], "path": n} for n in names], "text": texts})


def test_a_shard_in_a_folder_gives_the_same_dataset(tmp_path: Path, curate: Run, expected: dict[str, bytes]) -> None:
    files = sorted(pictures().items())
    half = [one for one in files if one[0].startswith("dog/") and one[0][4] < "c"]
    put(tmp_path / "shards", **{"0.tar": shard(half), "1.tar": shard([one for one in files if one not in half])})
    file = write_pipeline(tmp_path, "shards", "prepared")
    curate("run", file)
    assert tree(tmp_path / "prepared") == expected
    again = curate("run", file, "--json")
    assert json.loads(again.stdout)["computed"] == 0
    assert tree(tmp_path / "prepared") == expected


def test_a_table_gives_the_same_dataset(tmp_path: Path, curate: Run, expected: dict[str, bytes]) -> None:
    put(tmp_path / "shards", **{"train-00000-of-00001.parquet": as_table()})
    curate("run", write_pipeline(tmp_path, "shards", "prepared"))
    assert tree(tmp_path / "prepared") == expected


@pytest.mark.parametrize("end", ["tar", "parquet"])
def test_archives_in_a_bucket_are_read_once(
    tmp_path: Path, s3: S3, curate: Run, expected: dict[str, bytes], end: str
) -> None:
    data = as_table() if end == "parquet" else shard(sorted(pictures().items()))
    s3.put("source", {f"shards/0.{end}": data})
    file = write_pipeline(tmp_path, "s3://source/shards", "prepared")
    curate("run", file)
    assert tree(tmp_path / "prepared") == expected
    s3.requests.clear()
    curate("run", file)
    assert s3.asked("GET") == []
    assert tree(tmp_path / "prepared") == expected


def test_img2dataset_writes_captions_beside_the_picture_and_in_its_facts(tmp_path: Path) -> None:
    facts = json.dumps({"caption": "of the facts", "url": "http://x", "status": "success"}).encode()
    members = [("000000.jpg", picture(1, "JPEG")), ("000000.json", facts), ("000000.txt", b"of the file")]
    members += [("000001.jpg", picture(2, "JPEG")), ("000001.json", facts)]
    beside = table({"url": ["http://x"], "caption": ["no picture"]})
    put(tmp_path / "laion", **{"00000.tar": shard(members), "00000.parquet": beside, "00000_stats.json": b"{}"})
    result, files, warnings = fetched(tmp_path / "laion", tmp_path / "out")
    assert result.folders[0].name == "laion"
    assert files["000000.txt"] == b"of the file"
    assert files["000001.txt"] == b"of the facts"
    assert set(files) == {"000000.jpg", "000000.txt", "000001.jpg", "000001.txt"}
    assert warnings == []


def test_img2dataset_tables_hold_bytes_in_a_column_of_their_format(tmp_path: Path) -> None:
    data = table({"key": ["000", "001"], "jpg": [picture(1, "JPEG"), None], "caption": ["a", None]})
    put(tmp_path / "laion", **{"00000.parquet": data, "words.parquet": table({"a": ["no pictures here"]})})
    result, files, warnings = fetched(tmp_path / "laion", tmp_path / "out")
    assert set(files) == {"000.jpg", "000.txt"}
    assert [(one.name, one.reason) for one in result.unread] == [("00000.parquet, row 2", "it holds no picture")]
    assert warnings == ["words.parquet: not read, because no column holds pictures (its columns: a)"]


def test_a_second_member_of_a_name_is_named_and_the_first_one_kept(tmp_path: Path) -> None:
    first, second = picture(1), picture(2)
    members = [("a.png", first), ("a.txt", b"one"), ("a.png", second), ("a.txt", b"two"), ("b.png", second)]
    put(tmp_path / "shards", **{"0.tar": shard([*members, ("b.json", b"{oops"), ("c.json", b'["no facts"]')])})
    _, files, warnings = fetched(tmp_path / "shards", tmp_path / "out")
    assert files == {"a.png": first, "a.txt": b"one", "b.png": second}
    assert warnings == [
        "0.tar: 2 members left out, since another one before it has the same name: a.png, a.txt",
        "0.tar: 1 member left out, since it is no JSON: b.json",
    ]


def test_what_nobody_sees_in_an_archive_is_told_of(tmp_path: Path) -> None:
    members = [("a.png", picture(1)), (".b.png", picture(2)), ("._a.png", b"resource"), ("a.txt", b"x" * (2 << 20))]
    again = [("a.png", picture(3)), ("b.png", picture(4))]
    put(tmp_path / "shards", **{"0.tar": shard(members), "1.tar": shard(again)})
    _, files, warnings = fetched(tmp_path / "shards", tmp_path / "out")
    assert set(files) == {"a.png", "a~1.png", "b.png"}
    assert warnings == [
        "0.tar: 2 members left out, hidden: .b.png, ._a.png",
        "0.tar: 1 member left out, too large for a caption: a.txt",
        "1.tar: 1 picture named otherwise, since another archive has its name: a is a~1",
    ]


def test_a_refused_name_makes_no_concept(tmp_path: Path, curate: Run) -> None:
    put(tmp_path / "shards", **{"0.tar": shard([("/elsewhere/a.png", picture(1)), ("dog/b.png", picture(2))])})
    done = curate("run", write_pipeline(tmp_path, "shards", "prepared"), "--json")
    said = json.loads(done.stdout)
    assert [row["key"] for row in said["aside"]] == ["0.tar/elsewhere/a.png"]
    assert "elsewhere" not in said["concepts"]


def test_hostile_names_are_refused_by_name(tmp_path: Path) -> None:
    names = ["../out.png", "/etc/out.png", "a/../../out.png", "good/a.png", "a//b.png"]
    data = shard([(name, picture(n)) for n, name in enumerate(names)])
    (tmp_path / "x").mkdir()
    result, files, _ = fetched(put(tmp_path / "x" / "shards", **{"0.tar": data}), tmp_path / "x" / "out")
    assert set(files) == {"good/a.png"}
    assert all(any(name in one.reason for one in result.unread) for name in names if name != "good/a.png")
    assert len(result.unread) == 4
    assert not list(tmp_path.rglob("out.png"))


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(9))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            about = tarfile.TarInfo(f"link{int(kind)}.png")
            about.type, about.linkname = kind, str(tmp_path / "secret.png")
            tar.addfile(about)
    _, files, warnings = fetched(put(tmp_path / "shards", **{"0.tar": file.getvalue()}), tmp_path / "out")
    assert files == {}
    assert warnings == ["0.tar: 2 links are left out"]


def test_paths_in_a_table_only_name_the_picture(tmp_path: Path) -> None:
    paths = ["/home/someone/a.png", "../../b.png", "C:\\pictures\\c.png", "dog/d.png", None, "dog/d.png"]
    data = table({"image": [{"bytes": picture(n), "path": path} for n, path in enumerate(paths)]})
    _, files, _ = fetched(put(tmp_path / "t", **{"t.parquet": data}), tmp_path / "out")
    assert set(files) == {"a.png", "b.png", "c.png", "dog/d.png", "000000004.png", "dog/d~5.png"}
    assert files["dog/d~5.png"] == picture(5)


@pytest.mark.parametrize(("cut", "whole"), [(700, 1), (5000, 2)])
def test_a_truncated_shard_gives_what_is_whole_and_names_the_rest(
    tmp_path: Path, curate: Run, cut: int, whole: int
) -> None:
    members = [(f"dog/{n}.jpg", picture(n, "JPEG") + bytes(3000)) for n in range(3)]
    put(
        tmp_path / "shards",
        **{"a.tar": shard(members)[: 3 * 4096 + cut - 4096], "b.tar": shard([("dog/z.png", picture(7))])},
    )
    file = write_pipeline(tmp_path, "shards", "prepared")
    done = curate("run", file, "--json")
    said = json.loads(done.stdout)
    assert [row["key"] for row in said["aside"]] == [f"a.tar/dog/{whole}.jpg"]
    assert said["pictures"] == whole + 2  # with the torn one and that of the other archive
    found = counted(whole, "picture")
    damage = f"a.tar: the archive is damaged, so that only {found} of it could be read: it ends too early"
    assert damage in done.stderr
    assert damage in curate("plan", file).stderr
    assert (tmp_path / "prepared/1_zwx dog/z.png").is_file()
    assert (tmp_path / "prepared/1_zwx dog/0.png").is_file()


def test_a_damaged_header_does_not_look_like_the_end(tmp_path: Path) -> None:
    data = bytearray(shard([(f"{n}.png", picture(n)) for n in range(3)]))
    second = data.index(b"1.png")
    data[second + 100 : second + 160] = b"\xff" * 60
    _, files, warnings = fetched(put(tmp_path / "s", **{"0.tar": bytes(data)}), tmp_path / "out")
    assert set(files) == {"0.png"}
    assert warnings[0].startswith("0.tar: the archive is damaged, so that only 1 picture of it could be read: what")


@pytest.mark.parametrize("name", ["0.tar", "0.parquet"])
def test_an_archive_that_is_none_is_told_of(tmp_path: Path, name: str) -> None:
    source = put(tmp_path / "s", **{name: b"<html>not here</html>" * 100})
    result, files, warnings = fetched(source, tmp_path / "out")
    assert files == {}
    assert [(one.name, one.archive) for one in result.unread] == [(name, name)]
    assert f"{name}: the archive is damaged, so that only nothing" not in warnings[0]
    assert warnings[0].startswith(f"{name}: the archive is damaged: ")


def test_a_damaged_archive_is_set_aside_by_name(tmp_path: Path, curate: Run) -> None:
    put(tmp_path / "shards", **{"a.tar": shard([("dog/a.png", picture(1))]), "b.tar": b"no archive" * 100})
    file = write_pipeline(tmp_path, "shards", "prepared", stages="\n  - convert\n  - export\n")
    done = curate("run", file, "--json", "--strict", code=1)
    [row] = json.loads(done.stdout)["aside"]
    assert (row["key"], row["reason"]) == ("b.tar", "the archive is damaged: invalid header")


def test_an_archive_that_may_not_be_read_is_tried_again(tmp_path: Path, s3: S3, curate: Run) -> None:
    s3.put("source", {f"sh/{n}.tar": shard([(f"dog/{n}.png", picture(n))]) for n in range(2)})
    file = write_pipeline(tmp_path, "s3://source/sh", "prepared", stages="\n  - convert\n  - export\n")
    s3.fault = lambda method, path: 403 if path.endswith("/1.tar") and method == "GET" else None
    done = curate("run", file, "--json")
    [row] = json.loads(done.stdout)["aside"]
    assert (row["key"], row["reason"]) == ("1.tar", "the archive cannot be read: as the test asked")
    s3.fault = None
    assert json.loads(curate("run", file, "--json").stdout)["aside"] == []
    assert {p.name for p in (tmp_path / "prepared/1_zwx dog").glob("*.png")} == {"0.png", "1.png"}


def test_the_same_name_in_two_shards_stays_two_pictures_with_their_captions(tmp_path: Path) -> None:
    one = shard([("a.png", picture(1)), ("a.txt", b"one")])
    two = shard([("a.txt", b"two"), ("a.png", picture(2))])
    _, files, _ = fetched(put(tmp_path / "s", **{"0.tar": one, "1.tar": two}), tmp_path / "out")
    assert files == {"a.png": picture(1), "a.txt": b"one", "a~1.png": picture(2), "a~1.txt": b"two"}


def test_an_archive_that_changed_or_went_takes_its_files_along(tmp_path: Path) -> None:
    source, out = tmp_path / "s", tmp_path / "out"
    put(
        source,
        **{"0.tar": shard([("a.png", picture(1)), ("b.png", picture(2))]), "1.tar": shard([("c.png", picture(3))])},
    )
    assert set(fetched(source, out)[1]) == {"a.png", "b.png", "c.png"}
    put(source, **{"0.tar": shard([("b.png", picture(4)), ("d.png", picture(5))])})
    (source / "1.tar").unlink()
    _, files, _ = fetched(source, out)
    assert files == {"b.png": picture(4), "d.png": picture(5)}


def test_archives_beside_loose_pictures_are_no_input(tmp_path: Path) -> None:
    source = put(tmp_path / "s", **{"0.tar": shard([("a.png", picture(1))]), "b.png": picture(2)})
    assert fetch([source], tmp_path / "out", lambda _: None, lambda: False).folders == (source,)


def test_shards_are_not_held_in_memory(tmp_path: Path) -> None:
    big = bytes(8 << 20)
    data = shard((f"{n}.png", big) for n in range(8))
    source = put(tmp_path / "s", **{"0.tar": data})
    del data
    tracemalloc.start()
    fetch([source], tmp_path / "out", lambda _: None, lambda: False)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < len(big)


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_an_exported_dataset_comes_back_from_its_archives(tmp_path: Path, curate: Run, form: str) -> None:
    raw = write_files(tmp_path / "raw", pictures())
    mask = io.BytesIO()
    Image.new("L", (96, 64), 128).save(mask, "PNG")
    (raw / "dog/a-masklabel.png").write_bytes(mask.getvalue())
    stages = f"\n  - convert\n  - export: {{also: [{form}], shard_size: 3}}\n"
    curate("run", write_pipeline(tmp_path, "raw", "first", stages=stages))
    file = write_pipeline(tmp_path, f"first/{form}", "second", stages="\n  - convert\n  - export\n")
    # the folder's name is the concept's now
    file.write_text(file.read_text(encoding="utf-8").replace("  dog:", "  zwx dog:"), encoding="utf-8")
    curate("run", file)
    first, second = tree(tmp_path / "first"), tree(tmp_path / "second")
    assert "masks/1_zwx dog/a.png" in second
    assert {n: d for n, d in first.items() if not n.startswith(form)} == second


def test_of_several_captions_the_first_is_taken_and_that_is_told(tmp_path: Path) -> None:
    columns = {"image": [{"bytes": picture(1), "path": "a.png"}], "Caption": [["one", "two"]]}
    _, files, warnings = fetched(put(tmp_path / "t", **{"t.parquet": table(columns)}), tmp_path / "out")
    assert files["a.txt"] == b"one"
    assert warnings == ["t.parquet: 1 picture with several captions: the first one is taken"]

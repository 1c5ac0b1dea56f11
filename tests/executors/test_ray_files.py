"""What a node does that sees neither the driver's disk nor the copies of an input in a store."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from curate.core.env import Env
from curate.core.files import digest_bytes
from curate.core.record import Image, Record
from curate.executors.ray_files import Mirror, read_files
from curate.images import PICTURE_FILES
from curate.storage.sources import StoredSources


@pytest.fixture
def env(tmp_path: Path) -> Iterator[Env]:
    """A run over `memory://node/raw`, whose copies are in `copies`."""
    files = fsspec.filesystem("memory")
    for name in ("a.png", "b.png"):
        files.pipe_file(f"/node/raw/dog/{name}", name.encode())
    sources = StoredSources(((tmp_path / "copies", "memory://node/raw"),))
    yield Env(root=tmp_path / "root", output=tmp_path, pictures=PICTURE_FILES, sources=sources)
    files.rm("/node", recursive=True)


def record(folder: Path, name: str, data: bytes) -> Record:
    return Record(f"dog/{name}", "dog", "", Image(digest_bytes(data), str(folder / "dog" / name)))


def test_pictures_come_from_the_store_where_they_are_still_the_same(tmp_path: Path, env: Env) -> None:
    copies = tmp_path / "copies"
    work = [
        (0, record(copies, "a.png", b"a.png")),
        (1, record(copies, "b.png", b"as it was")),
        (2, record(copies, "c", b"")),
    ]
    assert read_files(work, env.root, env.sources) == {}
    mirror = Mirror(tmp_path / "node", pickle.loads(pickle.dumps(env)), shares_disk=False)
    with mirror.unpacked(work, {}, fetches=True) as (placed, unseen):
        [(index, there)] = placed
        assert (index, unseen) == (0, [1, 2])
        assert Path(there.image.path).read_bytes() == b"a.png"
        assert Path(there.image.path).name == "a.png"
    assert not (tmp_path / "node/sources").exists()


def test_what_the_store_does_not_have_comes_from_the_driver(tmp_path: Path, env: Env) -> None:
    (tmp_path / "copies/dog").mkdir(parents=True)
    (tmp_path / "copies/dog/b.png").write_bytes(b"as it was")
    work = [(1, record(tmp_path / "copies", "b.png", b"as it was")), (2, record(tmp_path / "copies", "c.png", b""))]
    files = read_files(work, env.root)
    mirror = Mirror(tmp_path / "node", env, shares_disk=False)
    with mirror.unpacked(work, files) as (placed, unseen):
        assert unseen == []
        assert Path(placed[0][1].image.path).read_bytes() == b"as it was"
        assert placed[1][1].image.path == work[1][1].image.path  # gone: the chain says so

"""What is below an address: S3 says it page by page, whatever folders it is in; others by sweeps or by folders."""

from __future__ import annotations

import uuid
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from curate.core.events import Event
from curate.errors import InputError
from curate.storage.address import Location, open_location
from curate.storage.listing import list_objects
from tests.storage.server import S3

NAMES = ("a.png", "dog/b.png", "dog/c.txt", "dog.png", "deep/er/d.png", "ü 犬/x+y%20&z.png")
HIDDEN = (".h.png", "..odd/e.png", "dog/.i.png", ".git/j.png", "deep/.k/er/l.png")


def unheard(event: Event) -> None:
    raise AssertionError(event)


def names(address: str, page: int = 1000) -> list[str]:
    location = open_location(address)
    if location.speaks_s3:
        location.file_system.req_kw = {"MaxKeys": page}
    return [one.name for one in list_objects(location, unheard, lambda: False)]


@pytest.fixture
def source(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A bucket with odd names, markers of folders, and neighbors whose names begin alike."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    markers = ("odd/", "odd/dog/", "odd/empty/", "nothing/")
    keys = [*(f"odd/{name}" for name in (*NAMES, *HIDDEN)), *markers, "odder/x.png", "od"]
    s3.put("source", dict.fromkeys(keys, b"x"))
    s3.requests.clear()
    return s3


def test_a_bucket_is_listed_in_pages_not_in_folders(source: S3) -> None:
    wanted = sorted(NAMES)
    assert sorted(names("s3://source/odd")) == wanted
    assert len(source.requests) == 1
    assert sorted(names("s3://source/odd/", page=4)) == wanted
    assert len(source.requests) == 1 + -(-(len(NAMES) + len(HIDDEN) + 3) // 4)
    assert set(names("s3://source")) >= {f"odd/{name}" for name in wanted} | {"od", "odder/x.png"}


def test_an_object_an_empty_folder_and_nothing(source: S3) -> None:
    assert names("s3://source/od") == [""]
    assert names("s3://source/nothing") == names("s3://source/odd/empty") == []
    with pytest.raises(InputError, match="s3://source/gone does not exist"):
        names("s3://source/gone")
    with pytest.raises(InputError, match="s3://elsewhere/odd does not exist"):
        names("s3://elsewhere/odd")


def test_other_stores_give_the_same_names() -> None:
    files, root = fsspec.filesystem("memory"), f"/{uuid.uuid4().hex}"
    for name in (*NAMES, *HIDDEN):
        files.pipe_file(f"{root}/{name}", b"x")
    assert sorted(names(f"memory:/{root}")) == sorted(NAMES)
    files.rm(root, recursive=True)


class InPages(MemoryFileSystem):
    """A store that lists what is below a folder in one go, as gcsfs, adlfs and HfFileSystem do."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.is_finding = False

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        if not self.is_finding:
            self.asked.append(path)
        return super().ls(path, detail=detail, **options)

    def find(self, path: str, **options: Any) -> Any:
        self.asked.append(path)
        self.is_finding = True
        found = super().find(path, **options)
        self.is_finding = False
        return found


@pytest.mark.parametrize("kind", ["gs", "az", "hf"])
def test_stores_that_list_in_pages_are_asked_once_for_each_folder_of_the_first_level(kind: str) -> None:
    files, root = InPages(), f"/{uuid.uuid4().hex}"
    for name in (*NAMES, *HIDDEN):
        files.pipe_file(f"{root}/{name}", b"x")
    location = Location(f"{kind}:/{root}", files, root)
    assert sorted(one.name for one in list_objects(location, unheard, lambda: False)) == sorted(NAMES)
    assert files.asked == [root, *(f"{root}/{name}" for name in ("dog", "deep", "ü 犬"))]
    one = Location(f"{kind}:/{root}/a.png", files, f"{root}/a.png")
    assert [one.name for one in list_objects(one, unheard, lambda: False)] == [""]
    with pytest.raises(InputError, match="does not exist"):
        list(list_objects(Location(f"{kind}:/{root}/gone", files, f"{root}/gone"), unheard, lambda: False))
    files.rm(root, recursive=True)

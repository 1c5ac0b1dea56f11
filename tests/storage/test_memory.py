"""fsspec's store in memory, in this process: the same code as for buckets, and the classes on their own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from curate import drive
from curate.core.digests import CLOCK_GRAIN
from curate.core.events import Event, StageFinished, StageRecalled
from curate.errors import Interrupted
from curate.pipeline import load
from curate.storage import fetch, list_inputs
from curate.storage.listing import version_of
from tests.storage.conftest import picture, pictures, tree, write_files, write_pipeline


@pytest.fixture
def store() -> Iterator[str]:
    """An address of its own, with pictures in `raw`."""
    files = fsspec.filesystem("memory")
    root = f"/{uuid.uuid4().hex}"
    for name, data in pictures().items():
        files.pipe_file(f"{root}/raw/{name}", data)
    yield f"memory:/{root}"
    files.rm(root, recursive=True)


def never() -> bool:
    return False


def stored(address: str) -> dict[str, bytes]:
    files = fsspec.filesystem("memory")
    root = address.removeprefix("memory:/")
    found = {name.removeprefix(f"{root}/"): files.cat_file(name) for name in files.find(root)}
    return {name: data for name, data in found.items() if not name.startswith(".curate/")}


def test_from_memory_to_memory_is_as_from_folder_to_folder(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    stages = "\n  - convert\n  - trigger\n  - export\n"
    write_files(tmp_path / "local/raw", pictures())
    drive.run(load(write_pipeline(tmp_path / "local", "raw", "prepared", stages=stages)), quiet=True)
    file = write_pipeline(tmp_path, f"{store}/raw/", f"{store}/prepared/", stages=stages)
    drive.run(load(file), quiet=True)
    expected = tree(tmp_path / "local/prepared")
    assert stored(f"{store}/prepared") == expected
    second = drive.run(load(file), quiet=True)
    assert second.figures["computed"] == 0
    assert {row["stage"] for row in second.figures["stages"]} >= {"download", "export"}
    assert stored(f"{store}/prepared") == expected


def test_what_nothing_changed_for_is_known_as_a_whole(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    stages = "\n  - convert\n  - export: {also: [metadata.jsonl]}\n"
    file = write_pipeline(tmp_path, f"{store}/raw/", f"{store}/prepared/", stages=stages)
    files, root = fsspec.filesystem("memory"), store.removeprefix("memory:/")
    first = stored_after_run(file, store)
    time.sleep(CLOCK_GRAIN / 1e9 + 0.1)
    assert drive.run(load(file), quiet=True).manifest is not None
    file.write_text(f"# a line more\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    known = drive.run(load(file), quiet=True)
    assert known.manifest is None
    assert known.figures["computed"] == 0
    assert {row.compute for row in drive.plan(load(file))} == {0}

    # what changes only in the store is seen all the same
    files.pipe_file(f"{root}/prepared/notes.bin", b"not curate's")
    assert drive.run(load(file), quiet=True).manifest is not None
    assert drive.run(load(file), quiet=True).manifest is None
    files.rm_file(f"{root}/prepared/metadata.jsonl")
    assert drive.run(load(file), quiet=True).manifest is not None
    assert {**stored(f"{store}/prepared"), "notes.bin": b""} == {**first, "notes.bin": b""}
    files.pipe_file(f"{root}/raw/dog/d.txt", b"words")
    assert b"words" in stored_after_run(file, store).values()


def stored_after_run(file: Path, store: str) -> dict[str, bytes]:
    assert drive.run(load(file), quiet=True).manifest is not None
    return stored(f"{store}/prepared")


def test_an_interrupted_download_goes_on_with_what_is_left(tmp_path: Path, store: str) -> None:
    events: list[Event] = []
    with pytest.raises(Interrupted):
        fetch(list_inputs([f"{store}/raw"], events.append, never), tmp_path, events.append, lambda: True)
    fetch(list_inputs([f"{store}/raw"], events.append, never), tmp_path, events.append, lambda: False)
    fetch(list_inputs([f"{store}/raw"], events.append, never), tmp_path, events.append, lambda: False)
    assert isinstance(events[-1], StageRecalled)


def test_a_copy_that_was_changed_or_lost_is_fetched_again(tmp_path: Path, store: str) -> None:
    events: list[Event] = []
    [folder] = fetch(
        list_inputs([f"{store}/raw"], events.append, never), tmp_path, events.append, lambda: False
    ).folders
    (folder / "dog/a.png").write_bytes(picture(99))
    (folder / "dog/d.png").unlink()
    (folder / "dog/foreign.png").write_bytes(picture(98))
    events.clear()
    fetch(list_inputs([f"{store}/raw"], events.append, never), tmp_path, events.append, lambda: False)
    [end] = [event for event in events if isinstance(event, StageFinished)]
    assert (end.computed, end.recalled) == (2, 6)
    assert tree(folder) == pictures()


def test_listings_and_single_answers_give_one_mark_of_a_version() -> None:
    files = fsspec.filesystem("memory")
    files.pipe_file("/one/a.png", b"x")
    [listed] = files.ls("/one", detail=True)
    assert version_of(listed) == version_of(files.info("/one/a.png"))
    files.rm("/one", recursive=True)

"""File batch: whole files or none, the disk waited for once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curate.core.file_batch import FileBatch
from curate.errors import CurateError


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_no_file_has_its_name_before_all_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").write_bytes(b"picture")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.txt").write_text("old")
    done: list[str] = []

    def noting(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            done.append(what)
            return call(*arguments)

        return noted

    if hasattr(os, "posix_fadvise"):
        monkeypatch.setattr(os, "posix_fadvise", noting("start", os.posix_fadvise))
    monkeypatch.setattr(os, "fsync", noting("flush", os.fsync))
    monkeypatch.setattr(os, "replace", noting("rename", os.replace))
    with FileBatch(tmp_path / "staging") as files:
        files.copy(tmp_path / "source", tmp_path / "out/a.png")
        files.write_text(tmp_path / "out/a.txt", "new")
        files.write_text(tmp_path / "out/more/b.txt", "ü\r\n")
        assert (tmp_path / "out/a.txt").read_text() == "old"
        assert not (tmp_path / "out/a.png").exists()
    folders = 0 if os.name == "nt" else 2
    starts = ["start"] * 3 if hasattr(os, "posix_fadvise") else []
    assert done == starts + ["flush"] * 3 + ["rename"] * 3 + ["flush"] * folders
    assert _names(tmp_path / "out") == ["a.png", "a.txt", "more/b.txt"]
    assert not (tmp_path / "staging").exists()
    assert (tmp_path / "out/a.png").read_bytes() == b"picture"
    assert (tmp_path / "out/a.txt").read_text() == "new"
    assert (tmp_path / "out/more/b.txt").read_bytes() == "ü\r\n".encode()


def test_an_error_leaves_old_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(CurateError, match=r"gone\.png"), FileBatch(tmp_path / "staging") as files:
        files.write_text(tmp_path / "a.txt", "new")
        files.copy(tmp_path / "nowhere", tmp_path / "gone.png")
    assert _names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_name_that_is_taken_by_a_folder_is_a_readable_error(tmp_path: Path) -> None:
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(CurateError, match=r"b\.txt"), FileBatch(tmp_path / "staging") as files:
        for name in "abc":
            files.write_text(tmp_path / f"{name}.txt", name)
    assert _names(tmp_path) == ["a.txt"]


def test_a_flushed_batch_takes_more_files(tmp_path: Path) -> None:
    with FileBatch(tmp_path / "staging") as files:
        for number in range(20):
            files.write_text(tmp_path / f"{number % 10}.txt", str(number))
            if number % 10 == 9:
                files.flush()
                assert (tmp_path / "9.txt").read_text() == str(number)
    assert len(_names(tmp_path)) == 10


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs another disk")
def test_a_folder_may_be_on_another_disk(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        (tmp_path / "linked").symlink_to(other)
        with FileBatch(tmp_path / "staging") as files:
            files.write_text(tmp_path / "linked/a.txt", "there")
        assert _names(Path(other)) == ["a.txt"]
        assert (tmp_path / "linked/a.txt").read_text() == "there"
        assert not (tmp_path / "staging").exists()

"""The page of a folder that takes no files shows it, and hears of what others write to it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from curate.core.store import Store, ledger_place
from curate.errors import CurateError
from curate.review.ledger import Ledger
from curate.review.server import Review
from tests.folder.helpers import Project


@contextlib.contextmanager
def read_only(folder: Path) -> Generator[None]:
    """The folder takes no files meanwhile, not even from root."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        undo = ["chmod", "755", str(folder)]
    else:
        mounts = (["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,bind,ro", str(folder)])
        if any(subprocess.run(mount, capture_output=True, check=False).returncode for mount in mounts):
            pytest.skip("this user may write anywhere")
        undo = ["umount", "-l", str(folder)]
    try:
        yield
    finally:
        subprocess.run(undo, check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="folders take files whatever their rights")
def test_a_read_only_folder_is_shown(dogs: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    with read_only(dogs.out):
        assert ledger_place(dogs.out) != dogs.out
        review = Review(dogs.out)
        try:
            review.index.refresh()
            assert sorted(entry.concept for entry in review.index.entries.values()) == ["cat", "dog", "dog", "dog"]
        finally:
            review.close()
        ledger = Ledger(dogs.out)
        assert (ledger.refresh(), ledger.refresh()) == (True, False)
    with Store(dogs.out) as store:
        store.forget_written(["nowhere"])
    with read_only(dogs.out):
        assert (ledger.refresh(), ledger.refresh()) == (True, False)


def test_a_ledger_that_cannot_be_read_ends_the_page_with_its_own_error(dogs: Project) -> None:
    (dogs.out / ".curate/ledger.sqlite").write_bytes(b"no database " * 400)
    review = Review(dogs.out)
    with pytest.raises(CurateError, match="is damaged"):
        try:
            review.start(tokens=False)
        finally:
            review.close()

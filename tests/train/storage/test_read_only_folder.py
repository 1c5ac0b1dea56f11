"""A folder that takes no files is trained all the same: what is known of it is kept in the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.cli.main import main
from curate.core.store import ledger_place


@pytest.fixture
def closed(folder: Path) -> Iterator[Path]:
    """The folder without the right to write into it."""
    places = [folder, *(p for p in folder.iterdir() if p.is_dir())]
    for place in places:
        place.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    yield folder
    for place in places:
        place.chmod(0o755)


def train(folder: Path, out: Path) -> str | int | None:
    with pytest.raises(SystemExit) as done:
        main(["train", str(folder), "--steps", "1", "--rank", "1", "--no-tensorboard", "--output-dir", str(out)])
    return done.value.code


def test_it_is_trained_and_recalled(closed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(closed.rglob("*"))
    assert train(closed, tmp_path / "out") in (0, None)
    assert f"{closed} is read-only: curate keeps its own files in {ledger_place(closed)}" in capfd.readouterr().err
    [path] = (tmp_path / "out").glob("*.safetensors")
    written = path.stat().st_mtime_ns
    assert train(closed, tmp_path / "out") in (0, None)
    assert path.stat().st_mtime_ns == written and len(list(path.parent.iterdir())) == 1
    assert sorted(closed.rglob("*")) == before


def test_two_folders_of_one_name_are_kept_apart(closed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / closed.name
    other.mkdir(parents=True)
    assert ledger_place(other) == other
    other.chmod(0o555)
    assert ledger_place(other) != ledger_place(closed) and ledger_place(closed) == ledger_place(closed / ".")


def test_without_an_output_folder_it_says_what_to_give(closed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["train", str(closed), "--steps", "1"])
    assert done.value.code not in (0, None)
    assert "--output-dir" in capfd.readouterr().err

"""`curate report` reads a folder and writes one page: beside the ledger, where -o says, or into the cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from curate import drive
from curate.cli.main import main
from curate.core.store import ledger_place
from tests.folder.helpers import Project


def tree(place: Path) -> dict[str, tuple[int, bytes]]:
    files = [p for p in place.rglob("*") if p.is_file()]
    return {p.relative_to(place).as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def test_nothing_but_the_page_and_its_values_is_written(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", "zwx dog, mine")
    (dogs.out / "1_zwx dog/2.png").unlink()
    before = tree(dogs.out)
    path, count = drive.report(dogs.out, dogs.place / "page.html")
    assert path.is_file() and count == 2
    assert tree(dogs.out) == before
    path, _ = drive.report(dogs.out)
    assert path == dogs.out / drive.REPORT
    after = tree(dogs.out)
    assert {name for name in after if after[name] != before.get(name)} <= {drive.REPORT, ".curate/report.json"}


def test_a_read_only_folder_gets_its_page_in_the_cache(
    dogs: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(dogs.place / "cache"))
    places = [dogs.out, *(p for p in dogs.out.rglob("*") if p.is_dir())]
    for place in places:
        place.chmod(0o555)
    try:
        if os.access(dogs.out, os.W_OK):
            pytest.skip("this user may write anywhere")
        with pytest.raises(SystemExit) as done:
            main(["report", str(dogs.out)])
        page = ledger_place(dogs.out) / drive.REPORT
        assert done.value.code in (0, None) and page.is_file()
        said = capsys.readouterr().err
        assert str(page) in said and "read-only" in said and "-o" in said
    finally:
        for place in places:
            place.chmod(0o755)

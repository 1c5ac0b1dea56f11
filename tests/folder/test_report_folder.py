"""`curate report` reads a folder and writes one page: beside the ledger, where -o says, or into the cache."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from curate import drive
from curate.cli.main import main
from curate.core.store import ledger_place
from curate.drive.check import CheckOptions, check
from curate.stages.balance import Balance
from curate.stages.trigger import Trigger
from tests.folder.helpers import Project, command, photo


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


@pytest.fixture
def weighted(project: Project) -> Project:
    """Eight dogs and, half as often, four robes, which are a style: so the pipeline says."""
    project.stages = ["convert", "trigger", "balance", "export"]
    project.concepts = {
        "dog": {"trigger": ["zwx dog"], "kind": "character"},
        "robe": {"trigger": ["zwx dog", "blue robe"], "kind": "style", "weight": 0.5},
    }
    for n in range(12):
        photo(project.place / "in" / ("dog" if n < 8 else "robe") / f"{n}.png", n)
    project.run()
    return project


def said(page: Path) -> dict[str, object]:
    values = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    return {"concepts": values["concepts"], "advice": [one for one in values["advice"] if not one["stage"]]}


def test_the_report_of_a_folder_says_of_concepts_what_the_run_said(weighted: Project) -> None:
    by_run = said(weighted.out / drive.REPORT)
    assert [(c["name"], c["weight"], c["repeats"]) for c in by_run["concepts"]] == [  # type: ignore[union-attr]
        ("dog", 1.0, [1]), ("robe", 0.5, [1]),
    ]  # fmt: skip
    page, _ = drive.report(weighted.out, weighted.place / "page.html")
    assert said(page) == by_run
    assert any("robe" in str(line) and "a style" in str(line) for line in by_run["advice"])  # type: ignore[union-attr]
    command(Trigger(), weighted.out)
    drive.report(weighted.out, page)
    assert said(page) == by_run


def test_a_command_without_the_pipeline_balances_by_no_weight_and_undo_takes_that_back(weighted: Project) -> None:
    page = weighted.place / "page.html"
    command(Balance(), weighted.out)
    drive.report(weighted.out, page)
    assert [(c["name"], c["weight"], c["repeats"]) for c in said(page)["concepts"]] == [  # type: ignore[union-attr]
        ("dog", 1.0, [1]), ("robe", 1.0, [2]),
    ]  # fmt: skip
    drive.undo(weighted.out)
    drive.report(weighted.out, page)
    assert [(c["name"], c["weight"], c["repeats"]) for c in said(page)["concepts"]] == [  # type: ignore[union-attr]
        ("dog", 1.0, [1]), ("robe", 0.5, [1]),
    ]  # fmt: skip


def test_a_folder_can_be_named_by_its_concept_and_by_its_words(weighted: Project) -> None:
    for name in ("robe", "zwx dog, blue robe", "1_zwx dog, blue robe"):
        result = command(Balance(base=3), weighted.out, only=(name,), dry_run=True)
        assert {record.concept: record.repeats for record in result.manifest} == {"dog": 1, "robe": 3}, name


def test_check_minds_the_weights_by_which_a_folder_was_balanced(weighted: Project) -> None:
    def traps() -> list[str]:
        found = check(CheckOptions(weighted.out, {"family": "sd1"}, vocabulary="none", quiet=True))
        return [one.check for one in found.findings]

    assert "balance" not in traps()
    weighted.concepts["robe"]["weight"] = 0.2
    weighted.run()
    shown = {c["name"]: c["shown_per_epoch"] for c in said(weighted.out / drive.REPORT)["concepts"]}  # type: ignore[union-attr, index]
    assert shown["dog"] > 2.5 * shown["robe"]
    assert "balance" not in traps()
    (weighted.out / next(p.name for p in weighted.out.iterdir() if "robe" in p.name)).rename(
        weighted.out / "40_zwx dog, blue robe"
    )
    assert "balance" in traps()

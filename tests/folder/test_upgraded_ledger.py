"""A ledger of an older version knows no source pictures but those that it wrote: what it set aside is not new."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.folder.helpers import Project


def added(project: Project) -> list[str]:
    lines = (project.out / ".curate/events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    last = max(i for i, e in enumerate(events) if e["event"] == "RunStarted")
    return [key for e in events[last:] if e["event"] == "SourcesChanged" for key in e["added"]]


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_what_was_set_aside_is_not_new(dogs: Project, version: int) -> None:
    (dogs.place / "in/dog/broken.png").write_bytes(b"no picture")
    dogs.exclude = ["2.png"]
    dogs.run()
    assert added(dogs) == ["dog/broken.png"]
    db = sqlite3.connect(dogs.out / ".curate/ledger.sqlite")
    with db:
        db.execute("DELETE FROM sources")
        if version == 2:
            db.execute("CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT NOT NULL)")
        db.execute(f"PRAGMA user_version={version}")
    db.close()
    dogs.picture("dog/new.png", 99)
    dogs.run()
    assert added(dogs) == ["dog/new.png"]
    dogs.run()
    assert added(dogs) == []

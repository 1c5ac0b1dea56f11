"""The index of a large folder: pictures that are packed are read, edited and counted as those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.review import entries, folder_reader, known_rows
from tests.folder.helpers import Project
from tests.review.test_bulk import edit, opened, seen

_PICTURES = 200
"""Some as they are, two blocks that are packed, and a part of a third."""


@pytest.fixture
def large(tmp_path: Path, dogs: Project) -> Path:
    """A folder of another program with captions, one in five of which is missing."""
    place = tmp_path / "large/10_dog"
    place.mkdir(parents=True)
    picture = next(dogs.out.glob("1_zwx dog/*.png")).read_bytes()
    for n in range(_PICTURES):
        (place / f"{n:03}.png").write_bytes(picture)
        if n % 5:
            (place / f"{n:03}.txt").write_text(f"my dog, hat {n}, sky")
    return place.parent


def test_packed_pictures_are_edited_and_undone_as_others(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = seen(opened(large)[0])
    for module in (entries, folder_reader, known_rows):
        monkeypatch.setattr(module, "PLAIN", 64)
    index, changes = opened(large)
    assert seen(index) == plain

    some = sorted(plain)[::3]
    assert len(edit(changes, *some)["changes"]) == len(some)
    assert {id for id, (_, tags) in seen(index).items() if tags.endswith("moon")} == {*some}
    changes.undo()
    index.refresh()
    assert seen(index) == plain == seen(opened(large)[0])

    (large / some[-1]).unlink()
    (large / "10_dog/151.txt").write_text("typed elsewhere")
    edit(changes, *some[:-1])
    index.refresh()
    monkeypatch.undo()
    assert seen(index) == seen(opened(large)[0])
    assert some[-1] not in index.entries and seen(index)["10_dog/151.png"][1] == "typed_elsewhere"

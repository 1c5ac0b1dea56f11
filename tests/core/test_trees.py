"""A digest of a tree sees every change of a file, and minds neither order nor what is left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.core.trees import TreeDigest
from curate.errors import Interrupted


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a/1.txt", "a/2.txt", "b/c/3.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    return tmp_path


def digest(place: Path, **options: object) -> str:
    tree = TreeDigest()
    tree.add_tree(place, **options)  # type: ignore[arg-type]
    return tree.hex()


def _same_size_and_time(place: Path) -> None:
    file = place / "a/1.txt"
    before = file.stat()
    file.write_text("a/X.txt", encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda place: (place / "b/4.txt").touch(),
    "removed": lambda place: (place / "a/1.txt").unlink(),
    "renamed": lambda place: (place / "a/1.txt").rename(place / "a/9.txt"),
    "moved": lambda place: (place / "a/1.txt").rename(place / "b/1.txt"),
    "folder renamed": lambda place: (place / "b/c").rename(place / "b/d"),
    "empty folder": lambda place: (place / "b/e").mkdir(),
    "longer": lambda place: (place / "a/1.txt").write_text("longer text", encoding="utf-8"),
    "touched": lambda place: os.utime(place / "a/1.txt", (1, 1)),
    "same size and time": _same_size_and_time,
    "rights": lambda place: (place / "a/1.txt").chmod(0o400),
    "link": lambda place: (place / "a/link").symlink_to("nowhere"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, place: Path) -> None:
    if change == "same size and time" and os.name == "nt":
        pytest.skip("Windows notes no time of change beside that of the content")
    before = digest(place)
    assert digest(place) == before
    CHANGES[change](place)
    assert digest(place) != before


def test_what_is_left_out_does_not_count(place: Path) -> None:
    def without() -> str:
        return digest(place, leave_out=lambda folder, name: folder == str(place / "a") and name == "1.txt")

    before, inside = without(), digest(place, skip=[place / "b"])
    (place / "a/1.txt").unlink()
    assert without() == before
    (place / "b/c/3.txt").unlink()
    assert without() != before
    (place / "a/1.txt").write_text("new", encoding="utf-8")
    assert digest(place, skip=[place / "b"]) != inside


def test_links_are_followed_and_loops_are_not(place: Path) -> None:
    (place / "a/up").symlink_to(place, target_is_directory=True)
    (place / "a/over").symlink_to(place / "b", target_is_directory=True)
    before = digest(place / "a")
    (place / "b/c/3.txt").write_text("another text", encoding="utf-8")
    assert digest(place / "a") != before


def test_a_link_to_itself_hides_no_other_change(place: Path) -> None:
    for number in range(8):  # the folder may be listed in any order
        (place / f"b/{number}.png").symlink_to(f"{number}.png")
    before = digest(place)
    for name in ("b/new.txt", "b/c/3.txt"):
        (place / name).write_text("another text", encoding="utf-8")
        assert digest(place) != before
        before = digest(place)


def test_it_knows_the_latest_change(place: Path) -> None:
    tree = TreeDigest()
    tree.add_tree(place)
    assert tree.newest == max(max(f.stat().st_mtime_ns, f.stat().st_ctime_ns) for f in place.rglob("*.txt"))


def test_it_can_be_stopped(tmp_path: Path) -> None:
    tree = TreeDigest(stopping=lambda: True)
    with pytest.raises(Interrupted):
        for _ in range(20_000):
            tree.add_file(tmp_path)

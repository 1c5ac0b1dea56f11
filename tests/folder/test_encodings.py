"""Captions that an editor saved otherwise than as plain UTF-8 are kept, and named: other trainers misread them."""

from __future__ import annotations

import pytest

from curate.stages.captions import Captions
from tests.folder.helpers import Project, command

TEXT = "zwx dog, café"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"\xef\xbb\xbf" + TEXT.encode(), "UTF-8 with a byte-order mark"),
        (TEXT.encode("latin-1"), "cp1252"),
        (TEXT.encode("utf-16"), "UTF-16"),
    ],
)
def test_they_are_named_in_every_run(dogs: Project, raw: bytes, name: str) -> None:
    file = dogs.out / "1_zwx dog/1.txt"
    file.write_bytes(raw)
    for _ in range(2):
        dogs.run()
        [message] = [note for note in dogs.notes() if "misread" in note]
        assert message.startswith("1_zwx dog: 1 caption is not saved as plain UTF-8") and f"1.txt ({name})" in message
        assert file.read_bytes() == raw
    assert [*dogs.edits().values()] == [TEXT]
    command(Captions(blacklist=("sky",)), dogs.out)
    assert any("misread" in note and "1.txt" in note for note in dogs.notes())


def test_a_mark_alone_is_no_edit_but_named(dogs: Project) -> None:
    file = dogs.out / "1_zwx dog/1.txt"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    dogs.run()
    assert dogs.edits() == {} and any("1.txt (UTF-8 with" in note for note in dogs.notes())


def test_plain_captions_are_not_named(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", TEXT)
    dogs.run()
    assert not any("misread" in note for note in dogs.notes())


def test_what_is_no_text_is_named(dogs: Project) -> None:
    (dogs.out / "1_zwx dog/1.txt").write_bytes(b"a\0b")
    dogs.run()
    assert any("1.txt: the caption cannot be read" in note for note in dogs.notes())
    assert (dogs.out / "1_zwx dog/1.txt").read_bytes() == b"a\0b"

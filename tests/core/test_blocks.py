"""Blocks: what is on the disk is read like what is in memory, and stays in memory where the disk does not take it."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from curate.core import blocks
from curate.core.blocks import Blocks
from curate.core.packed import Packed
from curate.core.record import Image, Manifest, Record


def test_what_exceeds_memory_is_read_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str | None] = []
    real = blocks.tempfile.TemporaryFile

    def file(dir: str | None, buffering: int) -> object:
        opened.append(dir)
        return real(dir=tmp_path, buffering=buffering)

    monkeypatch.setattr(blocks.tempfile, "TemporaryFile", file)
    rows = [os.urandom(n) for n in range(100)]
    kept = Blocks(in_memory=500)
    for row in rows:
        kept.append(row)
        assert kept[len(kept) // 2] == rows[len(kept) // 2]
    assert [kept[n] for n in range(100)] == rows
    assert len(opened) == 1
    del kept
    gc.collect()  # pytest fails where the file is left open
    assert not list(tmp_path.iterdir())


def test_without_room_on_the_disk_all_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(blocks.tempfile, "tempdir", str(tmp_path / "missing"))
    kept = Blocks(in_memory=0)
    for number in range(5):
        kept.append(bytes([number]))
    assert [kept[n][0] for n in range(5)] == list(range(5))


def test_packed_values_come_from_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "IN_MEMORY", 0)
    packed = Packed(range(300))
    assert list(packed) == [packed[n] for n in range(300)] == list(range(300))


@pytest.mark.parametrize("parts", ["00ff" * 500, "", "00FF", "no hex", "0"])
def test_hashes_of_a_record_come_back_as_they_were(parts: str) -> None:
    own = {"pixels": "ab", "parts": parts, "area": 3}
    shared = {"fingerprint": own}
    rows = [Record(f"{n}", "dog", "", Image(""), facts=shared if n % 2 else {"n": n}) for n in range(70)]
    after = list(Manifest(rows))
    assert after == rows
    assert list(after[1].facts["fingerprint"]) == list(own)
    assert own["parts"] == parts

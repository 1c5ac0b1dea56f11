"""Latents on one mapped file: what was saved stays, what a killed run left is written over, damage is encoded anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from curate.diffusion.load import LoadOptions, load
from curate.errors import PictureError
from curate.train.data import latents
from curate.train.data.buckets import Fit
from curate.train.data.dataset import read_dataset
from curate.train.storage.latent_store import EACH, LatentFile
from tests.train.conftest import PlainPictures, draw_folder


def row(number: float) -> np.ndarray:
    return np.full((2, 3), number, np.float32)


def test_rows_are_found_again(tmp_path: Path) -> None:
    one = LatentFile(tmp_path / "64x64-a", (2, 3))
    one.add("a", row(1))
    one.add("b", row(2))
    assert "b" in one and "c" not in one
    assert np.array_equal(one.read("b"), row(2))
    two = LatentFile(tmp_path / "64x64-a", (2, 3))
    assert np.array_equal(two.read("a"), row(1))
    two.add("c", row(3))
    assert [two.read(k)[0, 0] for k in "abc"] == [1, 2, 3]
    with pytest.raises(KeyError):
        two.read("d")
    assert not two.read("a").flags.writeable


def test_unindexed_rows_of_a_killed_run_are_written_over(tmp_path: Path) -> None:
    killed = LatentFile(tmp_path / "x", (2, 3))
    killed.add("a", row(1))
    killed.save()
    killed.add("b", row(2))
    after = LatentFile(tmp_path / "x", (2, 3))
    assert "a" in after and "b" not in after
    after.add("c", row(3))
    after.save()
    assert after.data.stat().st_size == 2 * 24 and np.array_equal(after.read("c"), row(3))


def test_index_is_written_now_and_then(tmp_path: Path) -> None:
    long = LatentFile(tmp_path / "x", (2, 3))
    for number in range(EACH + 1):
        long.add(str(number), row(number))
    assert len(LatentFile(tmp_path / "x", (2, 3)).rows) == EACH


@pytest.mark.parametrize("text", ["", "[]", '{"a": 7}', '{"a": "x"}'])
def test_damaged_index_or_short_data_count_as_nothing(tmp_path: Path, text: str) -> None:
    shelf = LatentFile(tmp_path / "x", (2, 3))
    shelf.add("a", row(1))
    shelf.save()
    shelf.index.write_text(text)
    assert "a" not in LatentFile(tmp_path / "x", (2, 3))
    shelf.index.write_text(json.dumps({"a": 0}))
    shelf.data.write_bytes(b"x")
    assert "a" not in LatentFile(tmp_path / "x", (2, 3))


def test_entries_come_in_order_and_errors_with_them(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "p", each=3)
    data = read_dataset(folder)
    fits = [Fit((64, 64), (64, 64), 0, 0)] * len(data.pictures)
    base = load("tiny", True, LoadOptions())

    def read(path: Path) -> np.ndarray:
        if path.name == "1.png":
            raise PictureError("broken")
        return PlainPictures().read(path)

    def encoded(batch: int) -> tuple[list[str], list[torch.Tensor]]:
        entries = latents.place(data.pictures, fits, "vae", tmp_path / f"latents{batch}", base.latent_shape)
        found = list(latents.encode_missing(entries, base, read, torch.device("cpu"), batch))
        assert [e.picture.path for e, _ in found if not _] == [e.picture.path for e in entries if e.known]
        return [error for _, error in found if error], [e.load() for e in entries if e.known]

    errors, one_by_one = encoded(1)
    again, in_threes = encoded(3)
    assert errors == again == ["broken", "broken"]
    assert len(one_by_one) == 4
    torch.testing.assert_close(one_by_one, in_threes)
    # another autoencoder has a file of its own, and a mirrored picture a row of its own
    other = latents.place(data.pictures, fits, "other", tmp_path / "latents1", base.latent_shape)
    mirrored = latents.place(data.pictures, fits, "vae", tmp_path / "latents1", base.latent_shape, flip=True)
    assert not any(e.known for e in [*other, *mirrored])

"""Captions that are encoded before training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curate.errors import MissingError
from curate.train.data.texts import check_room
from curate.train.storage.text_store import TextStore


def test_captions_that_do_not_fit_the_disk_are_told_of_before_it_is_full(tmp_path: Path) -> None:
    store = TextStore(tmp_path, "x", torch.float32)
    store.add("a dog", {"states": torch.zeros(512, 512)})
    check_room(store, "a dog", 3)
    with pytest.raises(MissingError, match=r"1000000000 more encoded captions of 1\.0 MiB will take"):
        check_room(store, "a dog", 10**9)

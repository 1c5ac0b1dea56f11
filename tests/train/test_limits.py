"""Too little disk stops a run before it starts; too little memory is told with settings that this run does not have yet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curate.errors import MissingError
from curate.train import limits
from curate.train.options import TrainOptions


def test_disk(tmp_path: Path) -> None:
    limits.room(tmp_path / "not" / "there", 0, "nothing")
    with pytest.raises(MissingError, match=r"GiB free, and checkpoints will take 1000000000.00 GiB\n.*another disk"):
        limits.room(tmp_path / "not" / "there", 1e9, "checkpoints")


def test_memory_that_is_not_there_is_told() -> None:
    with pytest.raises(MissingError) as told, limits.memory_errors(TrainOptions(batch=4), "training"):
        torch.empty(1 << 60, dtype=torch.uint8)  # more than any address space holds
    assert "not enough memory while training" in told.value.message
    assert told.value.remedy.startswith("set gradient_checkpointing")
    assert "batch 2 with accumulate 2" in told.value.remedy and "lower resolution" in told.value.remedy
    with pytest.raises(MissingError), limits.memory_errors(TrainOptions(), "training"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_only_what_is_not_set_is_advised() -> None:
    options = TrainOptions(gradient_checkpointing=True, text_lr=0, precision="fp32")
    assert [line.split()[0] for line in limits.less_memory(options)] == ["precision", "a", "a"]


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), limits.memory_errors(TrainOptions(), "training"):
        raise RuntimeError("shapes differ")

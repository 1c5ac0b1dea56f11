"""Too little disk stops a run before it starts; too little memory is told with settings to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from curate.errors import MissingError
from curate.train.data import latents
from curate.train.data.buckets import Fit
from curate.train.data.dataset import read_dataset
from curate.train.data.job import Context, Job, prepare
from curate.train.loop.conditioning import Conditioner
from curate.train.options import TrainOptions
from curate.train.runtime import memory
from tests.train.conftest import PlainPictures, draw_folder

CPU = torch.device("cpu")


def test_disk(tmp_path: Path) -> None:
    memory.require_disk(tmp_path / "not" / "there", 0, "nothing")
    with pytest.raises(MissingError, match=r"GiB free, and checkpoints will take 1000000000.00 GiB\n.*another disk"):
        memory.require_disk(tmp_path / "not" / "there", 1e9, "checkpoints")


def test_memory_that_is_not_there_is_told() -> None:
    with pytest.raises(MissingError) as told, memory.memory_errors(TrainOptions(batch=4), "training"):
        torch.empty(1 << 60, dtype=torch.uint8)  # more than any address space holds
    assert "not enough memory while training" in told.value.message
    assert told.value.remedy.startswith("set gradient_checkpointing")
    assert "batch 2 with accumulate 2" in told.value.remedy and "lower resolution" in told.value.remedy
    with pytest.raises(MissingError), memory.memory_errors(TrainOptions(), "training"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_only_what_is_not_set_is_advised() -> None:
    options = TrainOptions(gradient_checkpointing=True, text_lr=0, precision="fp32")
    assert [line.split()[0] for line in memory.less_memory(options)] == ["precision", "base_precision", "a", "a"]


class Small:
    """Computes on a few items at a time, as a device with little memory does."""

    def __init__(self, most: int, compute: Any) -> None:
        self.most, self.compute, self.asked = most, compute, list[int]()

    def __call__(self, items: Any, *further: Any) -> Any:
        # what is encoded has its items first, token ids are a tensor for each encoder
        size = len(items[0]) if isinstance(items, list) else len(items)
        self.asked.append(size)
        if size > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nand more")
        return self.compute(items, *further)


@pytest.mark.parametrize(("room", "asked"), [(8, [8, 3]), (4, [8, 4, 4, 3]), (1, [8, 4, 2, 1, *[1] * 10])])
def test_portions_shrink_and_stay_small(room: int, asked: list[int]) -> None:
    portions, small = memory.Portions(8), Small(room, lambda items: [2 * n for n in items])
    found = [n for part in (range(8), range(8, 11)) for n in portions.of(part, small)]
    assert found == [2 * n for n in range(11)] and small.asked == asked


def test_portions_leave_other_errors_and_what_never_fits() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(memory.Portions(8).of(range(3), Small(0, iter)))
    with pytest.raises(ZeroDivisionError):
        list(memory.Portions(8).of(range(3), lambda items: [1 // 0 for _ in items]))


def job_of(folder: Path, backbone: Backbone, **options: Any) -> Job:
    made = TrainOptions(text_lr=0.0, batch=4, resolution=64, **options)
    context = Context(folder, PlainPictures().read, CPU, True, lambda event: None, lambda: False)
    return prepare(made, read_dataset(folder), backbone, context)


def test_pictures_are_encoded_in_smaller_batches(tmp_path: Path) -> None:
    data = read_dataset(draw_folder(tmp_path / "prepared", each=3))
    fits = [Fit((64, 64), (64, 64), 0, 0)] * len(data.pictures)
    backbone = load("tiny", True)

    def encoded(name: str, room: int) -> tuple[list[torch.Tensor], list[int]]:
        small = Small(room, type(backbone).encode.__get__(backbone))
        backbone.encode = small  # type: ignore[method-assign]
        entries = latents.place(data.pictures, fits, "vae", tmp_path / name, backbone.latent_shape)
        assert [error for _, error in latents.encode_missing(entries, backbone, PlainPictures().read, CPU, 4)] == [
            ""
        ] * 6
        return [entry.load() for entry in entries], small.asked

    (whole, asked), (parts, tried) = encoded("whole", 4), encoded("parts", 2)
    assert asked == [4, 2] and tried == [4, 2, 2, 2]
    torch.testing.assert_close(whole, parts)


def test_a_picture_too_large_for_the_memory_is_told(tmp_path: Path) -> None:
    folder, backbone = draw_folder(tmp_path / "prepared"), load("tiny", True)
    backbone.encode = Small(0, None)  # type: ignore[method-assign]
    with pytest.raises(MissingError) as told:
        job_of(folder, backbone)
    assert (
        told.value.message
        == "not enough memory while encoding pictures: CUDA out of memory. Tried to allocate 2.00 GiB"
    )
    assert told.value.remedy.startswith("a lower resolution; end what else uses this memory")


@pytest.mark.parametrize("shuffle", [True, False])
def test_captions_are_encoded_in_smaller_batches(tmp_path: Path, shuffle: bool) -> None:
    """Those that are shuffled in batches, those that are fixed and held one by one."""
    folder, backbone = draw_folder(tmp_path / "prepared"), load("tiny", True)
    job = job_of(folder, backbone, shuffle=shuffle)
    shown = [entry.picture.caption for entry in job.entries]
    ids = [torch.stack(per) for per in zip(*(backbone.tokens(caption) for caption in shown), strict=True)]
    whole = backbone.condition(ids, None).context
    backbone.condition = small = Small(2, backbone.condition)  # type: ignore[method-assign]
    found = Conditioner(job, trains_text=False).of(shown, ids, torch.zeros(4, 6)).context
    torch.testing.assert_close(found, whole)
    assert small.asked == ([4, 2, 2] if shuffle else [1, 1, 1, 1])
    small.most = 0
    with pytest.raises(MissingError, match="not enough memory while encoding captions"):
        Conditioner(job, trains_text=False).of(shown, ids, torch.zeros(4, 6))


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory.memory_errors(TrainOptions(), "training"):
        raise RuntimeError("shapes differ")

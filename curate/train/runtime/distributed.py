"""Several processes that train one LoRA together, as `accelerate launch` and `torchrun` start them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from curate.errors import CurateError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")
PATIENCE = timedelta(days=7)
"""How long a process waits for the others; PyTorch's own minutes are too few for what only one does."""


def size() -> int:
    """How many processes the launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is; the first, 0, is the one that writes."""
    return int(os.environ.get("RANK", "0")) if size() > 1 else 0


def local_rank() -> int:
    """Which GPU of its machine this process has."""
    return int(os.environ.get("LOCAL_RANK", "0")) if size() > 1 else 0


@dataclass(frozen=True)
class Team:
    """The processes of a run; alone it is this one."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """This process's part of what all have."""
        return list(items[self.rank :: self.size])

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            import torch.distributed as distributed

            with peer_errors():
                distributed.barrier()

    def rounds(self, items: Sequence[T], device: torch.device) -> list[Sequence[T]]:
        """What is shared out between two sums.

        On a CPU an item each, so that sums keep the order of one process, to the last bit; on GPUs, where no bit is
        promised, everything at once.
        """
        if self.size == 1 or device.type != "cpu":
            return [items]
        return [items[at : at + self.size] for at in range(0, len(items), self.size)]

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Puts into each tensor the sum of all processes' ones, on a CPU in their order, through one buffer."""
        if self.size == 1 or not tensors:
            return
        import torch
        import torch.distributed as distributed

        flat = torch.cat([t.detach().flatten().float() for t in tensors])
        if flat.device.type == "cpu":
            parts = [torch.empty_like(flat) for _ in range(self.size)]
            with peer_errors():
                distributed.all_gather(parts, flat)
            flat = parts[0]
            for part in parts[1:]:
                flat += part
        else:
            with peer_errors():
                distributed.all_reduce(flat)
        at = 0
        for tensor in tensors:
            tensor.detach().copy_(flat[at : at + tensor.numel()].view_as(tensor))
            at += tensor.numel()

    def broadcast(self, value: T) -> T:
        """The first process's value, whatever this one's is."""
        if self.size == 1:
            return value
        import torch.distributed as distributed

        held: list[Any] = [value]
        with peer_errors():
            distributed.broadcast_object_list(held)
        return held[0]

    def gather(self, value: T) -> list[T]:
        """Each process's value, in their order."""
        if self.size == 1:
            return [value]
        import torch.distributed as distributed

        held: list[Any] = [None] * self.size
        with peer_errors():
            distributed.all_gather_object(held, value)
        return held

    def first_then_others(self, work: Callable[[], T]) -> T:
        """`work` done by the first process, then by the others, which find on disk what it wrote."""
        if self.size == 1:
            return work()
        if self.first:
            result = work()
            self.wait()
            return result
        self.wait()
        return work()


@contextlib.contextmanager
def peer_errors() -> Generator[None]:
    """Raises CurateError where another process has ended; its own message says why."""
    try:
        yield
    except RuntimeError as error:
        import torch

        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise CurateError("another process of this run has ended", "its last message says why") from error


@contextlib.contextmanager
def process_group(device: torch.device) -> Generator[Team]:
    """The processes that the launcher started; accelerate knows every launcher's ways."""
    if size() == 1:
        yield Team()
        return
    import torch.distributed as distributed
    from accelerate import PartialState

    mine = not distributed.is_initialized()
    # one prepares pictures or measures for hours while the others wait; where one ends, the launcher ends all
    group = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
    try:
        yield Team(group.process_index, group.num_processes)
    finally:
        if mine:
            group.destroy_process_group()

"""The order of training: which pictures make up each step, the same for the same seed, from any step on."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.train.runtime.seeds import derive_seed

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Showing:
    """One picture shown once: its index, which of its repeats, in which epoch. Randomness hangs on these alone."""

    picture: int
    repeat: int
    epoch: int

    def seed(self, seed: int, purpose: str) -> int:
        """A 63-bit seed of its own for one purpose."""
        return derive_seed(seed, purpose, self.epoch, self.picture, self.repeat)

    def generator(self, seed: int, purpose: str) -> torch.Generator:
        """A generator on the CPU, so that batch size, accumulation and device change no draw."""
        import torch

        return torch.Generator().manual_seed(self.seed(seed, purpose))


@dataclass(frozen=True)
class Order:
    """Steps per epoch and what is in them.

    groups      for each picture what may share a batch: its concept and bucket
    repeats     showings per epoch of each picture
    batch       pictures of one forward; accumulate forwards make a step
    """

    groups: Sequence[Hashable]
    repeats: Sequence[int]
    batch: int
    accumulate: int
    seed: int

    @property
    def batches_per_epoch(self) -> int:
        """Forwards per epoch: every group's remainder is a smaller batch, nothing is dropped."""
        counts: dict[Hashable, int] = {}
        for group, repeats in zip(self.groups, self.repeats, strict=True):
            counts[group] = counts.get(group, 0) + repeats
        return sum(math.ceil(count / self.batch) for count in counts.values())

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per epoch."""
        return math.ceil(self.batches_per_epoch / self.accumulate)

    @property
    def showings_per_epoch(self) -> int:
        """Pictures shown per epoch, repeats counted."""
        return sum(self.repeats)

    def showings(self, steps: int) -> int:
        """Pictures shown in so many steps from the first; the last epoch may be cut short."""
        whole, rest = divmod(steps, self.steps_per_epoch)
        cut = self.epoch(whole)[:rest] if rest else []
        return whole * self.showings_per_epoch + sum(len(batch) for batches in cut for batch in batches)

    def epoch(self, epoch: int) -> list[list[list[Showing]]]:
        """The steps of an epoch (from 0), each a list of batches."""
        draw = random.Random(derive_seed(self.seed, "order", epoch))
        members: dict[Hashable, list[Showing]] = {}
        for index, (group, repeats) in enumerate(zip(self.groups, self.repeats, strict=True)):
            members.setdefault(group, []).extend(Showing(index, r, epoch) for r in range(repeats))
        batches: list[list[Showing]] = []
        for shown in members.values():
            draw.shuffle(shown)
            batches += [shown[at : at + self.batch] for at in range(0, len(shown), self.batch)]
        draw.shuffle(batches)
        return [batches[at : at + self.accumulate] for at in range(0, len(batches), self.accumulate)]

    def steps(self, first: int, last: int) -> Iterator[tuple[int, int, list[list[Showing]]]]:
        """(step, epoch, batches) for the steps first <= step < last, counted from 0 over all epochs."""
        each = self.steps_per_epoch
        step = first
        while step < last:
            epoch = step // each
            for batches in self.epoch(epoch)[step % each :]:
                if step >= last:
                    return
                yield step, epoch, batches
                step += 1

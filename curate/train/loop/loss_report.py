"""Loss report: tells of each step a step late, since reading a loss at once would make the GPU wait."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from curate.core.events import TrainStep
from curate.errors import CurateError
from curate.train.data.job import Context, Job
from curate.train.data.order import Showing
from curate.train.loop.checkpoint import State
from curate.train.loop.followers import Observer
from curate.train.runtime.distributed import Team
from curate.train.storage import picture_losses

SMOOTHING = 0.98
BLOWN_UP = "the last good checkpoint is kept; lower the learning rate or use precision bf16 or fp32"


@dataclass(slots=True)
class Pending:
    """A step whose loss is still on the device.

    `figures` are [loss, processes that want to stop, the loss of each of the `own` showings of this process].
    """

    step: int
    rate: float
    figures: Tensor
    own: list[Showing]
    batches: list[list[Showing]]


class LossReport:
    """Reads the losses of steps into the state of a run, and tells of them.

    stopped   whether a process wanted to stop at a step that was read
    observer  who hears of each step, beside the context
    """

    def __init__(self, job: Job, context: Context, state: State, team: Team) -> None:
        self.job, self.context, self.state, self.team = job, context, state, team
        self.stopped = False
        self.observer: Observer | None = None
        self._pending: list[Pending] = []

    def add(self, step: Pending) -> None:
        """Takes a step that has just been made."""
        self._pending.append(step)

    def tell(self, keep: int = 0) -> None:
        """Tells of all but the last `keep` steps. Raises CurateError where a loss is not finite."""
        while len(self._pending) > keep:
            one = self._pending.pop(0)
            loss, stops, *samples = one.figures.tolist()
            if not math.isfinite(loss):
                names = [str(self.job.entries[s.picture].picture.path) for b in one.batches for s in b]
                raise CurateError(
                    f"the loss is {loss} at step {one.step + 1}; the batch was {', '.join(names)}",
                    BLOWN_UP,
                )
            state = self.state
            picture_losses.add(state.pictures, (showing.picture for showing in one.own), samples)
            state.average = loss if one.step == 0 else SMOOTHING * state.average + (1 - SMOOTHING) * loss
            self.stopped = self.stopped or stops > 0
            epoch = one.step // self.job.order.steps_per_epoch + 1
            figures = TrainStep(one.step + 1, self.job.steps, loss, state.average, one.rate, epoch, self.job.epochs)
            if self.team.first:
                self.context.tell(figures)
            if self.observer:
                self.observer.record(figures)

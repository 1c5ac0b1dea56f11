"""The training loop: batches, loss, step, checkpoint."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator
from pathlib import Path

import torch
from torch import Tensor

from curate.core.events import Saved, TrainStep
from curate.errors import CurateError, Interrupted
from curate.train import checkpoint, objective, optimise, settled
from curate.train.batches import Showing, derived
from curate.train.conditions import Conditioner
from curate.train.feed import Batch, Batches
from curate.train.network import Network
from curate.train.prepare import Context, Job

SMOOTHING = 0.98


class Loop:
    """One run from its last checkpoint to its last step."""

    def __init__(
        self, job: Job, network: Network, context: Context, folder: Path, epoch_end: Callable[[int, int], None] | None = None
    ) -> None:
        """`epoch_end` is called with the steps and epochs done after each epoch but the last."""
        self.epoch_end = epoch_end
        self.job, self.network, self.context, self.folder = job, network, context, folder
        self.batches = Batches(job, context.device)
        self.dtype = settled.precision(job.options, context.device)
        self.optimiser = optimise.optimiser(network, job.options)
        self.scaler = torch.amp.GradScaler(
            context.device.type, enabled=self.dtype == torch.float16 and context.device.type == "cuda"
        )
        self.state = checkpoint.restore(folder, network, self.optimiser)
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.conditioner = Conditioner(job, any(s.part != "unet" for s in network.sites.values()))
        options = job.options
        self.drops = bool(options.dropout or options.rank_dropout or options.module_dropout)
        self.pending: list[tuple[int, float, Tensor, list[list[Showing]]]] = []

    def run(self) -> None:
        """Trains to the end. Raises Interrupted after saving, and CurateError where the loss is not finite."""
        every = self.job.options.save_state_every
        for step, _, batches in self.job.order.steps(self.state.step, self.job.steps):
            if self.context.stopping():
                self.save()
                raise Interrupted(f"training stopped at step {step} of {self.job.steps}", "run the same command to continue")
            rate = optimise.set_rate(self.optimiser, optimise.factor(self.job.options, step, self.job.steps))
            loss = self.step(step, batches)
            self.pending.append((step, rate, loss, batches))
            self.report(keep=1)
            self.state.step = step + 1
            done = step + 1
            if done % every == 0 and done < self.job.steps:
                self.save()
            if self.epoch_end and done % self.job.order.steps_per_epoch == 0 and done < self.job.steps:
                self.report(keep=0)
                self.epoch_end(done, done // self.job.order.steps_per_epoch)
        self.report(keep=0)

    def step(self, step: int, batches: list[list[Showing]]) -> Tensor:
        """One optimiser step; the loss is the mean over its samples, still on the device."""
        if self.drops:
            seed_all(derived(self.job.options.seed, "dropout", step), self.context.device)
        total = sum(len(b) for b in batches)
        loss = torch.zeros((), device=self.context.device)
        for showings in batches:
            part = self.losses(self.batches.make(showings)).sum() / total
            self.scaler.scale(part).backward()
            loss += part.detach()
        if self.job.options.max_grad_norm:
            self.scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(self.parameters, self.job.options.max_grad_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        if self.job.options.scale_weight_norms:
            for adapter in self.network.adapters.values():
                adapter.limit(self.job.options.scale_weight_norms)
        return loss

    def losses(self, batch: Batch) -> Tensor:
        """Weighted loss of each sample [batch]."""
        with self.computing():
            conditions = self.conditioner.of(batch.captions, batch.tokens, batch.sizes)
            prediction = self.job.backbone.predict(batch.noisy.to(self.dtype), batch.timesteps, conditions)
        elementwise = self.batches.distance.of(prediction, batch.target, batch.thresholds)
        return objective.sample_losses(elementwise, batch.weights)

    @contextlib.contextmanager
    def computing(self) -> Generator[None]:
        """Mixed precision where the computation is not in float32."""
        with torch.autocast(self.context.device.type, self.dtype, enabled=self.dtype != torch.float32):
            yield

    def report(self, keep: int) -> None:
        """Tells of all but the last `keep` steps: reading a loss at once would make the GPU wait."""
        while len(self.pending) > keep:
            step, rate, tensor, batches = self.pending.pop(0)
            loss = float(tensor)
            if not math.isfinite(loss):
                names = [str(self.job.entries[s.picture].picture.path) for b in batches for s in b]
                raise CurateError(
                    f"the loss is {loss} at step {step + 1}; the batch was {', '.join(names)}",
                    "a rerun continues from the last checkpoint; lower the learning rate or use precision bf16 or fp32",
                )
            state = self.state
            state.average = loss if step == 0 else SMOOTHING * state.average + (1 - SMOOTHING) * loss
            self.context.tell(TrainStep(step + 1, self.job.steps, loss, state.average, rate))

    def save(self) -> None:
        """Writes a checkpoint of the last finished step."""
        self.report(keep=0)
        path = checkpoint.save(self.folder, self.state, self.network, self.optimiser, self.job.options.keep_states)
        self.context.tell(Saved("checkpoint", str(path)))


def seed_all(seed: int, device: torch.device) -> None:
    """Seeds what dropouts draw from; `torch.manual_seed` is slow while no GPU is in use."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)

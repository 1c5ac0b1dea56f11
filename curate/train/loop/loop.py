"""The training loop: batches, loss, step, checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from curate.core.events import Saved
from curate.errors import CurateError, Interrupted
from curate.train.data.job import Context, Job
from curate.train.data.order import Showing
from curate.train.loop import checkpoint, lr_schedule, objective, optimizer
from curate.train.loop.batch import Batch, Batches
from curate.train.loop.conditioning import conditioner_of
from curate.train.loop.followers import Observer, Saver
from curate.train.loop.loss_report import BLOWN_UP, LossReport, Pending
from curate.train.network.network import Network
from curate.train.options import resolve
from curate.train.runtime.distributed import Team
from curate.train.runtime.seeds import derive_seed, seed_all
from curate.train.storage import picture_losses


class Loop:
    """One run from its last checkpoint to its last step."""

    def __init__(
        self,
        job: Job,
        network: Network,
        context: Context,
        folder: Path,
        team: Team | None = None,
    ) -> None:
        self.team = team or Team()
        self.job, self.network, self.context, self.folder = job, network, context, folder
        self.batches = Batches(job, context.device)
        self.dtype = resolve.precision(job.options, context.device)
        self.optimizer = optimizer.build(network, job.options)
        self.scaler = torch.amp.GradScaler(context.device.type, enabled=self.dtype == torch.float16)
        self.state = checkpoint.restore(folder, network, self.optimizer, self.scaler)
        self.parameters: list[nn.Parameter] = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.reached: list[nn.Parameter] | None = None
        self.text = {name for name, layer_name in network.layer_names.items() if layer_name.part.startswith("te")}
        self.conditioner = conditioner_of(job, bool(self.text), context.device)
        self.drops = any(adapter.is_random for adapter in network.adapters.values())
        self.chooses = any(adapter.algorithm.switching for adapter in network.adapters.values())
        self.report = LossReport(job, context, self.state, self.team)
        self.observer: Observer | None = None

    def run(self, saver: Saver | None = None, observer: Observer | None = None) -> None:
        """Trains to the end. Raises Interrupted after saving, and CurateError where the loss is not finite.

        What is due after a step is saved before its checkpoint: a run that is killed between them saves it again. The
        finished LoRA is written before the observer's last turn, which may take minutes.
        """
        options, order, steps = self.job.options, self.job.order, self.job.steps
        freeze_at = resolve.text_stop(options, steps)
        self.observer = self.report.observer = observer
        if self.state.step == 0:
            self.observe(0)
        for step, _, batches in order.steps(self.state.step, steps):
            if self.report.stopped or self.is_stopping_alone():
                self.interrupt()
            if freeze_at is not None and step >= freeze_at:
                self.freeze_text()
            rate = lr_schedule.set_rate(self.optimizer, lr_schedule.factor(options, step, steps))
            self.report.add(Pending(step, rate, *self.step(step, batches), batches))
            self.report.tell(keep=1)
            self.state.step = step + 1
            if self.state.step < steps:
                self.after_step(saver)
        self.report.tell()
        self.write_losses()
        if saver:
            saver.save_last()
        self.observe(steps)

    def is_stopping_alone(self) -> bool:
        """Whether the user asked to stop and no other process waits for this one."""
        return self.team.size == 1 and self.context.stopping()

    def interrupt(self) -> NoReturn:
        """Saves the last finished step and raises Interrupted."""
        self.save()
        done = f"training stopped at step {self.state.step} of {self.job.steps}"
        raise Interrupted(done, "run the same command to continue")

    def after_step(self, saver: Saver | None) -> None:
        """What is due after any step but the last."""
        done = self.state.step
        if saver:
            saver.save_due(done)
        if done % self.job.options.save_state_every == 0:
            self.save()
        self.observe(done)

    def observe(self, done: int) -> None:
        """The observer's turn, where something is due."""
        if self.observer and self.observer.is_due(done):
            self.report.tell()
            self.observer.observe(done)

    def step(self, step: int, batches: list[list[Showing]]) -> tuple[Tensor, list[Showing]]:
        """One optimizer step; its figures, still on the device, and the showings that they are of (see Pending)."""
        figures = torch.zeros(2, device=self.context.device)
        own: list[Showing] = []
        samples: list[Tensor] = []
        total = sum(len(b) for b in batches)
        for number, part in enumerate(self.team.rounds(list(enumerate(batches)), self.context.device)):
            if number and not self.team.first:
                # the first has the sum so far
                self.optimizer.zero_grad(set_to_none=True)
                figures.zero_()
            for index, showings in self.team.share(part):
                if index and self.is_stopping_alone():
                    # the step is not finished, and made anew from its first batch
                    self.optimizer.zero_grad(set_to_none=True)
                    self.interrupt()
                if self.drops:
                    seed_all(derive_seed(self.job.options.seed, "dropout", step, index), self.context.device)
                each = self.losses(self.batches.make(showings))
                loss = each.sum() / total
                own.extend(showings)
                samples.append(each.detach())
                self.scaler.scale(loss).backward()
                figures[0] += loss.detach()
            if self.team.size > 1:
                figures[1] += float(self.context.stopping())
                self.team.sum([*self.gradients(), figures])
        if self.job.options.max_grad_norm:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.parameters, self.job.options.max_grad_norm)
        with optimizer.step_errors(self.job.options):
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.job.options.scale_weight_norms:
            for adapter in self.network.adapters.values():
                adapter.limit(self.job.options.scale_weight_norms)
        return torch.cat([figures, *samples]), own

    def write_losses(self) -> None:
        """Writes the mean loss of each picture; of several processes by what the first one showed."""
        if self.team.first:
            picture_losses.write(self.state.pictures, [e.picture.path for e in self.job.entries], self.folder)

    def gradients(self) -> list[Tensor]:
        """The gradients to be summed over the processes: zeros where this one had no batch.

        Which parameters the loss reaches is asked once, or each time where adapters choose anew what they train: a
        gradient of zero is not the same to an optimizer as none.
        """
        if self.reached is None or self.chooses:
            has = torch.tensor([float(p.grad is not None) for p in self.parameters], device=self.context.device)
            self.team.sum([has])
            self.reached = [p for p, any_has in zip(self.parameters, has.tolist(), strict=True) if any_has]
        for parameter in self.reached:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [p.grad for p in self.reached if p.grad is not None]

    def losses(self, batch: Batch) -> Tensor:
        """Weighted loss of each sample [batch]."""
        with self.mixed_precision():
            conditions = self.conditioner.of(batch.captions, batch.tokens, batch.sizes)
            prediction = self.job.backbone.predict(batch.noisy.to(self.dtype), batch.timesteps, conditions)
        elementwise = self.batches.distance.of(prediction, batch.target, batch.thresholds)
        return objective.sample_losses(elementwise, batch.weights, batch.mask)

    def freeze_text(self) -> None:
        """From here on the text encoders stay as they are, and captions that do not change are encoded once."""
        if not self.conditioner.trains_text:
            return
        for name in self.text:
            self.network.adapters[name].requires_grad_(False).train(False)
        self.conditioner.trains_text = False
        self.reached = None

    @contextlib.contextmanager
    def mixed_precision(self) -> Generator[None]:
        """Mixed precision where the computation is not in float32."""
        with torch.autocast(self.context.device.type, self.dtype, enabled=self.dtype != torch.float32):
            yield

    @contextlib.contextmanager
    def evaluating(self) -> Generator[None]:
        """The network as it would be used: no gradients, no dropouts."""
        was = {name: adapter.training for name, adapter in self.network.adapters.items()}
        self.network.train(False)
        try:
            with optimizer.averaged(self.optimizer), torch.no_grad(), self.mixed_precision():
                yield
        finally:
            for name, training in was.items():
                self.network.adapters[name].train(training)

    def save(self) -> None:
        """Writes a checkpoint of the last finished step.

        Raises CurateError, and keeps the last good one, where a weight is not finite: the loss shows it a step later.
        """
        self.report.tell()
        if not all(bool(p.isfinite().all()) for p in self.parameters):
            raise CurateError(f"weights are not finite after step {self.state.step}", BLOWN_UP)
        if self.team.first:
            keep = self.job.options.keep_states
            self.write_losses()
            path = checkpoint.save(self.folder, self.state, self.network, self.optimizer, self.scaler, keep)
            self.context.tell(Saved("checkpoint", str(path)))

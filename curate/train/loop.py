"""The training loop: batches, loss, step, checkpoint."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from curate.core.events import Saved, TrainStep
from curate.errors import CurateError, InputError, Interrupted
from curate.train import captions, checkpoint, objective, optimise, settled
from curate.train.backbones import Conditions
from curate.train.batches import Showing, derived
from curate.train.network import Network
from curate.train.options import TrainOptions
from curate.train.prepare import Context, Job

SMOOTHING = 0.98
MEMORY_LIMIT = 2 << 30
"""Bytes of latents that are held in memory; above it they are read from disk as they are shown."""

HELD_CAPTIONS = 2_000
"""Captions whose encodings are held on the device: at SDXL's size about 0.3 MB each in half precision."""
MANY_CAPTIONS = 20_000
"""Token ids held at once."""


@dataclass(slots=True)
class Batch:
    """One forward's inputs on the device; `sizes` are what SDXL is told of each picture."""

    noisy: Tensor
    target: Tensor
    timesteps: Tensor
    weights: Tensor
    thresholds: Tensor | None
    tokens: list[Tensor]
    captions: list[str]
    sizes: Tensor


class Batches:
    """Makes batches from showings; every draw hangs on the showing alone."""

    def __init__(self, job: Job, device: torch.device) -> None:
        self.job, self.device = job, device
        self.schedule = noise_schedule(job)
        self.noise, self.weighting, self.distance = objective_of(job.options)
        total = sum(8 * 4 * (w // 8) * (h // 8) for w, h in (e.fit.bucket for e in [*job.entries, *job.mirrored]))
        self.held: dict[tuple[int, bool], Tensor] | None = {} if total <= MEMORY_LIMIT else None
        self.ids: dict[str, list[Tensor]] = {}

    def stored(self, showing: Showing) -> Tensor:
        """Mean and deviation of a picture's latents, mirrored where the showing is."""
        key = showing.picture, self.flipped(showing)
        entry = (self.job.mirrored if key[1] else self.job.entries)[showing.picture]
        if self.held is None:
            return entry.load()
        if key not in self.held:
            self.held[key] = entry.load()
        return self.held[key]

    def make(self, showings: Sequence[Showing]) -> Batch:
        """The batch of these showings, which share a bucket."""
        columns = [self._draw(s, self.job.options.seed) for s in showings]
        latents, target_noise, input_noise, times = (torch.stack(c) for c in zip(*columns, strict=True))
        tokens = [self._tokens(s) for s in showings]
        return Batch(
            noisy=self._send(self.schedule.noisy(latents, input_noise, times)),
            target=self._send(self.schedule.target(latents, target_noise, times)),
            timesteps=self._send(times),
            weights=self._send(objective.weights(self.weighting, self.schedule, times)),
            thresholds=None if self.distance.kind == "l2" else self._send(self.distance.threshold(self.schedule, times)),
            tokens=[self._send(torch.stack(per_encoder)) for per_encoder in zip(*tokens, strict=True)],
            captions=[self.caption(s) for s in showings],
            sizes=self._send(torch.tensor([self._sizes(s) for s in showings], dtype=torch.float32)),
        )

    def _draw(self, showing: Showing, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        draw = showing.generator(seed, "noise")
        options = self.job.options
        last = min(options.max_timestep, len(self.schedule.alphas))
        time = torch.randint(options.min_timestep, last, (), generator=draw)
        mean, deviation = self.stored(showing)
        latent = mean + deviation * torch.randn(mean.shape, generator=draw)
        target, given = objective.draw_noise(latent, self.noise, draw)
        return latent, target, given, time

    def caption(self, showing: Showing) -> str:
        """The caption as this showing has it."""
        picture, options = self.job.entries[showing.picture].picture, self.job.options
        draw = random.Random(showing.seed(options.seed, "caption"))
        return captions.shown(picture.caption, self.job.data.triggers[picture.concept], options, showing.epoch, draw)

    def _tokens(self, showing: Showing) -> list[Tensor]:
        caption = self.caption(showing)
        if caption not in self.ids:
            if len(self.ids) >= MANY_CAPTIONS:
                self.ids.clear()
            self.ids[caption] = self.job.backbone.tokens(caption)
        return self.ids[caption]

    def flipped(self, showing: Showing) -> bool:
        """Whether this showing is mirrored."""
        options = self.job.options
        return options.flip and random.Random(showing.seed(options.seed, "flip")).random() < 0.5

    def _sizes(self, showing: Showing) -> tuple[int, ...]:
        entry = self.job.entries[showing.picture]
        fit = entry.fit
        # what a mirrored picture loses on the left is what it lost on the right before
        left = fit.scaled[0] - fit.bucket[0] - fit.left if self.flipped(showing) else fit.left
        return (entry.picture.height, entry.picture.width, fit.top, left, fit.bucket[1], fit.bucket[0])

    def _send(self, tensor: Tensor) -> Tensor:
        return tensor if self.device.type == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)


def noise_schedule(job: Job) -> objective.Schedule:
    """The base model's noise schedule, as the options correct it. Raises InputError for ztsnr without v-prediction."""
    config, options = job.backbone.schedule, job.options
    alphas = objective.scaled_linear_alphas(
        float(config.get("beta_start", 0.00085)),
        float(config.get("beta_end", 0.012)),
        int(config.get("num_train_timesteps", 1000)),
    )
    prediction = job.backbone.prediction if options.prediction == "auto" else options.prediction
    ztsnr = job.backbone.ztsnr if options.ztsnr is None else options.ztsnr
    if ztsnr and prediction == "epsilon":
        raise InputError("ztsnr needs v-prediction, and the base predicts epsilon", "set prediction: v if the base does")
    if options.scale_v and prediction == "epsilon":
        raise InputError("scale_v has no effect: the base predicts epsilon")
    if options.v_like and prediction == "v":
        raise InputError("v_like has no effect: the base predicts v")
    return objective.Schedule(objective.zero_terminal(alphas) if ztsnr else alphas, prediction)


def objective_of(options: TrainOptions) -> tuple[objective.Noise, objective.Weighting, objective.Distance]:
    """The objective that the options ask for."""
    noise = objective.Noise(
        offset=options.noise_offset,
        adaptive=options.adaptive_noise,
        multires_steps=options.multires_steps,
        multires_discount=options.multires_discount,
        random_strength=options.noise_offset_random,
        ip=options.ip_noise,
        ip_random=options.ip_noise_random,
    )
    weighting = objective.Weighting(options.min_snr, options.debiased, options.p2, options.v_like, options.scale_v)
    return noise, weighting, objective.Distance(options.loss, options.huber_c, options.huber_schedule)


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
        self.trains_text = any(s.part != "unet" for s in network.sites.values())
        options = job.options
        self.fixed_captions = captions.is_fixed(options) and len({e.picture.caption for e in job.entries}) <= HELD_CAPTIONS
        self.encoded: dict[str, tuple[Tensor, Tensor | None]] = {}
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
            conditions = self.conditions(batch)
            prediction = self.job.backbone.predict(batch.noisy.to(self.dtype), batch.timesteps, conditions)
        elementwise = self.batches.distance.of(prediction, batch.target, batch.thresholds)
        return objective.sample_losses(elementwise, batch.weights)

    def conditions(self, batch: Batch) -> Conditions:
        """What the UNet is told; captions that do not change are encoded once where the text encoders are frozen."""
        if self.trains_text:
            return self.job.backbone.condition(batch.tokens, batch.sizes)
        with torch.no_grad():
            if not self.fixed_captions:
                return self.job.backbone.condition(batch.tokens, batch.sizes)
            for caption, ids in zip(batch.captions, zip(*batch.tokens, strict=True), strict=True):
                if caption not in self.encoded:
                    found = self.job.backbone.condition([one[None] for one in ids], None)
                    self.encoded[caption] = (found.context[0], None if found.pooled is None else found.pooled[0])
        held = [self.encoded[caption] for caption in batch.captions]
        pooled = [p for _, p in held if p is not None]
        return Conditions(torch.stack([c for c, _ in held]), torch.stack(pooled) if pooled else None, batch.sizes)

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

"""What a run will take: arithmetic, time, memory and disk, from counts made on models without values.

The arithmetic and the memory of the three UNets were counted once with PyTorch's FLOP counter and hooks on saved
tensors (attention without its matrix), in bf16, at three sizes; they fit a line and a parabola in latent pixels to 1 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from curate.adapters.algorithm import algorithm
from curate.adapters.quantized_layer import BYTES
from curate.diffusion.block_swap import block_sizes
from curate.diffusion.family import family as family_named
from curate.diffusion.quantize import block_layers, numbers_of, weight_numbers
from curate.train.options import TrainOptions, resolve
from curate.train.planning.device_pace import Pace, available, call, speed

GIB = 1 << 30
LAYERS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.LayerNorm, torch.nn.GroupNorm)

INPUTS = 1.36
"""What adapters add to the memory kept: the inputs of the layers that they stand beside.

Counted, not timed: saved tensors of the UNets with and without adapters, as the module says. No record by shape
is kept.
"""

SHARE = 0.4
"""Of a matrix product's speed that a whole step reaches, as a rule.

An estimate: no record of its measurement is kept. It decides what --print-config says, and nothing of a run.
"""

CALLS = 8
"""What a layer and its adapter cost at the least, forward and backward, in smallest linear layers.

An estimate, as SHARE is: no record of its measurement is kept.
"""

LIKE_MEASURED = 0.2
"""Share of a full-size UNet's parameters below which arithmetic tells no time: narrow layers are far slower."""

STATES = {
    "adamw8bit": 2,
    "paged-adamw8bit": 2,
    "lion8bit": 1,
    "lion": 4,
    "sgd": 4,
    "adafactor": 1,
    "came": 5,
    "prodigy": 16,
}
"""Bytes of optimizer state per trained number; 8 where it is not named, as AdamW's."""


@dataclass(frozen=True)
class Counts:
    """Numbers in the UNet, in the text encoders, in the autoencoder, and in the adapters; layers that a step calls.

    blocks   numbers of UNet and text encoders that base_precision stores in another way
    swapped  numbers in each block of the UNet that swap_blocks can keep elsewhere
    """

    unet: int
    texts: int
    vae: int
    adapters: int
    layers: int = 0
    blocks: int = 0
    swapped: tuple[int, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """What a run takes.

    `seconds` is 0 where the arithmetic does not tell them; memory and disk in GiB by what they hold.
    """

    steps: int
    tflop_per_step: float
    seconds: float
    memory: Mapping[str, float]
    available: float
    disk: Mapping[str, float]

    def lines(self) -> list[str]:
        """For the terminal."""
        span = f"; about {_span(self.seconds)} here" if self.seconds else "; the time is"
        memory, disk = sum(self.memory.values()), sum(self.disk.values())
        whole = self.tflop_per_step * self.steps
        arithmetic = (
            f"{self.tflop_per_step:.3g} TFLOP a step, {whole:.3g} in all" if whole >= 1 else "under 1 TFLOP in all"
        )
        after = ", more exact after the first steps" if self.seconds else " known after the first steps"
        found = [
            f"estimate: {arithmetic}{span}{after}",
            f"estimate: {_size(memory)} of memory ({_parts(self.memory)}), {_size(disk)} on disk ({_parts(self.disk)})",
        ]
        if self.available and memory > self.available:
            found.append(
                f"warning: only {_size(self.available)} are available. To need less, use "
                "gradient_checkpointing, a smaller batch with accumulate, or a lower resolution"
            )
        return found


def of(
    options: TrainOptions,
    family: str,
    counts: Counts,
    shapes: Mapping[tuple[int, int], int],
    steps: int,
    device: torch.device,
    files: int = 1,
    pace: Pace | None = None,
) -> Estimate:
    """`shapes` counts pictures by bucket, in pixels; `files` LoRA files are there at once.

    The pace of `device` is measured, unless it is given.
    """
    cost, pictures = family_named(family), max(1, sum(shapes.values()))
    size = counts.unet / cost.parameters
    pixels = {(w // 8) * (h // 8) + cost.caption_pixels: n for (w, h), n in shapes.items()}
    forward = sum(_curve(cost.forward, p) * n for p, n in pixels.items()) / pictures
    backward = sum(_curve(cost.backward, p) * n for p, n in pixels.items()) / pictures
    again = forward if options.gradient_checkpointing else 0.0
    each = (forward + backward + again) * size * _adapted(options)
    tflop = each * options.batch * options.accumulate
    bytes_each = resolve.precision(options, device).itemsize
    kept = cost.kept * INPUTS * max(pixels, default=0) * size**0.5 * options.batch * bytes_each / 2
    if options.gradient_checkpointing:
        kept = kept * 0.2 + cost.kept_checkpointed * max(pixels, default=0) * size**0.5 * options.batch * bytes_each / 2
    trained = counts.adapters * (8 + STATES.get(options.optimizer, 8)) / GIB
    memory = {
        "base": _base_bytes(options, counts, bytes_each) / GIB,
        "autoencoder": counts.vae * 4 / GIB,
        "adapters and optimizer": trained,
        "activations": kept,
    }
    file = counts.adapters * {"fp32": 4, "fp16": 2, "bf16": 2}[options.save_precision] / GIB
    state = counts.adapters * (4 + STATES.get(options.optimizer, 8)) / GIB
    each_latent = 8 * cost.channels * (8 / cost.factor) ** 2  # mean and deviation, float32
    latents = (
        sum(each_latent * (w // 8) * (h // 8) * n for (w, h), n in shapes.items()) * (2 if options.flip else 1) / GIB
    )
    disk = {"LoRA": file * files, "checkpoints": state * (options.keep_states + 1), "latents": latents}
    seconds = 0.0
    if size >= LIKE_MEASURED:
        measured = (pace.speed, pace.call) if pace else (speed(device, options), call(device))
        seconds = pass_seconds(each * options.batch, counts.layers, *measured, device.type == "cuda")
    return Estimate(
        steps, tflop, seconds * steps * options.accumulate, memory, pace.available if pace else available(device), disk
    )


def _base_bytes(options: TrainOptions, counts: Counts, each: int) -> float:
    """Of the frozen weights on the device; the two layers that are copied at a time are left out."""
    stored = each if options.base_precision == "auto" else BYTES[options.base_precision]
    number = options.swap_blocks if isinstance(options.swap_blocks, int) else 0
    elsewhere = sum(counts.swapped[-number:]) if number else 0
    return (counts.unet + counts.texts - counts.blocks) * each + (counts.blocks - elsewhere) * stored


def pass_seconds(tflop: float, layers: int, speed: float, call: float, beside: bool) -> float:
    """Of one forward and backward: of its arithmetic at a speed, and of calling its layers at `call` seconds, which run
    `beside` each other on a GPU.
    """
    computing, calling = tflop / (speed * SHARE), layers * CALLS * call
    return max(computing, calling) if beside else computing + calling


def of_job(job: Any, network: Any, device: torch.device) -> Estimate:
    """Of a job that is read and a network that is attached."""
    shapes: dict[tuple[int, int], int] = {}
    for entry in job.entries:
        shapes[entry.fit.bucket] = shapes.get(entry.fit.bucket, 0) + 1
    trained = sum(parameter.numel() for _, parameter in network.named_parameters())
    counted = counts(job.backbone, 0)
    own = Counts(
        max(1, counted.unet - trained),
        counted.texts,
        counted.vae,
        trained,
        counted.layers,
        counted.blocks,
        counted.swapped,
    )
    files = resolve.files(job.options, job.steps, job.order.steps_per_epoch)
    return of(job.options, job.backbone.family.name, own, shapes, job.steps, device, files)


def _curve(cost: tuple[float, float], pixels: int) -> float:
    return cost[0] * pixels + cost[1] * pixels * pixels


def _adapted(options: TrainOptions) -> float:
    own = algorithm(options.algo)
    return own.cost + own.cost_per_rank * resolve.ranks(options).rank


def counts(backbone: Any, adapters: int) -> Counts:
    """Of a backbone, loaded or without values."""
    parts: Mapping[str, torch.nn.Module] = backbone.parts
    texts = sum(weight_numbers(part) for name, part in parts.items() if name != "unet")
    layers = sum(isinstance(module, LAYERS) for part in parts.values() for module in part.modules())
    blocks = sum(numbers_of(block_layers(part)) for part in parts.values())
    own = weight_numbers(parts["unet"])
    return Counts(own, texts, weight_numbers(backbone.vae), adapters, layers, blocks, block_sizes(parts["unet"]))


def _size(gib: float) -> str:
    if gib < 1 / 1024:
        return "under 1 MiB"
    return f"{gib:.1f} GiB" if gib >= 1 else f"{gib * 1024:.0f} MiB"


def _parts(named: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_size(value)}" for name, value in named.items())


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

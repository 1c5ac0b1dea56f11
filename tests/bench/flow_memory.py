"""Resident memory of a training step of Anima at full width, against the estimate: plain, in 8 bits, with swap.

    nice python tests/bench/flow_memory.py                  # five processes one after the other, up to 6 GiB each
    nice python tests/bench/flow_memory.py --side 512 --ways plain int8

Weights are random, in bf16, and a step is forward, backward and AdamW of a LoRA of rank 16, on a CPU. Each way has a
process of its own. Memory is the highest resident size (VmHWM) during the step above that before the model was made;
the autoencoder and the text encoder are not loaded, as in a training whose latents and texts are kept. On a CPU
swapped blocks are in the same memory: what they hold is subtracted, which leaves what a GPU would hold.

Measured on a CPU of two cores with torch 2.14, 256², GiB, step and estimate: plain 5.69 and 5.20, checkpointing 4.31
and 4.46, int8 with checkpointing 2.75 and 2.72, 20 of 28 blocks swapped 2.11 and 2.11, both 1.65 and 1.55. In
processor seconds of a step against checkpointing alone, int8 takes 2.1 times as many: a CPU makes each weight whole.
Plain at 512²: 7.75 and 8.08. What small pictures take above the estimate is the text, 512 tokens of any caption.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models.condition_embedders.condition_embedder_anima import AnimaTextConditioner
from diffusers.models.transformers.transformer_cosmos import CosmosTransformer3DModel

from curate.adapters.quantized_layer import QuantizedLayer
from curate.diffusion.block_swap import swap
from curate.diffusion.families.anima import Anima
from curate.diffusion.networks import anima_conditioner, cosmos
from curate.diffusion.quantize import quantize
from curate.train.network.build import attach
from curate.train.options import TrainOptions
from curate.train.planning import device_pace, estimate

GIB = 1 << 30
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "checkpointing": {"gradient_checkpointing": True},
    "int8": {"gradient_checkpointing": True, "base_precision": "int8"},
    "swap 20": {"gradient_checkpointing": True, "swap_blocks": 20},
    "int8 swap 20": {"gradient_checkpointing": True, "base_precision": "int8", "swap_blocks": 20},
}


def status(name: str) -> float:
    """A size of this process in GiB: VmRSS now, VmHWM the highest."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / GIB


def forget_highest() -> None:
    """The highest resident size starts anew at the present one."""
    Path("/proc/self/clear_refs").write_text("5")


def anima() -> Anima:
    """The full size, with random weights."""
    torch.set_default_dtype(torch.bfloat16)
    torch.manual_seed(0)
    network = CosmosTransformer3DModel(**cosmos.NETWORK)  # pyright: ignore[reportArgumentType]
    conditioner = AnimaTextConditioner(**anima_conditioner.CONDITIONER)  # pyright: ignore[reportArgumentType]
    torch.set_default_dtype(torch.float32)
    parts: dict[str, torch.nn.Module] = {"conditioner": conditioner, "unet": network}
    for part in parts.values():
        part.requires_grad_(False).eval()
    return Anima("anima", parts, Anima.outline(lambda _: {})[1], [], 1024, "flow")


def measure(way: str, side: int) -> dict[str, float]:
    """One process' figures in GiB, and the seconds of its step."""
    before = status("VmRSS")
    options = TrainOptions(family="anima", rank=16, batch=1, precision="bf16", resolution=side, **WAYS[way])
    cpu, backbone = torch.device("cpu"), anima()
    if options.base_precision != "auto":
        quantize(backbone.parts.values(), options.base_precision)
    if isinstance(options.swap_blocks, int):
        swap(backbone.parts["unet"], options.swap_blocks, cpu)
    network = attach(options, backbone)
    unet: Any = backbone.parts["unet"]
    if options.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
        unet.train()
    kept = [m for m in unet.modules() if isinstance(m, QuantizedLayer) and m.fetch is not None]
    elsewhere = sum(m.stored.numel() * m.stored.element_size() for m in kept) / GIB
    parameters = [parameter for _, parameter in network.named_parameters()]
    adamw = torch.optim.AdamW(parameters, lr=1e-4)
    text = {"states": torch.randn(120, 1024), "t5": torch.randint(0, 32000, (140,))}
    noisy = torch.randn(1, *backbone.latent_shape(side, side))
    forget_highest()
    loaded, begun = status("VmRSS"), time.process_time()
    with torch.autocast("cpu", torch.bfloat16):
        out = backbone.predict(noisy, torch.tensor([0.5]), backbone.collate([text]))
    (out.float() - noisy).square().mean().backward()
    adamw.step()
    seconds, highest = time.process_time() - begun, status("VmHWM")
    counts = estimate.counts(backbone, sum(p.numel() for p in parameters))
    own = replace(counts, unet=counts.unet - counts.adapters)
    expected = estimate.of(options, "anima", own, {(side, side): 1}, 1, cpu, pace=device_pace.ASSUMED_PACE).memory
    return {
        "loaded": loaded - before - elsewhere,
        "highest": highest - before - elsewhere,
        "elsewhere": elsewhere,
        "estimate of the base": expected["base"],
        "estimate": sum(expected.values()) - expected["autoencoder"],
        "processor seconds": seconds,
    }


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256, help="pixels to a side of the picture")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--one", choices=list(WAYS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.side)))
        return
    columns: list[str] = []
    for way in given.ways:
        command = [sys.executable, __file__, "--one", way, "--side", str(given.side)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
        if not columns:
            columns = list(found)
            print(f"Anima, {given.side}², batch 1, GiB\n{'':14}" + "".join(f"{name:>22}" for name in columns))
        print(f"{way:14}" + "".join(f"{found[name]:22.2f}" for name in columns), flush=True)


if __name__ == "__main__":
    main()

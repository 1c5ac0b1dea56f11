"""Step time and peak memory of ours, lycoris-lora (default and bypass), PEFT and the frozen base, SD 1.5 or SDXL.

    # CPU, width 128 of 320, latents 16, 24, 32: a quarter of an hour
    python tests/bench/train_speed.py
    python tests/bench/train_speed.py --width 320          # full size
    python tests/bench/train_speed.py --device cuda --width 320 --sizes 64 --batch 8
    python tests/bench/train_speed.py --device cuda --width 320 --sizes 128 --family sdxl

A step is forward and backward with random weights; the base's backward goes to its input. In every round all take
turns on the same inputs, so that load on the machine hits all of them alike; medians of the rounds are printed. Peak
memory is what a step allocates on top of weights and inputs at its highest point.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from curate.adapters.base import Plan
from curate.adapters.layer_name import LayerName
from curate.adapters.make import make
from curate.diffusion.base import Backbone
from curate.diffusion.families.sd1 import Sd1
from curate.diffusion.families.sdxl import Sdxl
from curate.diffusion.family import families
from curate.diffusion.layer_names import select_layers, unet_layer_names
from curate.diffusion.shape import unet_shape
from curate.train.network.network import Network

FULL = 100_000
GOALS = {"lora 16": 1.25, "loha 8": 1.6, "lokr 8 full": 1.2}
"""How many times as fast as lycoris-lora's default a step shall be."""
LIMIT = 1.15
"""How many times the frozen base's step a LoRA's may take."""
PRESETS = {"attn-mlp": "unet-transformer-only", "full": "unet-only"}
"""The UNet's part of each."""


@dataclass(frozen=True)
class Kind:
    """One algorithm as each program is asked for it."""

    algo: str
    plan: Plan
    lycoris: dict[str, Any]
    peft: tuple[str, dict[str, Any]]


KINDS = {
    "lora 16": Kind("lora", Plan(16, 16.0), {"lora_dim": 16, "alpha": 16}, ("LoraConfig", {"r": 16, "lora_alpha": 16})),
    "loha 8": Kind("loha", Plan(8, 8.0), {"lora_dim": 8, "alpha": 8}, ("LoHaConfig", {"r": 8, "alpha": 8})),
    "lokr 8 full": Kind(
        "lokr",
        Plan(FULL, 1.0, factor=8, full_matrix=True),
        {"lora_dim": FULL, "alpha": 1, "factor": 8, "full_matrix": True},
        ("LoKrConfig", {"r": FULL, "alpha": FULL, "decompose_factor": 8}),
    ),
}
Undo = Callable[[], None]


class Bench(Sd1):
    """A UNet alone."""

    def layer_names(self) -> list[LayerName]:
        return unet_layer_names(unet_shape(self.parts["unet"]), original_names=False)


class BenchXl(Sdxl):
    """SDXL's alone."""

    def layer_names(self) -> list[LayerName]:
        return unet_layer_names(unet_shape(self.parts["unet"]), original_names=True)


FAMILIES = {"sd1": Bench, "sdxl": BenchXl}
WIDTHS = (320, 640, 1280, 1280)
"""Of a UNet whose table names none."""


def backbone(family: str, width: int, device: torch.device, dtype: torch.dtype) -> Backbone:
    """A family's UNet of the given first width (320 is full size), with random weights."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    given = families()[family].unet
    widths = tuple(w * width // 320 for w in given.get("block_out_channels", WIDTHS))
    unet: nn.Module = UNet2DConditionModel(**{**given, "block_out_channels": widths})
    unet.requires_grad_(False).eval().to(device, dtype)
    return FAMILIES[family]("bench", {"unet": unet}, nn.Identity(), [], 512, "epsilon")


def held(base: Backbone, preset: str) -> list[tuple[LayerName, nn.Module]]:
    """The layers of a preset."""
    found = ((layer_name, base.layer(layer_name)) for layer_name in select_layers(base.layer_names(), PRESETS[preset]))
    return [(layer_name, layer) for layer_name, layer in found if layer is not None]


def ours(base: Backbone, preset: str, kind: Kind) -> Undo:
    """Ours on, as training has it."""
    layer_names = [layer_name for layer_name, _ in held(base, preset)]
    network = Network.attach(base, layer_names, lambda layer_name, shape: make(kind.algo, shape, kind.plan), 0)
    device = next(base.parts["unet"].parameters()).device
    for adapter in network.adapters.values():
        adapter.to(device)
    return network.detach


def lycoris(base: Backbone, preset: str, kind: Kind, bypass: bool) -> Undo:
    """lycoris-lora's modules on; they hold their parameters outside the model."""
    import lycoris.modules as modules

    made = {"lora": modules.LoConModule, "loha": modules.LohaModule, "lokr": modules.LokrModule}[kind.algo]
    on = [
        made(layer_name.key, layer, 1.0, bypass_mode=bypass, **kind.lycoris) for layer_name, layer in held(base, preset)
    ]
    device = next(base.parts["unet"].parameters()).device
    for module in on:
        module.to(device)
        module.apply_to()

    def undo() -> None:
        for module in on:
            module.restore()

    return undo


def peft(base: Backbone, preset: str, kind: Kind) -> Undo:
    """PEFT's layers in the places of the model's own."""
    import peft as library

    name, given = kind.peft
    layer_names = [layer_name for layer_name, _ in held(base, preset)]
    unet = base.parts["unet"]
    library.inject_adapter_in_model(getattr(library, name)(target_modules=[s.path for s in layer_names], **given), unet)

    def undo() -> None:
        for layer_name in layer_names:
            layer: Any = base.at(layer_name)
            base.place(layer_name, layer.get_base_layer())
        unet.requires_grad_(False)

    return undo


def variants(base: Backbone, preset: str) -> Iterator[tuple[str, Callable[[], Undo]]]:
    """All that take turns, by `kind | program`."""
    yield "frozen base", lambda: lambda: None
    for name, kind in KINDS.items():
        yield f"{name} | ours", lambda k=kind: ours(base, preset, k)
        yield f"{name} | lycoris-lora", lambda k=kind: lycoris(base, preset, k, bypass=False)
        yield f"{name} | lycoris-lora bypass", lambda k=kind: lycoris(base, preset, k, bypass=True)
        yield f"{name} | PEFT", lambda k=kind: peft(base, preset, k)


class Stepper:
    """Runs steps on the same inputs."""

    def __init__(self, unet: nn.Module, size: int, batch: int, dtype: torch.dtype) -> None:
        self.unet, self.dtype = unet, dtype
        self.device = next(unet.parameters()).device
        torch.manual_seed(1)
        self.latents = torch.randn(batch, 4, size, size).to(self.device, dtype)
        self.times = torch.full((batch,), 500, device=self.device)
        config: Any = unet.config
        self.context = torch.randn(batch, 77, config["cross_attention_dim"]).to(self.device, dtype)
        self.given: dict[str, Any] = {"encoder_hidden_states": self.context, "return_dict": False}
        if config["addition_embed_type"]:
            pooled = torch.randn(batch, 1280).to(self.device, dtype)
            sizes = torch.tensor([[8 * size, 8 * size, 0, 0, 8 * size, 8 * size]] * batch, device=self.device)
            self.given["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": sizes}

    def __call__(self, anchor: bool) -> float:
        """Seconds of one forward and backward; `anchor` asks for the gradient of the input."""
        latents = self.latents.clone().requires_grad_(anchor)
        self.wait()
        start = time.perf_counter()
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out: Tensor = self.unet(latents, self.times, **self.given)[0]
        out.float().square().mean().backward()
        self.wait()
        return time.perf_counter() - start

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def peak(self, anchor: bool) -> float:
        """MiB that one step allocates at its highest point."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self(anchor)
            return (torch.cuda.max_memory_allocated() - before) / 2**20
        with Peak(self.unet) as peak:
            self(anchor)
        return peak.highest / 2**20


class Peak(TorchDispatchMode):
    """Bytes of all tensors alive that are made within, at their highest; a CPU counts none itself."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.now = self.highest = 0
        self.known = {p.untyped_storage().data_ptr() for p in unet.parameters()}
        self.live: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(out):
            if isinstance(tensor, Tensor):
                self.add(tensor.untyped_storage())
        return out

    def add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self.live or storage.data_ptr() in self.known:
            return
        self.live.add(key)
        self.now += storage.nbytes()
        self.highest = max(self.highest, self.now)
        weakref.finalize(storage, self.drop, key, storage.nbytes())

    def drop(self, key: int, size: int) -> None:
        self.live.discard(key)
        self.now -= size


def measured(base: Backbone, stepper: Stepper, preset: str, rounds: int, until: float) -> dict[str, dict[str, Any]]:
    """Median seconds and peak MiB of every variant; at least one round, and no new one after `until`."""
    times: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    for number in range(rounds):
        if number and time.monotonic() > until:
            break
        for name, attach in variants(base, preset):
            undo, anchor = attach(), name == "frozen base"
            if number == 0:
                peaks[name] = stepper.peak(anchor)
            else:
                stepper(anchor)
            times.setdefault(name, []).append(stepper(anchor))
            undo()
    return {
        name: {"seconds": statistics.median(found), "rounds": len(found), "peak_mib": peaks[name]}
        for name, found in times.items()
    }


def told(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The lines of one preset at one size."""
    base = found["frozen base"]
    yield f"  frozen base {base['seconds'] * 1000:8.0f} ms {base['peak_mib']:7.0f} MiB   ({base['rounds']} rounds)"
    for kind in KINDS:
        mine, default = found[f"{kind} | ours"], found[f"{kind} | lycoris-lora"]
        rows = ((p, found[f"{kind} | {p}"]) for p in PROGRAMS)
        cells = (f"{p} {row['seconds'] * 1000:.0f} ms {row['peak_mib']:.0f} MiB" for p, row in rows)
        faster, slower = default["seconds"] / mine["seconds"], mine["seconds"] / base["seconds"]
        met = faster >= GOALS[kind] and (kind != "lora 16" or slower <= LIMIT)
        goal = f"goal {GOALS[kind]}x" + (f" and {LIMIT}x" if kind == "lora 16" else "")
        yield f"  {kind:<12} {'; '.join(cells)}"
        memory = mine["peak_mib"] / default["peak_mib"]
        verdict = f"{goal}: {'met' if met else 'MISSED'}"
        yield f"  {'':<12} {faster:.2f}x lycoris-lora's default, {slower:.2f}x the frozen base ({verdict})"
        above = mine["peak_mib"] / base["peak_mib"]
        yield f"  {'':<12} memory {memory:.2f}x lycoris-lora's default, {above:.2f}x the frozen base"


PROGRAMS = ("ours", "lycoris-lora", "lycoris-lora bypass", "PEFT")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 24, 32], help="latent height and width")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--family", default="sd1", choices=list(FAMILIES), help="whose UNet")
    parser.add_argument("--width", type=int, default=128, help="first width of the UNet; 320 is full size")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5, help="at most; fewer where the minutes are used up")
    parser.add_argument("--minutes", type=float, default=12, help="for all; shared out by latent area")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="also write every number here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    device = torch.device(options.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    base = backbone(options.family, options.width, device, dtype)
    narrow = "" if options.width == 320 else f" (narrowed: the real one has 320, here {options.width / 320:.2f} of it)"
    print(f"{options.family}, first width {options.width}{narrow}, batch {options.batch}", end=", ")
    print(f"{device}, {dtype}, {options.threads} threads")
    shares = {size: size**2 / sum(s**2 for s in options.sizes) / len(options.presets) for size in options.sizes}
    everything: dict[str, Any] = {}
    for size in options.sizes:
        stepper = Stepper(base.parts["unet"], size, options.batch, dtype)
        for preset in options.presets:
            until = time.monotonic() + options.minutes * 60 * shares[size]
            found = measured(base, stepper, preset, options.rounds, until)
            print(f"latents {size}², {preset}", *told(found), sep="\n", flush=True)
            everything[f"{size} {preset}"] = found
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()

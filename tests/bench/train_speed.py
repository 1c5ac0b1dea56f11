"""Step time of ours against lycoris-lora's default and bypass forward and the frozen base, on a CPU.

Run by hand: `python tests/bench/train_speed.py [--size 16] [--rounds 3] [--width 64]`. All variants take turns within each
round on the same inputs, so that load on the machine hits all of them; the median of the rounds is printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.train.adapters._base import Plan, Shape
from curate.train.adapters._make import make
from curate.train.backbones import Backbone
from curate.train.backbones.sd import Sd1
from curate.train.network import Network
from curate.train.sites import chosen

VARIANTS: dict[str, dict[str, Any]] = {
    "lora 16": {"algo": "lora", "plan": Plan(16, 16.0), "theirs": {"algo": "lora", "dim": 16}},
    "loha 8": {"algo": "loha", "plan": Plan(8, 8.0), "theirs": {"algo": "loha", "dim": 8}},
    "lokr 8 full": {
        "algo": "lokr",
        "plan": Plan(100_000, 1.0, factor=8, full_matrix=True),
        "theirs": {"algo": "lokr", "dim": 100_000, "factor": 8, "full_matrix": True},
    },
}


def backbone(width: int) -> Backbone:
    """An SD-1.5-shaped UNet of the given first width (320 is full size), with random weights."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    widths = (width, 2 * width, 4 * width, 4 * width)
    unet = UNet2DConditionModel(block_out_channels=widths, cross_attention_dim=768, attention_head_dim=8, layers_per_block=2)
    unet.requires_grad_(False).eval()

    class Unet(Sd1):
        def sites(self) -> list[Any]:
            from curate.train.backbones._shape import unet_shape
            from curate.train.sites import unet_sites

            return unet_sites(unet_shape(unet), original_names=False)

    return Unet("bench", {"unet": unet}, nn.Identity(), [], 512, "epsilon")


def step(unet: nn.Module, inputs: tuple[Tensor, Tensor, Tensor], anchor: bool) -> float:
    """Seconds of one forward and backward; `anchor` asks the gradient of the input, as the frozen base has no other."""
    latents, times, context = inputs
    latents = latents.clone().requires_grad_(anchor)
    start = time.perf_counter()
    unet(latents, times, context, return_dict=False)[0].square().mean().backward()
    for parameter in unet.parameters():
        parameter.grad = None
    return time.perf_counter() - start


def ours(base: Backbone, preset: str, variant: dict[str, Any]) -> Callable[[], None]:
    network = Network.attach(base, chosen(base.sites(), preset), lambda s, shape: made(shape, variant), 0)
    return network.detach


def made(shape: Shape, variant: dict[str, Any]) -> Any:
    return make(variant["algo"], shape, variant["plan"])


def theirs(base: Backbone, preset: str, variant: dict[str, Any], bypass: bool) -> Callable[[], None]:
    import lycoris.modules as modules

    kinds = {"lora": modules.LoConModule, "loha": modules.LohaModule, "lokr": modules.LokrModule}
    given = dict(variant["theirs"])
    kind, rank = kinds[given.pop("algo")], given.pop("dim")
    held: list[Any] = []
    for site in chosen(base.sites(), preset):
        layer = base.layer(site)
        if layer is not None:
            module = kind(site.name, layer, 1.0, rank, rank, bypass_mode=bypass, **given)
            module.apply_to()
            # they hold their parameters outside the model: a hook that none of the model's own parameters sees
            held.append(module)
    return lambda: [m.restore() for m in held] and None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=16, help="latent height and width")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=64, help="first width of the UNet; 320 is full size")
    parser.add_argument("--preset", default="attn-mlp")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    base = backbone(options.width)
    unet = base.parts["unet"]
    inputs = torch.randn(1, 4, options.size, options.size), torch.tensor([500]), torch.randn(1, 77, 768)
    preset = options.preset.replace("full", "unet-only") if options.preset == "full" else options.preset

    def timed(attach: Callable[[], Callable[[], None]], anchor: bool) -> float:
        undo = attach()
        step(unet, inputs, anchor)
        seconds = min(step(unet, inputs, anchor) for _ in range(2))
        undo()
        return seconds

    print(
        f"{Path(__file__).name}: width {options.width}, latents {options.size}², preset {preset}, {options.threads} thread(s)"
    )
    for name, variant in VARIANTS.items():
        columns: dict[str, list[float]] = {"frozen base": [], "ours": [], "lycoris-lora": [], "lycoris-lora bypass": []}
        for _ in range(options.rounds):
            columns["frozen base"].append(timed(lambda: lambda: None, True))
            columns["ours"].append(timed(lambda v=variant: ours(base, preset, v), False))
            columns["lycoris-lora"].append(timed(lambda v=variant: theirs(base, preset, v, False), False))
            columns["lycoris-lora bypass"].append(timed(lambda v=variant: theirs(base, preset, v, True), False))
        median = {k: statistics.median(v) for k, v in columns.items()}
        line = ", ".join(f"{k} {v * 1000:.0f} ms" for k, v in median.items())
        ratio, limit = median["lycoris-lora"] / median["ours"], median["ours"] / median["frozen base"]
        print(f"{name}: {line}; {ratio:.2f}x lycoris-lora's default, {limit:.2f}x the frozen base", flush=True)


if __name__ == "__main__":
    main()

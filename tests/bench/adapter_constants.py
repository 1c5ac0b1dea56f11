"""The constants that choose how an adapter computes, each beside other values of it: what a step costs by each choice.

    python tests/bench/adapter_constants.py            # one thread, about two minutes

LoHa and LoKr on a float32 layer compute either with W + ΔW or with their factors; `ENTRY` and `CUT` choose by shape and
positions. Here both ways take turns, forward and backward, in seconds of the processor, so that load on the machine
counts little. For each value of a constant the bench prints how much longer the chosen ways take, all together, than
the quicker of both would; 0 % is perfect. `PORTION` is tried by the length of a large ΔW, and by the memory it takes;
`SMALL` by the steps of UNets on one thread and on all.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from curate.adapters import linear, loha, lokr
from curate.adapters.autograd import merged, positions
from curate.adapters.base import Plan, Shape
from curate.adapters.linear import LinearAdapter
from curate.adapters.make import make

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear 320": (lambda: nn.Linear(320, 320), (320,)),
    "linear 640": (lambda: nn.Linear(640, 640), (640,)),
    "linear 320 to 2560": (lambda: nn.Linear(320, 2560), (320,)),
    "conv 160": (lambda: nn.Conv2d(160, 160, 3, padding=1), (160, 0)),
}
POSITIONS = (64, 256, 1024)
PLANS = {
    "loha 4": ("loha", Plan(4, 4.0)),
    "loha 8": ("loha", Plan(8, 8.0)),
    "loha 16": ("loha", Plan(16, 16.0)),
    "lokr 8": ("lokr", Plan(100_000, 1.0, factor=8, full_matrix=True)),
    "lokr 4": ("lokr", Plan(100_000, 1.0, factor=4, full_matrix=True)),
    "lokr 8 of rank 8": ("lokr", Plan(8, 8.0, factor=8)),
}


def seconds(body: Callable[[], Any], rounds: int) -> float:
    """Processor seconds of the quickest round."""
    best = math.inf
    for _ in range(rounds):
        start = time.process_time()
        body()
        best = min(best, time.process_time() - start)
    return best


def step(out: Callable[[], Tensor]) -> Callable[[], None]:
    return lambda: out().sum().backward()


def case(algo: str, plan: Plan, kind: str, count: int) -> tuple[LinearAdapter, Any, Tensor]:
    build, width = LAYERS[kind]
    layer: Any = build().requires_grad_(False)
    adapter = make(algo, Shape.of(layer), plan)
    assert isinstance(adapter, LinearAdapter)
    adapter.start(torch.Generator().manual_seed(0))
    side = math.isqrt(count)
    size = (1, width[0], side, side) if len(width) == 2 else (1, count, width[0])
    return adapter, layer, torch.randn(size).requires_grad_()


def whole(adapter: Any, layer: Any, x: Tensor) -> Tensor:
    """With W + ΔW."""
    if isinstance(adapter, loha.Loha):
        return merged(adapter.shape, layer, x, adapter._whole, *adapter._factors())
    return merged(adapter.shape, layer, x, adapter._whole, adapter.scaled(adapter.first()), adapter.second())


def joins(adapter: Any, steps: int, entry: float, cut: float) -> bool:
    """What the algorithm chooses with these constants, as its `apply_to` has it."""
    if isinstance(adapter, loha.Loha):
        return adapter.dense * (steps + 8 * adapter.rank + entry) < 3 * steps * adapter.work
    entries = adapter.shape.out * adapter.shape.into * adapter.shape.area
    return entries * (steps + entry) < cut * steps * adapter._work(adapter._narrow)


def choices(rounds: int) -> Iterator[tuple[str, str, LinearAdapter, int, float, float]]:
    """Every case with its seconds by W + ΔW and by factors."""
    entry = loha.ENTRY, lokr.ENTRY
    for name, (algo, plan) in PLANS.items():
        for kind in LAYERS:
            for count in POSITIONS:
                adapter, layer, x = case(algo, plan, kind, count)
                steps = positions(adapter.shape, x)
                try:
                    # out of reach: never joined
                    loha.ENTRY = lokr.ENTRY = 10**12
                    apart = seconds(step(lambda made=adapter, layer=layer, x=x: made.apply_to(layer, x)), rounds)
                finally:
                    loha.ENTRY, lokr.ENTRY = entry
                joined = seconds(step(lambda made=adapter, layer=layer, x=x: whole(made, layer, x)), rounds)
                yield name, kind, adapter, steps, joined, apart


def joining(rounds: int) -> None:
    found = list(choices(rounds))
    for algo, module in (("loha", loha), ("lokr", lokr)):
        own = [case for case in found if case[0].startswith(algo)]
        best = sum(min(joined, apart) for *_, joined, apart in own)
        cuts = (2, 4, lokr.CUT, 16, 32) if algo == "lokr" else (0,)
        for cut in cuts:
            for entry in (0, module.ENTRY // 4, module.ENTRY, module.ENTRY * 4):
                taken = sum(j if joins(a, n, entry, cut) else s for _, _, a, n, j, s in own)
                mark = " (in use)" if entry == module.ENTRY and cut in (0, lokr.CUT) else ""
                print(f"{algo} ENTRY {entry:4} {f'CUT {cut:2}' if cut else '':6}: {taken / best - 1:6.1%} above{mark}")
        for label, always in (("always W + ΔW", True), ("always factors", False)):
            taken = sum(j if always else s for *_, j, s in own)
            print(f"{algo} {label}: {taken / best - 1:.1%} above")


def portions(rounds: int) -> None:
    layer = nn.Linear(2560, 2560).requires_grad_(False)
    adapter = make("loha", Shape.of(layer), Plan(64, 64.0))
    adapter.start(torch.Generator().manual_seed(0))
    used = linear.PORTION
    try:
        for power in (16, 18, 20, 22, 24):
            linear.PORTION = 1 << power
            taken = seconds(adapter.norm, rounds)  # type: ignore[attr-defined]
            mark = " (in use)" if used == linear.PORTION else ""
            print(f"PORTION 2^{power}: {taken * 1000:.1f} ms, {4 * 2**power / 2**20:.2f} MiB a portion{mark}")
    finally:
        linear.PORTION = used


def threads(rounds: int) -> None:
    """Steps of UNets on one thread and on all: SMALL parts them by parameters."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    for width in (32, 64):
        unet: Any = UNet2DConditionModel(
            block_out_channels=(width, 2 * width, 4 * width, 4 * width), cross_attention_dim=64
        )
        count = sum(p.numel() for p in unet.parameters())
        given = torch.randn(1, 4, 16, 16), torch.tensor([5]), torch.randn(1, 77, 64)
        times: dict[int, float] = {}
        for number in (1, min(os.cpu_count() or 1, 16)):
            torch.set_num_threads(number)
            walls: list[float] = []
            for _ in range(rounds + 1):
                start = time.perf_counter()
                unet(*given, return_dict=False)[0].sum().backward()
                walls.append(time.perf_counter() - start)
            times[number] = statistics.median(walls[1:])
        torch.set_num_threads(1)
        shown = ", ".join(f"{number} threads {wall * 1000:.0f} ms" for number, wall in times.items())
        print(f"SMALL: {count / 1e6:.0f} million parameters: {shown}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("joining", "portions", "threads"))
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for part in (joining, portions, threads):
        if options.only in (None, part.__name__):
            part(options.rounds)


if __name__ == "__main__":
    main()

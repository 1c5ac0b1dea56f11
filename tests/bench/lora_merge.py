"""Memory and time of merging a LoRA into a checkpoint of SDXL's size: random weights, 6.9 GB in half precision.

    python tests/bench/lora_merge.py --folder /tmp/bench           # needs 14 GB of disk; files are deleted afterwards
    python tests/bench/lora_merge.py --folder /tmp/bench --family sd1   # 2 GB

Checkpoint and LoRA are written tensor by tensor; the merge runs in a process of its own, whose peak is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from curate.adapters import tensor_file
from curate.diffusion.checkpoint_names import IN_PROJECTION, OPEN_CLIP, UNET
from curate.diffusion.lora_family import LayerTable, layer_table

NORMS = ("norm", "resnet-norm")
CHILD = """
import sys, time
from pathlib import Path
def peak_mib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 2**10
start = time.perf_counter()
from curate.diffusion.base_weights import BaseWeights
from curate.lora.into_base import merge_into_base
from curate.lora.weights import weighted
loaded = peak_mib()
done = merge_into_base([weighted(sys.argv[2])], BaseWeights.open(sys.argv[1], True), Path(sys.argv[3]))
print(f"{loaded:.0f} {peak_mib():.0f} {time.perf_counter() - start:.1f} {done.layers} {done.size}")
"""


def checkpoint_sizes(table: LayerTable) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Every weight of a checkpoint that has the family's layers, and what makes up the published size."""
    sizes: dict[str, tuple[int, ...]] = {}
    for layer in table.layer_names.values():
        module = table.frame.at(layer)
        if module is None or layer.kind in NORMS:
            continue
        shape = tuple(module.weight.shape)  # pyright: ignore[reportAttributeAccessIssue]
        if layer.part == "unet":
            sizes[f"{UNET}{layer.original or layer.path}.weight"] = shape
            continue
        prefix, form = table.family.checkpoint_texts[int(layer.part[2:]) - 1]
        if form == "clip":
            sizes[f"{prefix}{layer.path}.weight"] = shape
            continue
        _, _, _, number, inner = layer.path.split(".", 4)
        stem = f"{prefix}transformer.resblocks.{number}"
        if inner in IN_PROJECTION:
            sizes[f"{stem}.attn.in_proj_weight"] = (3 * shape[0], shape[1])
        else:
            sizes[f"{stem}.{OPEN_CLIP[inner]}.weight"] = shape
    for key in table.family.keys:
        sizes[key] = (1280,)
    sizes["first_stage_model.everything"] = (83_653_863,)
    for number, (prefix, _) in enumerate(table.family.checkpoint_texts):
        sizes[f"{prefix}token_embedding.{number}"] = (49408, 1280 if number else 768)
    return {key: (torch.float16, shape) for key, shape in sizes.items()}


def random(shape: tuple[int, ...], dtype: torch.dtype, draw: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=dtype).normal_(0, 0.02, generator=draw)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--family", default="sdxl")
    parser.add_argument("--rank", type=int, default=32)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    table, draw = layer_table(given.family), torch.Generator().manual_seed(0)
    base, lora, merged = (given.folder / f"{name}.safetensors" for name in ("base", "lora", "merged"))
    try:
        sizes = checkpoint_sizes(table)
        tensor_file.write(base, sizes, lambda key: random(sizes[key][1], torch.float16, draw), {})
        factors: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
        for key, layer in table.layer_names.items():
            module = table.frame.layer(layer)
            if module is not None and layer.kind not in NORMS:
                out, into, *kernel = module.weight.shape
                factors[f"{key}.lora_down.weight"] = torch.float16, (given.rank, into, *kernel)
                factors[f"{key}.lora_up.weight"] = torch.float16, (out, given.rank, *(1 for _ in kernel))
        tensor_file.write(lora, factors, lambda key: random(factors[key][1], torch.float16, draw), {})
        print(
            json.dumps(
                {"checkpoint": f"{base.stat().st_size / 1e9:.2f} GB", "lora": f"{lora.stat().st_size / 1e9:.2f} GB"}
            )
        )
        start = time.perf_counter()
        command = [sys.executable, "-c", CHILD, str(base), str(lora), str(merged)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        libraries, peak, seconds, layers, size = done.stdout.split()
        print(f"{layers} layers merged in {seconds} s (with its start {time.perf_counter() - start:.1f} s)")
        print(f"peak memory {peak} MiB, of which {libraries} MiB are the libraries; wrote {int(size) / 1e9:.2f} GB")
    finally:
        for path in (base, lora, merged):
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

"""Measures tagging: `python tests/bench/taggers_throughput.py [DEVICE] [COUNT] [FOLDER_OF_PICTURES]`.

One ONNX file in the WD contract (ViT-B/16 at 448, random weights, 10,000 tags). Ours (decode, prepare, score, pack) is
against the limit, which is the bare `session.run` on ready tensors or the preparation spread over the cores, whichever
takes longer (on the CPU, where both want the same cores, their sum), and against a loop over single pictures.
Target: 0.95 of the limit.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from torch import nn

import taggers
from curate.core.record import Image, Record
from curate.core.stage import Env
from curate.images import PICTURE_FILES
from curate.stages.tag import Tag
from taggers.prefetch import cores
from taggers.prepare import bgr, square

TAGS = 10_000


class Vit(nn.Module):
    """ViT-B/16 on N×448×448×3 BGR 0..255, probabilities out."""

    def __init__(self, width: int = 768, depth: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        layer = nn.TransformerEncoderLayer(width, 12, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, TAGS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probabilities of all tags."""
        tokens = self.patches(x.permute(0, 3, 1, 2) / 127.5 - 1).flatten(2).transpose(1, 2)
        return torch.sigmoid(self.head(self.blocks(tokens).mean(dim=1)))


def model(folder: Path) -> Path:
    """Writes model.onnx and selected_tags.csv."""
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)
    network = Vit().eval()
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    with torch.inference_mode():
        torch.onnx.export(
            network, (torch.zeros(2, 448, 448, 3),), str(folder / "model.onnx"),
            input_names=["input"], output_names=["output"],
            dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    rows = [f"{i},{name},9,0" for i, name in enumerate(("general", "sensitive", "questionable", "explicit"))]
    rows += [f"{i},tag_{i},0,0" for i in range(4, TAGS)]
    (folder / "selected_tags.csv").write_text("\n".join(["tag_id,name,category,count", *rows]) + "\n")
    return folder


def pictures(folder: Path, count: int, given: Path | None) -> list[Path]:
    """`count` picture files: those given, again and again, or drawn noise of 1024×768."""
    if given is not None:
        found = sorted(p for p in given.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
        return [found[i % len(found)] for i in range(count)]
    made: list[Path] = []
    for i in range(min(count, 32)):
        coarse = np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        made.append(folder / f"{i}.png")
        Pillow.fromarray(coarse).resize((1024, 768), Pillow.Resampling.BICUBIC).save(made[-1])
    return [made[i % len(made)] for i in range(count)]


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def ours(tagger: Path, files: list[Path], device: str) -> float:
    """The stage's scoring as the runner drives it: chunk by chunk, the next announced."""
    records = [Record(f"c/{i}.png", "c", str(i), Image(str(i), str(f))) for i, f in enumerate(files)]
    scoring = Tag(tagger=(str(tagger),)).parts()[0]
    env = Env(Path("/"), Path("/"), pictures=PICTURE_FILES, device=device)
    with scoring.open(env) as worker:  # type: ignore[attr-defined]
        worker(records[:32])
        chunks = [records[i : i + 32] for i in range(0, len(records), 32)]

        def run() -> None:
            worker.preload(chunks[0])
            for i, chunk in enumerate(chunks):
                if i + 1 < len(chunks):
                    worker.preload(chunks[i + 1])
                worker(chunk)

        return timed(run)


def main() -> int:
    """Prints pictures per second; exits 1 where ours is under 0.95 of the limit."""
    device = sys.argv[1] if len(sys.argv) > 1 else "auto"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    with tempfile.TemporaryDirectory() as place:
        folder = model(Path(place))
        files = pictures(folder, count, Path(sys.argv[3]) if len(sys.argv) > 3 else None)
        prepare = timed(lambda: [bgr(square(PICTURE_FILES.read(f), 448)) for f in files]) / count
        with taggers.find(str(folder)).open(device) as tagger:
            batch = tagger.batch
            ready = [tagger.prepare(PICTURE_FILES.read(f)) for f in files[:batch]]
            session, name = tagger._session, tagger._input.name  # type: ignore[attr-defined]
            stacked = np.stack(ready)
            session.run(None, {name: stacked})
            rounds = max(1, count // batch)
            bare = timed(lambda: [session.run(None, {name: stacked}) for _ in range(rounds)]) / (rounds * batch)
            loop = timed(lambda: [tagger([PICTURE_FILES.read(f)]) for f in files[: min(count, 64)]]) / min(count, 64)
            provider = tagger.provider
        mine = ours(folder, files, device) / count
    cpu = provider == "CPUExecutionProvider"
    limit = bare + prepare / cores() if cpu else max(bare, prepare / cores())
    print(f"{provider}, {cores()} cores, batch {batch}, {count} pictures; pictures per second:")
    print(f"  preparation alone, one core   {1 / prepare:10.1f}")
    print(f"  bare session, ready tensors   {1 / bare:10.1f}")
    print(f"  one picture at a time         {1 / loop:10.1f}")
    print(f"  ours                          {1 / mine:10.1f}")
    print(f"ours is {limit / mine:.3f} of the limit, and {loop / mine:.2f} times the loop")
    return int(limit / mine < 0.95)


if __name__ == "__main__":
    sys.exit(main())

"""A small model of every tagger family, in the layout that its publisher uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.taggers.conftest import WD_ROWS, probe, table

NCHW = ("batch", 3, 448, 448)
NORMALIZED = {"type": "normalize", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
PADDED = [{"type": "pad_to_size", "size": [448, 448], "background_color": "white", "interpolation": "bilinear"}]
ROWS = [(0, "rating_general", 9, 1), (1, "long hair", 0, 1), (2, "hatsune_miku", 4, 1), (3, "hat", 0, 1)]


def recipe(folder: Path, *steps: dict[str, Any], key: str = "stages") -> None:
    listed: Any = [*steps, {"type": "to_tensor"}, NORMALIZED]
    content = {"test": listed} if key == "test" else {"stages": listed}
    (folder / "preprocess.json").write_text(json.dumps(content))


def wd(folder: Path) -> None:
    probe(folder / "model.onnx", len(WD_ROWS))
    table(folder / "selected_tags.csv", WD_ROWS)


def wd_e621(folder: Path) -> None:
    probe(folder / "model.onnx", 3)
    table(folder / "selected_tags.csv", [(1, "wolf", 5, 1), (2, "anthro", 0, 1), (3, "tail", 0, 1)])


def cl_tagger(folder: Path) -> None:
    rows = [("general", "Rating"), ("1girl", "General"), ("x_(y)", "Copyright"), ("hat", "General")]
    mapping = {str(i): {"tag": tag, "category": category} for i, (tag, category) in enumerate(rows)}
    (folder / "tag_mapping.json").write_text(json.dumps(mapping))
    probe(folder / "model.onnx", len(rows), shape=NCHW, slope=1.0)


def pixai(folder: Path) -> None:
    rows = [(0, "1girl", 0, 1, "[]"), (1, "hatsune_miku", 4, 1, '["vocaloid"]')]
    table(folder / "selected_tags.csv", rows, header=("id", "name", "category", "count", "ips"))
    recipe(folder, *PADDED)
    probe(folder / "model.onnx", 2, shape=NCHW, output="logits", extra="embedding", slope=1.0)


def camie(folder: Path) -> None:
    table(folder / "selected_tags.csv", ROWS)
    recipe(folder, {"type": "resize", "size": [512, 512]})
    modes = {"balanced": {"threshold": 0.3}}
    (folder / "threshold.json").write_text(json.dumps({"general": modes, "character": modes}))
    probe(folder / "model.onnx", 4, shape=("batch", 3, 512, 512), extra="initial/output", sigmoid=True, slope=1.0)


def dbv4(folder: Path) -> None:
    rows = [("hat", 0, 0.2), ("hatsune_miku", 4, 0.6)]
    table(folder / "selected_tags.csv", rows, header=("name", "category", "best_threshold"))
    recipe(folder, *PADDED, key="test")
    probe(folder / "model.onnx", 2, shape=NCHW, output="prediction", sigmoid=True, slope=1.0)


def e621_convnext(folder: Path) -> None:
    table(folder / "tags-selected.csv", [(1, "wolf", 5, 1), (2, "safe", 0, 1), (3, "krystal", 4, 1)])
    names = {"name": "input_1:0", "output": "predictions_sigmoid", "extra": "features"}
    probe(folder / "model.onnx", 3, shape=(1, 448, 448, 3), slope=0.003, **names)


def thouph(folder: Path) -> None:
    (folder / "tags_8041.json").write_text(json.dumps(["zebra", "anthro", "wolf"]))
    probe(folder / "model.onnx", 8, shape=NCHW, slope=1.0)


def siglip_shapes(tags: int) -> dict[str, tuple[int, ...]]:
    """Tensors of a SigLIP encoder with a gated head, as timm names them: 2 blocks of 32, patches of 14, side 28."""
    size, inner = 32, 48
    layers = {"patch_embed.proj": (size, 3, 14, 14), "head.linear": (2 * tags, size)}
    layers |= {"attn_pool.q": (size, size), "attn_pool.kv": (2 * size, size), "attn_pool.proj": (size, size)}
    layers |= {"attn_pool.mlp.fc1": (inner, size), "attn_pool.mlp.fc2": (size, inner)}
    norms = ["norm", "attn_pool.norm"]
    for block in ("blocks.0", "blocks.1"):
        norms += [f"{block}.norm1", f"{block}.norm2"]
        layers |= {f"{block}.attn.qkv": (3 * size, size), f"{block}.attn.proj": (size, size)}
        layers |= {f"{block}.mlp.fc1": (inner, size), f"{block}.mlp.fc2": (size, inner)}
    shapes: dict[str, tuple[int, ...]] = {"pos_embed": (1, 4, size), "attn_pool.latent": (1, 1, size)}
    for name, shape in {**layers, **dict.fromkeys(norms, (size,))}.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def jtp(folder: Path) -> None:
    from safetensors.numpy import save_file

    draw = np.random.default_rng(0)
    save_file(
        {name: draw.normal(0, 0.3, shape).astype(np.float32) for name, shape in siglip_shapes(3).items()},
        folder / "model.safetensors",
    )
    (folder / "tags.json").write_text(json.dumps({"wolf": 0, "explicit": 1, "tail": 2}))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "camie": camie,
    "cl-tagger": cl_tagger,
    "dbv4": dbv4,
    "e621-convnext": e621_convnext,
    "jtp": jtp,
    "pixai": pixai,
    "thouph": thouph,
    "wd": wd,
    "wd-e621": wd_e621,
}
"""What writes such a model into a folder, by the family's name."""

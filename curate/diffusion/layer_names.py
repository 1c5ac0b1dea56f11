"""The tables of adaptable layers: kohya file name, where the layer is in our model, and what kind of layer it is.

File names come from here and never from module paths: transformers 5 dropped the `text_model` level, and SDXL
files use the names of the original checkpoint while our model uses diffusers'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from curate.adapters.algorithm import algorithms
from curate.adapters.layer_name import Kind, LayerName

_ATTENTION: dict[str, Kind] = {
    f"{a}.{w}": "attn" for a in ("attn1", "attn2") for w in ("to_q", "to_k", "to_v", "to_out.0")
}
TRANSFORMER: dict[str, Kind] = {**_ATTENTION, "ff.net.0.proj": "mlp", "ff.net.2": "mlp"}
RESNET: dict[str, tuple[str, Kind]] = {
    "conv1": ("in_layers.2", "resnet"),
    "time_emb_proj": ("emb_layers.1", "resnet-lin"),
    "conv2": ("out_layers.3", "resnet"),
    "conv_shortcut": ("skip_connection", "resnet-lin"),
    "norm1": ("in_layers.0", "resnet-norm"),
    "norm2": ("out_layers.0", "resnet-norm"),
}


def text_layer_names(prefix: str, part: str, layers: int) -> list[LayerName]:
    """The layers of a CLIP text encoder; `prefix` is lora_te, lora_te1 or lora_te2."""
    paths: dict[str, Kind] = {}
    for layer in range(layers):
        paths |= {f"text_model.encoder.layers.{layer}.self_attn.{w}_proj": "text-attn" for w in ("q", "k", "v", "out")}
        paths |= {f"text_model.encoder.layers.{layer}.mlp.{w}": "text-mlp" for w in ("fc1", "fc2")}
    return [LayerName(f"{prefix}_{path.replace('.', '_')}", part, path, kind) for path, kind in paths.items()]


@dataclass(frozen=True, slots=True)
class UnetShape:
    """What decides which layers a UNet has: transformer blocks per attention (0 without), by level."""

    down: tuple[int, ...]
    up: tuple[int, ...]
    middle: int
    per_level: int = 2


def _inside_transformer(blocks: int) -> Iterator[tuple[str, Kind]]:
    yield "proj_in", "mlp"
    yield "proj_out", "mlp"
    yield "norm", "norm"
    for n in range(blocks):
        for i in (1, 2, 3):
            yield f"transformer_blocks.{n}.norm{i}", "norm"
        for inner, kind in TRANSFORMER.items():
            yield f"transformer_blocks.{n}.{inner}", kind


def original_block(name: str) -> int:
    """Index among kohya's 23: embeddings 0, input blocks from 1, middle from 10, output blocks from 13, out 22."""
    for start, first in (("input_blocks.", 1), ("middle_block.", 10), ("output_blocks.", 13)):
        if name.startswith(start):
            return first + int(name[len(start) :].split(".")[0])
    return 22 if name.startswith("out.") else 0


def unet_layer_names(shape: UnetShape, original_names: bool) -> list[LayerName]:
    """The layers of a UNet, in forward order; `original_names` gives the file names of the original checkpoint.

    With those, edges and embeddings of the UNet are in no preset: no peer trains them on SDXL.

    A layer that a given UNet lacks (conv_shortcut where channels do not change) is left out on attaching.
    """
    names = _UnetNames(shape, original_names)
    names.edges_in()
    names.down()
    names.mid()
    names.up()
    names.add("conv_out", "out.2", "edge", names.middle + names.levels * (names.each + 1))
    return names.found


class _UnetNames:
    """Collects the layers of a UNet; diffusers' path, the original checkpoint's and kohya's block go side by side."""

    def __init__(self, shape: UnetShape, original_names: bool) -> None:
        self.shape, self.original_names = shape, original_names
        self.levels, self.each = len(shape.down), shape.per_level
        # conv_in, `each` a level, and a downsampler in all levels but the last
        self.middle = self.levels * (self.each + 1)
        self.found: list[LayerName] = []

    def add(self, path: str, original: str, kind: Kind, block: int) -> None:
        name = (original if self.original_names else path).replace(".", "_")
        kind = "unused" if self.original_names and kind in ("edge", "time") else kind
        last = self.middle + self.levels * (self.each + 1)
        block = original_block(original) if self.original_names else min(block, last)
        self.found.append(LayerName(f"lora_unet_{name}", "unet", path, kind, block, original))

    def resnet(self, path: str, original: str, block: int) -> None:
        for ours, (theirs, kind) in RESNET.items():
            self.add(f"{path}.{ours}", f"{original}.{theirs}", kind, block)

    def attention(self, path: str, original: str, depth: int, block: int) -> None:
        for inner, kind in _inside_transformer(depth):
            self.add(f"{path}.{inner}", f"{original}.{inner}", kind, block)

    def edges_in(self) -> None:
        self.add("time_embedding.linear_1", "time_embed.0", "time", 0)
        self.add("time_embedding.linear_2", "time_embed.2", "time", 0)
        if self.original_names:
            self.add("add_embedding.linear_1", "label_emb.0.0", "unused", 0)
            self.add("add_embedding.linear_2", "label_emb.0.2", "unused", 0)
        self.add("conv_in", "input_blocks.0.0", "edge", 0)

    def down(self) -> None:
        at = 0  # the original numbers its input blocks through: conv_in is 0
        for level, depth in enumerate(self.shape.down):
            for j in range(self.each):
                at += 1
                self.resnet(f"down_blocks.{level}.resnets.{j}", f"input_blocks.{at}.0", at)
                if depth:
                    self.attention(f"down_blocks.{level}.attentions.{j}", f"input_blocks.{at}.1", depth, at)
            if level + 1 < self.levels:
                at += 1
                self.add(f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{at}.0.op", "resample", at)

    def mid(self) -> None:
        self.resnet("mid_block.resnets.0", "middle_block.0", self.middle)
        self.attention("mid_block.attentions.0", "middle_block.1", self.shape.middle, self.middle)
        self.resnet("mid_block.resnets.1", "middle_block.2", self.middle)

    def up(self) -> None:
        for level, depth in enumerate(self.shape.up):
            for j in range(self.each + 1):
                out = level * (self.each + 1) + j
                block = self.middle + 1 + out
                self.resnet(f"up_blocks.{level}.resnets.{j}", f"output_blocks.{out}.0", block)
                if depth:
                    self.attention(f"up_blocks.{level}.attentions.{j}", f"output_blocks.{out}.1", depth, block)
            if level + 1 < self.levels:
                last = level * (self.each + 1) + self.each
                original = f"output_blocks.{last}.{2 if depth else 1}.conv"
                self.add(f"up_blocks.{level}.upsamplers.0.conv", original, "resample", self.middle + 1 + last)


def _kinds(words: str) -> frozenset[Kind]:
    return frozenset(cast(list[Kind], words.split()))


CONVOLUTIONS = "unet-convblock-only"
"""The preset of nothing but blocks of convolutions."""
# what each preset's name promises
PRESETS: dict[str, frozenset[Kind]] = {
    "full": _kinds("text-attn text-mlp attn mlp resnet resnet-lin resample edge time"),
    "full-lin": _kinds("text-attn text-mlp attn mlp resnet-lin time"),
    "attn-mlp": _kinds("text-attn text-mlp attn mlp"),
    "attn-only": _kinds("text-attn attn"),
    "unet-only": _kinds("attn mlp resnet resnet-lin resample edge time"),
    "unet-transformer-only": _kinds("attn mlp"),
    CONVOLUTIONS: _kinds("resnet resnet-lin resample edge"),
}


NORMS: dict[str, frozenset[Kind]] = {
    **dict.fromkeys(("full", "full-lin", "unet-only"), _kinds("norm resnet-norm")),
    **dict.fromkeys(("attn-mlp", "unet-transformer-only"), _kinds("norm")),
    CONVOLUTIONS: _kinds("resnet-norm"),
}
"""Norm layers inside what a preset holds; text encoders' are read by no program."""


def select_layers(layer_names: list[LayerName], preset: str, norms: bool = False) -> list[LayerName]:
    """The layers a preset holds, with the norms beside them where wanted."""
    for algorithm in algorithms().values():
        if endings := algorithm.presets.get(preset):
            return [n for n in layer_names if n.path.endswith(endings)]
    kinds = PRESETS[preset] | (NORMS.get(preset, frozenset()) if norms else frozenset())
    return [n for n in layer_names if n.kind in kinds]

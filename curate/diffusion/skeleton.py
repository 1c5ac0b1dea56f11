"""The layers of a base model without values, from its configuration alone: no library of models is imported for it.

Names and shapes are those of diffusers' UNet2DConditionModel and AutoencoderKL and of transformers' CLIPTextModel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

Config = Mapping[str, Any]


class _Undrawn:
    """Comes before a layer's class: without values nothing is drawn. On the meta device a draw takes time all the
    same, and a normal one loads torch's compiler, seconds of it.
    """

    def reset_parameters(self) -> None:
        """Nothing."""


class _Linear(_Undrawn, nn.Linear):
    pass


class _Conv2d(_Undrawn, nn.Conv2d):
    pass


class _Embedding(_Undrawn, nn.Embedding):
    pass


class Skeleton(nn.Module):
    """Layers by dotted path, on the meta device, and the configuration that they come from."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self._nodes: dict[str, nn.Module] = {"": self}

    def put(self, path: str, module: nn.Module) -> None:
        """Puts a module at a path."""
        above, _, name = path.rpartition(".")
        self._node(above).add_module(name, module)
        self._nodes[path] = module

    def _node(self, path: str) -> nn.Module:
        """The module at a path, made where there is none."""
        if path not in self._nodes:
            self.put(path, nn.Module())
        return self._nodes[path]

    def linear(self, path: str, into: int, out: int, bias: bool = True) -> None:
        """A linear layer."""
        self.put(path, _Linear(into, out, bias, device="meta"))

    def conv(self, path: str, into: int, out: int, side: int = 3) -> None:
        """A convolution with a square kernel."""
        self.put(path, _Conv2d(into, out, side, padding=side // 2, device="meta"))

    def embedding(self, path: str, count: int, width: int) -> None:
        """A table of vectors."""
        self.put(path, _Embedding(count, width, device="meta"))

    def rms(self, path: str, width: int) -> None:
        """A norm with a weight alone."""
        self.put(path, nn.RMSNorm(width, device="meta"))

    def layer_norm(self, path: str, width: int) -> None:
        """A norm of any kind: a weight and a bias."""
        self.put(path, nn.LayerNorm(width, device="meta"))

    def parameter(self, name: str, *shape: int) -> None:
        """A parameter outside layers."""
        above, _, own = name.rpartition(".")
        self._node(above).register_parameter(own, nn.Parameter(torch.empty(shape, device="meta")))

    def resnet(self, path: str, into: int, out: int, time: int = 0) -> None:
        """Two convolutions, with a projection of the time where there is one."""
        self.layer_norm(f"{path}.norm1", into)
        self.conv(f"{path}.conv1", into, out)
        if time:
            self.linear(f"{path}.time_emb_proj", time, out)
        self.layer_norm(f"{path}.norm2", out)
        self.conv(f"{path}.conv2", out, out)
        if into != out:
            self.conv(f"{path}.conv_shortcut", into, out, 1)

    def transformer(self, path: str, width: int, context: int, depth: int, linear: bool) -> None:
        """Blocks of attention to itself and to the context, and a gated feed-forward."""
        self.layer_norm(f"{path}.norm", width)
        for end in ("proj_in", "proj_out"):
            self.linear(f"{path}.{end}", width, width) if linear else self.conv(f"{path}.{end}", width, width, 1)
        for block in (f"{path}.transformer_blocks.{n}" for n in range(depth)):
            for i in (1, 2, 3):
                self.layer_norm(f"{block}.norm{i}", width)
            for attention, read in (("attn1", width), ("attn2", context)):
                self.linear(f"{block}.{attention}.to_q", width, width, bias=False)
                for what in ("to_k", "to_v"):
                    self.linear(f"{block}.{attention}.{what}", read, width, bias=False)
                self.linear(f"{block}.{attention}.to_out.0", width, width)
            self.linear(f"{block}.ff.net.0.proj", width, 8 * width)
            self.linear(f"{block}.ff.net.2", 4 * width, width)


def numbers(count: int) -> Skeleton:
    """So many numbers, for counting where it does not matter which layers they are in."""
    made = Skeleton({})
    made.parameter("numbers", count)
    return made


UNET: Config = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": 1,
    "cross_attention_dim": 1280,
    "use_linear_projection": False,
}
"""What diffusers takes where a configuration is silent."""
TEXT: Config = {"vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12}
VAE: Config = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": (64,),
    "layers_per_block": 1,
}


def unet(given: Config) -> Skeleton:
    """A UNet of any family."""
    config = {**UNET, **given}
    made, widths, each = Skeleton(config), list(config["block_out_channels"]), int(config["layers_per_block"])
    time, context, linear = 4 * widths[0], int(config["cross_attention_dim"]), bool(config["use_linear_projection"])
    depth = config["transformer_layers_per_block"]
    depths = [depth] * len(widths) if isinstance(depth, int) else list(depth)
    made.conv("conv_in", config["in_channels"], widths[0])
    embeddings = [("time_embedding", widths[0])]
    if config.get("addition_embed_type") == "text_time":
        embeddings.append(("add_embedding", int(config["projection_class_embeddings_input_dim"])))
    for name, into in embeddings:
        made.linear(f"{name}.linear_1", into, time)
        made.linear(f"{name}.linear_2", time, time)
    now, skips, levels = widths[0], [widths[0]], len(widths)
    for level, (width, kind) in enumerate(zip(widths, config["down_block_types"], strict=True)):
        for j in range(each):
            made.resnet(f"down_blocks.{level}.resnets.{j}", now, width, time)
            if "CrossAttn" in kind:
                made.transformer(f"down_blocks.{level}.attentions.{j}", width, context, depths[level], linear)
            now = width
            skips.append(now)
        if level + 1 < levels:
            made.conv(f"down_blocks.{level}.downsamplers.0.conv", now, now)
            skips.append(now)
    made.resnet("mid_block.resnets.0", now, now, time)
    made.transformer("mid_block.attentions.0", now, context, depths[-1], linear)
    made.resnet("mid_block.resnets.1", now, now, time)
    for level, (width, kind) in enumerate(zip(reversed(widths), config["up_block_types"], strict=True)):
        for j in range(each + 1):
            made.resnet(f"up_blocks.{level}.resnets.{j}", now + skips.pop(), width, time)
            if "CrossAttn" in kind:
                made.transformer(f"up_blocks.{level}.attentions.{j}", width, context, depths[-1 - level], linear)
            now = width
        if level + 1 < levels:
            made.conv(f"up_blocks.{level}.upsamplers.0.conv", now, now)
    made.layer_norm("conv_norm_out", now)
    made.conv("conv_out", now, config["out_channels"])
    return made


def text(given: Config, projects: bool) -> Skeleton:
    """A CLIP text encoder; `projects` where a projection of the pooled state belongs to it."""
    config = {**TEXT, **given}
    made, width = Skeleton(config), int(config["hidden_size"])
    made.embedding("text_model.embeddings.token_embedding", config["vocab_size"], width)
    made.embedding("text_model.embeddings.position_embedding", int(config.get("max_position_embeddings", 77)), width)
    count = int(config["num_hidden_layers"])
    made.put("text_model.encoder.layers", nn.ModuleList(nn.Module() for _ in range(count)))
    for layer in (f"text_model.encoder.layers.{n}" for n in range(count)):
        for what in ("q", "k", "v", "out"):
            made.linear(f"{layer}.self_attn.{what}_proj", width, width)
        made.linear(f"{layer}.mlp.fc1", width, config["intermediate_size"])
        made.linear(f"{layer}.mlp.fc2", config["intermediate_size"], width)
        for i in (1, 2):
            made.layer_norm(f"{layer}.layer_norm{i}", width)
    made.layer_norm("text_model.final_layer_norm", width)
    if projects:
        made.linear("text_projection", width, int(config.get("projection_dim", 512)), bias=False)
    return made


def vae(given: Config) -> Skeleton:
    """An autoencoder."""
    config = {**VAE, **given}
    made, widths, each = Skeleton(config), list(config["block_out_channels"]), int(config["layers_per_block"])
    latent, last = int(config["latent_channels"]), len(widths) - 1

    def middle(part: str, width: int) -> None:
        for j in (0, 1):
            made.resnet(f"{part}.mid_block.resnets.{j}", width, width)
        made.layer_norm(f"{part}.mid_block.attentions.0.group_norm", width)
        for what in ("to_q", "to_k", "to_v", "to_out.0"):
            made.linear(f"{part}.mid_block.attentions.0.{what}", width, width)

    def levels(part: str, blocks: str, sample: str, order: list[int], resnets: int, now: int) -> None:
        for level, width in enumerate(order):
            for j in range(resnets):
                made.resnet(f"{part}.{blocks}.{level}.resnets.{j}", now, width)
                now = width
            if level < last:
                made.conv(f"{part}.{blocks}.{level}.{sample}.0.conv", now, now)

    made.conv("encoder.conv_in", config["in_channels"], widths[0])
    levels("encoder", "down_blocks", "downsamplers", widths, each, widths[0])
    middle("encoder", widths[-1])
    made.layer_norm("encoder.conv_norm_out", widths[-1])
    made.conv("encoder.conv_out", widths[-1], 2 * latent)
    made.conv("decoder.conv_in", latent, widths[-1])
    middle("decoder", widths[-1])
    levels("decoder", "up_blocks", "upsamplers", widths[::-1], each + 1, widths[-1])
    made.layer_norm("decoder.conv_norm_out", widths[0])
    made.conv("decoder.conv_out", widths[0], config["out_channels"])
    made.conv("quant_conv", 2 * latent, 2 * latent, 1)
    made.conv("post_quant_conv", latent, latent, 1)
    return made

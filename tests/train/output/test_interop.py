"""Every algorithm and preset on full-size SD 1.x and SDXL: keys, shapes, sizes as published; same effect in PEFT."""

from __future__ import annotations

import functools
import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.adapters.algorithm import algorithm
from curate.adapters.base import Shape
from curate.adapters.layer_name import LayerName
from curate.adapters.make import make
from curate.diffusion.base import Backbone
from curate.diffusion.family_class import family_class
from curate.diffusion.layer_names import PRESETS, select_layers
from curate.diffusion.load import load
from curate.train.network import warm_start
from curate.train.network.build import Layers, attach
from curate.train.options import TrainOptions
from tests.train.helpers import by_layer, effect, shaken

DATA = Path(__file__).parents[3] / "../shared/data"
LISTED = {"sd1": "sd15", "sdxl": "sdxl"}
Shapes = dict[str, tuple[int, ...]]
ALGORITHMS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 8},
    "locon": {"rank": 8, "conv_rank": 4},
    "locon-tucker": {"algo": "locon", "rank": 8, "conv_rank": 4, "tucker": True},
    "loha": {"rank": 4},
    "loha-tucker": {"algo": "loha", "rank": 4, "tucker": True},
    "lokr": {"factor": 8},
    "lokr-split": {"algo": "lokr", "rank": 8, "factor": 4},
    "lokr-both": {"algo": "lokr", "rank": 1, "factor": -1, "decompose_both": True, "tucker": True},
    "dylora": {"rank": 8},
    "glora": {"rank": 8},
    "ia3": {},
    "diag-oft": {"rank": 8},
    "boft": {"rank": 16},
    "full": {},
}


@functools.cache
def rows(family: str) -> dict[str, tuple[tuple[int, ...], bool, frozenset[str]]]:
    """Weight shape, bias and presets of every published module."""
    path = DATA / f"lora/{LISTED[family]}_modules.tsv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    lines = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return {
        n: (tuple(map(int, shape.split("x"))), bias == "1", frozenset(held.split(",")))
        for n, shape, bias, held in lines
    }


@functools.cache
def full_size(family: str) -> Backbone:
    """The models at their real size, on the meta device."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    widths: dict[str, Any] = {"cross_attention_dim": 768, "attention_head_dim": 8}
    texts: list[dict[str, int]] = [{"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}]
    if family == "sdxl":
        widths = {
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "cross_attention_dim": 2048,
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        }
        texts.append({"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "projection_dim": 1280})
    with torch.device("meta"):
        parts: dict[str, Any] = {"unet": UNet2DConditionModel(**widths)}
        for number, text in enumerate(texts, 1):
            kind = CLIPTextModel if number == 1 else CLIPTextModelWithProjection
            parts[f"te{number}"] = kind(CLIPTextConfig(num_attention_heads=text["hidden_size"] // 64, **text))
    return family_class(family)(family, parts, torch.nn.Identity(), [], 512, "epsilon")


def held(family: str, options: TrainOptions, layer_names: list[LayerName]) -> dict[str, Shapes]:
    """What a file holds of each layer, by suffix: ours."""
    backbone = full_size(family)
    seen: dict[tuple[Shape, bool, bool], Shapes] = {}
    found: dict[str, Shapes] = {}
    for layer_name in layer_names:
        layer = backbone.layer(layer_name)
        assert layer is not None
        shape = Shape.of(layer)
        key = shape, layer_name.path.endswith(algorithm("ia3").input_layers), layer.bias is not None
        if key not in seen:
            plan = Layers(options, [layer_name], [layer_name]).plan(layer_name, shape)
            assert plan is not None
            with torch.device("meta"):
                adapter = make(plan[0], shape, plan[1])
                adapter.attach(layer)
                seen[key] = {suffix: tuple(t.shape) for suffix, t in adapter.tensors().items()}
        found[layer_name.key] = seen[key]
    return found


def published(options: TrainOptions, shape: tuple[int, ...], bias: bool, name: str) -> Shapes:
    """What a file holds of a layer of this shape, by the format's table; splits are lycoris-lora's own."""
    general = pytest.importorskip("lycoris.functional.general")
    out, into, *kernel = shape
    one, area = (1,) * len(kernel), math.prod(kernel)
    spatial = area > 1
    algo = options.algo
    rank = (options.conv_rank if spatial else None) or options.rank or 0
    tucker = options.tucker and spatial
    if algo in ("lora", "locon", "dylora"):
        mid: Shapes = {"lora_mid.weight": (rank, rank, *kernel)} if tucker else {}
        down = (rank, into, *(one if tucker else kernel))
        return {"lora_down.weight": down, "lora_up.weight": (out, rank, *one), "alpha": (), **mid}
    if algo == "loha":
        names = [f"hada_w{n}_{x}" for n in (1, 2) for x in "ab"]
        if tucker:
            cores: Shapes = {f"hada_t{n}": (rank, rank, *kernel) for n in (1, 2)}
            return {n: (rank, out if n.endswith("a") else into) for n in names} | cores | {"alpha": ()}
        return {n: (out, rank) if n.endswith("a") else (rank, into * area) for n in names} | {"alpha": ()}
    if algo == "lokr":
        factor = 8 if options.factor is None else options.factor
        (left, wide), (middle, narrow) = (general.factorization(d, factor) for d in (out, into))
        whole = options.rank is None
        found: Shapes = {"alpha": ()}
        if options.decompose_both and rank < max(left, middle) / 2:
            found |= {"lokr_w1_a": (left, rank), "lokr_w1_b": (rank, middle)}
        else:
            found["lokr_w1"] = (left, middle)
        if whole or rank >= max(wide, narrow) / 2:
            return found | {"lokr_w2": (wide, narrow, *kernel)}
        if tucker:
            return found | {"lokr_t2": (rank, rank, *kernel), "lokr_w2_a": (rank, wide), "lokr_w2_b": (rank, narrow)}
        return found | {"lokr_w2_a": (wide, rank), "lokr_w2_b": (rank, narrow * area)}
    if algo == "glora":
        a: Shapes = {"a1.weight": (into, rank, *one), "a2.weight": (rank, into, *one), "alpha": ()}
        return a | {"b1.weight": (out, rank, *one), "b2.weight": (rank, into, *kernel)}
    if algo == "ia3":
        width = into if name.endswith(("ff_net_2", "mlp_fc2")) else out
        return {"weight": (1, width, *one) if kernel else (width,), "on_input": ()}
    if algo == "diag-oft":
        size, number = general.factorization(out, rank)
        return {"oft_blocks": (number, size, size), "alpha": ()}
    if algo == "boft":
        size, number = general.power2factorization(out, rank)
        return {"oft_blocks": (number.bit_length(), number, size, size), "alpha": ()}
    return {"diff": shape} | ({"diff_b": (out,)} if bias else {})


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_keys_and_shapes_of_every_algorithm_and_preset(family: str, name: str) -> None:
    options = TrainOptions(**{"algo": name, **ALGORITHMS[name]})
    table, backbone = rows(family), full_size(family)
    by_table = {layer: published(options, shape, bias, layer) for layer, (shape, bias, _) in table.items()}
    for preset in PRESETS:
        layer_names = [s for s in select_layers(backbone.layer_names(), preset) if backbone.layer(s) is not None]
        ours = {
            f"{layer}.{k}": size
            for layer, found in held(family, options, layer_names).items()
            for k, size in found.items()
        }
        inside = (layer for layer, (_, _, presets) in table.items() if preset in presets)
        assert ours == {f"{layer}.{k}": size for layer in inside for k, size in by_table[layer].items()}, preset


MIB = 2**20
# MiB of the tensors alone in half precision, as computed in the evaluation notes
COMPUTED: list[tuple[dict[str, Any], float]] = [
    ({"algo": "lokr", "rank": 1, "factor": -1}, 0.40),
    ({"algo": "lokr", "factor": -1}, 1.03),
    ({"algo": "lokr", "rank": 8, "factor": 4}, 2.26),
    ({"algo": "lokr", "factor": 8}, 10.5),
]
# MiB of whole published files of SD 1.5, rounded up, with about 0.4 MiB of header
FILES: list[tuple[dict[str, Any], float]] = [
    ({"algo": "lora", "rank": 8}, 9.5),
    ({"algo": "lora", "rank": 32}, 37),
    ({"algo": "lora", "rank": 64}, 73),
    ({"algo": "lora", "rank": 32, "layer_preset": "attn-only"}, 18),
    ({"algo": "lora", "rank": 32, "layer_preset": "full"}, 75),
    ({"algo": "loha", "rank": 16}, 37),
    ({"algo": "loha", "rank": 16, "layer_preset": "attn-only"}, 18),
    ({"algo": "loha", "rank": 16, "layer_preset": "full"}, 75),
    ({"algo": "lokr", "factor": 8}, 12),
    ({"algo": "lokr", "factor": 4}, 43),
    ({"algo": "lokr", "factor": 4, "layer_preset": "full"}, 113),
    ({"algo": "full"}, 673),
]


def mib(**given: Any) -> float:
    options = TrainOptions(**{"layer_preset": "attn-mlp", **given})
    backbone = full_size("sd1")
    layer_names = [
        s for s in select_layers(backbone.layer_names(), options.layer_preset) if backbone.layer(s) is not None
    ]
    return (
        sum(2 * math.prod(size) for found in held("sd1", options, layer_names).values() for size in found.values())
        / MIB
    )


@pytest.mark.parametrize(("given", "wanted"), COMPUTED, ids=str)
def test_tensors_have_the_computed_size(given: dict[str, Any], wanted: float) -> None:
    assert mib(**given) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize(("given", "wanted"), FILES, ids=str)
def test_files_have_the_published_size(given: dict[str, Any], wanted: float) -> None:
    assert wanted * 0.86 - 1 < mib(**given) <= wanted


PEFT: list[tuple[dict[str, Any], str]] = [
    ({"algo": "lora", "rank": 4, "alpha": 2.0}, "LoraConfig"),
    ({"algo": "locon", "rank": 4, "alpha": 2.0, "conv_rank": 4, "conv_alpha": 2.0}, "LoraConfig"),
    ({"algo": "loha", "rank": 2, "alpha": 1.0}, "LoHaConfig"),
    # narrow layers are whole at this rank, where PEFT minds alpha and other readers do not: it is the rank
    ({"algo": "lokr", "rank": 2, "alpha": 2.0, "factor": 4}, "LoKrConfig"),
    ({"algo": "lokr", "factor": 4}, "LoKrConfig"),
]


@pytest.mark.parametrize(("given", "config"), PEFT, ids=str)
def test_peft_has_the_same_effect(given: dict[str, Any], config: str) -> None:
    """Names as PEFT's converter of SD adapters has them: lora_down is lora_A, lora_up lora_B, the rest as it is."""
    peft = pytest.importorskip("peft")
    preset = "unet-only" if given["algo"] != "lokr" else "unet-transformer-only"
    backbone, network = shaken({**given, "layer_preset": preset})
    wanted = effect(backbone)
    tensors = network.tensors()
    network.detach()
    first = next(iter(network.adapters.values()))
    scaling = {
        "r": first.plan.rank,
        ("lora_alpha" if config == "LoraConfig" else "alpha"): first.scale * first.plan.rank,
    }
    more = {"decompose_factor": given["factor"]} if config == "LoKrConfig" else {}
    unet = backbone.parts["unet"]
    paths = {layer_name.key: layer_name.path for layer_name in network.layer_names.values()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = getattr(peft, config)(target_modules=list(paths.values()), **scaling, **more)
        peft.inject_adapter_in_model(made, unet)
    parameters = dict(unet.named_parameters())
    renamed = {"lora_down": "lora_A.default", "lora_up": "lora_B.default"}
    taken: set[str] = set()
    with torch.no_grad():
        for key, tensor in tensors.items():
            layer, _, suffix = key.partition(".")
            if suffix == "alpha":
                continue
            head, _, tail = suffix.partition(".")
            name = f"{paths[layer]}.{renamed.get(head, f'{head}.default')}{'.' * bool(tail)}{tail}"
            parameters[name].copy_(tensor.reshape(parameters[name].shape))
            taken.add(name)
    assert taken == {name for name, parameter in parameters.items() if parameter.requires_grad}
    torch.testing.assert_close(effect(backbone), wanted, rtol=1e-4, atol=1e-5)


def test_published_metadata_and_ours_speak_of_the_same(tmp_path: Path) -> None:
    """Every network key of a real file's metadata is one of ours, of the same type."""
    path = DATA / "lora/ss_metadata_kohya_2023.filtered.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    from curate.train.output.metadata_network import network_values

    real = json.loads(path.read_text(encoding="utf-8"))
    network = attach(TrainOptions(rank=4), load("tiny", offline=True))
    network.detach()
    ours = {f"ss_{key}" for key in network_values(TrainOptions(rank=4), network)}
    assert {key for key in real if key.startswith("ss_network")} - {"ss_network_dropout"} <= ours


def test_every_key_is_read_again() -> None:
    """Files of ours with every algorithm go through the reader of start_from without a stranger."""
    backbone = full_size("sdxl")
    layer_names = [s for s in select_layers(backbone.layer_names(), "attn-mlp") if backbone.layer(s) is not None][::97]
    for name, given in ALGORITHMS.items():
        options = TrainOptions(**{"algo": name, **given})
        tensors: dict[str, Tensor] = {}
        for layer, found in held("sdxl", options, layer_names).items():
            tensors |= {f"{layer}.{suffix}": torch.zeros(size) for suffix, size in found.items()}
        layers = by_layer(tensors, backbone.layer_names())
        assert set(layers) == {s.key for s in layer_names}
        reads = {"locon": "lora", "dylora": "lora"}.get(options.algo, options.algo)
        assert {algo for algo, _ in warm_start.maker(layers, TrainOptions()).values()} == {reads}

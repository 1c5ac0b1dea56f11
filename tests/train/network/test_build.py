"""Ranks by block and rules by layer give each layer what they say; what fits no layer is an error that says so."""

from __future__ import annotations

from typing import Any

import pytest

from curate.adapters.base import Adapter
from curate.adapters.layer_name import LayerName
from curate.adapters.lora import Lora
from curate.errors import InputError
from curate.train.network.build import Layers, attach, matches
from curate.train.options import TrainOptions
from tests.diffusion.helpers import sd15, sdxl
from tests.train.helpers import base_model


def adapters(**options: Any) -> dict[str, Adapter]:
    backbone = base_model()
    network = attach(TrainOptions(**options), backbone)
    network.detach()
    return network.adapters


def rank_and_alpha(adapter: Adapter) -> tuple[int, float]:
    return adapter.rank, adapter.stored_alpha


# what kohya's own get_block_index gives for these names
SD_BLOCKS = {
    "down_blocks_0_resnets_0_conv1": 1,
    "down_blocks_0_attentions_1_proj_in": 2,
    "down_blocks_0_downsamplers_0_conv": 3,
    "down_blocks_2_attentions_0_proj_out": 7,
    "down_blocks_3_resnets_1_conv2": 11,
    "mid_block_resnets_1_conv1": 12,
    "mid_block_attentions_0_proj_in": 12,
    "up_blocks_0_resnets_0_conv1": 13,
    "up_blocks_0_upsamplers_0_conv": 15,
    "up_blocks_3_attentions_2_transformer_blocks_0_attn2_to_v": 24,
    "conv_in": 0,
    "conv_out": 24,
}
SDXL_BLOCKS = {
    "time_embed_0": 0,
    "label_emb_0_2": 0,
    "input_blocks_0_0": 1,
    "input_blocks_3_0_op": 4,
    "input_blocks_8_1_proj_in": 9,
    "middle_block_0_in_layers_2": 10,
    "middle_block_1_transformer_blocks_9_ff_net_2": 11,
    "middle_block_2_out_layers_3": 12,
    "output_blocks_0_1_proj_out": 13,
    "output_blocks_5_2_conv": 18,
    "output_blocks_8_0_skip_connection": 21,
    "out_2": 22,
}


@pytest.mark.parametrize(("layer_names", "wanted"), [(sd15(), SD_BLOCKS), (sdxl(), SDXL_BLOCKS)], ids=["sd15", "sdxl"])
def test_blocks_are_kohyas(layer_names: list[LayerName], wanted: dict[str, int]) -> None:
    found = {layer_name.key.removeprefix("lora_unet_"): layer_name.block for layer_name in layer_names}
    assert {name: found[name] for name in wanted} == wanted
    assert {s.block for s in layer_names if s.part == "unet"} == set(range(25 if "conv_in" in found else 23))
    assert {s.block for s in layer_names if s.part != "unet"} == {-1}


def test_block_ranks_and_alphas() -> None:
    ranks = [n % 3 for n in range(25)]
    alphas = [1 + n / 10 for n in range(25)]
    made = adapters(
        rank=8,
        alpha=4.0,
        block_ranks=",".join(map(str, ranks)),
        block_alphas=",".join(map(str, alphas)),
        layer_preset="full",
    )
    assert rank_and_alpha(made["lora_te_text_model_encoder_layers_0_mlp_fc1"]) == (8, 4.0)
    assert not any(name.startswith("lora_unet_mid_block") for name in made)  # block 12: rank 0
    assert rank_and_alpha(made["lora_unet_down_blocks_0_attentions_0_proj_in"]) == (1, pytest.approx(1.1))
    assert rank_and_alpha(made["lora_unet_up_blocks_0_resnets_1_conv1"]) == (2, pytest.approx(2.4))


def test_block_ranks_keep_the_scale() -> None:
    made = adapters(rank=8, alpha=4.0, block_ranks=",".join(["2"] * 25))
    assert rank_and_alpha(made["lora_unet_mid_block_attentions_0_proj_in"]) == (2, 1.0)


def test_kernels_of_locon_have_ranks_of_their_own() -> None:
    made = adapters(
        algo="locon", rank=8, conv_rank=4, conv_alpha=2.0, block_ranks=",".join(["6"] * 12 + ["0"] + ["6"] * 12)
    )
    assert rank_and_alpha(made["lora_unet_up_blocks_0_resnets_1_conv1"]) == (4, 2.0)
    assert rank_and_alpha(made["lora_unet_up_blocks_0_resnets_1_conv_shortcut"]) == (6, 6.0)
    assert not any(name.startswith("lora_unet_mid_block") for name in made)
    made = adapters(algo="locon", rank=8, conv_block_ranks=",".join(["5"] * 25), conv_block_alphas=",".join(["2"] * 25))
    assert rank_and_alpha(made["lora_unet_mid_block_resnets_0_conv1"]) == (5, 2.0)
    assert rank_and_alpha(made["lora_unet_mid_block_attentions_0_proj_in"]) == (8, 8.0)


@pytest.mark.parametrize("name", ["block_ranks", "block_alphas", "conv_block_ranks", "conv_block_alphas"])
def test_wrong_counts_say_so(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} has 23 values, and the base model has 25 blocks"):
        adapters(**{name: ",".join(["4"] * 23)}, layer_preset="full")
    Layers(TrainOptions(**{name: ",".join(["4"] * 23)}), sdxl(), sdxl())
    with pytest.raises(InputError, match="has 25 values, and the base model has 23 blocks"):
        Layers(TrainOptions(**{name: ",".join(["4"] * 25)}), sdxl(), sdxl())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_ranks": "4,x"}, "not a list of numbers"),
        ({"block_ranks": ",".join(["1.5"] * 25)}, "no whole number"),
        ({"block_alphas": ",".join(["-1"] * 25)}, "below 0"),
        ({"block_ranks": ",".join(["0"] * 25)}, "nothing would be trained"),
        ({"layers": ("attn1",)}, "is not PATTERN=ALGO:RANK/ALPHA"),
        ({"layers": ("attn1=",)}, "is not PATTERN=ALGO:RANK/ALPHA"),
        ({"layers": ("attn1=lora:8:2",)}, "is not PATTERN=ALGO:RANK/ALPHA"),
        ({"layers": ("attn1=banana",)}, "attn1=banana: unknown algorithm .banana."),
        ({"layers": ("attn1=0",)}, "exclude leaves layers out"),
    ],
)
def test_what_cannot_be_read_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ("atn1=8",)}, "layers: no trained layer matches 'atn1'"),
        ({"include": ("attn1", "banana")}, "include: no layer of layer_preset attn-mlp matches 'banana'"),
        ({"exclude": ("resnets",)}, "exclude: no layer of layer_preset attn-mlp matches 'resnets'"),
        ({"include": ("attn1",), "exclude": ("attn1",)}, "no layer of the base model is left"),
        ({"conv_rank": 4}, "conv_rank has no effect: no kernel larger than 1×1"),
        ({"tucker": True}, "tucker has no effect"),
        ({"conv_block_ranks": ",".join(["4"] * 25)}, "conv_block_ranks has no effect"),
        ({"block_ranks": ",".join(["4"] * 25), "unet_lr": 0}, "block_ranks has no effect: no block"),
    ],
)
def test_what_fits_no_layer_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        adapters(**options)


def test_what_a_guide_says_of_kernels_may_meet_none() -> None:
    assert adapters(guide="valstrix", layer_preset="attn-only")
    with pytest.raises(InputError, match="conv_rank has no effect"):
        adapters(guide="valstrix", layer_preset="attn-only", conv_rank=5)


def test_rules_by_layer() -> None:
    made = adapters(
        rank=8,
        alpha=4.0,
        factor=2,
        layers=("attn2=loha:3/1.5", "*_ff_net_?=lokr", "mid_block=lora:2"),
        exclude=("lora_te_*",),
    )
    assert not any(name.startswith("lora_te_") for name in made)
    block = "_attentions_0_transformer_blocks_0_"
    plain, narrow = (made[f"lora_unet_{place}{block}attn1_to_q"] for place in ("up_blocks_1", "mid_block"))
    assert plain.algorithm.stored == narrow.algorithm.stored == "lora"
    assert (rank_and_alpha(plain), rank_and_alpha(narrow)) == ((8, 4.0), (2, 1.0))
    odd = made[f"lora_unet_down_blocks_0{block}attn2_to_q"]
    assert (odd.algorithm.name, *rank_and_alpha(odd)) == ("loha", 3, 1.5)
    lokr = made[f"lora_unet_down_blocks_0{block}ff_net_2"]
    assert lokr.algorithm.name == "lokr" and set(lokr.tensors()) == {"lokr_w1", "lokr_w2", "alpha"}


def test_the_first_rule_that_fits_counts() -> None:
    made = adapters(rank=8, alpha=4.0, layers=("*up_blocks_1*attn2*=16", "attn2=loha:3/1.5"))
    plain = made["lora_unet_up_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"]
    assert isinstance(plain, Lora) and rank_and_alpha(plain) == (16, 8.0)


def test_include_narrows_the_preset() -> None:
    made = adapters(rank=2, include=("attn2_to_[kv]", "*_ff_net_*"))
    assert made
    assert all(name.endswith(("attn2_to_k", "attn2_to_v")) or "_ff_net_" in name for name in made)


def test_patterns_fit_anywhere() -> None:
    layer_name = LayerName(
        "lora_unet_mid_block_attentions_0_proj_in", "unet", "mid_block.attentions.0.proj_in", "mlp", 12
    )
    assert (
        matches("proj_in", layer_name)
        and matches("*mid_block*", layer_name)
        and matches("mid_*_proj_[io]n", layer_name)
    )
    assert not matches("proj_??t", layer_name) and not matches("Proj", layer_name)


@pytest.mark.parametrize("other", ["norm", "ia3", "full", "glora", "dylora", "boft"])
def test_dora_is_on_layers_that_can_have_it_alone(other: str) -> None:
    # on others the file would hold lengths that training did not use, or training use
    # lengths that the file does not hold
    mixed: dict[str, Any] = (
        {"train_norm": True, "layer_preset": "full"} if other == "norm" else {"layers": (f"attn2={other}:4",)}
    )
    found = adapters(dora=True, rank=4, **mixed)
    assert {a.algorithm.name for a in found.values()} == {"lora", other}
    for adapter in found.values():
        held = {"tensors": "dora_scale" in adapter.tensors(), "parameter": adapter.decomposed}
        assert held == dict.fromkeys(held, adapter.algorithm.name == "lora"), adapter.algorithm.name

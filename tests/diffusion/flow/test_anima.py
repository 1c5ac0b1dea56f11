"""Anima against diffusers' own pipeline: text, latents, a training step, LoRA files; and its files of the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from curate.diffusion.autoencoders import qwen_vae
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.families.anima import BLOCK, EDGES, Anima
from curate.diffusion.frame import frame_of_family
from curate.diffusion.layer_names import select_layers
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.networks import anima_conditioner, cosmos
from curate.errors import InputError, MissingError
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_traits
from tests.diffusion.flow.captions import EVERY_CAPTION
from tests.diffusion.flow.same_model import CPU, TrainingStep, check_predictions
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = Anima, "anima"


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, caption: str) -> None:
    from diffusers.modular_pipelines.anima.encoders import AnimaTextEncoderStep

    encoder: Any = backbone.captions
    model = encoder.open(CPU, torch.float32)
    components = SimpleNamespace(tokenizer=encoder.qwen, t5_tokenizer=encoder.t5, text_encoder=model)
    theirs: Any = AnimaTextEncoderStep.encode_prompt(
        components, caption, prepare_unconditional_embeds=False, device=CPU, dtype=torch.float32
    )
    conditioner: Any = backbone.parts["conditioner"]
    with torch.no_grad():
        expected = conditioner(
            theirs["qwen_prompt_embeds"],
            theirs["t5_input_ids"],
            theirs["t5_attention_mask"],
            theirs["qwen_attention_mask"],
        )
        ours = backbone.collate(encoder.encode([caption], CPU, torch.float32))
        found = conditioner(ours.context, ours.ids, ours.ids_mask, ours.mask)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert found.shape[1] == 512
    real = min(512, encoder.count(caption))
    assert max(int(theirs["qwen_attention_mask"].sum()), theirs["t5_input_ids"].shape[1]) == real


def test_latents_are_the_pipelines_both_ways(backbone: Backbone) -> None:
    from diffusers.modular_pipelines.anima.decoders import AnimaVaeDecoderStep
    from diffusers.modular_pipelines.anima.encoders import encode_vae_image

    vae: Any = backbone.vae
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    mean, deviation = backbone.encode(pictures)
    with torch.no_grad():
        expected = encode_vae_image(pictures, vae, None, CPU, torch.float32)[:, :, 0]  # type: ignore[arg-type]
    torch.testing.assert_close(mean, expected)
    assert mean.shape[1:] == backbone.latent_shape(96, 64) and deviation.shape == mean.shape
    step, state = AnimaVaeDecoderStep(), SimpleNamespace(latents=mean[:, :, None])
    step.get_block_state = lambda state: state  # type: ignore[method-assign,assignment,misc,return-value]
    step.set_block_state = lambda state, block: None  # type: ignore[method-assign,assignment,misc]
    step(SimpleNamespace(vae=vae), state)  # type: ignore[arg-type]
    torch.testing.assert_close(backbone.decode(mean), state.images)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, checkpointing: bool) -> None:
    from diffusers.models.transformers.transformer_cosmos import CosmosTransformer3DModel

    step = TrainingStep(place, ["a dog", ""], checkpointing)
    with quiet():
        theirs: Any = CosmosTransformer3DModel.from_pretrained(place / "transformer")
    conditions, conditioner = step.conditions, step.ours.parts["conditioner"]
    context = conditioner(conditions.context, conditions.ids, conditions.ids_mask, conditions.mask)
    told = {"padding_mask": torch.zeros(1, 1, 64, 96), "return_dict": False}
    out = theirs(step.given[:, :, None], step.sigma, context, **told)[0][:, :, 0]
    step.check(out - step.target)


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    outlined = frame_of_family("anima")
    options = TrainOptions(family="anima", rank=16)
    adapters = plan_network(options, outlined)
    assert len(adapters) == 280
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == 22_937_600
    assert "lora_unet_blocks_27_cross_attn_output_proj" in adapters
    both = plan_network(TrainOptions(family="anima", rank=16, layer_preset="attn-mlp"), outlined)
    inside = {key: adapter for key, adapter in both.items() if "llm_adapter" in key}
    assert len(inside) == 60 and len(both) == 340
    assert sum(p.numel() for adapter in inside.values() for p in adapter.parameters()) == 2_555_904
    names = select_layers(outlined.layer_names(), "unet-transformer-only")
    assert len(select_layers(names, "attn-only")) == 224
    assert {name.original for name in names if name.block == 0} == {
        f"blocks.0.{theirs}" for theirs, kind in BLOCK.values() if kind in ("attn", "mlp")
    }


def test_the_outline_is_diffusers_models() -> None:
    from diffusers.models.condition_embedders.condition_embedder_anima import AnimaTextConditioner
    from diffusers.models.transformers.transformer_cosmos import CosmosTransformer3DModel

    outlined = frame_of_family("anima")
    with torch.device("meta"), quiet():
        models = {"unet": CosmosTransformer3DModel(**cosmos.NETWORK), "conditioner": AnimaTextConditioner()}
    for part, model in models.items():
        expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        found = {key: tuple(tensor.shape) for key, tensor in outlined.parts[part].state_dict().items()}
        assert found == expected


def native(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The tensors of transformer and conditioner under the names of the published file."""
    blocks = {f"{ours}.weight": f"{theirs}.weight" for ours, (theirs, _) in BLOCK.items()}
    for attention, theirs in (("attn1", "self_attn"), ("attn2", "cross_attn")):
        blocks |= {f"{attention}.norm_{w}.weight": f"{theirs}.{w}_norm.weight" for w in ("q", "k")}
    edges = {f"{ours}.weight": f"{theirs}.weight" for ours, (theirs, _) in EDGES.items()}
    edges["time_embed.norm.weight"] = "t_embedding_norm.weight"
    for key, tensor in backbone.parts["unet"].state_dict().items():
        start, _, rest = key.partition(".")
        number, _, inner = rest.partition(".")
        yield (f"blocks.{number}.{blocks[inner]}" if start == "transformer_blocks" else edges[key]), tensor
    for key, tensor in backbone.parts["conditioner"].state_dict().items():
        yield f"llm_adapter.{key}", tensor
    yield "pos_embedder.seq", torch.arange(4.0)


def test_files_of_the_network_alone_are_recognized() -> None:
    keys = {key: tuple(tensor.shape) for key, tensor in native(frame_of_family("anima"))}
    assert len([key for key in keys if key.endswith("mlp.layer1.weight")]) == 28
    for wrapper in ("", "net.", "model.diffusion_model."):
        held = {f"{wrapper}{key}": shape for key, shape in keys.items()}
        assert family_of_keys(held, "anima.safetensors").name == "anima"
        plain = {key: shape for key, shape in held.items() if "llm_adapter" not in key}
        with pytest.raises(InputError, match="Cosmos-Predict2 without Anima's conditioner, which cannot be trained"):
            family_of_keys(plain, "cosmos.safetensors")


def wan_names(vae: torch.nn.Module) -> dict[str, Tensor]:
    """The autoencoder's tensors under the published file's names: diffusers' converter read backwards."""
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    own = vae.state_dict()
    edges = {"encoder.conv_in": "encoder.conv1", "decoder.conv_in": "decoder.conv1", "quant_conv": "conv1"}
    edges |= {"post_quant_conv": "conv2", "encoder.conv_out": "encoder.head.2", "decoder.conv_out": "decoder.head.2"}
    edges |= {"encoder.norm_out": "encoder.head.0", "decoder.norm_out": "decoder.head.0"}
    parts = {"norm1": "residual.0", "conv1": "residual.2", "norm2": "residual.3", "conv2": "residual.6"}
    found: dict[str, Tensor] = {}
    for key, tensor in own.items():
        stem, _, kind = key.rpartition(".")
        names = stem.split(".")
        if stem in edges:
            theirs = edges[stem]
        elif "mid_block" in names and "resnets" in names:
            theirs = f"{names[0]}.middle.{2 * int(names[3])}.{parts[names[4]]}"
        elif "mid_block" in names:
            theirs = f"{names[0]}.middle.1.{'.'.join(names[4:])}"
        elif names[1] == "down_blocks":
            inner = parts.get(names[3], ".".join(names[3:]))
            theirs = f"encoder.downsamples.{names[2]}.{inner.replace('conv_shortcut', 'shortcut')}"
        else:
            block = int(names[2]) * 4  # three residual blocks and what enlarges
            block += int(names[4]) if names[3] == "resnets" else 3
            inner = parts.get(names[5], names[5]) if names[3] == "resnets" else ".".join(names[5:])
            theirs = f"decoder.upsamples.{block}.{inner.replace('conv_shortcut', 'shortcut')}"
        found[f"{theirs}.{kind}"] = tensor
    again: dict[str, Tensor] = convert_wan_vae_to_diffusers(dict(found))
    assert again.keys() == own.keys()
    return found


@pytest.mark.parametrize("wrapper", ["net.", "", "model.diffusion_model."])
def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path, wrapper: str) -> None:
    file, text = tmp_path / "anima.safetensors", tmp_path / "qwen_3_06b_base.safetensors"
    save_file({f"{wrapper}{key}": tensor.contiguous() for key, tensor in native(backbone)}, file)
    encoder: Any = backbone.captions
    states = encoder.open(CPU, torch.float32).state_dict()
    save_file({f"model.{key}": tensor for key, tensor in states.items()}, text)
    vae = place / "vae"
    assert traits(str(file), True).family == "anima"
    given = LoadOptions(vae=str(vae), text_encoder=str(text), tokenizer=str(place))
    other = load(str(file), True, given)
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(other.encode(pictures), backbone.encode(pictures))
    check_predictions(backbone, other, captions=["a dog"])


def test_the_published_autoencoders_names_are_read(tmp_path: Path) -> None:
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage

    file = tmp_path / "qwen_image_vae.safetensors"
    torch.manual_seed(3)
    narrow = AutoencoderKLQwenImage(base_dim=8)
    save_file({key: tensor.contiguous() for key, tensor in wan_names(narrow).items()}, file)
    read = qwen_vae.load(str(file), True)
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(qwen_vae.encode(read, pictures), qwen_vae.encode(narrow, pictures))
    save_file(dict(narrow.state_dict()), file)
    assert qwen_vae.load(str(file), True).state_dict().keys() == narrow.state_dict().keys()
    with torch.device("meta"):
        full = AutoencoderKLQwenImage()
    assert sum(p.numel() for p in full.parameters()) == qwen_vae.PARAMETERS


def test_the_blocks_of_a_file_are_counted_in_it(place: Path, backbone: Backbone, tmp_path: Path) -> None:
    """The published sizes have 28 blocks, others 20 or 36; here 2."""
    file = tmp_path / "anima.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in native(backbone)}, file)
    given = {"base": str(file), "vae": str(place / "vae"), "text_encoder": str(place / "text_encoder")}

    def planned(ranks: str) -> set[int]:
        options = TrainOptions(**given, block_ranks=ranks)
        outlined = check_base(options, base_traits(options, file), file, CPU)
        assert outlined.layer(backbone.layer_names()[-1]) is not None
        return {adapter.plan.rank for adapter in plan_network(options, outlined).values()}

    assert planned("3,5") == {3, 5}
    with pytest.raises(InputError, match="block_ranks has 28 values, and the base model has 2 blocks"):
        planned(",".join(["4"] * 28))


def test_what_a_file_lacks_is_named(place: Path, backbone: Backbone, tmp_path: Path) -> None:
    file = tmp_path / "anima.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in native(backbone)}, file)
    with pytest.raises(InputError, match="network alone, without autoencoder and text encoder") as refusal:
        load(str(file), True)
    assert "give --vae and --text-encoder" in str(refusal.value.remedy)
    with pytest.raises(InputError, match=r'text_encoder "nothing\.safetensors" is not there'):
        load(str(file), True, LoadOptions(vae=str(place / "vae"), text_encoder="nothing.safetensors"))
    with pytest.raises(MissingError, match=r"no tokenizer for anima\.safetensors") as missing:
        load(str(file), True, LoadOptions(vae=str(place / "vae"), text_encoder=str(place)))
    assert "tokenizer/ and t5_tokenizer/" in str(missing.value.remedy)


@pytest.mark.parametrize("names", ["auto", "diffusers"])
def test_diffusers_loads_the_lora_at_its_strength(place: Path, tmp_path: Path, names: str) -> None:
    from diffusers.modular_pipelines.anima.modular_blocks_anima import AnimaAutoBlocks

    _, tensors = trained(place, tmp_path, names=names, layer_preset="attn-mlp")
    start = "diffusion_model.blocks.0." if names == "auto" else "transformer.transformer_blocks.0."
    assert any(key.startswith(start) for key in tensors)
    assert all(key.endswith((".lora_A.weight", ".lora_B.weight")) for key in tensors)
    ours = load(str(place), True)
    with quiet():
        pipe: Any = AnimaAutoBlocks().init_pipeline()
        pipe.update_components(transformer=ours.parts["unet"], text_conditioner=ours.parts["conditioner"])
        pipe.load_lora_weights(tensors)
    parts = ("unet", "conditioner")
    layers = {f"{part} {path}": layer for part in parts for path, layer in lora_layers(ours.parts[part]).items()}
    expected = {
        f"{n.part} {n.path}": n for n in ours.layer_names() if n.kind in ("attn", "mlp", "text-attn", "text-mlp")
    }
    assert layers.keys() == expected.keys()

    def change(path: str) -> Tensor:
        name = expected[path]
        return product(tensors, f"diffusion_model.{name.original}" if names == "auto" else f"{name.model}.{name.path}")

    check_changes(layers, change)


def test_the_conditioners_table_is_whole(backbone: Backbone) -> None:
    paths = {name for name, module in backbone.parts["conditioner"].named_modules() if type(module) is torch.nn.Linear}
    assert {path for path in paths if path.startswith("blocks.0.")} == {
        f"blocks.0.{path}" for path in anima_conditioner.BLOCK
    }

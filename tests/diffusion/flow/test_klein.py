"""FLUX.2 klein against diffusers' own pipeline: text, latents, a training step, LoRA files; its files and siblings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from curate.adapters.lora_file import read_layers
from curate.diffusion.autoencoders import flux2_vae
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.detect import family_of_folder, family_of_keys, traits
from curate.diffusion.diffusers_folder import write_json
from curate.diffusion.families.klein_base_4b import Klein4B
from curate.diffusion.flux2_klein import DOUBLE, SINGLE
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.lora_family import identify
from curate.diffusion.networks import flux2_network
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_traits
from tests.diffusion.flow.captions import EVERY_CAPTION, LONG
from tests.diffusion.flow.conftest import CheckNamed
from tests.diffusion.flow.original_names import original_vae, renamed
from tests.diffusion.flow.same_model import (
    CPU,
    TrainingStep,
    adaptable_weights_are,
    check_layers,
    check_predictions,
    check_shapes,
)
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, trained

FAMILY, FOLDER = Klein4B, "klein-base-4b"
SIZES = {"klein-base-4b": flux2_network.NETWORK, "klein-base-9b": flux2_network.LARGE}
EACH = pytest.mark.parametrize("name", SIZES)


def pipeline(backbone: Backbone) -> Any:
    """diffusers' own, with our models for its parts."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    encoder: Any = backbone.captions
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=backbone.vae,  # type: ignore[arg-type]
        text_encoder=encoder.open(CPU, torch.float32),
        tokenizer=encoder.qwen,
        transformer=backbone.parts["unet"],  # type: ignore[arg-type]
    )


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad():
        expected, _ = pipeline(backbone).encode_prompt(caption, CPU)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], expected[0], rtol=1e-5, atol=1e-5)
    assert found["states"].shape == (512, 3 * 16)
    assert (encoder.count(caption) > 512) == (caption == LONG)


def test_latents_are_the_pipelines_both_ways(backbone: Backbone) -> None:
    pipe = pipeline(backbone)
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    mean, deviation = backbone.encode(pictures)
    with torch.no_grad(), quiet():
        expected = pipe._encode_vae_image(pictures, None)
        torch.testing.assert_close(mean, expected)
        assert mean.shape[1:] == backbone.latent_shape(96, 64) and bool((deviation > 0).all())
        # one step from pure noise to none, whose picture is the sign and the time of the network and the decoder
        given = {"num_inference_steps": 1, "latents": mean[:1], "guidance_scale": 1.0, "output_type": "pt"}
        drawn = pipe(prompt="a dog", width=96, height=64, **given).images
        conditions = backbone.collate(backbone.captions.encode(["a dog"], CPU, torch.float32))  # type: ignore[union-attr]
        ours = backbone.decode(mean[:1] - backbone.predict(mean[:1], torch.ones(1), conditions))
    torch.testing.assert_close((ours / 2 + 0.5).clamp(0, 1), drawn)


def test_pictures_are_drawn_with_the_pipelines_shift(backbone: Backbone) -> None:
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

    for width, height, steps in ((1024, 1024, 50), (512, 768, 20), (1536, 1536, 28)):
        mu = compute_empirical_mu((width // 16) * (height // 16), steps)
        assert backbone.sampling_shift(width, height, steps) == pytest.approx(torch.tensor(mu).exp().item())


def test_tiles_are_as_wide_as_the_autoencoder_counts(backbone: Backbone) -> None:
    decoder: Any = backbone.vae.decoder
    sides: list[tuple[int, ...]] = []
    hook = decoder.register_forward_hook(lambda _, given, __: sides.append(tuple(given[0].shape[-2:])))
    picture = PictureSettings("a dog", width=768, height=256, steps=1, guidance=1.0, sampler="euler")
    [whole], [tiled] = (
        TextToImage(backbone, Hardware(CPU, tiled=tiles), "flow", False).draw([picture]) for tiles in (False, True)
    )
    hook.remove()
    assert sides[0] == (32, 96) and len(sides) > 2 and max(wide for _, wide in sides[1:]) == 64
    assert whole.shape == tiled.shape == (256, 768, 3)
    # norms look at a tile alone: no picture is quite the same
    assert np.abs(whole.astype(int) - tiled.astype(int)).mean() < 12


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, checkpointing: bool) -> None:
    from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel

    step = TrainingStep(place, ["a dog", "a red dog with a hat " * 4], checkpointing, (16, 4, 6))
    pipe = pipeline(step.ours)
    with quiet():
        theirs: Any = Flux2Transformer2DModel.from_pretrained(place / "transformer")
    context = torch.stack([text["states"] for text in step.texts])
    places = {"img_ids": pipe._prepare_latent_ids(step.given), "txt_ids": pipe._prepare_text_ids(context)}
    out = theirs(pipe._pack_latents(step.given), context, step.sigma, **places).sample
    step.check(out - pipe._pack_latents(step.target))


@pytest.mark.parametrize(
    ("name", "modules", "numbers", "blocks"),
    [("klein-base-4b", 100, 24_084_480, (5, 20)), ("klein-base-9b", 144, 43_515_904, (8, 24))],
)
def test_the_layers_of_the_full_size_are_the_published_ones(
    name: str, modules: int, numbers: int, blocks: tuple[int, int]
) -> None:
    from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel

    outlined = frame_of_family(name)
    adapters = plan_network(TrainOptions(family=name, rank=16), outlined)
    assert len(adapters) == modules == blocks[0] * len(DOUBLE) + blocks[1] * len(SINGLE)
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == numbers
    assert len(plan_network(TrainOptions(family=name, rank=16, layer_preset="full"), outlined)) == modules + 8
    with torch.device("meta"), quiet():
        model = Flux2Transformer2DModel(**SIZES[name])
    check_layers(outlined, model, {"norm_out.linear"})
    check_shapes(outlined, model)


NAMES = {
    **{"single_transformer_blocks.": "single_blocks.", "transformer_blocks.": "double_blocks."},
    **{"attn.to_qkv_mlp_proj": "linear1", "attn.to_out.0": "img_attn.proj", "attn.to_add_out": "txt_attn.proj"},
    **{"ff.linear_in": "img_mlp.0", "ff.linear_out": "img_mlp.2", "ff_context.linear_in": "txt_mlp.0"},
    **{"ff_context.linear_out": "txt_mlp.2", "x_embedder": "img_in", "context_embedder": "txt_in"},
    **{"time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer", "proj_out": "final_layer.linear"},
    **{"time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer", "modulation.linear": "modulation.lin"},
    **{"modulation_img.linear": "modulation_img.lin", "modulation_txt.linear": "modulation_txt.lin"},
}
NORMS = {"attn.norm_q.weight": "query_norm.scale", "attn.norm_k.weight": "key_norm.scale"}


def native(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the transformer under the names of the published file, with q, k and v in one."""
    state = backbone.parts["unet"].state_dict()
    for key, tensor in state.items():
        block = renamed(key.partition(".attn.")[0] + ".", NAMES)
        if key.endswith(("to_q.weight", "add_q_proj.weight")):
            stream = "txt_attn" if "add_q" in key else "img_attn"
            whole = torch.cat([state[key.replace("_q", f"_{what}")] for what in "qkv"])
            yield f"{block}{stream}.qkv.weight", whole
        elif key.endswith(("to_k.weight", "to_v.weight", "add_k_proj.weight", "add_v_proj.weight")):
            continue
        elif ".norm_" in key:
            stream = "" if "single" in block else "txt_attn." if "added" in key else "img_attn."
            yield f"{block}{stream}norm.{'query' if key.endswith('q.weight') else 'key'}_norm.scale", tensor
        elif key == "norm_out.linear.weight":
            yield "final_layer.adaLN_modulation.1.weight", torch.cat(tensor.chunk(2)[::-1])
        else:
            yield renamed(key, {"attn.to_out.weight": "linear2.weight"} | NAMES), tensor


@EACH
def test_files_of_the_network_alone_are_recognized(name: str) -> None:
    keys = {key: tuple(tensor.shape) for key, tensor in native(frame_of_family(name))}
    assert len(keys) == {"klein-base-4b": 149, "klein-base-9b": 201}[name]
    for wrapper in ("", "model.diffusion_model."):
        held = {f"{wrapper}{key}": shape for key, shape in keys.items()}
        assert family_of_keys(held, "flux-2-klein-base.safetensors").name == name
        with pytest.raises(InputError, match=r"is FLUX\.2 dev, which cannot be trained"):
            family_of_keys([*held, f"{wrapper}guidance_in.in_layer.weight"], "flux2-dev.safetensors")
    plain = [key for key in keys if "stream_modulation" not in key]
    with pytest.raises(InputError, match=r"is FLUX\.1 of another kind than dev, which cannot be trained"):
        family_of_keys([*plain, "double_blocks.0.img_mod.lin.weight"], "flux1-dev.safetensors")


def test_folders_of_siblings_are_named(tmp_path: Path) -> None:
    for pipeline_class, message in (("Flux2Pipeline", r"FLUX\.2 dev"), ("Flux2KleinKVPipeline", "klein KV")):
        write_json(tmp_path / "model_index.json", {"_class_name": pipeline_class})
        with pytest.raises(InputError, match=f"{message}, which cannot be trained"):
            family_of_folder(tmp_path, "x")
    for name in ("black-forest-labs/FLUX.2-dev", "black-forest-labs/FLUX.2-klein-4B"):
        with pytest.raises(InputError, match=r"FLUX\.2 dev|is distilled to few steps"):
            bases.base_of(name)
    for size in ("4B", "9B"):
        found = bases.base_of(f"black-forest-labs/FLUX.2-klein-base-{size}")
        assert found is not None and found.family == f"klein-base-{size.lower()}"


@pytest.mark.parametrize("wrapper", ["", "model.diffusion_model."])
def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path, wrapper: str) -> None:
    file, text, vae = (tmp_path / f"{name}.safetensors" for name in ("flux-2-klein-base-4b", "qwen_3_4b", "flux2-vae"))
    save_file({f"{wrapper}{key}": tensor.contiguous() for key, tensor in native(backbone)}, file)
    encoder: Any = backbone.captions
    states = encoder.open(CPU, torch.float32).state_dict()
    save_file({f"model.{key}": tensor for key, tensor in states.items()}, text)
    save_file({key: tensor.contiguous() for key, tensor in published_vae(backbone.vae).items()}, vae)
    assert traits(str(file), True).family == "klein-base-4b"
    weights = BaseWeights.open(str(file), True)
    assert adaptable_weights_are(backbone, weights)
    given = LoadOptions(vae=str(vae), text_encoder=str(text), tokenizer=str(place))
    other = load(str(file), True, given)
    check_predictions(backbone, other, (16, 4, 4))
    assert other.sampling_shift(1024, 1024, 50) == backbone.sampling_shift(1024, 1024, 50)
    narrow = {key: tensor[:, :8] if "embed_tokens" in key else tensor for key, tensor in states.items()}
    save_file({key: tensor.contiguous() for key, tensor in narrow.items()}, text)
    with pytest.raises(InputError, match=r"gives states of 24 numbers, and .* reads 48"):
        load(str(file), True, given)


def published_vae(vae: nn.Module) -> dict[str, Tensor]:
    names = {"post_quant_conv.": "decoder.post_quant_conv.", "quant_conv.": "encoder.quant_conv."}
    starts = tuple(names)
    return {
        names[key[: key.index(".") + 1]] + key.partition(".")[2] if key.startswith(starts) else key: tensor
        for key, tensor in original_vae(vae).items()
    }


def test_autoencoders_of_every_form_are_read(backbone: Backbone, place: Path, tmp_path: Path) -> None:
    from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2

    torch.manual_seed(3)
    wide: dict[str, Any] = {"block_out_channels": (32,) * 4, "layers_per_block": 1}
    vae = AutoencoderKLFlux2(**wide, decoder_block_out_channels=(32, 32, 64, 64))
    pictures, file = torch.rand(1, 3, 64, 64) * 2 - 1, tmp_path / "flux2-vae.safetensors"
    for tensors in (published_vae(vae), dict(vae.state_dict())):
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
        read = flux2_vae.load(str(file), True)
        with torch.no_grad():
            latents, deviation = flux2_vae.encode(vae, pictures)
            torch.testing.assert_close(flux2_vae.encode(read, pictures), (latents, deviation))
            torch.testing.assert_close(flux2_vae.decode(read, latents), flux2_vae.decode(vae, latents))
    with torch.device("meta"):
        full = AutoencoderKLFlux2()
    assert sum(p.numel() for p in full.parameters()) == flux2_vae.PARAMETERS
    save_file({key: t.contiguous() for key, t in vae.state_dict().items() if not key.startswith("bn.")}, file)
    with pytest.raises(InputError, match=r"not the autoencoder of FLUX\.2: it has no statistics"):
        flux2_vae.load(str(file), True)


@pytest.mark.parametrize("names", ["auto", "comfyui", "kohya"])
def test_diffusers_loads_the_lora_at_its_strength(place: Path, tmp_path: Path, names: str) -> None:
    path, tensors = trained(place, tmp_path, names=names)
    start = {"auto": "transformer.", "comfyui": "diffusion_model.double_blocks.0.", "kohya": "lora_unet_double_"}[names]
    assert any(key.startswith(start) for key in tensors)
    joint = [key for key in tensors if "qkv." in key and "qkv_mlp" not in key]
    assert len(joint) == {"auto": 0, "comfyui": 2 * 2, "kohya": 2 * 3}[names]
    assert any(key.endswith(".alpha") for key in tensors) == (names == "kohya")
    ours = load(str(place), True)
    with quiet():
        pipeline(ours).load_lora_weights(dict(tensors))
    loaded = lora_layers(ours.parts["unet"])
    layers, named = read_layers(str(path), ours.layer_names()), {n.path: n.key for n in ours.layer_names()}
    assert {named[path] for path in loaded} == layers.keys() and len(loaded) == len(DOUBLE) + len(SINGLE)

    def change(path_inside: str) -> Tensor:
        held = layers[named[path_inside]]
        down, up = held["lora_down.weight"], held["lora_up.weight"]
        return up @ down * (float(held["alpha"]) / len(down) if "alpha" in held else 1)

    check_changes(loaded, change)


def test_names_that_cannot_hold_an_algorithm_are_refused(place: Path) -> None:
    def check(**given: Any) -> None:
        options = TrainOptions(base=str(place), **given)
        check_base(options, base_traits(options, place), place, CPU)

    check(algo="lokr")
    check(algo="loha", names="kohya")
    check(algo="lokr", names="kohya", include=["single"])
    for given in ({"algo": "lokr", "names": "kohya"}, {"dora": True, "names": "comfyui"}):
        with pytest.raises(InputError, match="one matrix for query, key and value"):
            check(**given)


def test_a_distilled_sibling_is_refused_and_an_unclear_name_asked_about(check: CheckNamed) -> None:
    for name in ("FLUX.2-klein-base-4B", "flux2_klein_4b_base", "base-klein"):
        check(name)
    with pytest.raises(InputError, match="is distilled to few steps") as refusal:
        check("FLUX.2-klein-4B")
    assert "FLUX.2-klein-base-4B" in str(refusal.value.remedy)
    check("FLUX.2-klein-4B", distilled=True)
    with pytest.raises(InputError, match="does not say whether it is distilled"):
        check("merge")
    check("merge", distilled=False)


def lora_shapes(doubles: int, singles: int, width: int, start: str) -> dict[str, tuple[int, ...]]:
    """A rank 4 LoRA's tensors, under the original model's names."""
    sizes = {"img_attn.qkv": (width, 3 * width), "img_attn.proj": (width, width), "img_mlp.0": (width, 6 * width)}
    layers = {f"double_blocks.{n}.{path}": size for n in range(doubles) for path, size in sizes.items()}
    layers |= {f"single_blocks.{n}.linear2": (4 * width, width) for n in range(singles)}
    flat = start.endswith("_")
    found: dict[str, tuple[int, ...]] = {}
    for path, (into, out) in layers.items():
        stem = start + (path.replace(".", "_") if flat else path)
        down, up = ("lora_down", "lora_up") if flat else ("lora_A", "lora_B")
        found |= {f"{stem}.{down}.weight": (4, into), f"{stem}.{up}.weight": (out, 4)}
    return found


@pytest.mark.parametrize("start", ["diffusion_model.", "lora_unet_"])
def test_loras_of_each_size_are_told_apart(start: str) -> None:
    for blocks, family in (((5, 20, 3072), "klein-base-4b"), ((8, 24, 4096), "klein-base-9b")):
        table, _ = identify(lora_shapes(*blocks, start), {})
        assert table is not None and table.family.name == family
    for blocks in ((8, 48, 6144), (2, 48, 6144)):
        assert identify(lora_shapes(*blocks, start), {}) == (None, "FLUX.2 dev")

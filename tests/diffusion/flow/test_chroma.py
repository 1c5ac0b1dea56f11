"""Chroma against diffusers' own pipeline: text, pictures, a training step, LoRA files; and its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.adapters.key_names import spelled
from curate.core.warning_filters import ignore_warnings
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.families.chroma import DOUBLE, EDGES, MOVED, SINGLE, Chroma
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.lora_family import identify
from curate.diffusion.networks import chroma_network
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from tests.diffusion.flow.captions import EVERY_CAPTION, LONG
from tests.diffusion.flow.same_model import CPU, TrainingStep, check_configuration, check_predictions, check_shapes
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = Chroma, "chroma1"


@pytest.fixture(scope="module")
def pipeline(place: Path) -> Any:
    """diffusers' own, read from the folder by itself."""
    import transformers
    from diffusers import AutoencoderKL, ChromaPipeline, ChromaTransformer2DModel, FlowMatchEulerDiscreteScheduler

    theirs: Any = transformers
    with quiet(), ignore_warnings(*MOVED):
        pipe: Any = ChromaPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(place / "scheduler"),
            vae=AutoencoderKL.from_pretrained(place / "vae"),
            text_encoder=theirs.T5EncoderModel.from_pretrained(place / "text_encoder"),
            tokenizer=theirs.T5TokenizerFast.from_pretrained(place / "tokenizer"),
            transformer=ChromaTransformer2DModel.from_pretrained(place / "transformer"),
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, pipeline: Any, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad():
        states, mask = pipeline._get_t5_prompt_embeds(caption, device=CPU)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], states[0][mask[0].bool()], rtol=1e-5, atol=1e-5)
    assert len(found["states"]) == min(512, encoder.count(caption) + 1)
    assert (encoder.count(caption) > 512) == (caption == LONG)


def test_pictures_are_the_pipelines_with_its_mask(backbone: Backbone, pipeline: Any) -> None:
    """From one noise, in three steps, with guidance; its mask made boolean, for as numbers it hides nothing."""
    picture = PictureSettings("a dog", "a red hat", 96, 64, steps=3, guidance=4.0, sampler="euler", seed=5)
    noise = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(5))
    texts: dict[str, Tensor] = {}
    with torch.no_grad(), quiet():
        for name, caption in (("prompt", picture.prompt), ("negative_prompt", picture.negative)):
            states, mask = pipeline._get_t5_prompt_embeds(caption, device=CPU)
            texts |= {f"{name}_embeds": states, f"{name}_attention_mask": mask.bool()}
        given = {"latents": pipeline._pack_latents(noise, 1, 16, 8, 12), "output_type": "latent"}
        drawn = pipeline(**texts, **given, width=96, height=64, num_inference_steps=3, guidance_scale=4.0).images
        expected = pipeline._unpack_latents(drawn, 64, 96, pipeline.vae_scale_factor)
        seen = pipeline(
            **texts, **{**given, "output_type": "np"}, width=96, height=64, num_inference_steps=3, guidance_scale=4.0
        )
    drawing = TextToImage(backbone, Hardware(CPU), "flow", False)
    torch.testing.assert_close(drawing.latents([picture]), expected, rtol=1e-4, atol=1e-4)
    [found] = drawing.draw([picture])
    assert np.abs(found / 255 - seen.images[0]).max() < 0.01
    assert not torch.equal(drawing.latents([replace(picture, guidance=1.0)]), drawing.latents([picture]))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_with_a_boolean_mask(
    place: Path, pipeline: Any, checkpointing: bool
) -> None:
    captions = ["a dog", "a red dog with a hat " * 4]
    step = TrainingStep(place, captions, checkpointing)
    with torch.no_grad():
        states, mask = pipeline._get_t5_prompt_embeds(captions, device=CPU)
    places = pipeline._prepare_latent_image_ids(2, 4, 6, CPU, torch.float32)
    out = pipeline.transformer(
        pipeline._pack_latents(step.given, 2, 16, 8, 12),
        states,
        timestep=step.sigma,
        img_ids=places,
        txt_ids=torch.zeros(512, 3),
        attention_mask=torch.cat([mask.bool(), torch.ones(2, 24, dtype=torch.bool)], 1),
    ).sample
    step.check(pipeline._unpack_latents(out, 64, 96, 8) - step.target)


def test_the_time_stays_in_float32(place: Path) -> None:
    narrow = load(str(place), True)
    narrow.to(CPU, torch.bfloat16)
    network: Any = narrow.parts["unet"]
    texts = narrow.captions.encode(["a dog"], CPU, torch.bfloat16)  # type: ignore[union-attr]
    seen: list[Tensor] = []
    network.time_text_embed.register_forward_hook(lambda module, given, out: seen.extend((given[0], out)))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        narrow.predict(torch.randn(1, 16, 8, 8), torch.tensor([0.701]), narrow.collate(texts))
    assert seen[0].dtype == seen[1].dtype == torch.float32 and seen[0].tolist() == pytest.approx([701.0])
    assert network.time_text_embed.mod_proj.dtype == torch.float32


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    from diffusers import ChromaTransformer2DModel

    outlined = frame_of_family("chroma")
    adapters = plan_network(TrainOptions(family="chroma", rank=16), outlined)
    assert len(adapters) == 418
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == 65_372_160
    with torch.device("meta"), quiet(), ignore_warnings(*MOVED):
        model = ChromaTransformer2DModel()
        narrow = ChromaTransformer2DModel(**chroma_network.NETWORK)
    check_configuration(model, narrow)
    check_shapes(outlined, model)
    linear = {name for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    named = {name.path for name in outlined.layer_names() if outlined.layer(name) is not None}
    assert named == {path for path in linear if not path.startswith("distilled_guidance_layer.")}


def native(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the transformer under the names of the published file."""
    state = backbone.parts["unet"].state_dict()
    edges = {path: theirs for path, (theirs, _) in EDGES.items()}
    norms = {"attn.norm_q": "img_attn.norm.query_norm", "attn.norm_k": "img_attn.norm.key_norm"}
    norms |= {"attn.norm_added_q": "txt_attn.norm.query_norm", "attn.norm_added_k": "txt_attn.norm.key_norm"}
    held: dict[str, list[Tensor]] = {}
    for key, tensor in state.items():
        stem, _, kind = key.rpartition(".")
        start, _, rest = stem.partition(".")
        number, _, inner = rest.partition(".")
        if start == "distilled_guidance_layer":
            theirs = stem.replace("linear_1", "in_layer").replace("linear_2", "out_layer")
            kind = "scale" if ".norms." in stem else kind
        elif start == "transformer_blocks":
            theirs = f"double_blocks.{number}.{norms.get(inner) or DOUBLE[inner][0]}"
            kind = "scale" if inner in norms else kind
        elif start == "single_transformer_blocks":
            plain = norms[inner].removeprefix("img_attn.") if inner in norms else SINGLE[inner][0]
            theirs, kind = f"single_blocks.{number}.{plain}", "scale" if inner in norms else kind
        else:
            theirs = edges[stem]
        held.setdefault(f"{theirs}.{kind}", []).append(tensor)
    order = {"linear1": (1, 2, 3, 0)}  # the model has what is for the feed-forward first
    for key, parts in held.items():
        places = order.get(key.split(".")[-2], tuple(range(len(parts))))
        yield key, torch.cat([parts[n] for n in places])


def test_files_of_the_network_alone_are_recognized() -> None:
    from diffusers.loaders.single_file_utils import convert_chroma_transformer_checkpoint_to_diffusers

    whole = frame_of_family("chroma")
    tensors = dict(native(whole))
    assert tensors["single_blocks.37.linear1.weight"].shape == (21504, 3072)
    for wrapper in ("", "model.diffusion_model."):
        keys = {f"{wrapper}{key}": tuple(tensor.shape) for key, tensor in tensors.items()}
        assert family_of_keys(keys, "Chroma1-HD.safetensors").name == "chroma"
        with pytest.raises(InputError, match="is Chroma Radiance, which cannot be trained"):
            family_of_keys({**keys, f"{wrapper}nerf_blocks.0.weight": (1,)}, "radiance.safetensors")
    ours = chroma_network.own_names(tensors)
    theirs: dict[str, Tensor] = convert_chroma_transformer_checkpoint_to_diffusers(dict(tensors))
    assert {key: t.shape for key, t in ours.items()} == {key: t.shape for key, t in theirs.items()}
    with pytest.raises(InputError, match="is distilled"):
        bases.base_of("lodestones/Chroma1-Flash")
    found = bases.base_of("lodestones/Chroma1-HD")
    assert found is not None and found.family == "chroma"


def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path) -> None:
    file, text = tmp_path / "Chroma1-HD.safetensors", tmp_path / "t5xxl_fp16.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in native(backbone)}, file)
    save_file(load_file(place / "text_encoder" / "model.safetensors"), text)
    assert traits(str(file), True).family == "chroma"
    other = load(str(file), True, LoadOptions(vae=str(place / "vae"), text_encoder=str(text), tokenizer=str(place)))
    check_predictions(backbone, other)
    with pytest.raises(InputError, match="is not a T5 text encoder"):
        load(
            str(file), True, LoadOptions(vae=str(place / "vae"), text_encoder=str(file), tokenizer=str(place))
        ).captions.open(  # type: ignore[union-attr]
            CPU, torch.float32
        )


def test_diffusers_loads_the_lora_at_its_strength(place: Path, tmp_path: Path, pipeline: Any) -> None:
    _, tensors = trained(place, tmp_path)
    with quiet():
        pipeline.load_lora_weights(dict(tensors))
    layers = lora_layers(pipeline.transformer)
    assert len(layers) == 12 + 5
    check_changes(layers, lambda path: product(tensors, f"transformer.{path}"))
    pipeline.unload_lora_weights()


@pytest.mark.parametrize("names", ["diffusers", "comfyui", "kohya"])
def test_a_lora_that_may_be_for_flux1_is_called_so(names: str) -> None:
    """Both networks have these layers, as many and as wide."""
    layers = [name for name in frame_of_family("chroma").layer_names() if name.kind == "attn" and name.block in (0, 19)]
    shapes: dict[str, tuple[int, ...]] = {}
    for stem, rows in {spelled(n, names, ()): n.rows for n in layers}.items():
        into, out = (15360 if stem.endswith(("proj_out", "linear2")) else 3072), 3072
        if names != "diffusers" and rows is not None:
            out *= rows[2]
        shapes |= {f"{stem}.lora_A.weight": (4, into), f"{stem}.lora_B.weight": (out, 4)}
    table, title = identify(shapes, {})
    assert table is not None and title == "FLUX.1 dev or Chroma"
    assert table.may_be("chroma") and table.may_be("flux1") and not table.may_be("klein-base-4b")
    for metadata, name in (
        ({"ss_base_model_version": "chroma"}, "Chroma"),
        ({"modelspec.architecture": "chroma/lora"}, "Chroma"),
        ({"ss_sd_model_name": "Chroma1-HD.safetensors"}, "Chroma"),
        ({"ss_sd_model_name": "flux1-dev.safetensors"}, "FLUX.1 dev"),
        ({"ss_sd_model_name": "model.safetensors"}, title),
    ):
        assert identify(shapes, metadata)[1] == name
    modulation = {
        "diffusers": "transformer.transformer_blocks.0.norm1.linear",
        "kohya": "lora_unet_double_blocks_0_img_mod_lin",
    }
    stem = modulation.get(names, "diffusion_model.double_blocks.0.img_mod.lin")
    shapes |= {f"{stem}.lora_A.weight": (4, 3072), f"{stem}.lora_B.weight": (18432, 4)}
    assert identify(shapes, {})[1] == "FLUX.1 dev"

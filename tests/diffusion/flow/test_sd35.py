"""SD 3.5 against diffusers' own pipeline: text, pictures, a training step, LoRA files; its files and its layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.distilled import is_distilled
from curate.diffusion.families.sd35_medium import SD35Medium
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.locate import text_encoder_files
from curate.diffusion.networks import sd3_network
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from tests.diffusion.flow.captions import EVERY_CAPTION, LONG
from tests.diffusion.flow.same_model import CPU, TrainingStep
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = SD35Medium, "sd35-medium"


@pytest.fixture
def pipe(place: Path) -> Any:
    """diffusers' own, which reads the folder by itself."""
    import transformers
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    theirs: Any = transformers
    with quiet():
        clips = [theirs.CLIPTextModelWithProjection.from_pretrained(place / f"text_encoder{n}") for n in ("", "_2")]
        found: Any = StableDiffusion3Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=AutoencoderKL.from_pretrained(place / "vae"),
            text_encoder=clips[0],
            text_encoder_2=clips[1],
            text_encoder_3=theirs.T5EncoderModel.from_pretrained(place / "text_encoder_3"),
            tokenizer=theirs.CLIPTokenizer.from_pretrained(place / "tokenizer"),
            tokenizer_2=theirs.CLIPTokenizer.from_pretrained(place / "tokenizer_2"),
            tokenizer_3=theirs.T5TokenizerFast.from_pretrained(place / "tokenizer_3"),
            transformer=SD3Transformer2DModel.from_pretrained(place / "transformer"),
        )
        found.set_progress_bar_config(disable=True)
    return found


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, pipe: Any, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad(), quiet("transformers", "diffusers"):
        given = {"do_classifier_free_guidance": False, "device": CPU}
        states, _, pooled, _ = pipe.encode_prompt(caption, caption, caption, **given)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], states[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["pooled"], pooled[0], rtol=1e-5, atol=1e-5)
    assert found["states"].shape == (77 + 256, 40)
    assert (encoder.count(caption) > 256) == (caption == LONG)


def test_pictures_are_the_pipelines_with_its_guidance_and_shift(backbone: Backbone, pipe: Any) -> None:
    settings = PictureSettings("a dog", "a red hat", 96, 64, seed=4, steps=3, guidance=3.5, sampler="euler")
    latents = TextToImage(backbone, Hardware(CPU), "flow", False).latents([settings])
    noise = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(4))
    given: dict[str, Any] = {"guidance_scale": 3.5, "latents": noise, "width": 96, "height": 64}
    given["sigmas"] = [1.0, 2 / 3, 1 / 3]  # without them the pipeline shifts its last one twice
    with torch.no_grad(), quiet():
        drawn = pipe("a dog", negative_prompt="a red hat", output_type="pt", **given).images
    found = (backbone.decode(latents) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(found, drawn, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, pipe: Any, checkpointing: bool) -> None:
    captions = ["a dog", "a red dog with a hat"]
    step = TrainingStep(place, captions, checkpointing)
    with torch.no_grad():
        given = {"do_classifier_free_guidance": False, "device": CPU}
        states, _, pooled, _ = pipe.encode_prompt(captions, captions, captions, **given)
    out = pipe.transformer(step.given, states, pooled, 1000 * step.sigma).sample
    step.check(out - step.target)


@pytest.mark.parametrize(
    ("name", "modules", "numbers"), [("sd35-large", 453, 52_764_672), ("sd35-medium", 337, 23_494_656)]
)
def test_the_layers_of_the_full_sizes_are_the_published_ones(name: str, modules: int, numbers: int) -> None:
    from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

    outlined, config = frame_of_family(name), sd3_network.MEDIUM if name == "sd35-medium" else sd3_network.NETWORK
    adapters = plan_network(TrainOptions(family=name, rank=16), outlined)
    assert len(adapters) == modules
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == numbers
    with torch.device("meta"), quiet():
        model = SD3Transformer2DModel(**config)
    linear = {name for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    swapped = {"norm_out.linear", f"transformer_blocks.{config['num_layers'] - 1}.norm1_context.linear"}
    names = outlined.layer_names()
    assert {one.path for one in names} == linear - swapped and all(outlined.layer(one) for one in names)
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    assert expected.pop("pos_embed.pos_embed")[1] == config["pos_embed_max_size"] ** 2
    assert {key: tuple(tensor.shape) for key, tensor in outlined.parts["unet"].state_dict().items()} == expected
    assert sd3_network.config_of(dict(native(model))) == config


def native(network: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the transformer under the names of the published file, as diffusers' converter takes them."""
    model: Any = network
    state, last = model.state_dict(), model.config["num_layers"] - 1
    names = {"attn.to_out.0": "x_block.attn.proj", "attn.to_add_out": "context_block.attn.proj"}
    names |= {"attn2.to_out.0": "x_block.attn2.proj", "norm1.linear": "x_block.adaLN_modulation.1"}
    names |= {"norm1_context.linear": "context_block.adaLN_modulation.1"}
    for ours, theirs in (("ff", "x_block"), ("ff_context", "context_block")):
        names |= {f"{ours}.net.0.proj": f"{theirs}.mlp.fc1", f"{ours}.net.2": f"{theirs}.mlp.fc2"}
    for ours, theirs in (("q", "x_block.attn.ln_q"), ("k", "x_block.attn.ln_k")):
        names |= {f"attn.norm_{ours}": theirs, f"attn2.norm_{ours}": theirs.replace("attn", "attn2")}
        names |= {f"attn.norm_added_{ours}": theirs.replace("x_block", "context_block")}
    joint = {"attn.to_q": "x_block.attn.qkv", "attn.add_q_proj": "context_block.attn.qkv"}
    joint |= {"attn2.to_q": "x_block.attn2.qkv"}
    edges = {"pos_embed.proj": "x_embedder.proj", "context_embedder": "context_embedder"}
    edges |= {"norm_out.linear": "final_layer.adaLN_modulation.1", "proj_out": "final_layer.linear"}
    for n in (1, 2):
        edges[f"time_text_embed.timestep_embedder.linear_{n}"] = f"t_embedder.mlp.{2 * n - 2}"
        edges[f"time_text_embed.text_embedder.linear_{n}"] = f"y_embedder.mlp.{2 * n - 2}"
    last_one = f"joint_blocks.{last}.context_block.adaLN_modulation.1"
    yield "pos_embed", state.pop("pos_embed.pos_embed")
    for key, tensor in state.items():
        stem, _, kind = key.rpartition(".")
        if stem in (f"transformer_blocks.{last}.norm1_context.linear", "norm_out.linear"):
            yield f"{edges.get(stem) or last_one}.{kind}", torch.cat(tensor.chunk(2)[::-1])
            continue
        if stem in edges:
            yield f"{edges[stem]}.{kind}", tensor
            continue
        number, _, inner = stem.removeprefix("transformer_blocks.").partition(".")
        if inner in joint:
            parts = [state[key.replace("_q", what)] for what in ("_q", "_k", "_v")]
            yield f"joint_blocks.{number}.{joint[inner]}.{kind}", torch.cat(parts)
        elif inner in names:
            yield f"joint_blocks.{number}.{names[inner]}.{kind}", tensor


def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path) -> None:
    file = tmp_path / "sd3.5_medium.safetensors"
    whole = dict(native(backbone.parts["unet"]))
    assert family_of_keys(whole, file.name).name == "sd35-medium"
    save_file({f"model.diffusion_model.{key}": tensor.contiguous() for key, tensor in whole.items()}, file)
    assert traits(str(file), True).family == "sd35-medium"
    encoder: Any = backbone.captions
    files = [tmp_path / "encoders" / f"{name}.safetensors" for name in ("clip_l", "clip_g", "t5xxl_fp16")]
    files[0].parent.mkdir()
    for path, model in zip(files, encoder.open(CPU, torch.float32), strict=True):
        save_file(
            {key: tensor.clone() for key, tensor in model.state_dict().items() if "position_ids" not in key}, path
        )
    noisy, times = torch.randn(2, 16, 8, 8), torch.tensor([0.4, 0.7])
    for given in (place, place / "text_encoder", files[2], files[2].parent):
        options = LoadOptions(vae=str(place / "vae"), text_encoder=str(given), tokenizer=str(place))
        other = load(str(file), True, options)
        ours, theirs = (
            one.collate(one.captions.encode(["a dog", ""], CPU, torch.float32))  # type: ignore[union-attr]
            for one in (backbone, other)
        )
        with torch.no_grad():
            torch.testing.assert_close(other.predict(noisy, times, theirs), backbone.predict(noisy, times, ours))
    assert text_encoder_files(str(files[2].parent), True) == [files[2], *files[:2]]
    files[1].unlink()
    with pytest.raises(
        InputError, match=r"has no clip_g\.safetensors beside it, and SD 3\.5 reads clip_l\.safetensors and"
    ):
        load(str(file), True, options)
    (files[0].parent / "t5xxl_fp8_e4m3fn.safetensors").touch()
    assert text_encoder_files(str(files[2].parent), True) == [files[2], files[0]]
    (files[0].parent / "t5xxl_bf16.safetensors").touch()
    with pytest.raises(InputError, match="holds several files of T5: t5xxl_bf16"):
        text_encoder_files(str(files[2].parent), True)
    assert other.sampling_shift(1024, 1024, 28) == 3.0
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "text_encoder").symlink_to(place / "text_encoder")
    with pytest.raises(InputError, match="does not hold the three text encoders"):
        load(str(file), True, LoadOptions(vae=str(place / "vae"), text_encoder=str(alone), tokenizer=str(place)))


def test_diffusers_loads_the_lora_at_its_strength(place: Path, pipe: Any, tmp_path: Path) -> None:
    _, tensors = trained(place, tmp_path, layer_preset="full")
    with quiet():
        pipe.load_lora_weights(dict(tensors))
    layers = lora_layers(pipe.transformer)
    assert layers.keys() == {name.path for name in load(str(place), True).layer_names()}
    # what the last block asks of the text for is not used
    idle = r"transformer_blocks\.1\.attn\.add_q_proj"
    check_changes(layers, lambda path: product(tensors, f"transformer.{path}"), idle)


def test_names_tell_the_family_and_the_turbos() -> None:
    for name in ("stable-diffusion-3.5-large", "stable-diffusion-3.5-medium", "stable-diffusion-3-medium-diffusers"):
        found = bases.base_of(f"stabilityai/{name}")
        assert found is not None and found.family == ("sd35-large" if "large" in name else "sd35-medium")
    with pytest.raises(InputError, match="is distilled to few steps"):
        bases.base_of("stabilityai/stable-diffusion-3.5-large-turbo")
    assert is_distilled(SD35Medium.family, "sd3.5_large.safetensors") is False
    assert is_distilled(SD35Medium.family, "merge.safetensors") is None

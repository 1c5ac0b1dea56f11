"""Lumina 2 against diffusers' own pipeline: text, pictures, a training step; its files and its layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.adapters.lora_file import read_layers
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.families.lumina2 import BLOCK, Lumina2
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.networks import lumina2_network
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions, resolve
from tests.diffusion.flow.captions import EVERY_CAPTION, LONG
from tests.diffusion.flow.same_model import CPU, TrainingStep, check_layers, check_predictions, check_shapes
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = Lumina2, "lumina2"


@pytest.fixture(scope="module")
def pipe(place: Path) -> Any:
    """diffusers' own, which reads the folder by itself."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Lumina2Pipeline, Lumina2Transformer2DModel
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from transformers import Gemma2Model, GemmaTokenizer

    with quiet():
        found: Any = Lumina2Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
            vae=AutoencoderKL.from_pretrained(place / "vae"),
            text_encoder=Gemma2Model.from_pretrained(place / "text_encoder"),
            tokenizer=GemmaTokenizer.from_pretrained(place / "tokenizer"),
            transformer=Lumina2Transformer2DModel.from_pretrained(place / "transformer"),
        )
        found.set_progress_bar_config(disable=True)
    return found


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, pipe: Any, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad(), quiet("transformers", "diffusers"):
        states, mask, without, without_mask = pipe.encode_prompt(caption, device=CPU)
    # where nothing is said, it is what guidance leads away from
    expected = states[0][mask[0].bool()] if caption else without[0][without_mask[0].bool()]
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], expected, rtol=1e-5, atol=1e-5)
    assert len(found["states"]) == min(256, encoder.count(caption))
    assert (encoder.count(caption) > 256) == (caption == LONG)


def test_pictures_are_the_pipelines_with_its_guidance_and_shift(backbone: Backbone, pipe: Any) -> None:
    settings = PictureSettings("a dog", "", 96, 64, seed=4, steps=3, guidance=3.5, sampler="euler")
    latents = TextToImage(backbone, Hardware(CPU), "flow", False).latents([settings])
    noise = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(4))
    given = {"num_inference_steps": 3, "guidance_scale": 3.5, "latents": noise, "width": 96, "height": 64}
    with torch.no_grad(), quiet():
        drawn = pipe("a dog", output_type="pt", **given).images
    found = (backbone.decode(latents) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(found, drawn, rtol=1e-4, atol=1e-4)
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    with torch.no_grad():
        mean = (pipe.vae.encode(pictures).latent_dist.mode() - 0.1159) * 0.3611
    torch.testing.assert_close(backbone.encode(pictures)[0], mean)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, pipe: Any, checkpointing: bool) -> None:
    step = TrainingStep(place, ["a dog", "a red dog with a hat"], checkpointing)
    errors: list[Tensor] = []
    for n, text in enumerate(step.texts):
        states = text["states"][None]
        mask = torch.ones(states.shape[:2], dtype=torch.long)
        out = pipe.transformer(step.given[n : n + 1], 1 - step.sigma[n : n + 1], states, mask).sample[0]
        errors.append(-out - step.target[n])
    step.check(torch.stack(errors))


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    from diffusers.models.transformers.transformer_lumina2 import Lumina2Transformer2DModel

    outlined = frame_of_family("lumina2")
    adapters = plan_network(TrainOptions(family="lumina2", rank=16), outlined)
    assert len(adapters) == 182
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == 20_766_720
    assert len(plan_network(TrainOptions(family="lumina2", rank=16, layer_preset="full"), outlined)) == 26 * 8 + 36
    with torch.device("meta"), quiet():
        model = Lumina2Transformer2DModel(cap_feat_dim=2304)
    check_layers(outlined, model)
    check_shapes(outlined, model)
    config: Any = model.config
    assert all(config[key] == value for key, value in lumina2_network.NETWORK.items())
    joint = {name.path.rpartition(".")[2]: name.rows for name in outlined.layer_names() if name.block == 0}
    assert joint["to_q"] == (0, 3, 5) and joint["to_k"] == (3, 4, 5) and joint["to_v"] == (4, 5, 5)
    assert {f"layers.0.{path}" for path in BLOCK} == {n.path for n in outlined.layer_names() if n.block == 0}


def native(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the transformer under the names of the published file, with q, k and v in one."""
    state = backbone.parts["unet"].state_dict()
    for key, tensor in state.items():
        if ".to_q." in key:
            parts = [state[key.replace("to_q", what)] for what in ("to_q", "to_k", "to_v")]
            yield lumina2_network.original_name(key), torch.cat(parts)
        elif ".to_k." not in key and ".to_v." not in key:
            yield lumina2_network.original_name(key), tensor


def test_files_of_the_network_alone_are_recognized() -> None:
    from diffusers.loaders.single_file_utils import convert_lumina2_to_diffusers

    outlined = frame_of_family("lumina2")
    whole = dict(native(outlined))
    assert len(whole) == 399 and whole["layers.25.attention.qkv.weight"].shape == (3840, 2304)
    theirs = convert_lumina2_to_diffusers(dict(whole))
    ours = lumina2_network.renamed(whole, outlined.parts["unet"].state_dict())
    assert {key: tensor.shape for key, tensor in theirs.items()} == {key: tensor.shape for key, tensor in ours.items()}
    assert lumina2_network.config_of(whole) == lumina2_network.NETWORK
    for wrapper in ("", "model.diffusion_model."):
        held = {f"{wrapper}{key}": tuple(tensor.shape) for key, tensor in whole.items()}
        assert family_of_keys(held, "lumina.safetensors").name == "lumina2"
    for name in ("Alpha-VLLM/Lumina-Image-2.0", "neta-art/Neta-Lumina", "someone/NetaYume-Lumina-v3"):
        assert (found := bases.base_of(name)) is not None and found.family == "lumina2"
    with pytest.raises(InputError, match="looks like Lumina, which cannot be trained"):
        bases.base_of("Alpha-VLLM/Lumina-Next-SFT-diffusers")


def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path) -> None:
    file, text = tmp_path / "lumina_2.safetensors", tmp_path / "gemma_2_2b_fp16.safetensors"
    whole = {f"model.diffusion_model.{key}": tensor.contiguous() for key, tensor in native(backbone)}
    save_file(whole | {"model.diffusion_model.norm_final.weight": torch.ones(2)}, file)
    states = load_file(place / "text_encoder" / "model.safetensors")
    save_file({f"model.{key}": tensor for key, tensor in states.items()} | {"spiece_model": torch.ones(3)}, text)
    assert traits(str(file), True).family == "lumina2"
    given = LoadOptions(vae=str(place / "vae"), text_encoder=str(text), tokenizer=str(place))
    other = load(str(file), True, given)
    check_predictions(backbone, other)
    assert other.sampling_shift(1024, 1024, 30) == backbone.sampling_shift(1024, 1024, 30) == 6.0


@pytest.mark.parametrize("names", ["auto", "diffusers"])
def test_files_are_named_for_the_programs_that_read_them(place: Path, pipe: Any, tmp_path: Path, names: str) -> None:
    path, tensors = trained(place, tmp_path, names=names)
    layers = read_layers(str(path), load(str(place), True).layer_names())
    assert len(layers) == 2 * 7
    if names == "auto":
        joint = "lora_unet_layers_1_attention_qkv"
        assert tensors[f"{joint}.lora_up.weight"].shape == (120, 12) and len(tensors) == 2 * 5 * 3
        assert tensors["lora_unet_layers_0_feed_forward_w3.lora_down.weight"].shape == (4, 72)
        return
    with quiet():
        pipe.load_lora_weights(dict(tensors))
    loaded = lora_layers(pipe.transformer)
    assert len(loaded) == 2 * 7
    check_changes(loaded, lambda path: product(tensors, f"transformer.{path}"))
    pipe.unload_lora_weights()


def test_what_cannot_be_joined_has_diffusers_names() -> None:
    found = Lumina2.family
    assert resolve.file_names(TrainOptions(family="lumina2"), found) == "kohya"
    assert resolve.file_names(TrainOptions(family="lumina2", algo="lokr"), found) == "diffusers"
    assert resolve.file_names(TrainOptions(family="lumina2", dora=True), found) == "diffusers"

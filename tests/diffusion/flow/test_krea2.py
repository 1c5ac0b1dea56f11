"""Krea 2 against diffusers' own pipeline: text, latents, pictures, a training step, LoRA files; files and siblings."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.families.krea2 import Krea2
from curate.diffusion.frame import frame_of_family
from curate.diffusion.layer_names import select_layers
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.networks import krea2_network
from curate.diffusion.text.krea2_text import LAYERS_READ
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_traits
from tests.diffusion.flow.captions import EVERY_CAPTION, LONG
from tests.diffusion.flow.same_model import CPU, TrainingStep, check_layers, check_predictions, check_shapes
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = Krea2, "krea2"


@pytest.fixture
def pipe(place: Path) -> Any:
    """diffusers' own, which reads the folder by itself."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Krea2Pipeline, Krea2Transformer2DModel
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
    from transformers import Qwen2Tokenizer, Qwen3VLModel

    with quiet():
        found: Any = Krea2Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_image_seq_len=6400),
            vae=AutoencoderKLQwenImage.from_pretrained(place / "vae"),
            text_encoder=Qwen3VLModel.from_pretrained(place / "text_encoder"),
            tokenizer=Qwen2Tokenizer.from_pretrained(place / "tokenizer"),  # type: ignore[arg-type]
            transformer=Krea2Transformer2DModel.from_pretrained(place / "transformer"),
        )
        found.set_progress_bar_config(disable=True)
    return found


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, pipe: Any, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad():
        expected, mask = pipe.encode_prompt(caption, CPU)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], expected[0][mask[0]], rtol=1e-5, atol=1e-5)
    assert len(found["states"]) == min(512, encoder.count(caption))
    assert (encoder.count(caption) > 512) == (caption == LONG)


def test_pictures_are_the_pipelines_with_its_guidance_and_shift(backbone: Backbone, pipe: Any) -> None:
    """Its guidance is one less than what others call so, and the shift follows the size: 96 × 64 pixels here."""
    settings = PictureSettings("a dog", "a red hat, hat", 96, 64, seed=4, steps=3, guidance=3.5, sampler="euler")
    latents = TextToImage(backbone, Hardware(CPU), "flow", False).latents([settings])
    noise = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(4))
    packed = pipe._pack_latents(noise, 1, 16, 8, 12)
    given = {"num_inference_steps": 3, "guidance_scale": 2.5, "latents": packed, "width": 96, "height": 64}
    with torch.no_grad(), quiet():
        drawn = pipe("a dog", "a red hat, hat", output_type="pt", **given).images
        unpacked = pipe("a dog", "a red hat, hat", output_type="latent", **given).images
    torch.testing.assert_close(latents, pipe._unpack_latents(unpacked, 64, 96)[:, :, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close((backbone.decode(latents) / 2 + 0.5).clamp(0, 1), drawn, rtol=1e-4, atol=1e-4)
    assert backbone.sampling_shift(1024, 1024, 28) == pytest.approx(2.48, abs=0.005)


def test_latents_are_normalized_by_channel(backbone: Backbone, pipe: Any) -> None:
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    mean, deviation = backbone.encode(pictures)
    assert mean.shape[1:] == backbone.latent_shape(96, 64) and deviation.shape == mean.shape
    own, spread = (torch.tensor(pipe.vae.config[name])[:, None, None] for name in ("latents_mean", "latents_std"))
    with torch.no_grad():
        expected = pipe.vae.encode(pictures[:, :, None]).latent_dist.mode()[:, :, 0]
    torch.testing.assert_close(mean * spread + own, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, pipe: Any, checkpointing: bool) -> None:
    captions = ["a dog", "a red dog with a hat " * 4]
    step = TrainingStep(place, captions, checkpointing)
    with torch.no_grad():
        states, mask = pipe.encode_prompt(captions, CPU)  # padded to 512 before the ending
    ids = pipe.prepare_position_ids(states.shape[1], 4, 6, CPU)
    out = pipe.transformer(
        pipe._pack_latents(step.given, 2, 16, 8, 12), states, step.sigma, ids, mask, return_dict=False
    )[0]
    step.check(out - pipe._pack_latents(step.target, 2, 16, 8, 12))


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    from diffusers.models.transformers.transformer_krea2 import Krea2Transformer2DModel

    outlined = frame_of_family("krea2")

    def numbers(**given: Any) -> tuple[int, int]:
        adapters = plan_network(TrainOptions(family="krea2", rank=16, **given), outlined)
        return len(adapters), sum(p.numel() for adapter in adapters.values() for p in adapter.parameters())

    assert numbers() == (256, 57_131_008)
    assert numbers(layer_preset="full") == (264, 58_652_880)
    assert numbers(layer_preset="attn-only", exclude=("txtfusion",)) == (140, 23_396_352)
    keys = {name.key for name in select_layers(outlined.layer_names(), "full")}
    assert {"lora_unet_blocks_27_attn_gate", "lora_unet_txtfusion_refiner_blocks_1_mlp_down"} <= keys
    assert {"lora_unet_txtfusion_projector", "lora_unet_tproj_1", "lora_unet_last_linear"} <= keys
    with torch.device("meta"), quiet():
        model = Krea2Transformer2DModel()
    check_layers(outlined, model)
    check_shapes(outlined, model)
    config: Any = model.config
    assert krea2_network.config_of(dict(native(outlined))) == krea2_network.NETWORK
    assert all(config[key] == value for key, value in krea2_network.NETWORK.items())


def native(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the transformer under the names of the published file."""
    for key, tensor in backbone.parts["unet"].state_dict().items():
        yield krea2_network.original_name(key), tensor


def test_files_of_the_network_alone_are_recognized() -> None:
    keys = {key: tuple(tensor.shape) for key, tensor in native(frame_of_family("krea2"))}
    assert len(keys) == 430
    # names that programs for the published files spell out
    assert keys["txtfusion.layerwise_blocks.1.attn.qknorm.qnorm.scale"] == (128,)
    assert keys["blocks.27.attn.wk.weight"] == (1536, 6144) and keys["last.modulation.lin"] == (2, 6144)
    named = {"txtmlp.0.scale", "blocks.0.mod.lin", "blocks.0.prenorm.scale", "blocks.0.postnorm.scale", "tproj.1.bias"}
    assert named <= keys.keys()
    for wrapper in ("", "model.diffusion_model."):
        assert family_of_keys({f"{wrapper}{key}": shape for key, shape in keys.items()}, "raw").name == "krea2"


@pytest.mark.parametrize("wrapper", ["", "model.diffusion_model."])
def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path, wrapper: str) -> None:
    file, text = tmp_path / "krea2_raw_bf16.safetensors", tmp_path / "qwen3vl_4b_bf16.safetensors"
    flat = {key: tensor.flatten() if key.endswith(".lin") else tensor for key, tensor in native(backbone)}
    flat |= {"last.up.weight": torch.ones(2, 2)}  # published files have more than any program reads
    save_file({f"{wrapper}{key}": tensor.contiguous() for key, tensor in flat.items()}, file)
    save_file(load_file(place / "text_encoder" / "model.safetensors"), text)
    assert traits(str(file), True).family == "krea2"
    with pytest.raises(InputError, match="holds Krea 2's network alone, without autoencoder and text encoder"):
        load(str(file), True)
    given = LoadOptions(vae=str(place / "vae"), text_encoder=str(text), tokenizer=str(place))
    other = load(str(file), True, given)
    check_predictions(backbone, other)
    assert other.sampling_shift(1024, 1024, 8) == backbone.sampling_shift(1024, 1024, 8)
    save_file({f"{wrapper}{key}": tensor for key, tensor in flat.items() if key != "tmlp.2.bias"}, file)
    with pytest.raises(InputError, match=r"not a complete network of Krea 2: it lacks 'tmlp\.2\.bias'"):
        load(str(file), True, given)
    for stack in ("txtfusion.layerwise_blocks", "txtfusion.refiner_blocks"):
        kept = {f"{wrapper}{key}": tensor for key, tensor in flat.items() if not key.startswith(f"{stack}.")}
        save_file(kept, file)
        with pytest.raises(InputError, match=rf"not a complete network of Krea 2: it lacks '{stack}\.0"):
            load(str(file), True, given)


@pytest.mark.parametrize("names", ["auto", "comfyui"])
def test_diffusers_loads_the_lora_at_its_strength(place: Path, pipe: Any, tmp_path: Path, names: str) -> None:
    _, tensors = trained(place, tmp_path, names=names, layer_preset="full")
    start = {"auto": "transformer.", "comfyui": "diffusion_model."}[names]
    assert all(key.startswith(start) and key.endswith((".lora_A.weight", ".lora_B.weight")) for key in tensors)
    with quiet():
        pipe.load_lora_weights(dict(tensors))
    layers = lora_layers(pipe.transformer)
    expected = {n.path: n for n in load(str(place), True).layer_names()}
    assert layers.keys() == expected.keys() and len(layers) == 4 * 8 + 8

    def change(path: str) -> Tensor:
        return product(tensors, f"{start}{path if names == 'auto' else expected[path].original}")

    check_changes(layers, change)


def test_a_distilled_sibling_is_refused_and_an_unclear_name_asked_about(place: Path, tmp_path: Path) -> None:
    def check(folder: Path, **given: Any) -> None:
        options = TrainOptions(base=str(folder), **given)
        check_base(options, base_traits(options, folder), folder, CPU)

    def named(name: str, **index: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for inside in place.iterdir():
            (folder / inside.name).symlink_to(inside)
        told = json.loads((place / "model_index.json").read_text(encoding="utf-8"))
        (folder / "model_index.json").unlink()
        told.pop("is_distilled")
        (folder / "model_index.json").write_text(json.dumps({**told, **index}), encoding="utf-8")
        return folder

    check(named("Krea-2-Raw"))
    check(named("merge", is_distilled=False))
    distilled = named("fast", is_distilled=True)
    for folder in (named("Krea-2-Turbo"), named("krea2_turbo", is_distilled=False), distilled):
        with pytest.raises(InputError, match="is distilled to few steps"):
            check(folder)
        check(folder, distilled=True)
    assert load(str(distilled), True).sampling_shift(1024, 1024, 8) == pytest.approx(math.exp(1.15))
    with pytest.raises(InputError, match="does not say whether it is distilled"):
        check(named("krea2"))
    with pytest.raises(InputError, match="Krea-2-Turbo is distilled"):
        bases.base_of("krea/Krea-2-Turbo")
    assert (found := bases.base_of("krea/Krea-2-Raw")) is not None and found.family == "krea2"
    assert (found := bases.base_of("black-forest-labs/FLUX.1-Krea-dev")) is not None and found.family == "flux1"


def test_layers_of_the_text_encoder_are_those_that_the_index_names(place: Path, tmp_path: Path) -> None:
    for inside in place.iterdir():
        (tmp_path / inside.name).symlink_to(inside)
    told = json.loads((place / "model_index.json").read_text(encoding="utf-8"))
    (tmp_path / "model_index.json").unlink()
    other = [*LAYERS_READ[:-1], 36]
    told["text_encoder_select_layers"] = other
    (tmp_path / "model_index.json").write_text(json.dumps(told), encoding="utf-8")
    usual, changed = (load(str(folder), True).captions for folder in (place, tmp_path))
    assert usual is not None and changed is not None and usual.digest != changed.digest
    (first,), (second,) = (one.encode(["a dog"], CPU, torch.float32) for one in (usual, changed))
    torch.testing.assert_close(first["states"][:, :-1], second["states"][:, :-1])
    assert not torch.allclose(first["states"][:, -1], second["states"][:, -1])


def test_norms_stay_in_float32(place: Path, backbone: Backbone) -> None:
    """Their weights are what is added to 1: in 8 bits of precision it would be lost."""
    ours = load(str(place), True, LoadOptions(dtype=torch.bfloat16))
    ours.to(CPU, torch.bfloat16)
    kinds = {name: tensor.dtype for name, tensor in ours.parts["unet"].state_dict().items()}
    norms = {name for name, kind in kinds.items() if kind == torch.float32}
    assert norms == {name for name in kinds if "norm" in name}
    texts = ours.captions.encode(["a dog", ""], CPU, torch.float32)  # type: ignore[union-attr]
    noisy, times = torch.randn(2, 16, 8, 8), torch.tensor([0.4, 0.7])
    with torch.no_grad():
        expected = backbone.predict(noisy, times, backbone.collate(texts))
        with torch.autocast("cpu", torch.bfloat16):
            found = ours.predict(noisy.bfloat16(), times, ours.collate(texts)).float()
    assert float((found - expected).norm() / expected.norm()) < 0.02

"""Qwen-Image 2.1 against diffusers' own pipeline: text, pictures, a training step, LoRA files; and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.diffusion.autoencoders import qwen21_vae
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.families.qwen_image_21 import BLOCK, EDGES, QwenImage21
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.networks import qwen_image21_network
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_traits
from tests.diffusion.flow.captions import EVERY_CAPTION
from tests.diffusion.flow.same_model import (
    CPU,
    TrainingStep,
    check_configuration,
    check_layers,
    check_predictions,
    check_shapes,
)
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = QwenImage21, "qwen_image_2.1"


class Processor:
    """The part of Qwen3-VL's processor that a caption without a picture goes through."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, *, text: list[str], padding: bool, padding_side: str, return_tensors: str) -> Any:
        return self.tokenizer(text, padding=padding, padding_side=padding_side, return_tensors=return_tensors)

    def apply_chat_template(self, messages: list[Any], *, tokenize: bool, return_dict: bool) -> list[list[int]]:
        (message,) = messages
        told = {"role": message["role"], "content": message["content"][0]["text"]}
        text = self.tokenizer.apply_chat_template([told], tokenize=False)
        return [self.tokenizer(text)["input_ids"]]


@pytest.fixture(scope="module")
def pipeline(place: Path) -> Any:
    """diffusers' own, read from the folder by itself."""
    import transformers
    from diffusers import (
        AutoencoderKLQwenImage21,
        FlowMatchEulerDiscreteScheduler,
        QwenImage21Pipeline,
        QwenImage21Transformer2DModel,
    )

    theirs: Any = transformers
    with quiet():
        pipe: Any = QwenImage21Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(place / "scheduler"),
            vae=AutoencoderKLQwenImage21.from_pretrained(place / "vae"),
            text_encoder=theirs.Qwen3VLForConditionalGeneration.from_pretrained(place / "text_encoder"),
            processor=Processor(theirs.Qwen2Tokenizer.from_pretrained(place / "processor")),  # type: ignore[arg-type]
            transformer=QwenImage21Transformer2DModel.from_pretrained(place / "transformer"),
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, pipeline: Any, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad():
        expected, mask, _ = pipeline.encode_prompt(caption, device=CPU)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], expected[0], rtol=1e-5, atol=1e-5)
    assert mask is None and len(found["states"]) == encoder.count(caption)


def test_latents_are_the_pipelines(backbone: Backbone, pipeline: Any) -> None:
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    opaque = torch.cat([pictures, torch.ones(2, 1, 64, 96)], 1)
    with torch.no_grad():
        expected = pipeline._encode_vae_image(opaque[:, :, None], None)[:, :, 0]
    found, spread = backbone.encode(pictures)
    torch.testing.assert_close(found, expected)
    assert found.shape[1:] == backbone.latent_shape(96, 64) == (64, 4, 6) == spread.shape[1:]
    with torch.device("meta"):
        full = type(pipeline.vae)()
    assert sum(p.numel() for p in full.parameters()) == qwen21_vae.PARAMETERS


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_pictures_are_the_pipelines(backbone: Backbone, pipeline: Any, guidance: float) -> None:
    settings = PictureSettings(
        "a red dog", "a hat", width=96, height=64, steps=3, guidance=guidance, seed=5, sampler="euler"
    )
    drawn = TextToImage(backbone, Hardware(CPU), "flow", False).draw([settings])[0]
    noise = torch.randn(1, 64, 4, 6, generator=torch.Generator().manual_seed(5))
    given = {"width": 96, "height": 64, "num_inference_steps": 3, "output_type": "np"}
    given |= {"latents": pipeline._pack_latents(noise, 1, 64, 4, 6), "true_cfg_scale": guidance}
    with quiet():
        expected = pipeline(prompt="a red dog", negative_prompt="a hat", **given).images[0]
    shown = torch.from_numpy(expected)[..., :3]
    torch.testing.assert_close(torch.from_numpy(drawn) / 255, shown, rtol=0, atol=0.501 / 255)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, pipeline: Any, checkpointing: bool) -> None:
    step = TrainingStep(place, ["a dog", "a red dog with a hat " * 4], checkpointing, (64, 4, 6))
    errors: list[Tensor] = []
    for n, text in enumerate(step.texts):
        states = text["states"][None]
        slots = torch.tensor([[False] * states.shape[1] + [True] * 6])
        tokens = pipeline._pack_latents(step.given[n], 1, 64, 4, 6)
        out = pipeline.transformer(tokens, states, step.sigma[n : n + 1], [[(1, 4, 6)]], slots).sample[:, -24:]
        errors.append(pipeline._unpack_latents(out, 64, 96, 16)[0, :, 0] - step.target[n])
    step.check(torch.stack(errors))


def test_the_time_stays_in_float32(place: Path) -> None:
    narrow = load(str(place), True)
    narrow.to(CPU, torch.bfloat16)
    network: Any = narrow.parts["unet"]
    texts = narrow.captions.encode(["a dog"], CPU, torch.bfloat16)  # type: ignore[union-attr]
    seen: list[Tensor] = []
    network.time_text_embed.time_proj.register_forward_hook(lambda module, given, out: seen.extend((given[0], out)))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        narrow.predict(torch.randn(1, 64, 4, 4), torch.tensor([0.701]), narrow.collate(texts))
    assert seen[0].dtype == torch.float32 and seen[0].tolist() == pytest.approx([0.701, 0.0])
    torch.testing.assert_close(seen[1][0, 0], torch.cos(torch.tensor(701.0)), rtol=1e-3, atol=1e-3)
    assert network.time_text_embed.time_proj.freqs.dtype == torch.float32


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    from diffusers import QwenImage21Transformer2DModel

    outlined = frame_of_family("qwen-image-21")
    adapters = plan_network(TrainOptions(family="qwen-image-21", rank=16), outlined)
    assert len(adapters) == 224
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == 41_943_040
    with torch.device("meta"), quiet():
        model = QwenImage21Transformer2DModel()
        narrow = QwenImage21Transformer2DModel(**qwen_image21_network.NETWORK)
    check_configuration(model, narrow)
    linear = check_layers(outlined, model)
    assert {path for path in linear if not path.startswith("transformer_blocks.")} == set(EDGES)
    assert {path[21:] for path in linear if path.startswith("transformer_blocks.0.")} == set(BLOCK)
    check_shapes(outlined, model)


def fused(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the transformer as ComfyUI's file has them: gate and projection in one matrix."""
    state = backbone.parts["unet"].state_dict()
    for key, tensor in state.items():
        if ".gate_layer." in key:
            both = torch.cat([tensor, state[key.replace("gate_layer", "proj")]])
            yield key.replace("gate_layer", "gate_up"), both
        elif ".img_mlp.proj." not in key:
            yield key, tensor


def test_files_of_the_network_alone_are_recognized() -> None:
    keys = {key: tuple(tensor.shape) for key, tensor in fused(frame_of_family("qwen-image-21"))}
    assert keys["transformer_blocks.31.img_mlp.gate_up.weight"] == (24576, 4096)
    for wrapper in ("", "model.diffusion_model."):
        held = {f"{wrapper}{key}": shape for key, shape in keys.items()}
        assert family_of_keys(held, "qwen_image_2.1_bf16.safetensors").name == "qwen-image-21"
    with pytest.raises(InputError, match="is distilled"):
        bases.base_of("Qwen/Qwen-Image-2.1-Turbo")
    for name, family in (("Qwen/Qwen-Image-2.1", "qwen-image-21"), ("Qwen/Qwen-Image-2512", "qwen-image")):
        found = bases.base_of(name)
        assert found is not None and found.family == family


@pytest.mark.parametrize("whole", [False, True], ids=["fused", "as diffusers"])
def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path, whole: bool) -> None:
    file, text, vae = (
        tmp_path / name for name in ("qwen_image_2.1.safetensors", "qwen3_vl.safetensors", "vae.safetensors")
    )
    tensors = backbone.parts["unet"].state_dict() if whole else dict(fused(backbone))
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
    save_file(load_file(place / "text_encoder" / "model.safetensors"), text)
    assert traits(str(file), True).family == "qwen-image-21"
    other = load(str(file), True, LoadOptions(vae=str(place), text_encoder=str(text), tokenizer=str(place)))
    assert other.sampling_shift(1024, 1024, 40) == backbone.sampling_shift(1024, 1024, 40)
    check_predictions(backbone, other, (64, 4, 4))
    save_file({"encoder.conv1.weight": torch.zeros(1)}, vae)
    with pytest.raises(InputError, match=r"is not the autoencoder of Qwen-Image 2\.1"):
        load(str(file), True, LoadOptions(vae=str(vae), text_encoder=str(text), tokenizer=str(place)))


@pytest.mark.parametrize("names", ["auto", "comfyui"])
def test_diffusers_loads_the_lora_at_its_strength(place: Path, tmp_path: Path, pipeline: Any, names: str) -> None:
    _, tensors = trained(place, tmp_path, names=names)
    start = {"auto": "transformer.", "comfyui": "diffusion_model."}[names]
    assert all(key.startswith(start) and key.endswith((".lora_A.weight", ".lora_B.weight")) for key in tensors)
    with quiet():
        pipeline.load_lora_weights(dict(tensors))
    layers = lora_layers(pipeline.transformer)
    assert len(layers) == 2 * 7
    check_changes(layers, lambda path: product(tensors, f"{start}{path}"))
    pipeline.unload_lora_weights()


def test_names_that_no_program_reads_are_refused(place: Path) -> None:
    options = TrainOptions(base=str(place), names="kohya")
    with pytest.raises(InputError, match=r"names kohya: no program reads Qwen-Image 2\.1's layers"):
        check_base(options, base_traits(options, place), place, CPU)

"""Qwen-Image against diffusers' own pipeline: text, pictures, a training step, LoRA files; its files, and relatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.families.qwen_image import BLOCK, EDGES, QwenImage
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.lora_family import identify
from curate.diffusion.networks import qwen_image_network
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from tests.diffusion.flow.captions import EVERY_CAPTION, LONG
from tests.diffusion.flow.conftest import CheckNamed
from tests.diffusion.flow.same_model import (
    CPU,
    TrainingStep,
    check_configuration,
    check_layers,
    check_predictions,
    check_shapes,
)
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = QwenImage, "qwen_image"


@pytest.fixture(scope="module")
def pipeline(place: Path) -> Any:
    """diffusers' own, read from the folder by itself."""
    import transformers
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImagePipeline,
        QwenImageTransformer2DModel,
    )

    theirs: Any = transformers
    with quiet():
        pipe: Any = QwenImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(place / "scheduler"),
            vae=AutoencoderKLQwenImage.from_pretrained(place / "vae"),
            text_encoder=theirs.Qwen2_5_VLForConditionalGeneration.from_pretrained(place / "text_encoder"),
            tokenizer=theirs.Qwen2Tokenizer.from_pretrained(place / "tokenizer"),
            transformer=QwenImageTransformer2DModel.from_pretrained(place / "transformer"),
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, pipeline: Any, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad():
        expected, mask = pipeline.encode_prompt(caption, CPU)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], expected[0], rtol=1e-5, atol=1e-5)
    assert mask is None and len(found["states"]) == min(1024, encoder.count(caption))
    assert (encoder.count(caption) > 1024) == (caption == LONG)
    assert caption or len(found["states"]) == len(encoder.qwen("<|im_end|>\n<|im_start|>assistant\n")["input_ids"])


def test_latents_are_the_pipelines(backbone: Backbone, pipeline: Any) -> None:
    config = pipeline.vae.config
    mean, deviation = (torch.tensor(config[name]).view(1, 16, 1, 1) for name in ("latents_mean", "latents_std"))
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    with torch.no_grad():
        expected = pipeline.vae.encode(pictures[:, :, None]).latent_dist.mode()[:, :, 0]
    found, spread = backbone.encode(pictures)
    torch.testing.assert_close(found, (expected - mean) / deviation)
    assert found.shape[1:] == backbone.latent_shape(96, 64) == spread.shape[1:]


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_pictures_are_the_pipelines(backbone: Backbone, pipeline: Any, guidance: float) -> None:
    settings = PictureSettings(
        "a red dog", "a hat", width=96, height=64, steps=3, guidance=guidance, seed=5, sampler="euler"
    )
    drawn = TextToImage(backbone, Hardware(CPU), "flow", False).draw([settings])[0]
    noise = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(5))
    given = {"width": 96, "height": 64, "num_inference_steps": 3, "output_type": "np"}
    given |= {"latents": pipeline._pack_latents(noise, 1, 16, 8, 12), "true_cfg_scale": guidance}
    with quiet():
        expected = pipeline(prompt="a red dog", negative_prompt="a hat", **given).images[0]
    torch.testing.assert_close(torch.from_numpy(drawn) / 255, torch.from_numpy(expected), rtol=0, atol=0.5001 / 255)
    times = pipeline.scheduler.sigmas
    assert float(times[-2]) == pytest.approx(0.02, abs=1e-6)  # it ends there


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, pipeline: Any, checkpointing: bool) -> None:
    step = TrainingStep(place, ["a dog", "a red dog with a hat " * 4], checkpointing)
    errors: list[torch.Tensor] = []
    for n, text in enumerate(step.texts):
        tokens = pipeline._pack_latents(step.given[n], 1, 16, 8, 12)
        told = {"encoder_hidden_states": text["states"][None], "img_shapes": [[(1, 4, 6)]]}
        out = pipeline.transformer(tokens, timestep=step.sigma[n : n + 1], **told).sample
        errors.append(pipeline._unpack_latents(out, 64, 96, 8)[0, :, 0] - step.target[n])
    step.check(torch.stack(errors))


def test_the_time_stays_in_float32(place: Path) -> None:
    narrow = load(str(place), True, LoadOptions(dtype=torch.bfloat16))
    network: Any = narrow.parts["unet"]
    assert next(network.parameters()).dtype == torch.bfloat16
    texts = narrow.captions.encode(["a dog"], CPU, torch.bfloat16)  # type: ignore[union-attr]
    seen: list[torch.Tensor] = []
    network.time_text_embed.time_proj.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        narrow.predict(torch.randn(1, 16, 8, 8), torch.tensor([0.701]), narrow.collate(texts))
    assert seen[0].dtype == torch.float32 and float(seen[0]) == pytest.approx(0.701)


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    from diffusers import QwenImageTransformer2DModel

    outlined = frame_of_family("qwen-image")
    adapters = plan_network(TrainOptions(family="qwen-image", rank=16), outlined)
    assert len(adapters) == 720
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == 106_168_320
    assert {"lora_unet_transformer_blocks_59_attn_to_add_out", "lora_unet_transformer_blocks_0_txt_mlp_net_2"} <= set(
        adapters
    )
    full = plan_network(TrainOptions(family="qwen-image", rank=16, layer_preset="full"), outlined)
    assert len(full) == 60 * 14 + 6
    with torch.device("meta"), quiet():
        model = QwenImageTransformer2DModel()
        narrow = QwenImageTransformer2DModel(**qwen_image_network.NETWORK)
    check_configuration(model, narrow)
    check_layers(outlined, model)
    check_shapes(outlined, model)


def test_files_of_the_network_alone_are_recognized() -> None:
    keys = {
        key: tuple(tensor.shape) for key, tensor in frame_of_family("qwen-image").parts["unet"].state_dict().items()
    }
    for wrapper in ("", "model.diffusion_model."):
        held = {f"{wrapper}{key}": shape for key, shape in keys.items()}
        assert family_of_keys(held, "qwen_image_2512_bf16.safetensors").name == "qwen-image"
        for key, what in (
            ("__index_timestep_zero__", "Qwen-Image-Edit"),
            ("time_text_embed.addition_t_embedding.weight", "Qwen-Image-Layered"),
            ("controlnet_blocks.0.weight", "a ControlNet of Qwen-Image"),
        ):
            with pytest.raises(InputError, match=rf"is {what}, which cannot be trained"):
                family_of_keys({**held, f"{wrapper}{key}": (1,)}, "other.safetensors")
        with pytest.raises(InputError, match="is Qwen-Image-Edit by its name, which cannot be trained"):
            family_of_keys(held, "qwen_image_edit_2509_bf16.safetensors")
        with pytest.raises(InputError, match="is Mage-Flow, which cannot be trained"):
            family_of_keys({**held, f"{wrapper}txt_norm.weight": (2560,)}, "mage.safetensors")
    newer = ["img_in.weight", "txt_in.text_norm.weight", "transformer_blocks.0.attn.to_q.weight"]
    assert family_of_keys(newer, "qwen_image_2.1.safetensors").name == "qwen-image-21"


@pytest.mark.parametrize("wrapper", ["", "model.diffusion_model."])
def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path, wrapper: str) -> None:
    file, text = tmp_path / "qwen_image_bf16.safetensors", tmp_path / "qwen_2.5_vl_7b.safetensors"
    save_file({f"{wrapper}{key}": t.contiguous() for key, t in backbone.parts["unet"].state_dict().items()}, file)
    save_file(load_file(place / "text_encoder" / "model.safetensors"), text)
    assert traits(str(file), True).family == "qwen-image"
    with pytest.raises(InputError, match="network alone, without autoencoder"):
        load(str(file), True)
    other = load(str(file), True, LoadOptions(vae=str(place / "vae"), text_encoder=str(text), tokenizer=str(place)))
    assert (
        other.sampling_shift(1024, 1024, 50) == backbone.sampling_shift(1024, 1024, 50) == pytest.approx(2.0, abs=0.01)
    )
    assert other.schedule["shift_terminal"] == backbone.schedule["shift_terminal"] == 0.02
    check_predictions(backbone, other)


@pytest.mark.parametrize("names", ["auto", "comfyui", "kohya"])
def test_diffusers_loads_the_lora_at_its_strength(place: Path, tmp_path: Path, names: str) -> None:
    from diffusers import QwenImagePipeline

    _, tensors = trained(place, tmp_path, names=names)
    down, up = (".lora_down.weight", ".lora_up.weight") if names == "kohya" else (".lora_A.weight", ".lora_B.weight")
    assert {".".join(key.rsplit(".", 2)[-2:]) for key in tensors if not key.endswith("alpha")} == {down[1:], up[1:]}
    assert any(key.endswith(".alpha") for key in tensors) == (names == "kohya")
    start = {"auto": "transformer.", "comfyui": "diffusion_model.", "kohya": "lora_unet_"}[names]
    ours = load(str(place), True)
    none: dict[str, Any] = dict.fromkeys(("scheduler", "vae", "text_encoder", "tokenizer"))
    with quiet():
        pipe: Any = QwenImagePipeline(**none, transformer=ours.parts["unet"])  # type: ignore[arg-type]
        pipe.load_lora_weights(dict(tensors))
    layers = lora_layers(ours.parts["unet"])
    expected = {n.path: n for n in ours.layer_names() if n.kind in ("attn", "mlp")}
    assert layers.keys() == expected.keys() and len(layers) == 2 * 12

    def change(path: str) -> Tensor:
        return product(tensors, expected[path].key if names == "kohya" else f"{start}{path}")

    # nothing reads the text behind the last block
    check_changes(layers, change, idle=r"transformer_blocks\.1\..*(add_q_proj|to_add_out|txt_mlp).*")


def test_distilled_merges_are_refused_and_an_unclear_name_asked_about(check: CheckNamed) -> None:
    for name in ("Qwen-Image", "qwen_image_2512_bf16", "qwen-image-fp8_e4m3fn"):
        check(name)
    for name in ("Qwen-Image-Lightning-8steps-V2.0", "qwen_image_2512_lightx2v_4step", "qwen-rapid-aio"):
        with pytest.raises(InputError, match="is distilled to few steps"):
            check(name)
        check(name, distilled=True)
    with pytest.raises(InputError, match="does not say whether it is distilled"):
        check("portraits_v5")
    for name, message in (
        ("Qwen/Qwen-Image-Edit-2511", "looks like Qwen-Image-Edit"),
        ("lightx2v/Qwen-Image-Lightning", "is distilled"),
    ):
        with pytest.raises(InputError, match=message):
            bases.base_of(name)
    found = bases.base_of("Qwen/Qwen-Image-2512")
    assert found is not None and found.family == "qwen-image"


def test_loras_of_models_with_the_same_names_are_told_by_their_widths() -> None:
    paths = [
        f"transformer.transformer_blocks.{n}.{path}" for n in range(24) for path in BLOCK if path.startswith("attn")
    ]
    for width, title in ((3072, "Qwen-Image"), (1280, "FLUX")):
        shapes = {f"{path}.lora_A.weight": (4, width) for path in paths}
        shapes |= {f"{path}.lora_B.weight": (width, 4) for path in paths}
        table, found = identify(shapes, {})
        assert found == title and (table is None) == (width != 3072)
    # a small model's own file says what it is for
    table, _ = identify(shapes, {"ss_base_model_version": "Qwen-Image"})
    assert table is not None and table.family.name == "qwen-image"


def test_the_tables_are_whole(backbone: Backbone) -> None:
    paths = {name for name, module in backbone.parts["unet"].named_modules() if type(module) is torch.nn.Linear}
    inside = {path for path in paths if path.startswith("transformer_blocks.0.")}
    assert inside == {f"transformer_blocks.0.{path}" for path in BLOCK}
    assert {path for path in paths if not path.startswith("transformer_blocks.")} == set(EDGES)

"""Z-Image against diffusers' own pipeline: text, latents, a training step, LoRA files; its files, and its siblings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from curate.diffusion.autoencoders import flux_vae
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.families.zimage import BLOCK, ZImage
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.networks import zimage_network
from curate.errors import InputError
from curate.init import bases
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
    check_configuration,
    check_layers,
    check_predictions,
    check_shapes,
)
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, product, trained

FAMILY, FOLDER = ZImage, "zimage"


def pipeline(backbone: Backbone) -> Any:
    """diffusers' own, with our models for its parts."""
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline

    encoder: Any = backbone.captions
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=backbone.vae,  # type: ignore[arg-type]
        text_encoder=encoder.open(CPU, torch.float32),
        tokenizer=encoder.qwen,
        transformer=backbone.parts["unet"],  # type: ignore[arg-type]
    )


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad():
        expected, _ = pipeline(backbone).encode_prompt(caption, CPU, do_classifier_free_guidance=False)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], expected[0], rtol=1e-5, atol=1e-5)
    assert len(found["states"]) == min(512, encoder.count(caption))
    assert (encoder.count(caption) > 512) == (caption == LONG)


def test_latents_are_the_pipelines_both_ways(backbone: Backbone) -> None:
    vae: Any = backbone.vae
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    mean, deviation = backbone.encode(pictures)
    with torch.no_grad():
        expected = (vae.encode(pictures).latent_dist.mode() - 0.1159) * 0.3611
    torch.testing.assert_close(mean, expected)
    assert mean.shape[1:] == backbone.latent_shape(96, 64) and deviation.shape == mean.shape
    with torch.no_grad(), quiet():
        # one step from pure noise to none, whose picture is the sign and the time of the network and the decoder
        given = {"num_inference_steps": 1, "latents": mean[:1], "guidance_scale": 0.0, "output_type": "pt"}
        drawn = pipeline(backbone)(prompt="a dog", width=96, height=64, **given).images
        conditions = backbone.collate(backbone.captions.encode(["a dog"], CPU, torch.float32))  # type: ignore[union-attr]
        ours = backbone.decode(mean[:1] - backbone.predict(mean[:1], torch.ones(1), conditions))
    torch.testing.assert_close((ours / 2 + 0.5).clamp(0, 1), drawn)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, checkpointing: bool) -> None:
    from diffusers.models.transformers.transformer_z_image import ZImageTransformer2DModel

    step = TrainingStep(place, ["a dog", "a red dog with a hat " * 4], checkpointing)
    with quiet():
        theirs: Any = ZImageTransformer2DModel.from_pretrained(place / "transformer")
    errors: list[Tensor] = []
    for n, text in enumerate(step.texts):
        out = theirs([step.given[n][:, None]], 1 - step.sigma[n : n + 1], [text["states"]]).sample[0][:, 0]
        errors.append(-out - step.target[n])
    step.check(torch.stack(errors))


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    from diffusers.models.transformers.transformer_z_image import ZImageTransformer2DModel

    outlined = frame_of_family("zimage")
    adapters = plan_network(TrainOptions(family="zimage", rank=16), outlined)
    assert len(adapters) == 210
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == 35_020_800
    assert {"lora_unet_layers_29_attention_to_out_0", "lora_unet_layers_0_feed_forward_w2"} <= adapters.keys()
    full = plan_network(TrainOptions(family="zimage", rank=16, layer_preset="full"), outlined)
    assert len(full) == 210 + 30 + 2 * 8 + 2 * 7 + 6
    with torch.device("meta"), quiet():
        model = ZImageTransformer2DModel()
        narrow = ZImageTransformer2DModel(**zimage_network.NETWORK)
    check_configuration(model, narrow)
    check_layers(outlined, model)
    check_shapes(outlined, model)


def native(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The tensors of the transformer under the names of the published file, with q, k and v in one."""
    state = backbone.parts["unet"].state_dict()
    names = {"all_x_embedder.2-1": "x_embedder", "all_final_layer.2-1": "final_layer", "to_out.0": "out"}
    names |= {"norm_q": "q_norm", "norm_k": "k_norm"}
    for key, tensor in state.items():
        if ".to_q." in key:
            parts = [state[key.replace("to_q", what)] for what in ("to_q", "to_k", "to_v")]
            yield key.replace("to_q", "qkv"), torch.cat(parts)
        elif ".to_k." not in key and ".to_v." not in key:
            yield renamed(key, names), tensor
    yield "norm_final.weight", torch.ones(1)


def test_files_of_the_network_alone_are_recognized() -> None:
    keys = {key: tuple(tensor.shape) for key, tensor in native(frame_of_family("zimage"))}
    assert keys["layers.29.attention.qkv.weight"] == (11520, 3840) and len(keys) == 454
    for wrapper in ("", "model.diffusion_model."):
        held = {f"{wrapper}{key}": shape for key, shape in keys.items()}
        assert family_of_keys(held, "z_image.safetensors").name == "zimage"
        for key, what in (("siglip_embedder.0.weight", "Z-Image Omni"), ("dec_net.cond_embed.weight", "on pixels")):
            with pytest.raises(InputError, match=rf"{what}, which cannot be trained"):
                family_of_keys({**held, f"{wrapper}{key}": (1,)}, "other.safetensors")
        plain = {key: shape for key, shape in held.items() if "cap_pad_token" not in key}
        with pytest.raises(InputError, match="is Ming-Image, which cannot be trained"):
            family_of_keys(plain, "ming.safetensors")
    lumina = ["cap_embedder.1.weight", "layers.0.attention.wq.weight"]
    with pytest.raises(InputError, match="is Lumina, which cannot be trained"):
        family_of_keys(lumina, "lumina_next.safetensors")


@pytest.mark.parametrize("wrapper", ["", "model.diffusion_model."])
def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path, wrapper: str) -> None:
    file, text = tmp_path / "z_image_bf16.safetensors", tmp_path / "qwen_3_4b.safetensors"
    save_file({f"{wrapper}{key}": tensor.contiguous() for key, tensor in native(backbone)}, file)
    encoder: Any = backbone.captions
    states = encoder.open(CPU, torch.float32).state_dict()
    save_file({f"model.{key}": tensor for key, tensor in states.items()}, text)
    assert traits(str(file), True).family == "zimage"
    weights = BaseWeights.open(str(file), True)
    assert adaptable_weights_are(backbone, weights)
    with pytest.raises(InputError, match="network alone, without autoencoder"):
        load(str(file), True)
    other = load(str(file), True, LoadOptions(vae=str(place / "vae"), text_encoder=str(text), tokenizer=str(place)))
    check_predictions(backbone, other)


def test_the_published_autoencoders_names_are_read(tmp_path: Path) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    blocks: dict[str, Any] = {"down_block_types": ("DownEncoderBlock2D",) * 4}
    blocks |= {"up_block_types": ("UpDecoderBlock2D",) * 4, "layers_per_block": 1}
    torch.manual_seed(3)
    narrow = AutoencoderKL(block_out_channels=(32,) * 4, **blocks, **flux_vae.LATENTS)
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    file = tmp_path / "ae.safetensors"
    for tensors in (original_vae(narrow), dict(narrow.state_dict())):
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
        read = flux_vae.load(str(file), True)
        with torch.no_grad():
            torch.testing.assert_close(flux_vae.encode(read, pictures), flux_vae.encode(narrow, pictures))
    with torch.device("meta"):
        widths = (128, 256, 512, 512)
        full = AutoencoderKL(block_out_channels=widths, **{**blocks, "layers_per_block": 2}, **flux_vae.LATENTS)
        four = AutoencoderKL(block_out_channels=(32,) * 4, **blocks)
    assert sum(p.numel() for p in full.parameters()) == flux_vae.PARAMETERS
    save_file({key: torch.zeros(tensor.shape) for key, tensor in four.state_dict().items()}, file)
    with pytest.raises(InputError, match=r"not the autoencoder of FLUX\.1: it reads 4 channels, not 16"):
        flux_vae.load(str(file), True)


@pytest.mark.parametrize("names", ["auto", "comfyui", "kohya"])
def test_diffusers_loads_the_lora_at_its_strength(place: Path, tmp_path: Path, names: str) -> None:
    _, tensors = trained(place, tmp_path, names=names)
    down, up = (".lora_down.weight", ".lora_up.weight") if names == "kohya" else (".lora_A.weight", ".lora_B.weight")
    assert {".".join(key.rsplit(".", 2)[-2:]) for key in tensors if not key.endswith("alpha")} == {down[1:], up[1:]}
    assert any(key.endswith(".alpha") for key in tensors) == (names == "kohya")
    start = {"auto": "transformer.", "comfyui": "diffusion_model.", "kohya": "lora_unet_"}[names]
    assert all(key.startswith(start) for key in tensors)
    ours = load(str(place), True)
    pipe = pipeline(ours)
    with quiet():
        pipe.load_lora_weights(dict(tensors))
    layers = lora_layers(ours.parts["unet"])
    expected = {n.path: n for n in ours.layer_names() if n.kind in ("attn", "mlp")}
    assert layers.keys() == expected.keys() and len(layers) == 2 * 7

    def change(path: str) -> Tensor:
        return product(tensors, expected[path].key if names == "kohya" else f"{start}{path}")

    check_changes(layers, change)


def test_a_distilled_sibling_is_refused_and_an_unclear_name_asked_about(check: CheckNamed) -> None:
    for name in ("Z-Image", "z_image_bf16", "zimage-deturbo"):
        check(name)
    for name in ("Z-Image-Turbo", "zimageTurbo_v1", "some_zit_mix"):
        with pytest.raises(InputError, match="is distilled to few steps"):
            check(name)
        check(name, distilled=True)
        check(name, distilled=False)
    with pytest.raises(InputError, match="does not say whether it is distilled") as refusal:
        check("merge")
    assert "--no-distilled" in str(refusal.value.remedy)
    check("merge", distilled=False)
    with pytest.raises(InputError, match=r"Z-Image-Turbo is distilled"):
        bases.base_of("Tongyi-MAI/Z-Image-Turbo")
    assert (found := bases.base_of("Tongyi-MAI/Z-Image")) is not None and found.family == "zimage"
    options = TrainOptions(family="sd1", distilled=False)
    with pytest.raises(InputError, match=r"distilled has no effect on SD 1\.x"):
        check_base(options, base_traits(options, None), None, CPU)


def test_the_table_is_whole(backbone: Backbone) -> None:
    paths = {name for name, module in backbone.parts["unet"].named_modules() if type(module) is torch.nn.Linear}
    assert {path for path in paths if path.startswith("layers.0.")} == {f"layers.0.{path}" for path in BLOCK}

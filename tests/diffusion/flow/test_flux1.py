"""FLUX.1 dev against diffusers' own pipeline: text, pictures, a training step, LoRA files; its files and siblings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from curate.adapters import file_names
from curate.adapters.lora_file import read_layers
from curate.diffusion.base import Backbone, LoadOptions
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.detect import family_of_folder, traits
from curate.diffusion.diffusers_folder import write_json
from curate.diffusion.families.flux1 import DOUBLE, SINGLE, Flux1
from curate.diffusion.frame import frame_of_family
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.diffusion.locate import text_encoder_digest, text_encoder_files
from curate.diffusion.lora_family import identify
from curate.diffusion.networks import flux_network
from curate.errors import InputError
from curate.init import bases
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.emphasis import negative_caution
from curate.sampling.settings import PictureSettings
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from tests.diffusion.flow.captions import EVERY_CAPTION, LONG
from tests.diffusion.flow.original_names import original_vae
from tests.diffusion.flow.same_model import (
    CPU,
    TrainingStep,
    adaptable_weights_are,
    check_layers,
    check_predictions,
    check_shapes,
)
from tests.diffusion.flow.trained_lora import check_changes, lora_layers, trained

FAMILY, FOLDER = Flux1, "flux1"


def pipeline(backbone: Backbone) -> Any:
    """diffusers' own, with our models for its parts."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

    encoder: Any = backbone.captions
    model = encoder.open(CPU, torch.float32)
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae=backbone.vae,  # type: ignore[arg-type]
        text_encoder=model["clip"],
        tokenizer=encoder.clip,
        text_encoder_2=model["t5"],
        tokenizer_2=encoder.t5,
        transformer=backbone.parts["unet"],  # type: ignore[arg-type]
    )


@EVERY_CAPTION
def test_text_is_encoded_as_the_pipeline_encodes_it(backbone: Backbone, caption: str) -> None:
    encoder: Any = backbone.captions
    with torch.no_grad(), quiet():
        states, pooled, _ = pipeline(backbone).encode_prompt(caption, device=CPU)
    (found,) = encoder.encode([caption], CPU, torch.float32)
    torch.testing.assert_close(found["states"], states[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["pooled"], pooled[0], rtol=1e-5, atol=1e-5)
    assert found["states"].shape == (512, 16) and (encoder.count(caption) > 512) == (caption == LONG)


def test_pictures_are_the_pipelines(backbone: Backbone) -> None:
    """From one noise, in three steps: packing, places, times, the shift of this size, guidance, and the decoder."""
    pipe = pipeline(backbone)
    picture = PictureSettings("a dog", width=96, height=64, steps=3, guidance=3.5, sampler="euler", seed=5)
    drawing = TextToImage(backbone, Hardware(CPU), "flow", False)
    noise = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(5))
    with torch.no_grad(), quiet():
        given = {"latents": pipe._pack_latents(noise, 1, 16, 8, 12), "output_type": "latent", "num_inference_steps": 3}
        drawn = pipe(prompt="a dog", width=96, height=64, guidance_scale=3.5, **given).images
        expected = pipe._unpack_latents(drawn, 64, 96, pipe.vae_scale_factor)
    torch.testing.assert_close(drawing.latents([picture]), expected, rtol=1e-4, atol=1e-4)
    other = replace(picture, negative="a hat")
    assert torch.equal(drawing.latents([other]), drawing.latents([picture]))
    assert "negative prompts have no effect on FLUX.1 dev" in negative_caution(backbone, "a hat")
    assert not torch.equal(drawing.latents([replace(picture, guidance=1.0)]), drawing.latents([picture]))
    assert backbone.sampling_shift(1024, 1024, 28) == pytest.approx(3.158, abs=1e-3)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_training_step_is_that_of_diffusers_transformer(place: Path, checkpointing: bool) -> None:
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    step = TrainingStep(place, ["a dog", "a red dog with a hat " * 4], checkpointing)
    pipe = pipeline(step.ours)
    with quiet():
        theirs: Any = FluxTransformer2DModel.from_pretrained(place / "transformer")
    context, pooled = (torch.stack([text[name] for text in step.texts]) for name in ("states", "pooled"))
    places = {"img_ids": pipe._prepare_latent_image_ids(2, 4, 6, CPU, torch.float32), "txt_ids": torch.zeros(512, 3)}
    packed = pipe._pack_latents(step.given, 2, 16, 8, 12)
    out = theirs(packed, context, pooled, step.sigma, guidance=torch.ones(2), **places).sample
    step.check(out - pipe._pack_latents(step.target, 2, 16, 8, 12))


def test_the_layers_of_the_full_size_are_the_published_ones() -> None:
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    outlined = frame_of_family("flux1")
    adapters = plan_network(TrainOptions(family="flux1", rank=16), outlined)
    assert len(adapters) == 418
    assert sum(p.numel() for adapter in adapters.values() for p in adapter.parameters()) == 65_372_160
    full = plan_network(TrainOptions(family="flux1", rank=16, layer_preset="full"), outlined)
    assert len(full) == 19 * len(DOUBLE) + 38 * len(SINGLE) + 9
    with torch.device("meta"), quiet():
        model = FluxTransformer2DModel(**flux_network.NETWORK)
    check_layers(outlined, model, {"norm_out.linear"})
    check_shapes(outlined, model)


def native(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """A transformer's tensors under the names of the published file, with q, k and v in one."""
    ours = {kind: {path: theirs for theirs, path in names.items()} for kind, names in flux_network.PARTS.items()}
    for key, tensor in state.items():
        stem, _, end = key.rpartition(".")
        kind = next((kind for kind, path in flux_network.BLOCKS.items() if stem.startswith(f"{path}.")), "")
        block = ".".join(stem.split(".")[:2]) + "." if kind else ""
        inner = stem.removeprefix(block)
        before = f"{kind}.{stem.split('.')[1]}." if kind else ""
        joint = {layers[0]: (name, layers) for name, layers in flux_network.JOINT.get(kind, {}).items()}
        if inner in joint:
            name, layers = joint[inner]
            yield f"{before}{name}.{end}", torch.cat([state[f"{block}{layer}.{end}"] for layer in layers])
        elif inner.startswith("attn.norm_"):
            stream = "" if kind == "single_blocks" else "txt_attn." if "added" in inner else "img_attn."
            yield f"{before}{stream}norm.{'query' if inner.endswith('q') else 'key'}_norm.scale", tensor
        elif stem == "norm_out.linear":
            yield f"final_layer.adaLN_modulation.1.{end}", torch.cat(tensor.chunk(2)[::-1])
        elif inner in ours[kind]:
            yield f"{before}{ours[kind][inner]}.{end}", tensor


def test_files_are_read_as_diffusers_reads_them() -> None:
    """At full width, which diffusers' converter has built in: every name, every part, and the halves of the end.

    Nothing looks at columns: there are two.
    """
    from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    with torch.device("meta"), quiet():
        model = FluxTransformer2DModel(**{**flux_network.NETWORK, "num_layers": 1, "num_single_layers": 1})
    made = {key: torch.rand(t.shape[0], *(2,) * (t.dim() - 1)) for key, t in model.state_dict().items()}
    file = dict(native(made))
    expected = convert_flux_transformer_checkpoint_to_diffusers(dict(file))
    found = flux_network.converted(file)
    assert found.keys() == expected.keys() == made.keys()
    assert all(torch.equal(found[key], expected[key]) and torch.equal(found[key], made[key]) for key in made)


@pytest.mark.parametrize("wrapper", ["", "model.diffusion_model."])
def test_single_files_are_the_same_model(place: Path, backbone: Backbone, tmp_path: Path, wrapper: str) -> None:
    names = ("flux1-dev", "t5xxl_fp16", "clip_l", "ae")
    file, t5, clip, vae = (tmp_path / f"{name}.safetensors" for name in names)
    state = native(dict(backbone.parts["unet"].state_dict()))
    save_file({f"{wrapper}{key}": tensor.contiguous() for key, tensor in state}, file)
    encoder: Any = backbone.captions
    model = encoder.open(CPU, torch.float32)
    save_file({"shared.weight": model["t5"].shared.weight.clone(), **alone(model["t5"].state_dict())}, t5)
    held = {key.removeprefix("text_model."): tensor for key, tensor in model["clip"].state_dict().items()}
    texts = {f"text_model.{key}": tensor for key, tensor in held.items()}
    save_file({key: tensor.contiguous() for key, tensor in original_vae(backbone.vae).items()}, vae)
    assert traits(str(file), True).family == "flux1"
    weights = BaseWeights.open(str(file), True)
    assert adaptable_weights_are(backbone, weights)
    given = LoadOptions(vae=str(vae), text_encoder=str(t5), tokenizer=str(place))
    with pytest.raises(InputError, match=r"has no clip_l\.safetensors beside it"):
        load(str(file), True, given)
    alone_digest = text_encoder_digest(str(t5), True)
    save_file({key: tensor for key, tensor in texts.items() if "position_ids" not in key}, clip)
    assert text_encoder_digest(str(t5), True) != alone_digest
    for encoders in (t5, tmp_path, place):
        other = load(str(file), True, LoadOptions(vae=str(vae), text_encoder=str(encoders), tokenizer=str(place)))
        check_predictions(backbone, other)
    assert {path.parent.name for path in text_encoder_files(str(place), True)} == {"text_encoder", "text_encoder_2"}


def alone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """T5's tensors as files have them: one table of words."""
    return {key: tensor for key, tensor in state.items() if key not in ("shared.weight", "encoder.embed_tokens.weight")}


def test_siblings_are_named(tmp_path: Path) -> None:
    write_json(tmp_path / "model_index.json", {"_class_name": "FluxPipeline"})
    write_json(tmp_path / "transformer" / "config.json", {"guidance_embeds": False})
    with pytest.raises(InputError, match=r"FLUX\.1 schnell, which cannot be trained"):
        family_of_folder(tmp_path, "x")
    for name in ("black-forest-labs/FLUX.1-schnell", "black-forest-labs/FLUX.1-Kontext-dev"):
        with pytest.raises(InputError, match=r"FLUX\.1"):
            bases.base_of(name)
    found = bases.base_of("black-forest-labs/FLUX.1-dev")
    assert found is not None and found.family == "flux1"


def test_diffusers_loads_the_lora_at_its_strength(place: Path, tmp_path: Path) -> None:
    path, tensors = trained(place, tmp_path)
    assert all(key.startswith("transformer.") and not key.endswith(".alpha") for key in tensors)
    ours = load(str(place), True)
    with quiet():
        pipeline(ours).load_lora_weights(dict(tensors))
    loaded = lora_layers(ours.parts["unet"])
    layers, named = read_layers(str(path), ours.layer_names()), {n.path: n.key for n in ours.layer_names()}
    assert {named[path] for path in loaded} == layers.keys() and len(loaded) == 12 + 5

    def change(inside: str) -> Tensor:
        return layers[named[inside]]["lora_up.weight"] @ layers[named[inside]]["lora_down.weight"]

    check_changes(loaded, change)


@pytest.mark.parametrize(
    ("family", "joined", "wide"), [("flux1", 7 * 3072, 5 * 3072), ("klein-base-4b", 27648, 4 * 3072)]
)
def test_loras_of_a_few_blocks_are_told_from_klein_by_their_sizes(family: str, joined: int, wide: int) -> None:
    """Both networks are as wide, and call these layers alike."""
    found: dict[str, tuple[int, ...]] = {}
    for layer, into, out in (("linear1", 3072, joined), ("linear2", wide, 3072)):
        stem = f"lora_unet_single_blocks_7_{layer}"
        found |= {f"{stem}.lora_down.weight": (4, into), f"{stem}.lora_up.weight": (out, 4), f"{stem}.alpha": ()}
    table, _ = identify(found, {})
    assert table is not None and table.family.name == family


def test_diffusers_reads_kohyas_names_at_full_width(tmp_path: Path) -> None:
    """Its converter has the width of the published model built in, and tells q, k, v and the feed-forward apart."""
    from diffusers import FluxPipeline

    outlined = frame_of_family("flux1")
    names = {n.key: n for n in outlined.layer_names() if n.block in (0, 19) and n.kind in ("attn", "mlp")}
    torch.manual_seed(4)
    layers: dict[str, dict[str, Tensor]] = {}
    for key, name in names.items():
        out, into = outlined.layer(name).weight.shape  # type: ignore[union-attr]
        factors = {"lora_down.weight": torch.randn(2, into), "lora_up.weight": torch.randn(out, 2)}
        layers[key] = {**factors, "alpha": torch.tensor(1.0)}
    save_file(file_names.named(layers, names, "kohya", ()), tmp_path / "x.safetensors")
    with quiet():
        found: Any = FluxPipeline.lora_state_dict(str(tmp_path), weight_name="x.safetensors", local_files_only=True)
    assert len(found) == 2 * len(names) == 2 * 17
    for key, held in layers.items():
        down, up = (found[f"transformer.{names[key].path}.lora_{part}.weight"] for part in "AB")
        probe = torch.randn(down.shape[1], 2)
        expected = held["lora_up.weight"] @ (held["lora_down.weight"] @ probe) / 2
        torch.testing.assert_close(up @ (down @ probe), expected, rtol=1e-3, atol=1e-3)

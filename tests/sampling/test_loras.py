"""LoRAs of every program draw what diffusers draws with them, several at a time and by their strengths."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from curate.diffusion.base import Backbone
from curate.errors import InputError
from curate.lora.weights import weighted
from curate.sampling.loras import LoraStrength, applied, lora_strength, read_lora
from curate.sampling.settings import PictureSettings
from tests.sampling.conftest import FAMILIES, V
from tests.sampling.helpers import CPU, SMALL, base, difference, drawing, lora, pipeline, theirs

# diffusers' schedulers hand tensors to numpy in the way of numpy 1
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning"),
]
DOG = PictureSettings("a dog on grass", "blurry", **SMALL)


def tensors(backbone: Backbone, seed: int, size: float = 0.3) -> dict[str, Tensor]:
    """Attention and MLP of all models, rank 4 and alpha 2, under kohya's names."""
    draw = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name in backbone.layer_names():
        layer = backbone.layer(name)
        if layer is None or name.kind not in ("attn", "mlp", "text-attn", "text-mlp"):
            continue
        rows, columns = layer.weight.shape[:2]
        point = (1,) * (layer.weight.dim() - 2) or ((1, 1) if backbone.stored_as_point(name) else ())
        found[f"{name.key}.lora_up.weight"] = (torch.randn(rows, 4, generator=draw) * size).reshape(rows, 4, *point)
        found[f"{name.key}.lora_down.weight"] = (torch.randn(4, columns, generator=draw) * size).reshape(
            4, columns, *point
        )
        found[f"{name.key}.alpha"] = torch.tensor(2.0)
    return found


def squeezed(values: dict[str, Tensor], family: str) -> dict[str, Tensor]:
    return {k: v.flatten(1) if v.dim() == 4 and family == "sd2" else v for k, v in values.items()}


def write(path: Path, values: dict[str, Tensor], **metadata: str) -> Path:
    save_file({k: v.contiguous() for k, v in values.items()}, path, metadata=metadata or None)
    return path


def drawn(backbone: Backbone, *uses: LoraStrength, picture: PictureSettings = DOG) -> Tensor:
    loras = [(read_lora(use.path, backbone), use) for use in uses]
    with applied(backbone, loras, CPU.device):
        return drawing(backbone).latents([picture])[0]


def near(one: Tensor, other: Tensor) -> bool:
    """Equal to 1e-4 of the largest value: latents of these random weights reach 20."""
    return difference(one, other) < 1e-4 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("family", FAMILIES)
def test_loras_draw_what_diffusers_draws_with_them(bases: dict[str, Path], tmp_path: Path, family: str) -> None:
    from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler

    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    backbone = base(bases[family])
    one, two = (write(tmp_path / f"{n}.safetensors", tensors(backbone, n)) for n in (1, 2))
    pipe: Any = pipeline(
        bases[family], family, EulerAncestralDiscreteScheduler(**betas, **(V if family == "sd2" else {}))
    )
    plain = drawing(backbone).latents([DOG])[0]
    # diffusers reads SD 2.x's projections as the linear layers they are there, kohya writes them as convolutions
    flat = [write(tmp_path / f"flat{n}.safetensors", squeezed(tensors(backbone, n), family)) for n in (1, 2)]
    pipe.load_lora_weights(flat[0], adapter_name="one")
    alone = drawn(backbone, LoraStrength(one))
    assert near(alone, theirs(pipe, DOG)) and difference(alone, plain) > 1
    pipe.load_lora_weights(flat[1], adapter_name="two")
    pipe.set_adapters(["one", "two"], [0.7, -0.4])
    both = drawn(backbone, LoraStrength(one, 0.7, 0.7), LoraStrength(two, -0.4, -0.4))
    assert near(both, theirs(pipe, DOG))
    # the base has its own layers back
    assert (drawing(backbone).latents([DOG])[0] == plain).all()


def test_the_text_encoders_have_a_strength_of_their_own(bases: dict[str, Path], tmp_path: Path) -> None:
    backbone = base(bases["sdxl"])
    values = tensors(backbone, 1)
    whole = write(tmp_path / "whole.safetensors", values)
    halves = {
        name: write(
            tmp_path / f"{name}.safetensors", {k: v for k, v in values.items() if k.startswith("lora_unet") == unet}
        )
        for name, unet in (("unet", True), ("text", False))
    }
    found = drawn(backbone, LoraStrength(whole, 0.9, 0.3))
    assert near(found, drawn(backbone, LoraStrength(halves["unet"], 0.9), LoraStrength(halves["text"], 7, 0.3)))
    assert difference(found, drawn(backbone, LoraStrength(whole, 0.9, 0.9))) > 0.01
    assert (drawn(backbone, LoraStrength(whole, 0, 0)) == drawing(backbone).latents([DOG])[0]).all()


def test_a_strength_is_a_share_of_what_the_lora_adds(bases: dict[str, Path], tmp_path: Path) -> None:
    """Half the strength is half the alpha, and twice the same LoRA is twice its strength."""
    backbone = base(bases["sd1"])
    values = tensors(backbone, 1)
    one = write(tmp_path / "a.safetensors", values)
    half = write(tmp_path / "b.safetensors", {k: v / 2 if "alpha" in k else v for k, v in values.items()})
    assert near(drawn(backbone, LoraStrength(one, 0.5, 0.5)), drawn(backbone, LoraStrength(half)))
    assert near(drawn(backbone, LoraStrength(half), LoraStrength(half)), drawn(backbone, LoraStrength(one)))


def peft_folder(place: Path, values: dict[str, Tensor], backbone: Backbone) -> Path:
    """The UNet's part as PEFT saves it; its strength is in a configuration beside it."""
    place.mkdir()
    paths = {name.key: name.path for name in backbone.layer_names() if name.part == "unet"}
    renamed: dict[str, Tensor] = {}
    for key, tensor in values.items():
        layer, _, suffix = key.partition(".")
        if layer in paths and suffix != "alpha":
            ending = {"lora_down.weight": "lora_A", "lora_up.weight": "lora_B"}[suffix]
            renamed[f"base_model.model.{paths[layer]}.{ending}.weight"] = tensor
    write(place / "adapter_model.safetensors", renamed)
    (place / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 2}))
    return place


def test_files_of_every_program_draw_the_same(bases: dict[str, Path], tmp_path: Path) -> None:
    from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_lora_to_diffusers

    backbone = base(bases["sd1"])
    values = {k: v for k, v in tensors(backbone, 1).items() if k.startswith("lora_unet")}
    expected = drawn(backbone, LoraStrength(write(tmp_path / "kohya.safetensors", values)))
    lycoris = {k.replace("lora_", "lycoris_", 1): v for k, v in values.items()}
    assert (drawn(backbone, LoraStrength(write(tmp_path / "lycoris.safetensors", lycoris))) == expected).all()
    converted, _ = _convert_non_diffusers_lora_to_diffusers(dict(values))
    scaled = {k: v * 0.5 if "lora_B" in k or ".up." in k else v for k, v in converted.items()}
    assert near(drawn(backbone, LoraStrength(write(tmp_path / "diffusers.safetensors", scaled))), expected)
    folder = peft_folder(tmp_path / "my dog", values, backbone)
    found = lora_strength(f"{folder}:1")
    assert found.name == "my dog"
    assert near(drawn(backbone, found), expected)


@pytest.mark.parametrize("axis", ["input", "output", "peft"])
def test_dora_has_the_lengths_of_either_axis(bases: dict[str, Path], tmp_path: Path, axis: str) -> None:
    """Against the merged weight m·(W+ΔW)/‖W+ΔW‖."""
    backbone = base(bases["sd1"])
    name = next(n for n in backbone.layer_names() if n.path.endswith("attentions.0.transformer_blocks.0.ff.net.2"))
    layer = backbone.layer(name)
    assert layer is not None
    values = {k: v for k, v in tensors(backbone, 1).items() if k.startswith(f"{name.key}.")}
    whole = layer.weight + 0.5 * values[f"{name.key}.lora_up.weight"] @ values[f"{name.key}.lora_down.weight"]
    along = 0 if axis == "input" else 1
    lengths = whole.norm(dim=along, keepdim=True)
    wanted = lengths * torch.linspace(0.5, 1.5, lengths.numel()).reshape(lengths.shape)
    held = {f"{name.key}.dora_scale": wanted} if axis != "peft" else {f"{name.key}.lora_magnitude_vector": wanted}
    path = write(tmp_path / "dora.safetensors", {**values, **held})
    found, half = (drawn(backbone, LoraStrength(path, s, s)) for s in (1.0, 0.5))
    own = layer.weight.detach().clone()
    merged = wanted * whole / lengths
    with torch.no_grad():
        layer.weight.copy_(merged)
        assert near(found, drawing(backbone).latents([DOG])[0])
        layer.weight.copy_((own + merged) / 2)
        assert near(half, drawing(backbone).latents([DOG])[0])


def test_file_and_strengths_are_read_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("dog.safetensors", "犬 1.safetensors", "v1:2.safetensors", "x:1"):
        Path(name).write_bytes(b"")
    assert lora_strength("dog.safetensors") == LoraStrength(Path("dog.safetensors"))
    assert lora_strength("dog.safetensors:0.8") == LoraStrength(Path("dog.safetensors"), 0.8, 0.8)
    assert lora_strength("dog.safetensors:-.5:1.") == LoraStrength(Path("dog.safetensors"), -0.5, 1.0)
    assert lora_strength("犬 1.safetensors:1:0") == LoraStrength(Path("犬 1.safetensors"), 1.0, 0.0)
    assert lora_strength("v1:2.safetensors:0.7") == LoraStrength(Path("v1:2.safetensors"), 0.7, 0.7)
    assert lora_strength("dog.safetensors:0.5,te=0,unet=2") == LoraStrength(Path("dog.safetensors"), 2.0, 0.0)
    assert lora_strength("dog.safetensors:te=0.25") == LoraStrength(Path("dog.safetensors"), 1.0, 0.25)
    assert lora_strength("dog.safetensors:1e-2") == LoraStrength(Path("dog.safetensors"), 0.01, 0.01)
    absolute = tmp_path / "dog.safetensors"
    assert lora_strength(f"{absolute}:2") == LoraStrength(absolute, 2.0, 2.0)


@pytest.mark.parametrize("strength", ["abc", "nan", "inf", "1e39", "", "0.5:0.1:3", "1:", "0.5,1", "0.5,te=", "te="])
def test_what_is_no_strength_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strength: str) -> None:
    """The same texts are refused, and alike, where LoRAs are drawn with and where they are merged."""
    monkeypatch.chdir(tmp_path)
    text = f"{lora(Path('dog.safetensors')).name}:{strength}"
    for read in (lora_strength, weighted):
        with pytest.raises(InputError) as error:
            read(text)
        message = error.value.message
        assert text in message and ("is not a strength" in message or "is not NAME=STRENGTH" in message)
        assert "does not exist" not in message
    for block in ("4-9=0", "te1=0"):
        with pytest.raises(InputError, match="curate lora merge"):
            lora_strength(f"dog.safetensors:1,{block}")


@pytest.mark.parametrize("text", ["no.safetensors", r"C:\loras\no.safetensors:0.8", "a.pt:1"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dog.safetensors").write_bytes(b"")
    with pytest.raises(InputError) as error:
        lora_strength(text)
    # the drive's colon belongs to the path
    assert (r"C:\loras\no.safetensors does not exist" if "C:" in text else text) in error.value.message
    assert error.value.message.count("no.safetensors") < 2 or ":0.8" in text
    assert error.value.remedy.startswith("give a LoRA file") and "FILE:0.8:0.5" in error.value.remedy


def test_a_lora_of_another_family_is_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    large, small = base(bases["sdxl"]), base(bases["sd1"])
    foreign = write(tmp_path / "xl.safetensors", tensors(large, 1), ss_base_model_version="sdxl_base_v1-0")
    with pytest.raises(InputError, match="trained for sdxl_base_v1-0") as error:
        drawn(small, LoraStrength(foreign))
    assert "family" in error.value.remedy
    odd = {k: v[:, :3] if v.dim() == 2 else v for k, v in tensors(small, 1).items()}
    with pytest.raises(InputError, match=r"odd\.safetensors does not fit the base .*lora_te_text_model"):
        drawn(small, LoraStrength(write(tmp_path / "odd.safetensors", odd)))
    broken = {k: v * float("nan") for k, v in tensors(small, 1).items()}
    with pytest.raises(InputError, match="not finite"):
        drawn(small, LoraStrength(write(tmp_path / "nan.safetensors", broken)))


def test_layers_that_the_base_lacks_are_named(bases: dict[str, Path], tmp_path: Path) -> None:
    backbone = base(bases["sd1"])
    values = tensors(backbone, 1)
    extra = {**values, "lora_te_text_projection.lora_up.weight": torch.zeros(2, 2)}
    lora = read_lora(write(tmp_path / "a.safetensors", extra), backbone)
    assert list(lora.unknown) == ["lora_te_text_projection.lora_up.weight"]
    assert replace(lora, unknown=()).layers.keys() == {k.partition(".")[0] for k in values}

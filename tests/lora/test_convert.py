"""Names of other programs: bit-equal there and back, and the same effect in PEFT and diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.adapters import safetensors_file
from curate.adapters.key_names import WRITTEN, spelled
from curate.adapters.tensor_file import TensorFile
from curate.diffusion import tiny
from curate.diffusion.load import load
from curate.diffusion.lora_family import layer_table
from curate.errors import InputError
from curate.lora.check import check
from curate.lora.convert import convert
from curate.lora.file import open_lora
from tests.lora.helpers import SHARED, apart, changes, lora, written


def converted(source: Path, to: str, target: Path) -> Path:
    return convert(open_lora(str(source)), to, target).path


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("to", ["diffusers", "peft", "comfyui"])
def test_there_and_back_every_byte_is_equal(family: str, to: str, bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases[family], "locon", dtype=torch.bfloat16)
    there = converted(source, to, tmp_path / ("there" if to == "peft" else "there.safetensors"))
    assert check(str(there)).passed, check(str(there)).problems
    assert apart(changes(there), changes(source)) == 0
    back = converted(there, "kohya", tmp_path / "back.safetensors")
    mine, wanted = safetensors_file.read(back), safetensors_file.read(source)
    assert mine[0].keys() == wanted[0].keys()
    for key, tensor in wanted[0].items():
        assert mine[0][key].dtype == tensor.dtype and torch.equal(mine[0][key], tensor), key
    assert mine[1] == wanted[1]
    assert back.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("form", ["loha", "lokr", "dora", "full", "norms", "ia3"])
def test_comfyui_names_for_other_algorithms(form: str, tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", "tiny", form)
    there = converted(source, "comfyui", tmp_path / "b.safetensors")
    assert all(
        key.startswith(("diffusion_model.", "text_encoders.clip_l.transformer."))
        for key in TensorFile.open(there).entries
    )
    assert converted(there, "kohya", tmp_path / "c.safetensors").read_bytes() == source.read_bytes()
    for to in ("diffusers", "peft"):
        with pytest.raises(InputError, match=f"which {to} does not read"):
            converted(source, to, tmp_path / ("x" if to == "peft" else "x.safetensors"))
    assert not list(tmp_path.glob("x*"))


def test_names_of_comfyui_are_those_of_checkpoints() -> None:
    """Every name is that of a weight in a published checkpoint."""
    listed = {"sd1": "UNET-v1-SD", "sd2": "UNET-v2-SD", "sdxl": "UNET-XL-SD"}
    for family, name in listed.items():
        path = SHARED / f"models/state_dict_keys/components/{name}.txt"
        if not path.exists():
            pytest.skip(f"{path} is not here")
        keys = {line.split(" ")[0].removeprefix("model.") for line in path.read_text(encoding="utf-8").splitlines()}
        table = layer_table(family)
        unet = [layer for layer in table.layer_names.values() if layer.part == "unet"]
        held = [layer for layer in unet if table.frame.at(layer) is not None]
        names = {spelled(layer, "comfyui", ("clip_l",)) for layer in held}
        assert {f"{n}.weight" for n in names} <= keys | {f"diffusion_model.{k}" for k in keys}


@pytest.mark.filterwarnings("ignore")
def test_peft_loads_the_folder(tmp_path: Path) -> None:
    import peft
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    source = lora(tmp_path / "a.safetensors", "tiny", "locon")
    folder = converted(source, "peft", tmp_path / "p")
    unet = UNet2DConditionModel.from_pretrained(tiny.folder() / "unet")
    model: Any = peft.PeftModel.from_pretrained(unet, str(folder / "unet"))
    layers = {n: m for n, m in model.base_model.model.named_modules() if hasattr(m, "get_delta_weight")}
    wanted = changes(source)
    table = layer_table("sd1")
    mine = {layer: delta for layer, delta in wanted.items() if table.layer_names[layer].part == "unet"}
    assert len(layers) == len(mine)
    for layer, delta in mine.items():
        theirs = layers[table.layer_names[layer].path].get_delta_weight("default").detach().flatten(1)
        assert torch.allclose(theirs, delta, atol=1e-6), layer


BROKEN: dict[str, Any] = {
    "no text_model": lambda k: k.replace("lora_te_text_model_", "lora_te_"),
    "lycoris": lambda k: k.replace("lora_unet_", "lycoris_unet_"),
    "with a point": lambda k: k,
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_names_are_mended(name: str, tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    tensors, metadata = safetensors_file.read(source)
    broken = {BROKEN[name](key): tensor for key, tensor in tensors.items()}
    path = written(tmp_path / "b.safetensors", broken, {k: v for k, v in metadata.items() if "hash" not in k})
    assert converted(path, "kohya", tmp_path / "c.safetensors").read_bytes() == source.read_bytes()


def test_missing_alphas_are_written(tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    tensors, metadata = safetensors_file.read(source)
    bare = {key: tensor for key, tensor in tensors.items() if not key.endswith("alpha")}
    path = written(tmp_path / "b.safetensors", bare, metadata)
    done = converted(path, "kohya", tmp_path / "c.safetensors")
    assert all(float(t) == 6 for key, t in safetensors_file.read(done)[0].items() if key.endswith("alpha"))
    assert apart(changes(done), changes(path)) == 0


def test_what_cannot_be_named_is_refused(tmp_path: Path) -> None:
    flux = {f"lora_unet_double_blocks_0_img_attn_proj.lora_{w}.weight": torch.ones(4, 4) for w in ("up", "down")}
    path = written(tmp_path / "flux.safetensors", flux)
    with pytest.raises(InputError, match=r"is for FLUX\.1 of another kind than dev, whose layers curate does not know"):
        converted(path, "diffusers", tmp_path / "x")
    source = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    with pytest.raises(InputError, match="exists already"):
        converted(source, "comfyui", source)
    with pytest.raises(InputError, match="PEFT reads a folder"):
        converted(source, "peft", tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="choose from"):
        converted(source, "banana", tmp_path / "x.safetensors")
    assert WRITTEN[0] == "kohya"


def test_a_lora_of_an_unknown_family_keeps_its_names(tmp_path: Path) -> None:
    """Resized, its keys are as before; its numbers are those of a plain LoRA."""
    from curate.lora.recipes import parse
    from curate.lora.resize import resize
    from curate.lora.weights import weighted

    torch.manual_seed(1)
    stem = "transformer.single_transformer_blocks.0.attn.to_q"
    tensors: dict[str, Tensor] = {
        f"{stem}.lora_A.weight": torch.randn(8, 40), f"{stem}.lora_B.weight": torch.randn(30, 8),
    }  # fmt: skip
    path = written(tmp_path / "flux.safetensors", tensors)
    (done,) = resize([weighted(str(path))], [parse("rank=3")], [tmp_path / "small.safetensors"])
    small, _ = safetensors_file.read(done.path)
    u, s, vh = torch.linalg.svd(tensors[f"{stem}.lora_B.weight"] @ tensors[f"{stem}.lora_A.weight"])
    assert small.keys() == {*tensors, f"{stem}.alpha"} and float(small[f"{stem}.alpha"]) == 3
    best = (u[:, :3] * s[:3]) @ vh[:3]
    assert torch.allclose(small[f"{stem}.lora_B.weight"] @ small[f"{stem}.lora_A.weight"], best, atol=1e-4)


def test_the_backbone_that_is_trained_has_these_layers(bases: dict[str, Path]) -> None:
    for family, folder in bases.items():
        keys = {layer.key for layer in load(str(folder), True).layer_names()}
        assert keys <= layer_table(family).layer_names.keys()


@pytest.mark.parametrize("algo", ["lora", "locon", "dylora"])
def test_files_of_sd2_have_kohyas_axes(algo: str, bases: dict[str, Path], tmp_path: Path) -> None:
    """kohya loads the projections of SD 2.x as 1×1 convolutions, whichever algorithm writes LoRA's tensors."""
    path = lora(tmp_path / "a.safetensors", bases["sd2"], algo=algo, rank=4, alpha=4.0, layer_preset="attn-mlp")
    entries = TensorFile.open(path).entries
    assert entries["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"].shape == (4, 64, 1, 1)
    assert entries["lora_unet_mid_block_attentions_0_proj_out.lora_up.weight"].shape == (64, 4, 1, 1)

"""Merging: the sum of changes, exact and to a rank; into bases, as diffusers and LyCORIS apply the same files."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.adapters.tensor_file import TensorFile
from curate.diffusion import tiny
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.layer_names import LayerName
from curate.diffusion.load import load
from curate.errors import InputError
from curate.lora.check import check
from curate.lora.into_base import MergedBase, merge_into_base
from curate.lora.merge import merge
from curate.lora.weights import weighted
from tests.diffusion.helpers import narrow, one_file
from tests.lora.helpers import apart, changes, lora


def files(*texts: object) -> list[Any]:
    return [weighted(str(text)) for text in texts]


def into(base: Path | str, target: Path, *texts: object, precision: str | None = None) -> MergedBase:
    return merge_into_base(files(*texts), BaseWeights.open(str(base), True), target, precision)


def test_a_sum_is_exact(tmp_path: Path) -> None:
    """LoRA, tucker's core and LoHa side by side; strengths by file, part and block."""
    one = lora(tmp_path / "one.safetensors", "tiny", "locon")
    two = lora(tmp_path / "two.safetensors", "tiny", "tucker", seed=2)
    three = lora(tmp_path / "three.safetensors", "tiny", "loha", seed=3, layer_preset="attn-mlp")
    done = merge(files(f"{one}:0.7", f"{two}:-1.5,te=0", f"{three}:1,12=0,4-5=2"), tmp_path / "m.safetensors")
    first, second, third = changes(one), changes(two), changes(three)
    merged = changes(done.path)
    names = weighted(str(one)).file.table
    assert names is not None and merged.keys() == first.keys() | second.keys()
    for layer, delta in merged.items():
        name = names.layer_names[layer]
        block = {4: 2.0, 5: 2.0, 12: 0.0}.get(name.block, 1.0)
        wanted = 0.7 * first[layer]
        wanted = wanted + (-1.5 * second[layer] if layer in second and name.part == "unet" else 0)
        wanted = wanted + (block * third[layer] if layer in third else 0)
        assert float((delta - wanted).norm()) < 1e-6 * float(wanted.norm()), layer
    assert check(str(done.path)).passed and done.rank == 6 + 4 + 4


def test_a_merge_in_half_precision_keeps_small_parts(tmp_path: Path) -> None:
    one = lora(tmp_path / "one.safetensors", "tiny", dtype=torch.float16, layer_preset="attn-only")
    two = lora(tmp_path / "two.safetensors", "tiny", seed=2, dtype=torch.float16, layer_preset="attn-only")
    done = merge(files(f"{one}:0.001", two), tmp_path / "m.safetensors")
    first, second, merged = changes(one), changes(two), changes(done.path)
    for layer, delta in merged.items():
        assert float((delta - second[layer] - 0.001 * first[layer]).norm()) < 1e-3 * float(second[layer].norm())
    assert {e.dtype for e in TensorFile.open(done.path).entries.values()} == {"F16"}


def test_what_cannot_be_added_is_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    plain = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    target = tmp_path / "m.safetensors"
    for form, message in (
        ("lokr", "LoRA, LoKr cannot be added exactly"),
        ("dora", "is a DoRA"),
        ("ia3", "depends on the base model"),
    ):
        with pytest.raises(InputError, match=message):
            merge(files(plain, lora(tmp_path / f"{form}.safetensors", "tiny", form)), target)
    with pytest.raises(InputError, match=r"xl\.safetensors for SDXL"):
        other = lora(tmp_path / "xl.safetensors", bases["sdxl"], layer_preset="attn-only")
        merge(files(plain, other), target)
    with pytest.raises(InputError, match="they are for different base models"):
        merge(files(plain, lora(tmp_path / "wide.safetensors", bases["sd1"], layer_preset="attn-only")), target)
    with pytest.raises(InputError, match="every strength is 0"):
        merge(files(f"{plain}:0"), target)
    for text in (f"{plain}:banana", f"{plain}:1,banana=2", f"{plain}:1,2", f"{plain}:1,25=1", f"{plain}:nan"):
        with pytest.raises(InputError):
            weighted(text)
    assert not target.exists()


@pytest.mark.parametrize("form", ["locon", "loha", "lokr", "lokr-split", "glora", "ia3", "full", "norms"])
def test_a_single_file_is_scaled_exactly(form: str, tmp_path: Path) -> None:
    """The same file twice is that file at the sum of the strengths; the algorithm stays."""
    path = lora(tmp_path / "a.safetensors", "tiny", form)
    twice = merge(files(f"{path}:0.7", f"{path}:-1.2"), tmp_path / "m.safetensors")
    parts = merge(files(f"{path}:-0.5,te=2"), tmp_path / "p.safetensors")
    table = weighted(str(path)).file.table
    assert table is not None
    own, halved, by_part = (changes(p, "tiny") for p in (path, twice.path, parts.path))
    for layer, delta in own.items():
        strength = 2.0 if table.layer_names[layer].part == "te1" else -0.5
        for found, factor in ((halved, -0.5), (by_part, strength)):
            assert torch.allclose(found[layer], delta * factor, atol=1e-6), layer
    whole, half = tmp_path / "whole", tmp_path / "half"
    into("tiny", whole, path)
    into("tiny", half, twice.path)
    base, full, found = tiny_weights(), weights(whole), weights(half)
    assert all(torch.allclose(found[key], base[key] - 0.5 * (full[key] - base[key]), atol=1e-5) for key in base)
    kinds = [weighted(str(p)).file for p in (path, twice.path)]
    assert all(kinds[0].algorithm(layer) == kinds[1].algorithm(layer) for layer in kinds[0].layers)
    assert not twice.left_out and check(str(twice.path)).passed


@pytest.mark.parametrize("form", ["oft", "boft", "dora"])
def test_what_cannot_be_scaled_is_kept_at_strength_one_alone(form: str, tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", "tiny", form)
    done = merge(files(path), tmp_path / "m.safetensors")
    assert apart(changes(done.path, "tiny"), changes(path, "tiny")) < 1e-5
    for texts in ((f"{path}:0.5",), (path, path)):
        with pytest.raises(InputError, match="cannot hold a strength other than 1") as error:
            merge(files(*texts), tmp_path / "n.safetensors")
        assert "--base MODEL" in error.value.remedy
    assert not (tmp_path / "n.safetensors").exists()


def test_loras_that_cancel_each_other(tmp_path: Path) -> None:
    from curate.lora.recipes import parse
    from curate.lora.resize import resize

    one = lora(tmp_path / "one.safetensors", "tiny", "lokr", layer_preset="attn-only")
    plain = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    copy, target = tmp_path / "copy.safetensors", tmp_path / "m.safetensors"
    shutil.copy(plain, copy)
    for texts in ((f"{one}:-1", one), (plain, f"{copy}:-1")):
        with pytest.raises(InputError, match="the LoRAs cancel each other"):
            merge(files(*texts), target)
        for recipe in ("rank=4", "fro_lora=1,thr=-3.5"):
            with pytest.raises(InputError, match="the LoRAs cancel each other"):
                list(resize(files(*texts), [parse(recipe)], [target]))
    # layers that do not cancel are left
    done = merge(files(f"{plain}:0.5,te=1", f"{copy}:-0.5,te=2"), target)
    assert {layer.partition("_text")[0] for layer in changes(done.path)} == {"lora_te"}


@functools.cache
def tiny_weights() -> dict[str, Tensor]:
    return weights("tiny")


def weights(folder: Path | str) -> dict[str, Tensor]:
    found = load(str(folder), True)
    return {f"{part}.{k}": v for part, model in found.parts.items() for k, v in model.state_dict().items()}


@pytest.mark.parametrize("form", ["locon", "loha", "lokr", "dora", "glora", "ia3", "oft", "boft", "full", "norms"])
def test_a_base_with_every_algorithm(form: str, tmp_path: Path) -> None:
    """The merged base answers as the base with the LoRA on it does, at half strength as well."""
    path = lora(tmp_path / "a.safetensors", "tiny", form)
    into("tiny", tmp_path / "base", path)
    into("tiny", tmp_path / "half", f"{path}:0.5")
    plain, whole, half = tiny_weights(), weights(tmp_path / "base"), weights(tmp_path / "half")
    moved = [key for key in plain if not torch.equal(plain[key], whole[key])]
    assert moved
    for key in plain:
        middle = (plain[key] + whole[key]) / 2
        assert torch.allclose(half[key], middle, atol=1e-5), key
    file = weighted(str(path)).file
    base = BaseWeights.open("tiny", True)
    deltas = changes(path, "tiny") if form != "norms" else {}
    for layer, delta in deltas.items():
        name = base.layer_names[layer]
        key = f"{name.part}.{name.path.removeprefix('text_model.')}.weight"
        key = key if key in plain else f"{name.part}.{name.path}.weight"
        assert torch.allclose((whole[key] - plain[key]).flatten(1), delta, atol=1e-6), layer
    assert len(moved) >= len(file.layers)


@pytest.mark.filterwarnings("ignore")
def test_diffusers_fuses_the_same_weights(tmp_path: Path) -> None:
    """Under kohya's names and under diffusers' own, alpha below the rank."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    from curate.lora.convert import convert
    from curate.lora.file import open_lora

    path = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-mlp")
    into("tiny", tmp_path / "base", path)
    wanted = weights(tmp_path / "base")
    convert(open_lora(str(path)), "diffusers", tmp_path / "d.safetensors")
    for file in (path, tmp_path / "d.safetensors"):
        pipe: Any = StableDiffusionPipeline.from_pretrained(tiny.folder(), safety_checker=None)
        pipe.load_lora_weights(str(file.parent), weight_name=file.name)
        pipe.fuse_lora()
        pipe.unload_lora_weights()
        for part, model in (("unet", pipe.unet), ("te1", pipe.text_encoder)):
            for key, value in model.state_dict().items():
                assert torch.allclose(value, wanted[f"{part}.{key}"], atol=1e-5), (file.name, key)


def at(found: dict[str, Tensor], name: LayerName) -> Tensor:
    """A layer's weight, whether transformers has the level text_model or not."""
    short = f"{name.part}.{name.path.removeprefix('text_model.')}.weight"
    return found[short] if short in found else found[f"{name.part}.{name.path}.weight"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["locon", "lokr"])
def test_lycoris_applies_the_same_weights(form: str, tmp_path: Path) -> None:
    """Of a file that was resized, merged or as it is: no key is left that LyCORIS does not take."""
    from lycoris.modules import get_module, make_module
    from safetensors.torch import load_file

    from curate.lora.recipes import parse
    from curate.lora.resize import resize

    path = lora(tmp_path / "a.safetensors", "tiny", form)
    (small,) = resize(files(path), [parse("rank=3")], [tmp_path / "small.safetensors"])
    double = merge(files(small.path, f"{small.path}:0.5"), tmp_path / "double.safetensors")
    for file in (path, small.path, double.path):
        into("tiny", tmp_path / file.stem, file)
        wanted = weights(tmp_path / file.stem)
        backbone = load("tiny", True)
        held = load_file(file)
        for name in backbone.layer_names():
            layer = backbone.layer(name)
            kind, values = get_module(held, name.key)
            if layer is not None and kind is not None:
                merged = make_module(kind, values, name.key, layer).get_merged_weight(1.0, layer.weight.shape)[0]
                assert torch.allclose(merged, at(wanted, name), atol=1e-5), name
                held = {key: tensor for key, tensor in held.items() if not key.startswith(f"{name.key}.")}
        assert not held


@pytest.mark.parametrize(
    ("family", "ending"),
    [("sd1", "safetensors"), ("sd2", "safetensors"), ("sdxl", "safetensors"), ("sdxl", "ckpt")],
)
def test_a_checkpoint_gets_what_a_folder_gets(family: str, ending: str, tmp_path: Path, own_cache: Path) -> None:
    folder = narrow(tmp_path / "folder", family)
    checkpoint = one_file(family, folder, tmp_path / f"base.{ending}")
    path = lora(tmp_path / "a.safetensors", folder, "locon")
    into(folder, tmp_path / "merged", path)
    into(checkpoint, tmp_path / "merged.safetensors", path)
    again = one_file(family, tmp_path / "merged", tmp_path / "wanted.safetensors")
    mine, wanted = (TensorFile.open(p) for p in (tmp_path / "merged.safetensors", again))
    original = BaseWeights.open(str(checkpoint), True).files[""]
    last = "transformer.resblocks.3" if family == "sd2" else "nothing"  # a layer that no family reads
    for key in wanted.entries:
        if last not in key:
            assert torch.allclose(mine.read(key), wanted.read(key), atol=1e-6), key
    changed = [key for key in mine.entries if not torch.equal(mine.read(key), original.read(key))]
    assert any("in_proj_weight" in key for key in changed) or family == "sd1"
    assert "merged_from" in str(mine.metadata) and "a" in mine.metadata["modelspec.merged_from"]


def test_half_precision_rounds_once_and_the_rest_is_copied(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = tmp_path / "base"
    shutil.copytree(tiny.folder(), folder)
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file = TensorFile.open(unet)
    save_file({key: file.read(key).half() for key in file.entries}, unet)
    path = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    into(folder, tmp_path / "merged", path)
    base, done = BaseWeights.open(str(folder), True), BaseWeights.open(str(tmp_path / "merged"), True)
    deltas = changes(path)
    for layer in base.places:
        before, after = base.weight(layer), done.weight(layer)
        whole = before.float() + (deltas[layer].reshape(before.shape) if layer in deltas else 0)
        assert torch.equal(after, whole.to(before.dtype)), layer
    same = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.suffix != ".safetensors"]
    assert same and all((folder / p).read_bytes() == (tmp_path / "merged" / p).read_bytes() for p in same)


def test_targets_and_bases_that_do_not_fit(bases: dict[str, Path], tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="exists already"):
        into("tiny", tmp_path / "there", path)
    with pytest.raises(InputError, match="name a folder"):
        into("tiny", tmp_path / "x.safetensors", path)
    with pytest.raises(InputError, match=r"(?s)2 things are wrong.*is for SD 1\.x, and.*exists already"):
        into(bases["sdxl"], tmp_path / "there", path)
    with pytest.raises(InputError, match="has shape"):
        into(bases["sd1"], tmp_path / "z", path)
    with pytest.raises(InputError, match="holds no diffusers model"):
        merge_into_base(files(path), BaseWeights.open("tiny", True), tmp_path / "there", overwrite=True)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"a.safetensors", "there"}


def test_a_rank_of_a_sum(tmp_path: Path) -> None:
    from curate.lora.recipes import parse
    from curate.lora.resize import resize

    one = lora(tmp_path / "a.safetensors", "tiny", layer_preset="attn-only")
    two = lora(tmp_path / "b.safetensors", "tiny", "lokr", layer_preset="attn-only")
    (done,) = resize(files(one, two), [parse("fro_lora,thr=-20")], [tmp_path / "m.safetensors"])
    first, second = changes(one), changes(two)
    assert apart(changes(done.path), {n: first[n] + second[n] for n in first}) < 1e-5

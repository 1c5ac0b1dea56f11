"""Broken and foreign files: each is named with its remedy, and what programs read is told apart."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.adapters import safetensors_file
from curate.cli.main import main
from curate.diffusion.base_weights import BaseWeights
from curate.lora.check import Checked, check
from tests.lora.helpers import METADATA, lora, written

Tensors = dict[str, Tensor]
SD1 = {**METADATA, "ss_base_model_version": "sd_v1"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Tensors:
    path = lora(tmp_path_factory.mktemp("plain") / "plain.safetensors", "tiny", layer_preset="attn-only")
    return safetensors_file.read(path)[0]


def renamed(tensors: Tensors, change: Callable[[str], str]) -> Tensors:
    return {change(key): tensor for key, tensor in tensors.items()}


def first(tensors: Tensors, ending: str, value: Callable[[Tensor], Tensor]) -> Tensors:
    key = next(k for k in sorted(tensors) if k.endswith(ending))
    return {**tensors, key: value(tensors[key])}


def without_first(tensors: Tensors, ending: str) -> Tensors:
    key = next(k for k in sorted(tensors) if k.endswith(ending))
    return {k: t for k, t in tensors.items() if k != key}


def nan(tensor: Tensor) -> Tensor:
    changed = tensor.clone()
    changed.view(-1)[0] = float("nan")
    return changed


def peft_names(key: str) -> str:
    unet = key.startswith("lora_unet")
    kohya = {"lora_down": "lora_A", "lora_up": "lora_B"}
    layer, suffix, *_ = key.split(".")
    path = {
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q": (
            "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
        )
    }.get(layer, "")
    return f"base_model.model.base_model.model.{path}.{kohya.get(suffix, suffix)}.weight" if unet and path else ""


def doubled(tensors: Tensors) -> Tensors:
    found = {peft_names(key): t for key, t in tensors.items() if not key.endswith("alpha") and peft_names(key)}
    assert len(found) == 2
    return found


BROKEN: dict[str, tuple[Callable[[Tensors], Tensors], str, str]] = {
    "text encoder without text_model": (
        lambda t: renamed(t, lambda k: k.replace("lora_te_text_model_", "lora_te_")),
        "layer names that no program knows (8",
        "convert FILE --to kohya",
    ),
    "PEFT's prefix twice": (doubled, "layer names that no program knows (1", "convert FILE --to kohya"),
    "some layers without alpha": (
        lambda t: without_first(t, ".alpha"), "layers without alpha", "convert FILE --to kohya",
    ),
    "NaN in bfloat16": (
        lambda t: first({k: x.bfloat16() for k, x in t.items()}, "lora_up.weight", nan),
        "not finite (NaN or infinity)", "lower learning rate",
    ),
    "infinity in half precision": (
        lambda t: first({k: x.half() for k, x in t.items()}, "lora_down.weight", lambda x: x * 1e8),
        "not finite (NaN or infinity)", "earlier checkpoint",
    ),
    "all zero": (
        lambda t: {k: x * 0 if "lora_up" in k else x for k, x in t.items()}, "layers that change nothing", "drops them",
    ),
    "alpha 0": (
        lambda t: first(t, ".alpha", lambda x: x * 0), "alpha 0, which have no effect", "alpha above 0",
    ),
    "up without down": (
        lambda t: without_first(t, "lora_down.weight"), "only one of their two factors", "download it again",
    ),
    "down without up": (
        lambda t: without_first(t, "lora_up.weight"), "only one of their two factors", "download it again",
    ),
    "another rank on one side": (
        lambda t: first(t, "lora_up.weight", lambda x: x[:, :3].contiguous()), "shapes that do not fit", "",
    ),
    "keys of no layer": (
        lambda t: {**t, "lora_unet_banana.lora_up.weight": torch.ones(4, 4)},
        "keys that belong to no layer", "ask its author",
    ),
    "a layer twice": (
        lambda t: {
            **t,
            "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight": torch.ones(6, 32),
        },
        "layers that the file has twice", "save it again",
    ),
    "double precision": (
        lambda t: {k: x.double() for k, x in t.items()}, "numbers of type F64", "--precision fp16",
    ),
    "float8": (
        lambda t: {k: x.to(torch.float8_e4m3fn) if "lora_" in k.rpartition(".")[0][-10:] else x for k, x in t.items()},
        "numbers of type F8_E4M3", "--precision fp16",
    ),
    "DoRA along the outputs": (
        lambda t: {
            **t,
            **{
                k.replace("lora_up.weight", "dora_scale"): torch.ones(len(x), *(1,) * (x.dim() - 1))
                for k, x in t.items() if k.endswith("lora_up.weight")
            },
        },
        "ComfyUI reads all, applies it otherwise: DoRA along the outputs", "merge it into the base",
    ),
    "OneTrainer's OFT": (
        lambda t: {**t, "lora_unet_mid_block_attentions_0_proj_in.oft_R.weight": torch.ones(2, 4)},
        "an algorithm that curate does not know", "program that trained it",
    ),
    "IA3 in a part of the layers": (
        lambda t: {
            **t,
            "lora_unet_mid_block_attentions_0_proj_in.weight": torch.ones(1, 32, 1, 1) * 0.1,
            "lora_unet_mid_block_attentions_0_proj_in.on_input": torch.tensor(0),
        },
        "ComfyUI reads 136 of 137 layers: (IA)³ (1)", "makes a plain LoRA",
    ),
}  # fmt: skip


def text(done: Checked) -> str:
    lines = [f"{p.message} ({p.count}: {', '.join(p.where)}) -> {p.remedy}" for p in done.problems if p.loses]
    return "\n".join(lines)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_its_remedy(name: str, plain: Tensors, tmp_path: Path) -> None:
    change, message, remedy = BROKEN[name]
    done = check(str(written(tmp_path / "x.safetensors", change(plain), SD1)))
    assert not done.passed
    assert message in text(done) and remedy in text(done), text(done)


def raw(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


FILES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "truncated": (lambda b: b[:-100], "is truncated", "download or save it again"),
    "truncated in the header": (lambda b: b[:500], "is truncated", "download it again"),
    "empty": (lambda b: b"", "is empty", "download it again"),
    "a pickle": (lambda b: pickle.dumps({"a": 1}), "is a pickle, which can run code", "get it as .safetensors"),
    "torch's zip": (lambda b: b"PK\x03\x04" + b[:200], "is a pickle, which can run code", "get it as .safetensors"),
    "a login page": (lambda b: b"<!DOCTYPE html><html>", "is a web page", "log in"),
    "a pointer": (lambda b: b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS", "git lfs pull"),
    "text": (lambda b: b"banana" * 40, "is not a safetensors file", ".safetensors"),
    "a damaged header": (lambda b: b[:20] + b"\x00" + b[21:], "damaged", "again"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_named(name: str, plain: Tensors, tmp_path: Path) -> None:
    change, message, remedy = FILES[name]
    good = safetensors_file.serialize(plain, SD1)
    done = check(str(raw(tmp_path / "x.safetensors", change(good))))
    assert not done.passed and not done.verdicts
    assert message in done.problems[0].message and remedy in done.problems[0].remedy


def test_a_checkpoint_and_tensors_of_nothing_are_no_lora(tmp_path: Path) -> None:
    key = "cond_stage_model.transformer.text_model.final_layer_norm.weight"
    checkpoint = check(str(written(tmp_path / "x.safetensors", {key: torch.ones(4)})))
    assert "holds no layers of a LoRA" in checkpoint.problems[0].message
    assert "it is a checkpoint" in checkpoint.problems[0].remedy
    nothing = check(str(written(tmp_path / "y.safetensors", {})))
    assert "holds no tensors" in nothing.problems[0].message


def test_a_base_of_another_family_or_size_is_named(plain: Tensors, bases: dict[str, Path], tmp_path: Path) -> None:
    path = str(written(tmp_path / "x.safetensors", plain, SD1))
    assert check(path, BaseWeights.open("tiny", True)).passed
    other = check(path, BaseWeights.open(str(bases["sdxl"]), True))
    assert (
        "it is for SD 1.x, and" in text(other) and "SDXL" in text(other) and "base of the LoRA's family" in text(other)
    )
    wider = check(path, BaseWeights.open(str(bases["sd1"]), True))
    assert "shapes that do not fit" in text(wider)


def test_sdxl_keys_said_to_be_sd1(bases: dict[str, Path], tmp_path: Path) -> None:
    path = lora(tmp_path / "x.safetensors", bases["sdxl"], layer_preset="attn-only")
    tensors, _ = safetensors_file.read(path)
    done = check(str(written(tmp_path / "y.safetensors", tensors, SD1)))
    assert "its metadata say that it is for sd1, and its layers are of SDXL" in text(done)
    assert check(str(path)).passed


@pytest.mark.parametrize(
    ("form", "whole"),
    [
        ("lora", {"comfyui", "a1111", "kohya", "diffusers"}),
        ("dora", {"comfyui", "a1111", "kohya"}),
        ("loha", {"comfyui", "a1111", "kohya"}),
        ("tucker", {"comfyui", "a1111", "kohya"}),
        ("ia3", {"a1111", "kohya"}),
        ("norms", {"comfyui", "a1111", "kohya"}),
        ("full", {"comfyui", "a1111", "kohya"}),
        ("boft", {"comfyui", "a1111", "kohya"}),
    ],
)
def test_what_the_trainer_writes_passes(form: str, whole: set[str], tmp_path: Path) -> None:
    done = check(str(lora(tmp_path / "x.safetensors", "tiny", form)))
    assert done.passed, text(done)
    assert {one.reader.name for one in done.verdicts if one.whole} == whole


def test_the_command(plain: Tensors, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 where something would be lost; a folder's files are all looked at; a wanted program must read all."""
    good = written(tmp_path / "a.safetensors", plain, SD1)
    written(tmp_path / "b.safetensors", first(plain, "lora_up.weight", nan), SD1)

    def run(*arguments: str) -> tuple[object, Any, str]:
        with pytest.raises(SystemExit) as ended:
            main(["lora", "check", *arguments])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    assert run(str(good))[0] == 0
    code, out, _ = run(str(tmp_path), "--json")
    rows = json.loads(out)
    assert code == 1 and [row["passed"] for row in rows] == [True, False]
    code, out, _ = run(str(good), "--for", "peft")
    assert code == 1 and "convert FILE --to peft" in out
    code, _, err = run(str(good), "--for", "banana")
    assert code == 2 and "choose from: comfyui" in err


def test_an_alpha_under_diffusers_names_stops_diffusers(tmp_path: Path) -> None:
    """Of the families of rectified flow: under kohya's names the alpha is read."""
    pair = {"lora_A.weight": torch.ones(4, 3840), "lora_B.weight": torch.ones(3840, 4)}
    stem = "transformer.layers.0.attention.to_"
    plain = {f"{stem}{w}.{suffix}": tensor for w in "qk" for suffix, tensor in pair.items()}
    alphas = {f"{stem}{w}.alpha": torch.tensor(2.0) for w in "qk"}
    reasons = {}
    for name, tensors in (("plain", plain), ("alpha", plain | alphas)):
        done = check(str(written(tmp_path / f"{name}.safetensors", tensors, {})))
        [reasons[name]] = [one.reasons for one in done.verdicts if one.reader.name == "diffusers"]
    assert reasons == {"plain": {}, "alpha": {"an alpha, which it takes for an error": 2}}


def of_zimage(path: Path, stem: str, suffixes: dict[str, Tensor]) -> Checked:
    tensors = {f"{stem.format(n=n, p=p)}.{s}": t for n in range(2) for p in "qkv" for s, t in suffixes.items()}
    return check(str(written(path, tensors, {"ss_base_model_version": "Z-Image"})))


def test_an_algorithm_that_diffusers_lacks_is_no_fault_where_another_program_reads_it(tmp_path: Path) -> None:
    hada = {f"hada_w{n}_{side}": torch.randn(*shape) for n in (1, 2) for side, shape in (("a", (8, 2)), ("b", (2, 8)))}
    found = of_zimage(tmp_path / "a.safetensors", "transformer.layers.{n}.attention.to_{p}", hada)
    assert {one.reader.name: one.whole for one in found.verdicts}["comfyui"]
    assert [p.message for p in found.problems if p.loses] == []
    wanted = check(found.path, None, ("diffusers",))
    assert any("diffusers refuses it" in p.message for p in wanted.problems)


def test_the_remedy_for_names_is_those_of_the_family(tmp_path: Path) -> None:
    factors = {"lora_down.weight": torch.randn(2, 8), "lora_up.weight": torch.randn(8, 2), "alpha": torch.tensor(2.0)}
    tensors = {
        f"lora_unet_layers_{n}_{layer}.{suffix}": value
        for n in range(2)
        for layer in ("attention_to_q", "feed_forward_w1")
        for suffix, value in factors.items()
    }
    found = check(str(written(tmp_path / "a.safetensors", tensors, {"ss_base_model_version": "Z-Image"})))
    [problem] = [p for p in found.problems if "ComfyUI reads 2 of 4" in p.message]
    assert problem.remedy == "curate lora convert FILE --to diffusers -o NEW"

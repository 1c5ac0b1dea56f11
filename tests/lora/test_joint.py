"""Files that hold q, k and v as one layer, as original networks do: split exactly on reading, made from split ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from curate.adapters import safetensors_file
from curate.adapters.lora_file import read_layers
from curate.adapters.peft_config import HEADER
from curate.cli.main import main
from curate.diffusion.families.zimage import ZImage
from curate.diffusion.load import load
from curate.errors import InputError
from curate.lora.check import check
from curate.lora.convert import convert
from curate.lora.file import open_lora
from curate.lora.info import info
from curate.train.network.build import attach
from curate.train.options import TrainOptions
from tests.lora.helpers import changes, lora, written

WIDTH, RANK, ALPHA = 48, 3, 1.5
SPLIT = ("to_q", "to_k", "to_v")
Wanted = dict[str, Tensor]
STEMS = {"kohya": "lora_unet_layers_{n}_attention_{w}", "comfyui": "diffusion_model.layers.{n}.attention.{w}"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ZImage.write_tiny(place := tmp_path_factory.mktemp("base") / "z-image")
    return place


def fused_file(path: Path, names: str, blocks: int = 2) -> tuple[Path, Wanted]:
    """As programs write it that train the original network; and ΔW of each of our layers."""
    torch.manual_seed(7)
    tensors: dict[str, Tensor] = {}
    wanted: Wanted = {}
    for n in range(blocks):
        for layer, out in (("qkv", 3 * WIDTH), ("out", WIDTH)):
            up, down = torch.randn(out, RANK), torch.randn(RANK, WIDTH)
            stem = STEMS[names].format(n=n, w=layer)
            if names == "kohya":
                factors = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(ALPHA)}
            else:
                factors = {"lora_B.weight": up * (ALPHA / RANK), "lora_A.weight": down}
            tensors |= {f"{stem}.{suffix}": tensor for suffix, tensor in factors.items()}
            ours = SPLIT if layer == "qkv" else ("to_out_0",)
            for part, rows in zip(ours, (up @ down * (ALPHA / RANK)).chunk(len(ours)), strict=True):
                wanted[f"lora_unet_layers_{n}_attention_{part}"] = rows
    return written(path, tensors, {"ss_base_model_version": "Z-Image"}), wanted


def assert_equal(found: Wanted, wanted: Wanted) -> None:
    assert found.keys() == wanted.keys()
    for key, delta in wanted.items():
        torch.testing.assert_close(found[key], delta, msg=key)


@pytest.mark.parametrize("names", STEMS)
def test_a_fused_file_is_read_as_its_parts(names: str, base: Path, tmp_path: Path) -> None:
    path, wanted = fused_file(tmp_path / "a.safetensors", names)
    file = open_lora(str(path))
    assert file.title == "Z-Image" and not file.unknown
    assert_equal(changes(path), wanted)
    backbone = load(str(base), True)
    layers = read_layers(str(path), backbone.layer_names())
    assert layers.keys() == wanted.keys()
    options = TrainOptions(base=str(base), start_from=str(path), rank_from_file=True)
    network = attach(options, backbone)
    assert_equal({key: adapter.delta().detach() for key, adapter in network.adapters.items()}, wanted)


@pytest.mark.parametrize("names", STEMS)
def test_fused_to_split_and_back_is_exact(names: str, tmp_path: Path) -> None:
    path, wanted = fused_file(tmp_path / "a.safetensors", names)
    there = convert(open_lora(str(path)), "diffusers", tmp_path / "there.safetensors").path
    assert_equal(changes(there), wanted)
    back = convert(open_lora(str(there)), names, tmp_path / "back.safetensors", fused=True)
    assert back.ranks == ("2 layers of 3 each in one: rank 3 stays",) and back.layers == 4
    assert_equal(changes(back.path), wanted)
    mine, own = safetensors_file.read(back.path)[0], safetensors_file.read(path)[0]
    assert mine.keys() == own.keys()
    if names == "comfyui":
        assert all(torch.equal(mine[key], own[key]) for key in own)


def split_file(path: Path, missing: str = "", strength: float = 1.0) -> tuple[Path, Wanted]:
    """As curate trains it; v at another strength."""
    torch.manual_seed(8)
    tensors: dict[str, Tensor] = {}
    wanted: Wanted = {}
    for part, rank in (("to_q", 2), ("to_k", 2), ("to_v", 4)):
        if part == missing:
            continue
        up, down, alpha = torch.randn(WIDTH, rank), torch.randn(rank, WIDTH), rank * (strength if rank == 4 else 1)
        key = f"lora_unet_layers_0_attention_{part}"
        tensors |= {f"{key}.lora_up.weight": up, f"{key}.lora_down.weight": down, f"{key}.alpha": torch.tensor(alpha)}
        wanted[key] = up @ down * (alpha / rank)
    return written(path, tensors, {"ss_base_model_version": "Z-Image"}), wanted


@pytest.mark.parametrize(("missing", "strength"), [("", 1.0), ("", 0.25), ("to_k", 0.25)])
def test_split_becomes_fused_block_by_block(missing: str, strength: float, tmp_path: Path) -> None:
    path, wanted = split_file(tmp_path / "a.safetensors", missing, strength)
    for to, stem in (
        ("kohya", "lora_unet_layers_0_attention_qkv"),
        ("comfyui", "diffusion_model.layers.0.attention.qkv"),
    ):
        done = convert(open_lora(str(path)), to, tmp_path / f"{to}.safetensors", fused=True)
        rank = 6 if missing else 8
        assert done.ranks == (f"1 layer of {2 if missing else 3} each in one: rank 4 became {rank}",)
        tensors = safetensors_file.read(done.path)[0]
        assert {key.partition(".lora_")[0].removesuffix(".alpha") for key in tensors} == {stem}
        zero = {f"lora_unet_layers_0_attention_{missing}": torch.zeros(WIDTH, WIDTH)} if missing else {}
        assert_equal(changes(done.path), {**wanted, **zero})


def test_diffusers_reads_a_fused_kohya_file_as_we_do(base: Path, tmp_path: Path) -> None:
    from diffusers import ZImagePipeline  # pyright: ignore[reportPrivateImportUsage]

    path, _ = split_file(tmp_path / "a.safetensors", "", 0.5)
    done = convert(open_lora(str(path)), "kohya", tmp_path / "b.safetensors", fused=True).path
    loaded = ZImagePipeline.lora_state_dict(str(tmp_path), weight_name=done.name, local_files_only=True)
    found = {
        f"lora_unet_layers_0_attention_{part}": loaded[f"transformer.layers.0.attention.{part}.lora_B.weight"]
        @ loaded[f"transformer.layers.0.attention.{part}.lora_A.weight"]
        for part in SPLIT
    }
    assert_equal(found, changes(done))


def test_who_reads_fused_names(tmp_path: Path) -> None:
    for names, readers in (("kohya", {"comfyui", "diffusers"}), ("comfyui", {"comfyui"})):
        path, _ = fused_file(tmp_path / f"{names}.safetensors", names)
        checked = check(str(path))
        assert {one.reader.name for one in checked.verdicts if one.whole} == readers
        assert checked.passed
        lost = [one for one in checked.verdicts if one.reader.name == "kohya"]
        assert lost[0].reasons == {"names of the original network": 8}


def test_other_algorithms(tmp_path: Path) -> None:
    stem = "diffusion_model.layers.0.attention.qkv"

    def opened(tensors: dict[str, Tensor], dora: int = 0) -> dict[str, Tensor]:
        path = written(tmp_path / "a.safetensors", {f"{stem}.{suffix}": t for suffix, t in tensors.items()})
        file = open_lora(str(path))
        return changes(path) if file.table and not file.unknown else {}

    w1, w2 = torch.randn(6, 4), torch.randn(24, 12)
    deltas = opened({"lokr_w1": w1, "lokr_w2": w2})
    assert_equal(
        deltas,
        dict(zip((f"lora_unet_layers_0_attention_{p}" for p in SPLIT), torch.kron(w1, w2).chunk(3), strict=True)),
    )
    assert not opened({"lokr_w1": torch.randn(4, 4), "lokr_w2": torch.randn(36, 12)})
    a, b, c, d = torch.randn(144, 2), torch.randn(2, 48), torch.randn(144, 2), torch.randn(2, 48)
    deltas = opened({"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d})
    wanted = ((a @ b) * (c @ d)).chunk(3)
    assert_equal(deltas, dict(zip((f"lora_unet_layers_0_attention_{p}" for p in SPLIT), wanted, strict=True)))
    factors = {"lora_A.weight": torch.randn(2, 48), "lora_B.weight": torch.randn(144, 2)}
    assert not opened({**factors, "dora_scale": torch.ones(1, 48)})
    path = written(
        tmp_path / "b.safetensors", {f"{stem}.{s}": t for s, t in {**factors, "dora_scale": torch.rand(144, 1)}.items()}
    )
    held = open_lora(str(path))
    scales = [held.tensors(layer)["dora_scale"] for layer in held.layers]
    assert [tuple(one.shape) for one in scales] == [(48, 1)] * 3
    assert torch.equal(torch.cat(scales), safetensors_file.read(path)[0][f"{stem}.dora_scale"])
    beside = {f"{stem}.{s}": t for s, t in factors.items()}
    beside |= {k.replace("qkv", "to_q"): t[:48] if "_B" in k else t for k, t in beside.items()}
    both = open_lora(str(written(tmp_path / "c.safetensors", beside)))
    assert list(both.layers) == ["lora_unet_layers_0_attention_to_q"] and len(both.unknown) == 2


def test_refusals(tmp_path: Path) -> None:
    path, _ = split_file(tmp_path / "a.safetensors")
    for to in ("diffusers", "peft"):
        with pytest.raises(InputError, match="names"):
            convert(open_lora(str(path)), to, tmp_path / "b.safetensors", fused=True)
    with pytest.raises(InputError, match=r"original network of SD 1\.x has no layers"):
        convert(
            open_lora(str(lora(tmp_path / "sd.safetensors", "tiny"))), "kohya", tmp_path / "c.safetensors", fused=True
        )
    lokr = {f"lora_unet_layers_0_attention_to_q.lokr_w{n}": torch.randn(6, 4 + 4 * n) for n in (1, 2)}
    with pytest.raises(InputError, match="lokr_w1, lokr_w2 cannot be made one"):
        convert(
            open_lora(str(written(tmp_path / "d.safetensors", lokr))), "kohya", tmp_path / "e.safetensors", fused=True
        )


def test_the_command_says_how_ranks_grew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = split_file(tmp_path / "a.safetensors")
    with pytest.raises(SystemExit) as ended:
        main(["lora", "convert", str(path), "--to", "kohya", "--fused", "-o", str(tmp_path / "b.safetensors")])
    assert ended.value.code == 0
    assert "1 layer of 3 each in one: rank 4 became 8" in capsys.readouterr().err


def test_a_strength_in_diffusers_header_counts_for_transformers_too(tmp_path: Path) -> None:
    factors = {"lora_A": torch.randn(4, 48), "lora_B": torch.randn(48, 4)}
    tensors = {f"transformer.layers.0.attention.to_q.{s}.weight": t for s, t in factors.items()}
    header = json.dumps({"transformer.r": 4, "transformer.lora_alpha": 2})
    found = changes(written(tmp_path / "a.safetensors", tensors, {HEADER: header}))
    torch.testing.assert_close(*found.values(), factors["lora_B"] @ factors["lora_A"] / 2)


def test_a_header_whose_length_begins_as_pickles_do_is_read(tmp_path: Path) -> None:
    tensors = {
        f"lora_unet_layers_0_attention_to_q.{s}": torch.ones(2, 2) for s in ("lora_up.weight", "lora_down.weight")
    }
    path = written(tmp_path / "a.safetensors", tensors)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    padded = (0x280).to_bytes(8, "little") + raw[8 : 8 + length].ljust(0x280) + raw[8 + length :]
    path.write_bytes(padded)
    assert len(open_lora(str(path)).layers) == 1
    path.write_bytes(b"\x80\x02" + padded[2:8] + b"}" + padded[9:])
    with pytest.raises(InputError, match="is a pickle"):
        open_lora(str(path))


def test_info_of_a_transformers_lora_counts_its_blocks(tmp_path: Path) -> None:
    names = ("layers.0", "layers.29", "noise_refiner.1")
    factors = {"lora_A": torch.randn(2, 48), "lora_B": torch.randn(48, 2)}
    tensors = {f"transformer.{n}.attention.to_q.{s}.weight": t for n in names for s, t in factors.items()}
    page = info(open_lora(str(written(tmp_path / "a.safetensors", tensors))))
    assert [label for label, _ in page.blocks] == ["block  0", "block 29", "outside blocks"]
    assert page.parts == {"transformer": 3}
    adapter = {f"diffusion_model.llm_adapter.blocks.0.mlp.0.{s}.weight": t for s, t in factors.items()}
    page = info(open_lora(str(written(tmp_path / "b.safetensors", adapter))))
    assert [label for label, _ in page.blocks] == ["conditioner"] and page.parts == {"conditioner": 1}

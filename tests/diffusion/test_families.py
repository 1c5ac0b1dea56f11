"""SD 2.x and SDXL, from a folder and from one file: same answers, right names, v-prediction found or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from curate.adapters import safetensors_file
from curate.diffusion import tiny
from curate.diffusion.base import Backbone
from curate.diffusion.detect import family_of_keys
from curate.diffusion.family_class import family_class
from curate.diffusion.load import LoadOptions, load
from curate.diffusion.stable_diffusion import StableDiffusion
from curate.errors import InputError
from curate.train.options import TrainOptions
from curate.train.trainer import attach
from tests.diffusion.helpers import FULL, full_size, narrow, one_file
from tests.train.conftest import run

MODULES = Path(__file__).parents[2] / "../shared/data/lora"


def models_of(family: str, state: dict[str, Tensor]) -> tuple[nn.Module, nn.Module, list[nn.Module]]:
    made = family_class(family)
    assert issubclass(made, StableDiffusion)
    return made.models_of(state, "x.safetensors", torch.float32)


@pytest.mark.parametrize("family", FULL)
def test_real_checkpoints_keys_make_whole_models(family: str) -> None:
    state = full_size(family)
    assert family_of_keys(state, "x.safetensors").name == family
    unet, _, _ = models_of(family, state)
    config: Any = unet.config
    assert config["cross_attention_dim"] == {"sd1": 768, "sd2": 1024, "sdxl": 2048}[family]
    widths = {"sd1": (320, 640, 1280, 1280), "sd2": (320, 640, 1280, 1280), "sdxl": (320, 640, 1280)}[family]
    assert tuple(config["block_out_channels"]) == widths
    count = sum(p.numel() for p in unet.parameters())
    assert count == {"sd1": 859_520_964, "sd2": 865_910_724, "sdxl": 2_567_463_684}[family]


@pytest.mark.parametrize(("family", "listed"), [("sd1", "sd15"), ("sdxl", "sdxl")])
@pytest.mark.parametrize("preset", ["full", "attn-mlp", "unet-convblock-only"])
def test_keys_and_shapes_on_full_size_models(
    family: str, listed: str, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = MODULES / f"{listed}_modules.tsv"
    if not table.exists():
        pytest.skip(f"{table} is not here")
    state = full_size(family)
    unet, vae, texts = models_of(family, state)
    named = {**{f"te{i}": t for i, t in enumerate(texts, 1)}, "unet": unet}
    backbone = family_class(family)("x", named, vae, [], 512, "epsilon")
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda t, **k: t)
    with torch.device("meta"):
        network = attach(TrainOptions(algo="lora", rank=4, layer_preset=preset), backbone)  # type: ignore[arg-type]
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    wanted = {row[0]: tuple(map(int, row[1].split("x"))) for row in rows if preset in row[3].split(",")}
    assert set(network.adapters) == set(wanted)
    for name, shape in wanted.items():
        tensors = network.adapters[name].bare_tensors()
        assert tuple(tensors["lora_down.weight"].shape) == (4, *shape[1:]), name
        assert tuple(tensors["lora_up.weight"].shape) == (shape[0], 4, *(1,) * len(shape[2:])), name


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    v = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    return {family: narrow(root / family, family, **(v if family == "sd2" else {})) for family in FULL}


def answer(backbone: Backbone) -> Tensor:
    torch.manual_seed(6)
    latents = torch.randn(1, 4, 16, 16)
    sizes = torch.tensor([[200.0, 150.0, 0.0, 8.0, 128.0, 128.0]])
    with torch.no_grad():
        conditions = backbone.condition([t[None] for t in backbone.tokens("zwx dog, white background")], sizes)
        return backbone.predict(latents, torch.tensor([400]), conditions)


def test_sdxl_answers_as_diffusers_own_pipeline(folders: dict[str, Path]) -> None:
    diffusers = pytest.importorskip("diffusers")
    backbone = load(str(folders["sdxl"]), True)
    te1, te2, unet = (backbone.parts[n] for n in ("te1", "te2", "unet"))
    pipe = diffusers.StableDiffusionXLPipeline(
        vae=backbone.vae,
        text_encoder=te1,
        text_encoder_2=te2,
        tokenizer=backbone.texts[0].tokenizer,
        tokenizer_2=backbone.texts[1].tokenizer,
        unet=unet,
        scheduler=diffusers.DDPMScheduler(
            **{k: v for k, v in tiny.SCHEDULER.items() if k != "_class_name" and "set" not in k}
        ),
    )
    with torch.no_grad():
        context, _, pooled, _ = pipe.encode_prompt(
            "zwx dog, white background", do_classifier_free_guidance=False, device="cpu"
        )
        times = pipe._get_add_time_ids((200, 150), (0, 8), (128, 128), context.dtype, 64)
        torch.manual_seed(6)
        theirs = unet(
            torch.randn(1, 4, 16, 16), 400, context, added_cond_kwargs={"text_embeds": pooled, "time_ids": times}
        ).sample
    torch.testing.assert_close(answer(backbone), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("family", "suffix"), [("sd1", ".ckpt"), ("sd2", ".safetensors"), ("sdxl", ".safetensors")])
def test_one_file_is_the_folder(family: str, suffix: str, folders: dict[str, Path], tmp_path: Path) -> None:
    path = one_file(family, folders[family], tmp_path / f"x{suffix}")
    want = LoadOptions(tokenizer=str(tiny.folder() / "tokenizer"), prediction="v" if family == "sd2" else "auto")
    whole, file = load(str(folders[family]), True), load(str(path), True, want)
    assert file.family.name == whole.family.name == family
    assert {s.key for s in file.layer_names()} == {s.key for s in whole.layer_names()}
    torch.testing.assert_close(answer(file), answer(whole), rtol=1e-4, atol=1e-5)
    pictures = torch.rand(1, 3, 64, 64)
    ratio = file.scaling / whole.scaling
    torch.testing.assert_close(file.encode(pictures)[0], whole.encode(pictures)[0] * ratio, rtol=1e-4, atol=1e-5)


def test_what_a_file_says_of_its_prediction(folders: dict[str, Path], tmp_path: Path) -> None:
    want = LoadOptions(tokenizer=str(tiny.folder() / "tokenizer"))
    path = one_file("sdxl", folders["sdxl"], tmp_path / "v.safetensors", v_pred=torch.empty(0), ztsnr=torch.empty(0))
    backbone = load(str(path), True, want)
    assert (backbone.prediction, backbone.ztsnr) == ("v", True)
    two = one_file("sd2", folders["sd2"], tmp_path / "two.safetensors")
    with pytest.raises(InputError, match="epsilon or v"):
        load(str(two), True, want)
    two.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    backbone = load(str(two), True, want)
    assert backbone.family.labels(backbone.prediction)[0] == "sd_v2_v"


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    for key, name in (("double_blocks.0.x", "FLUX"), ("a.lora_up.weight", "a LoRA"), ("x", "not a checkpoint of SD")):
        save_file({key: torch.zeros(1)}, tmp_path / "x.safetensors")
        with pytest.raises(InputError, match=name):
            load(str(tmp_path / "x.safetensors"), True)
    (tmp_path / "y.ckpt").write_bytes(b"no pickle")
    with pytest.raises(InputError, match="cannot be read"):
        load(str(tmp_path / "y.ckpt"), True)
    (tmp_path / "flux").mkdir()
    (tmp_path / "flux" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(InputError, match="is FLUX"):
        load(str(tmp_path / "flux"), True)


def test_a_named_tokenizer_that_is_not_there_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    path = one_file("sd1", folders["sd1"], tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="tokenizer"):
        load(str(path), True, LoadOptions(tokenizer=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_trains_end_to_end(family: str, folders: dict[str, Path], folder: Path) -> None:
    path, _ = run(folder, base=str(folders[family]), steps=2, rank=2, resolution=128)
    tensors, metadata = safetensors_file.read(path)
    if family == "sdxl":
        assert metadata["ss_base_model_version"] == "sdxl_base_v1-0"
        assert metadata["modelspec.implementation"] == "https://github.com/Stability-AI/generative-models"
        # both encoders are read at a layer that clip skip does not choose
        assert "modelspec.encoder_layer" not in metadata
        assert "lora_unet_input_blocks_4_1_proj_in.lora_up.weight" in tensors
        assert {k.split("_")[1] for k in tensors} == {"te1", "te2", "unet"}
        assert tensors["lora_unet_input_blocks_4_1_proj_in.lora_up.weight"].dim() == 2
    else:
        assert metadata["ss_base_model_version"] == "sd_v2_v"
        assert metadata["ss_zero_terminal_snr"] == "True"
        assert metadata["modelspec.prediction_type"] == "v"
        assert tensors["lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"].dim() == 4

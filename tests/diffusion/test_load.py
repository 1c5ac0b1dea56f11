"""What a base, its autoencoder and its tokenizer may be, what of it is detected, and what is refused in which words."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from curate.adapters import safetensors_file
from curate.core.events import TrainStep
from curate.diffusion import tiny
from curate.diffusion.detect import traits
from curate.diffusion.load import LoadOptions, load
from curate.diffusion.locate import locate_base, text_encoder_files, vae_digest, vae_files
from curate.diffusion.text import tokenizer
from curate.errors import InputError, MissingError
from curate.train.options import TrainOptions
from curate.train.output.fingerprint import identify
from tests.diffusion.helpers import another_vae
from tests.train.conftest import run

MARKS = {
    "sd1": "cond_stage_model.transformer.text_model.final_layer_norm.weight",
    "sd2": "cond_stage_model.model.ln_final.weight",
    "sdxl": "conditioner.embedders.1.model.ln_final.weight",
}


def header(path: Path, *names: str) -> Path:
    save_file({name: torch.zeros(1) for name in names}, path)
    return path


@pytest.mark.parametrize(
    ("family", "more", "wanted"),
    [
        ("sd1", (), ("sd1", 512, "epsilon", False)),
        ("sd2", (), ("sd2", 768, "", False)),
        ("sdxl", (), ("sdxl", 1024, "epsilon", False)),
        ("sdxl", ("v_pred",), ("sdxl", 1024, "v", False)),
        ("sdxl", ("v_pred", "ztsnr"), ("sdxl", 1024, "v", True)),
    ],
)
def test_a_file_is_known_by_its_header(
    family: str, more: tuple[str, ...], wanted: tuple[Any, ...], tmp_path: Path
) -> None:
    found = traits(str(header(tmp_path / "x.safetensors", MARKS[family], *more)), True)
    assert (found.family, found.resolution, found.prediction, found.ztsnr) == wanted


@pytest.mark.parametrize(("text", "wanted"), [('parameterization: "v"', "v"), ("use_ema: false", "epsilon")])
def test_a_yaml_beside_says_what_sd2_predicts(text: str, wanted: str, tmp_path: Path) -> None:
    path = header(tmp_path / "two.safetensors", MARKS["sd2"])
    path.with_suffix(".yaml").write_text(f"model:\n  params:\n    {text}\n", encoding="utf-8")
    assert traits(str(path), True).prediction == wanted


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("FluxPipeline", r"FLUX\.1 schnell"),
        ("StableDiffusionXLImg2ImgPipeline", "the SDXL refiner"),
        ("PixArtSigmaPipeline", "PixArt Sigma"),
        ("SomethingNewPipeline", "a SomethingNewPipeline"),
    ],
)
def test_folders_of_other_families_are_refused_by_name(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": kind}), encoding="utf-8")
    for look in (traits, load):
        with pytest.raises(InputError, match=f"is {name}, which cannot be trained"):
            look(str(tmp_path), True)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "FLUX"),
        ("conditioner.embedders.0.model.ln_final.weight", "the SDXL refiner"),
        ("lora_unet_x.lora_down.weight", "a LoRA"),
        ("lora_unet_x.hada_w1_a", "a LoHa"),
        ("lora_unet_x.lokr_w1", "a LoKr"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("first_stage_model.encoder.down.0.block.0.conv1.weight", "an autoencoder alone"),
        ("model.diffusion_model.input_blocks.0.0.weight", "a UNet without text encoder"),
        ("down_blocks.0.resnets.0.conv1.weight", "one part of a diffusers model"),
    ],
)
def test_other_files_are_refused_by_name(key: str, name: str, tmp_path: Path) -> None:
    path = header(tmp_path / "x.safetensors", key)
    with pytest.raises(InputError, match=f"x.safetensors is {name}"):
        traits(str(path), True)


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("it-was-run",)


def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"x": Bomb()}}, tmp_path / "bad.ckpt", pickle_module=pickle)
    for look in (load, traits):
        with pytest.raises(InputError, match="contains code beside its weights"):
            look(str(tmp_path / "bad.ckpt"), True)
    assert not (tmp_path / "it-was-run").exists()


@pytest.mark.parametrize(
    ("base", "error", "message"),
    [
        ("nobody/nothing-of-this-name", MissingError, "is no folder here and not downloaded, and offline mode is on"),
        ("no/such/file.safetensors", InputError, "is not there"),
        ("./nowhere", InputError, "is not there"),
    ],
)
def test_a_base_that_is_not_here(base: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        locate_base(base, offline=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [("flux.gguf", r"quantized \(GGUF\)"), ("model.txt", "is not a model file: it does not end in .safetensors")],
)
def test_a_file_of_another_kind_is_named_for_what_it_is(name: str, said: str, tmp_path: Path) -> None:
    place = tmp_path / name
    place.write_bytes(b"GGUF")
    for look in (locate_base, vae_files, text_encoder_files):
        with pytest.raises(InputError, match=said):
            look(str(place), offline=True)


REQUEST = "404 Client Error. (Request ID: Root=1-2)\n\n"


@pytest.mark.parametrize(
    ("kind", "text", "said", "remedy"),
    [
        (
            "RepositoryNotFoundError",
            f"{REQUEST}Repository Not Found for url: x.\nPlease …",
            "Not Found for url: x$",
            "the name",
        ),
        (
            "GatedRepoError",
            f"{REQUEST}Cannot access gated repo for url x.\nAccess …",
            "gated repo for url x$",
            "its terms",
        ),
        ("HfHubHTTPError", "500 Server Error (Request ID: 1)", r"500 Server Error", "check the connection"),
        (
            "LocalEntryNotFoundError",
            "Got: ConnectError: no name\nAn error …",
            "Got: ConnectError: no name$",
            "the connection",
        ),
    ],
)
def test_what_the_hub_says_is_one_line_and_what_to_do(
    kind: str, text: str, said: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub import errors

    class Answer:
        headers: ClassVar[dict[str, str]] = {}
        request = None

    def refuse(*_: Any, **__: Any) -> str:
        raise getattr(errors, kind)(text, **({} if kind == "LocalEntryNotFoundError" else {"response": Answer()}))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    expected = InputError if kind == "RepositoryNotFoundError" else MissingError
    with pytest.raises(expected, match="base model a/b cannot be downloaded from the hub: ") as caught:
        locate_base("a/b", offline=False)
    assert re.search(said, caught.value.message) and remedy in caught.value.remedy


@pytest.mark.parametrize("inside", ["text_encoder", ""])
def test_of_a_hub_name_for_text_only_text_encoders_are_fetched(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole models have their network at the top too, which is larger than all the rest."""
    import huggingface_hub

    for name in ("config.json", "model.safetensors"):
        (tmp_path / inside).mkdir(exist_ok=True)
        (tmp_path / inside / name).write_text("{}", "utf-8")
    asked: list[str] = []

    def fetch(_: str, allow_patterns: list[str], **__: Any) -> str:
        asked.extend(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    found = text_encoder_files("a/b", offline=False)
    assert [path.relative_to(tmp_path / inside).name for path in found] == ["config.json", "model.safetensors"]
    assert ("*.safetensors" in asked) == (not inside)


def test_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    place = tmp_path / "model"
    shutil.copytree(tiny.folder(), place)
    shutil.rmtree(place / "unet")
    with pytest.raises(InputError, match="is not a complete diffusers model"):
        load(str(place), True)
    (place / "model_index.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        load(str(place), True)


def marked(tmp_path: Path, **schedule: Any) -> str:
    place = tmp_path / "marked"
    shutil.copytree(tiny.folder(), place)
    path = place / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | schedule), encoding="utf-8")
    return str(place)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"prediction": "epsilon"}, "the base says itself that it predicts v"), ({"ztsnr": False}, "trained with it")],
)
def test_a_mark_that_contradicts_an_option_is_refused(
    options: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    base = marked(tmp_path, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    with pytest.raises(InputError, match=message):
        run(folder, base=base, steps=1, layer_preset="attn-only", rank=1, **options)


def test_v_and_zero_terminal_snr_from_end_to_end(folder: Path, tmp_path: Path) -> None:
    base = marked(tmp_path, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    path, _ = run(folder, base=base, steps=2, layer_preset="attn-only", rank=1)
    tensors, said = safetensors_file.read(path)
    assert said["modelspec.prediction_type"] == "v" and said["ss_zero_terminal_snr"] == "True"
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_another_autoencoder_from_folder_and_file(tmp_path: Path) -> None:
    place = another_vae(tmp_path / "vae")
    pictures = torch.rand(1, 3, 64, 64)
    own = load("tiny", True)
    folder, outer = (
        load("tiny", True, LoadOptions(vae=str(place))),
        load("tiny", True, LoadOptions(vae=str(place.parent))),
    )
    file = load("tiny", True, LoadOptions(vae=str(next(place.glob("*.safetensors")))))
    assert not torch.equal(own.encode(pictures)[0], folder.encode(pictures)[0])
    for other in (outer, file):
        torch.testing.assert_close(other.encode(pictures)[0], folder.encode(pictures)[0])
        assert other.scaling == own.scaling
    assert len({own.vae_digest, folder.vae_digest, file.vae_digest}) == 3


def test_another_autoencoder_is_another_run(folder: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"steps": 1, "layer_preset": "attn-only", "rank": 1}
    first, _ = run(folder, **given)
    second, _ = run(folder, vae=str(another_vae(tmp_path / "vae")), **given)
    a, b = safetensors_file.read(first), safetensors_file.read(second)
    assert first != second and a[1]["curate.vae"] != b[1]["curate.vae"]
    assert any(not torch.equal(a[0][key], b[0][key]) for key in a[0])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_autoencoder_that_overflows_in_half_precision_is_run_in_single(folder: Path, tmp_path: Path) -> None:
    """What kohya's no_half_vae is for: inner values of a million, which float16 does not hold."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    vae: Any = AutoencoderKL.from_pretrained(another_vae(tmp_path / "mild"))
    with torch.no_grad():
        for part in (vae.encoder, vae.decoder):
            part.conv_in.weight.mul_(1e6)
    vae.save_pretrained(tmp_path / "wild")
    assert not vae.half().encode(torch.rand(1, 3, 64, 64).half()).latent_dist.mean.isfinite().all()
    (tmp_path / "p.txt").write_text("zwx dog --w 64 --h 64 --s 2")
    given: dict[str, Any] = {"steps": 1, "layer_preset": "attn-only", "rank": 1, "precision": "fp16"}
    path, events = run(folder, vae=str(tmp_path / "wild"), sample_prompts=str(tmp_path / "p.txt"), **given)
    assert all(tensor.isfinite().all() for tensor in safetensors_file.read(path)[0].values())
    losses = [e.loss for e in events if isinstance(e, TrainStep)]
    assert len(losses) == 1 and 0 < losses[0] < 100
    [drawn] = (path.parent / "samples").glob("*.png")
    with Image.open(drawn) as image:
        # an overflow would be black all over
        assert max(high - low for low, high in cast("tuple[tuple[int, int], ...]", image.getextrema())) > 50


def test_a_yaml_that_says_another_prediction_is_another_run(folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "two.safetensors"
    save_file({"x": torch.zeros(1)}, base)
    options, yaml = TrainOptions(base=str(base)), base.with_suffix(".yaml")
    before = identify(options, folder, True)[0].id
    yaml.write_text("parameterization: eps")
    assert identify(options, folder, True)[0].id == before
    yaml.write_text('parameterization: "v"')
    assert identify(options, folder, True)[0].id != before


def test_an_autoencoder_of_another_form(tmp_path: Path) -> None:
    """Not whole, and of widths that no file says how to group."""
    path = next(another_vae(tmp_path).glob("*.safetensors"))
    whole = load_file(path)
    save_file({k: v for k, v in whole.items() if "decoder" not in k}, tmp_path / "half.safetensors")
    for file in (tmp_path / "half.safetensors", tiny.folder() / "vae" / path.name):
        with pytest.raises(InputError, match="contains no autoencoder of"):
            load("tiny", True, LoadOptions(vae=str(file)))


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("down_blocks.0.resnets.0.conv1.weight", "a UNet"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a text encoder"),
        ("lora_unet_x.lora_down.weight", "a LoRA"),
        ("conditioner.embedders.1.model.ln_final.weight", "a network of SDXL"),
    ],
)
def test_a_file_of_another_kind_given_as_autoencoder_is_told_for_what_it_is(
    key: str, kind: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"is {kind}, not an autoencoder"):
        load("tiny", True, LoadOptions(vae=str(header(tmp_path / "x.safetensors", key))))


@pytest.mark.parametrize("name", ["nowhere.safetensors", "empty"])
def test_an_autoencoder_that_is_none(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"is not there|contains no autoencoder"):
        vae_digest(str(tmp_path / name), True)
    with pytest.raises(InputError, match="contains no autoencoder"):
        load("tiny", True, LoadOptions(vae=str(header(tmp_path / "x.safetensors", "x"))))
    with pytest.raises(MissingError, match="vae nobody/nothing-of-this-name is no folder here and not downloaded"):
        vae_digest("nobody/nothing-of-this-name", True)


def carried(place: Path, package: str) -> None:
    """A package that carries the merges of three words."""
    place = place / package
    place.mkdir()
    (place / "__init__.py").write_text("raise RuntimeError('it was run')\n", encoding="utf-8")
    with gzip.open(place / "bpe_simple_vocab_16e6.txt.gz", "wt", encoding="utf-8") as file:
        file.write("#version\nd o\ndo g</w>\nc a\nca t</w>\n")


def test_an_installed_packages_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "TOKENIZER", "nobody/nothing-of-this-name")
    monkeypatch.setattr(tokenizer, "PACKAGES", ("carries_clips_merges",))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingError, match=r"(?s)no CLIP tokenizer for x.*open_clip_torch"):
        tokenizer.tokenizer("", tmp_path / "x.safetensors", True)
    carried(tmp_path, "carries_clips_merges")
    found = tokenizer.tokenizer("", tmp_path / "x.safetensors", True)
    start, end = 512 + 4, 512 + 5
    assert found("dog cat", add_special_tokens=True)["input_ids"] == [start, 513, 515, end]
    assert found("a", add_special_tokens=False)["input_ids"] == [256 + ord("a") - ord("!")]
    assert (found.bos_token_id, found.eos_token_id, found.pad_token_id) == (start, end, end)
    with pytest.raises(InputError):
        tokenizer.tokenizer(str(tmp_path / "nowhere"), tmp_path / "x.safetensors", True)


def test_an_option_that_does_nothing_for_a_folder_is_refused() -> None:
    with pytest.raises(InputError, match="tokenizer has no effect"):
        load("tiny", True, LoadOptions(tokenizer="x"))

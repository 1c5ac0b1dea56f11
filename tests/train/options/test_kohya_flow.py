"""Flow models' settings of sd-scripts and musubi-tuner: the same noise levels are drawn, and every key is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.diffusion.family import family
from curate.train.loop.flow import TimeDraw
from curate.train.loop.objective_options import check_family
from curate.train.options import TrainOptions, imported, resolve

ZIMAGE = "accelerate launch src/musubi_tuner/zimage_train_network.py --dit z.safetensors"
ANIMA = "accelerate launch anima_train_network.py --pretrained_model_name_or_path a.safetensors"
LUMINA = "accelerate launch lumina_train_network.py --pretrained_model_name_or_path l.safetensors"
SD3 = "accelerate launch sd3_train_network.py --pretrained_model_name_or_path sd3.5_medium.safetensors"
CHROMA = "accelerate launch flux_train_network.py --pretrained_model_name_or_path c.safetensors --model_type chroma"
DATASET = """
[general]
resolution = [960, 544]
enable_bucket = true
[[datasets]]
image_directory = "/data/3_zwx dog"
cache_directory = "/data/cache"
num_repeats = 2
"""


def command(tmp_path: Path, text: str) -> str:
    (tmp_path / "run.sh").write_text(text + "\n", encoding="utf-8")
    return str(tmp_path / "run.sh")


def options(tmp_path: Path, text: str) -> TrainOptions:
    return TrainOptions.build({"from_kohya": (command(tmp_path, text),)})


def shifted(sigma: Tensor, s: float) -> Tensor:
    return s * sigma / (1 + (s - 1) * sigma)


def index(u: Tensor, s: float) -> Tensor:
    """A level by its place in a list from noise to picture, which is shifted."""
    return shifted(1 - u, s)


Draw = Callable[[Tensor, Tensor], Tensor]
DRAWS: list[tuple[str, str, Draw]] = [
    (ZIMAGE, "", lambda z, u: u),
    (ZIMAGE, "--discrete_flow_shift 3", lambda z, u: index(u, 3)),
    (ZIMAGE, "--timestep_sampling uniform --discrete_flow_shift 3", lambda z, u: u),
    (ZIMAGE, "--timestep_sampling sigmoid --sigmoid_scale 1.5", lambda z, u: torch.sigmoid(1.5 * z)),
    (ZIMAGE, "--timestep_sampling shift --discrete_flow_shift 2", lambda z, u: shifted(torch.sigmoid(z), 2)),
    (
        ZIMAGE,
        "--weighting_scheme logit_normal --logit_mean 0.5 --logit_std 0.8 --discrete_flow_shift 2",
        lambda z, u: index(torch.sigmoid(0.5 + 0.8 * z), 2),
    ),
    (
        ZIMAGE,
        "--timestep_sampling logsnr --logit_mean -1 --logit_std 1.5",
        lambda z, u: torch.sigmoid(-(-1 + 1.5 * z) / 2),
    ),
    (
        ZIMAGE,
        "--weighting_scheme mode --mode_scale 0.8",
        lambda z, u: index(1 - u - 0.8 * (torch.cos(torch.pi * u / 2) ** 2 - 1 + u), 1),
    ),
    (ANIMA, "", lambda z, u: torch.sigmoid(z)),
    (ANIMA, "--timestep_sampling sigma --discrete_flow_shift 3", lambda z, u: index(u, 3)),
    (LUMINA, "", lambda z, u: shifted(torch.sigmoid(z), 6)),
    (SD3, "--training_shift 3", lambda z, u: shifted(u, 3)),
    (
        SD3,
        "--weighting_scheme logit_normal --logit_mean 0.5 --logit_std 0.8 --training_shift 2",
        lambda z, u: shifted(torch.sigmoid(0.5 + 0.8 * z), 2),
    ),
    (
        SD3,
        "--weighting_scheme mode --mode_scale 0.8",
        lambda z, u: 1 - u - 0.8 * (torch.cos(torch.pi * u / 2) ** 2 - 1 + u),
    ),
    (CHROMA, "", lambda z, u: index(u, 3)),
    (CHROMA, "--timestep_sampling sigmoid", lambda z, u: torch.sigmoid(z)),
]
FAMILIES = {ZIMAGE: "zimage", ANIMA: "anima", LUMINA: "lumina2", SD3: "sd35-medium", CHROMA: "chroma"}


@pytest.mark.parametrize(("script", "given", "draw"), DRAWS)
def test_noise_levels_are_drawn_as_there(script: str, given: str, draw: Draw, tmp_path: Path) -> None:
    made = options(tmp_path, f"{script} {given}")
    own = resolve.flow(made, family(FAMILIES[script]))
    assert not own.dynamic_shift
    times = TimeDraw(own.sampling, made.logit_mean, made.logit_std, made.mode_scale, own.shift)
    generator = torch.Generator().manual_seed(5)
    ours = torch.stack([times.of(generator, 1024, 1024) for _ in range(3000)]).sort().values
    theirs = draw(torch.randn(200_000, generator=generator), torch.rand(200_000, generator=generator))
    parts = torch.linspace(0.02, 0.98, 25)
    torch.testing.assert_close(ours.quantile(parts), theirs.float().quantile(parts), atol=0.035, rtol=0)


def test_musubis_example_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "data.toml").write_text(DATASET, encoding="utf-8")
    text = (
        f"{ZIMAGE} --vae v.safetensors --text_encoder q.safetensors --dataset_config {tmp_path}/data.toml --sdpa "
        "--mixed_precision bf16 --timestep_sampling shift --weighting_scheme none --discrete_flow_shift 2.0 "
        "--optimizer_type adamw8bit --learning_rate 1e-4 --gradient_checkpointing --fp8_base --fp8_scaled --fp8_llm "
        "--network_module networks.lora_zimage --network_dim 32 --max_train_epochs 16 --blocks_to_swap 10 --seed 42"
    )
    found = imported(command(tmp_path, text))
    assert not found.problems and found.family == "zimage"
    assert not any("unknown" in note or "other families" in note for note in found.notes)
    assert any("image_directory /data/3_zwx dog: put its pictures into FOLDER/2_zwx dog" in n for n in found.notes)
    made = options(tmp_path, text)
    check_family(made, family("zimage"))
    wanted: dict[str, Any] = {
        "base": "z.safetensors",
        "vae": "v.safetensors",
        "text_encoder": "q.safetensors",
        "resolution": 723,
        "rank": 32,
        "alpha": 1,
        "base_precision": "fp8",
        "swap_blocks": 10,
        "epochs": 16,
        "text_lr": None,
        "bucket_min": None,
        "sample_sampler": TrainOptions.model_fields["sample_sampler"].default,
    }
    assert {name: getattr(made, name) for name in wanted} == wanted


def test_animas_command_is_taken_over(tmp_path: Path) -> None:
    text = (
        f"{ANIMA} --qwen3 q.safetensors --vae v.safetensors --network_module networks.lora_anima --network_dim 8 "
        "--learning_rate 1e-4 --mixed_precision bf16 --cache_text_encoder_outputs --vae_chunk_size 64 --fp8_base "
        "--noise_offset 0.05 --min_snr_gamma 5 --clip_skip 2 --network_args train_llm_adapter=True"
    )
    made, notes = options(tmp_path, text), imported(command(tmp_path, text)).notes
    check_family(made, family("anima"))
    assert (made.text_encoder, made.layer_preset, made.base_precision) == ("q.safetensors", "attn-mlp", "auto")
    assert (made.rank, made.alpha, made.flow_shift, made.noise_offset, made.min_snr) == (8, 1, 1, 0, 0)
    assert any("--fp8_base has no effect: sd-scripts cannot keep Anima in fp8" in note for note in notes)
    assert any("--noise_offset has no effect: trainers of flow models draw plain noise" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sd3_train_network.py --pretrained_model_name_or_path m/sd3.5_large.safetensors", "sd35-large"),
        ("sd3_train_network.py --pretrained_model_name_or_path m/sd3.5_medium.safetensors", "sd35-medium"),
        ("sd3_train_network.py --pretrained_model_name_or_path m/sd3_medium.safetensors", "sd35-medium"),
        ("lumina_train_network.py --network_module networks.lora_lumina", "lumina2"),
        ("flux_train_network.py --model_type chroma", "chroma"),
        ("flux_train_network.py --model_type flux", "flux1"),
        ("flux_train_network.py", "flux1"),
    ],
)
def test_a_script_for_several_families_is_told_apart(text: str, name: str, tmp_path: Path) -> None:
    found = imported(command(tmp_path, f"python {text}"))
    assert (found.family, found.problems) == (name, [])
    assert not any("unknown" in note or "other families" in note for note in found.notes)


def test_luminas_example_is_taken_over(tmp_path: Path) -> None:
    text = (
        f"{LUMINA} --gemma2 g.safetensors --ae ae.safetensors --network_module networks.lora_lumina --network_dim 8 "
        "--network_alpha 8 --learning_rate 1e-4 --timestep_sampling nextdit_shift --discrete_flow_shift 6.0 "
        "--model_prediction_type raw --system_prompt 'You are an assistant.' --mixed_precision bf16 --use_flash_attn "
        "--gemma2_max_token_length 256 --cache_text_encoder_outputs --gradient_checkpointing"
    )
    made, found = options(tmp_path, text), imported(command(tmp_path, text))
    check_family(made, family("lumina2"))
    assert (made.vae, made.text_encoder, made.rank, made.alpha) == ("ae.safetensors", "g.safetensors", 8, 8)
    assert (made.timestep_sampling, made.dynamic_shift, made.flow_shift) == ("uniform", True, None)
    assert any("system_prompt is left out" in note for note in found.notes)
    assert any("trains the blocks' modulation too" in note for note in found.notes)
    assert not any("unknown" in note or "other families" in note for note in found.notes)


def test_sd3s_example_is_taken_over(tmp_path: Path) -> None:
    text = (
        f"{SD3} --clip_l l.safetensors --clip_g g.safetensors --t5xxl t.safetensors --network_module networks.lora_sd3 "
        "--network_dim 16 --learning_rate 1e-4 --mixed_precision bf16 --apply_t5_attn_mask --blocks_to_swap 4"
    )
    found = imported(command(tmp_path, text))
    made = options(tmp_path, text)
    check_family(made, family("sd35-medium"))
    assert (made.timestep_sampling, made.flow_shift, made.rank, made.swap_blocks) == ("uniform", 1, 16, 4)
    for name in ("clip_l", "clip_g", "t5xxl"):
        assert any(f"--{name} is left out: --text-encoder takes" in note for note in found.notes)
    weighed = "gives noise levels of SD 3 a weight of σ²"
    assert any(weighed in note for note in found.notes)
    plain = imported(command(tmp_path, f"{text} --weighting_scheme sigma_sqrt"))
    assert plain.values["timestep_sampling"] == "uniform"
    assert not any(weighed in note for note in plain.notes)


def test_encoders_beside_each_other_are_taken_over_as_one(tmp_path: Path) -> None:
    text = f"{SD3} --clip_l e/clip_l.safetensors --clip_g e/clip_g.safetensors --t5xxl e/t5xxl_fp16.safetensors"
    text += " --network_module networks.lora_sd3"
    assert imported(command(tmp_path, text)).values["text_encoder"] == "e/t5xxl_fp16.safetensors"
    apart = imported(command(tmp_path, text.replace("e/clip_g", "f/clip_g")))
    assert "text_encoder" not in apart.values
    assert any("--clip_g is left out: --text-encoder takes" in note for note in apart.notes)


def test_chromas_one_text_encoder_is_taken_over(tmp_path: Path) -> None:
    made = options(tmp_path, f"{CHROMA} --t5xxl t.safetensors --ae a.safetensors --guidance_scale 0.0")
    assert (made.text_encoder, made.vae) == ("t.safetensors", "a.safetensors")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (f"{SD3} --weighting_scheme cosmap", "every noise level has the same weight"),
        (f"{SD3} --training_shift 3 --max_timestep 900", "the whole distribution is squeezed"),
        (f"{SD3} --pos_emb_random_crop_rate 0.1", "places in a picture are counted"),
        (f"{SD3} --t5_dropout_rate 0.1", "--caption-dropout takes its place"),
        (
            f"{LUMINA} --network_module networks.lora_lumina --network_args attn_dim=4",
            "layers get ranks in another way here",
        ),
        (f"{CHROMA} --timestep_sampling flux_shift", "Chroma has no such line of shifts"),
        ("python flux_train_network.py --model_type other", "it is another model, or one for another task"),
    ],
)
def test_what_other_families_cannot_take_over_is_named(given: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        options(tmp_path, given)
    assert message in str(raised.value)


def test_the_networks_module_tells_the_family(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('network_module = "networks.lora_zimage"\ntimestep_sampling = "sigmoid"\n', encoding="utf-8")
    found = imported(str(path))
    assert (found.family, found.values["timestep_sampling"], found.values["algo"]) == ("zimage", "logit-normal", "lora")


def test_the_guis_fields_of_the_family_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "gui.json"
    fields = {
        "LoRA_type": "Anima",
        "anima_checkbox": True,
        "anima_qwen3": "q.safetensors",
        "anima_timestep_sampling": "shift",
        "anima_discrete_flow_shift": 3,
        "anima_vae": "v.safetensors",
        "timestep_sampling": "sigma",  # which the window passes on for Flux alone
        "discrete_flow_shift": 3.1582,
        "guidance_scale": 3.5,
        "network_dim": 8,
    }
    path.write_text(json.dumps(fields), encoding="utf-8")
    found = imported(str(path))
    assert not found.problems
    assert (found.values["flow_shift"], found.values["vae"], found.values["text_encoder"]) == (
        3,
        "v.safetensors",
        "q.safetensors",
    )
    assert "guidance_scale has no effect: the window passes it on for other families than Anima" in found.notes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--weighting_scheme cosmap", "every noise level has the same weight"),
        ("--timestep_sampling qinglong_flux", "curate draws uniform, logit-normal or mode"),
        ("--timestep_sampling qwen_shift", "Z-Image has no such line of shifts over the sizes of pictures"),
        ("--min_timestep 200", "with timestep_sampling sigma it counts from the other end"),
        ("--model_prediction_type additive", "the prediction is always read as raw"),
        (
            "--network_module networks.lora_zimage --network_args \"exclude_patterns=['.*mlp.*']\"",
            "patterns are written in another way here; --exclude",
        ),
        ("--network_train_text_encoder_only", "the text encoder of Z-Image is not trained here"),
        ("--self_attn_lr 1e-5", "parts of the network have one rate"),
        ("--model_version edit-2511", "it is another model, or one for another task"),
        ("--image_jsonl_file a.jsonl", "captions are read beside the pictures"),
        (
            "--timestep_sampling shift --preserve_distribution_shape --max_timestep 900",
            "the whole distribution is squeezed",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_named(given: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        options(tmp_path, f"{ZIMAGE} {given}")
    assert message in str(raised.value)


def test_blocks_are_not_swapped_for_families_that_kohya_does_not_swap(tmp_path: Path) -> None:
    assert options(tmp_path, "python sdxl_train_network.py --blocks_to_swap 4").swap_blocks == 0

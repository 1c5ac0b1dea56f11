"""The GUI's JSON: other fields decide which of its fields are passed on, field by field.

Left are fields as the GUI saves them; right is what its rules, and sd-scripts' and LyCORIS' defaults, make of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from curate.diffusion.family import family
from curate.train.options import TrainOptions, imported, resolve

WINDOW: dict[str, Any] = {
    # what every saved file holds, whether the chosen type uses it or not
    **{
        "conv_dim": 1,
        "conv_alpha": 1,
        "factor": -1,
        "unit": 1,
        "decompose_both": False,
        "use_cp": False,
        "use_tucker": False,
    },
    **{"LyCORIS_preset": "full", "noise_offset_type": "Original", "noise_offset": 0, "adaptive_noise_scale": 0},
    **{"multires_noise_iterations": 0, "multires_noise_discount": 0.3, "epoch": 3, "max_train_epochs": 0},
    **{"max_train_steps": 0, "learning_rate": 1e-4, "unet_lr": 1e-4, "text_encoder_lr": 5e-5, "network_dim": 16},
    **{"network_alpha": 8, "lr_scheduler": "cosine", "lr_warmup": 0, "optimizer": "AdamW", "enable_bucket": True},
    **{
        "max_resolution": "768,768",
        "stop_text_encoder_training": 0,
        "mixed_precision": "bf16",
        "save_precision": "bf16",
    },
}


def write(folder: Path, **fields: Any) -> str:
    path = folder / "saved.json"
    path.write_text(json.dumps({"LoRA_type": "Standard", **WINDOW, **fields}), encoding="utf-8")
    return str(path)


NETWORKS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    # LoRA type and its fields, options, choice of layers
    ({"conv_dim": 24}, {"algo": "lora", "rank": 16, "alpha": 8, "conv_rank": None, "factor": None}, "attn-mlp"),
    ({"factor": 4, "unit": 8, "train_norm": True}, {"algo": "lora", "factor": None, "train_norm": False}, "attn-mlp"),
    (
        {"LoRA_type": "Kohya LoCon", "conv_dim": 12, "conv_alpha": 6},
        {"algo": "locon", "rank": 16, "alpha": 8, "conv_rank": 12, "conv_alpha": 6},
        "full",
    ),
    (
        {"LoRA_type": "LyCORIS/LoCon", "conv_dim": 0, "conv_alpha": 0},  # LyCORIS takes the linear layers' for 0
        {"algo": "locon", "rank": 16, "alpha": 8, "conv_rank": 16, "conv_alpha": 8},
        "full",
    ),
    (
        {"LoRA_type": "LoCon", "conv_dim": 4, "LyCORIS_preset": "attn-mlp"},  # the type's old name
        {"algo": "locon", "rank": 16, "conv_rank": None, "conv_alpha": None},
        "attn-mlp",
    ),
    (
        {"LoRA_type": "LyCORIS/LoKr", "factor": -1, "conv_dim": 8, "conv_alpha": 2},
        {"algo": "lokr", "rank": 16, "alpha": 8, "factor": -1, "conv_rank": 8, "conv_alpha": 2},
        "full",
    ),
    (
        {"LoRA_type": "LyCORIS/LoKr", "network_dim": 200000, "conv_dim": 200000, "factor": 5, "use_tucker": True},
        {"algo": "lokr", "rank": None, "alpha": None, "conv_rank": None, "factor": 5, "tucker": False},
        "full",
    ),
    (
        {"LoRA_type": "LyCORIS/LoKr", "use_cp": True, "decompose_both": True, "LyCORIS_preset": "attn-only"},
        {"algo": "lokr", "decompose_both": True, "conv_rank": None},
        "attn-only",
    ),
    (
        {"LoRA_type": "LyCORIS/LoHa", "factor": 8, "dora_wd": True, "rank_dropout": 0.1, "network_dropout": 0.2},
        {"algo": "loha", "factor": None, "dora": True, "rank_dropout": 0.1, "dropout": 0.2, "conv_rank": 1},
        "full",
    ),
    ({"LoRA_type": "LyCORIS/iA3", "conv_dim": 8}, {"algo": "ia3", "rank": None, "alpha": None}, "full"),
    (
        {"LoRA_type": "LyCORIS/DyLoRA", "unit": 2, "conv_dim": 4},
        {"algo": "dylora", "rank": 16, "dylora_unit": 2},
        "full",
    ),
    ({"LoRA_type": "Kohya DyLoRA", "unit": 8, "conv_dim": 0}, {"algo": "dylora", "dylora_unit": 8}, "attn-mlp"),
    ({"LoRA_type": "LyCORIS/Diag-OFT", "constrain": 0.5}, {"algo": "diag-oft", "rank": 16, "constraint": 0.5}, "full"),
    ({"LoRA_type": "LyCORIS/BOFT", "constrain": 0.5}, {"algo": "boft", "rank": 16, "constraint": 0}, "full"),
    ({"LoRA_type": "LyCORIS/Native Fine-Tuning"}, {"algo": "full", "rank": None}, "full"),
    ({"LoRA_type": "Kohya LoKr", "factor": -1, "conv_dim": 0}, {"algo": "lokr", "factor": -1, "rank": 16}, "attn-mlp"),
    ({"network_dim": 0, "network_alpha": 0}, {"rank": 4, "alpha": 1}, "attn-mlp"),  # 0 is not passed on
]


@pytest.mark.parametrize(("fields", "options", "layers"), NETWORKS)
def test_the_lora_type_decides_which_fields_count(
    fields: dict[str, Any], options: dict[str, Any], layers: str, tmp_path: Path
) -> None:
    made = TrainOptions.build({"from_kohya": (write(tmp_path, **fields),)})
    assert {name: getattr(made, name) for name in options} == options
    assert resolve.layer_preset(made, family("sd1")) == layers


REST: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # noise: the type decides
    ({"noise_offset": 0.04, "multires_noise_iterations": 6}, {"noise_offset": 0.04, "multires_steps": 0}),
    (
        {
            "noise_offset_type": "Multires",
            "noise_offset": 0.04,
            "adaptive_noise_scale": 0.01,
            "multires_noise_iterations": 6,
        },
        {"noise_offset": 0, "adaptive_noise": 0, "multires_steps": 6, "multires_discount": 0.3},
    ),
    ({"adaptive_noise_scale": 0.01}, {"noise_offset": 0, "adaptive_noise": 0}),
    # length: epochs without a number of steps, steps, epochs of their own
    ({}, {"epochs": 3, "steps": None}),
    ({"max_train_steps": "90"}, {"epochs": None, "steps": 90}),
    ({"max_train_steps": 90, "max_train_epochs": "7"}, {"epochs": 7, "steps": None}),
    ({"epoch": "", "max_train_steps": ""}, {"epochs": None, "steps": 1600}),
    # rates: 0 leaves a part out where the other has one
    ({}, {"learning_rate": 1e-4, "unet_lr": 1e-4, "text_lr": 5e-5}),
    ({"text_encoder_lr": 0}, {"unet_lr": 1e-4, "text_lr": 0}),
    ({"unet_lr": 0}, {"unet_lr": 0, "text_lr": 5e-5}),
    (
        {"unet_lr": 0, "text_encoder_lr": 0, "learning_rate": 3e-4},
        {"learning_rate": 3e-4, "unet_lr": None, "text_lr": 3e-4},
    ),
    # schedule and warm-up: per cent, steps, and none where the rate is constant
    ({"lr_warmup": 10}, {"schedule": "cosine", "warmup": 0.1}),
    ({"lr_warmup": "10", "lr_warmup_steps": 25}, {"warmup": 25}),
    ({"lr_scheduler": "constant", "lr_warmup": 10}, {"schedule": "constant", "warmup": None}),
    ({"lr_scheduler": "constant_with_warmup", "lr_warmup": 0}, {"schedule": "constant"}),
    (
        {"lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": "4"},
        {"schedule": "cosine-restarts", "cycles": 4},
    ),
    ({"lr_scheduler_num_cycles": "4", "lr_scheduler_power": "2"}, {"schedule": "cosine", "cycles": 1, "power": 1.0}),
    # optimizers: their own weight decay, and Adafactor's own rate
    ({"optimizer": "Lion"}, {"optimizer": "lion", "weight_decay": 0}),
    ({"optimizer": "AdamW8bit"}, {"optimizer": "adamw8bit", "weight_decay": 0.01}),
    ({"optimizer": "AdamW", "optimizer_args": '"weight_decay=0.2" "betas=0.9,0.95"'}, {"weight_decay": 0.2}),
    (
        {"optimizer": "Adafactor", "lr_scheduler": "adafactor"},
        {"learning_rate": None, "schedule": None, "optimizer_args": ("relative_step=True", "scale_parameter=True")},
    ),
    # what the GUI passes on as a command line stands above its fields
    ({"additional_parameters": "--max_grad_norm=0 --seed 9"}, {"max_grad_norm": 0, "seed": 9}),
    ({"max_grad_norm": 0}, {"max_grad_norm": 1}),
    ({"additional_parameters": '--network_train_unet_only --network_dim="6"'}, {"text_lr": 0, "rank": 6}),
    (
        {"additional_parameters": '--lr_scheduler_type "CosineAnnealingLR" --lr_scheduler_args "T_max=80" "eta_min=0"'},
        {"schedule": "cosine"},
    ),
    # buckets
    ({"bucket_reso_steps": 1}, {"bucket_step": 8}),
    ({"bucket_reso_steps": 20.0}, {"bucket_step": 24}),
    ({"min_bucket_reso": 320, "max_bucket_reso": 1280}, {"bucket_min": 320, "bucket_max": 1280}),
    ({"bucket_no_upscale": True, "min_bucket_reso": 320}, {"upscale": False, "bucket_min": None}),
    ({"caption_extension": ".none-use-foldername"}, {"caption_extension": ".txt"}),
    ({"shuffle_caption": True, "keep_tokens": "0"}, {"shuffle": True, "keep_tokens": 0}),
    ({"keep_tokens": 2}, {"shuffle": False, "keep_tokens": None}),
    ({"clip_skip": 2, "sdxl": True}, {"clip_skip": 1}),
    ({"clip_skip": 2}, {"clip_skip": 2}),
    ({"sample_prompts": "prompts.txt"}, {"sample_prompts": ""}),  # without a rhythm none are drawn
    ({"stop_text_encoder_training": 20}, {"stop_text_after": 0}),  # the GUI does not pass it on
]


@pytest.mark.parametrize(("fields", "options"), REST)
def test_what_the_other_fields_come_to(fields: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    made = TrainOptions.build({"from_kohya": (write(tmp_path, **fields),)})
    assert {name: getattr(made, name) for name in options} == options


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"conv_dim": 24}, "conv_dim has no effect: LoRA_type is Standard"),
        (
            {"noise_offset_type": "Multires", "noise_offset": 0.1},
            "noise_offset has no effect: noise_offset_type is Multires",
        ),
        ({"max_train_steps": 5}, "epoch has no effect: max_train_steps is set"),
        ({"lr_scheduler_power": "2"}, "lr_scheduler_power has no effect: the schedule is cosine"),
        ({"stop_text_encoder_training": 20}, "stop_text_encoder_training has no effect: the GUI does not pass it on"),
        (
            {"t5xxl_max_token_length": 512},
            "t5xxl_max_token_length has no effect: it belongs to other families of models",
        ),
        ({"bucket_reso_steps": 1}, "bucket_reso_steps is 8 here: sides are multiples of 8"),
        ({"keep_tokens": 2}, "keep_tokens has no effect: neither shuffle_caption nor caption_tag_dropout_rate is set"),
        ({"never_heard_of": 3}, "never_heard_of is an unknown setting and is ignored"),
    ],
)
def test_a_field_without_an_effect_is_named(fields: dict[str, Any], note: str, tmp_path: Path) -> None:
    assert note in imported(write(tmp_path, **fields)).notes


def test_every_field_is_either_an_option_or_named(tmp_path: Path) -> None:
    path = write(tmp_path, LoRA_type="LyCORIS/LoKr", lr_warmup=5, xformers="xformers", seed="7", odd=1)
    outcomes = {outcome.name for outcome in imported(path).outcomes}
    written = json.loads(Path(path).read_text(encoding="utf-8"))
    wanted = {name for name, value in written.items() if value not in (0, "", False)}
    # of the window's own choosers only what they chose is of interest
    assert wanted - outcomes <= {"noise_offset_type", "enable_bucket"}


@pytest.mark.parametrize("field", ["flux1_checkbox", "sd3_checkbox"])
def test_other_families_are_refused(field: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another family of models"):
        TrainOptions.build({"from_kohya": (write(tmp_path, **{field: True}),)})


@pytest.mark.parametrize(
    ("fields", "given"),
    [
        ({"LoRA_type": "LoRA-FA"}, {"algo": "lora"}),
        ({"additional_parameters": "--text_encoder_lr 1e-5 2e-5"}, {"text_lr": 1e-5}),
        ({"lr_scheduler": "inverse_sqrt"}, {"schedule": "linear"}),
        ({"LyCORIS_preset": "own.toml", "LoRA_type": "LyCORIS/LoHa"}, {"layer_preset": "full"}),
        ({"network_dim": "many"}, {"rank": 8}),
        ({"pretrained_model_name_or_path": "E:/models/a.safetensors"}, {"base": "tiny"}),
    ],
)
def test_an_option_stands_above_a_value_that_is_refused(
    fields: dict[str, Any], given: dict[str, Any], tmp_path: Path
) -> None:
    path = write(tmp_path, **fields)
    with pytest.raises(ValueError, match=next(iter(fields))):
        TrainOptions.build({"from_kohya": (path,)})
    made = TrainOptions.build(dict(from_kohya=(path,), **given))
    assert {name: getattr(made, name) for name in given} == given


@pytest.mark.parametrize(
    ("fields", "given", "options"),
    [
        ({}, {"steps": 5}, {"steps": 5, "epochs": None}),
        ({"max_train_steps": 50}, {"epochs": 2}, {"steps": None, "epochs": 2}),
        ({}, {"showings": 30}, {"steps": None, "epochs": None, "showings": 30}),
        ({}, {"learning_rate": 1e-3}, {"learning_rate": 1e-3, "unet_lr": None, "text_lr": 5e-5}),
        (
            {"unet_lr": 0, "text_encoder_lr": 0},
            {"learning_rate": 1e-3},
            {"learning_rate": 1e-3, "unet_lr": None, "text_lr": 1e-3},
        ),
        (
            {
                "optimizer": "Prodigy",
                "learning_rate": 1,
                "unet_lr": 1,
                "text_encoder_lr": 1,
                "optimizer_args": "d_coef=2",
            },
            {"optimizer": "adamw"},
            {"optimizer": "adamw", "learning_rate": None, "unet_lr": None, "optimizer_args": (), "weight_decay": 0.01},
        ),
        (
            {"optimizer_args": "weight_decay=0.2 eps=1e-7"},
            {"weight_decay": 0.3},
            {"weight_decay": 0.3, "optimizer_args": ("eps=1e-7",)},
        ),
    ],
)
def test_an_option_stands_above_what_goes_with_it(
    fields: dict[str, Any], given: dict[str, Any], options: dict[str, Any], tmp_path: Path
) -> None:
    made = TrainOptions.build(dict(from_kohya=(write(tmp_path, **fields),), **given))
    assert {name: getattr(made, name) for name in options} == options


@pytest.mark.parametrize("path", ["E:\\loras\\out", "e:/loras/out", "\\\\nas\\loras"])
@pytest.mark.parametrize(
    ("field", "option"),
    [("output_dir", "output_dir"), ("vae", "vae"), ("reg_data_dir", "reg_folder"), ("network_weights", "start_from")],
)
def test_paths_of_windows_are_named_and_left_out(path: str, field: str, option: str, tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("there they are paths")
    saved = write(tmp_path, **{field: path})
    assert getattr(TrainOptions.build({"from_kohya": (saved,)}), option) == ""
    assert any(note.startswith(f"{field} = {path!r} is a Windows path") for note in imported(saved).notes)

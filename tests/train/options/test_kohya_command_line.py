"""Commands as guides have them, pasted: what each means, and the pipeline that `init` writes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate import init
from curate.cli.main import main
from curate.pipeline import load
from curate.train.options import TrainOptions, imported
from curate.train.options.kohya import shell

PONY = r"""#!/bin/bash
# a LoCon for Pony
source venv/bin/activate
export BASE=hub/pony-xl
accelerate launch --num_cpu_threads_per_process 2 --mixed_precision bf16 "sdxl_train_network.py" \
  --pretrained_model_name_or_path="$BASE" --train_data_dir="/data/my pictures" \
  --resolution="1024,1024" --enable_bucket --min_bucket_reso=512 --max_bucket_reso=2048 --bucket_reso_steps=32 \
  --network_module=lycoris.kohya --network_dim=8 --network_alpha=4 \
  --network_args "algo=locon" "conv_dim=16" "conv_alpha=2" "preset=full" "dropout=0.1" \
  --unet_lr=1e-4 --text_encoder_lr=5e-5 --learning_rate=1e-4 \
  --optimizer_type=AdamW8bit --optimizer_args weight_decay=0.05 "betas=0.9,0.99" \
  --lr_scheduler=cosine_with_restarts --lr_scheduler_num_cycles=3 --lr_warmup_steps=0.05 \
  --train_batch_size=4 --max_train_epochs=10 --save_every_n_epochs=2 --save_precision=bf16 --mixed_precision=bf16 \
  --min_snr_gamma=5 --noise_offset=0.0357 --shuffle_caption --keep_tokens=1 --caption_extension=.txt \
  --cache_latents --gradient_checkpointing --xformers --clip_skip=2 --output_name="robe v2" \
  --seed=31337 2>&1 | tee log.txt
"""
SD15 = """@echo off
REM for SD 1.5
set DATA=D:\\train\\img
accelerate launch train_network.py ^
 --pretrained_model_name_or_path hub/sd15 ^
 --train_data_dir %DATA% --output_dir "D:\\loras\\" ^
 --network_module networks.lora --network_dim 32 --network_alpha 16 ^
 --resolution 512 --train_batch_size 2 --learning_rate 1e-4 --max_train_steps 1500 ^
 --lr_scheduler constant_with_warmup --lr_warmup_steps 100 --mixed_precision fp16 --save_precision fp16 ^
 --caption_extension .txt --clip_skip 2 --max_token_length 225 --flip_aug
"""
PRODIGY = """accelerate launch `
 ./sd-scripts/train_network.py `
 --pretrained_model_name_or_path=hub/noob --network_module=networks.lora --network_dim=16 --network_alpha=1 `
 --optimizer_type=Prodigy --optimizer_args decouple=True weight_decay=0.01 'd_coef=0.8' --learning_rate=1 `
 --unet_lr=1 --network_train_unet_only --lr_scheduler=cosine --max_train_epochs 8 --resolution=768,1024 `
 --v_parameterization --zero_terminal_snr --bucket_no_upscale --enable_bucket
"""
MEANT: list[tuple[str, str, dict[str, Any]]] = [
    (
        "pony.sh",
        PONY,
        {
            **{"base": "hub/pony-xl", "algo": "locon", "layer_preset": "full", "rank": 8, "alpha": 4, "conv_rank": 16},
            **{"conv_alpha": 2, "dropout": 0.1, "learning_rate": 1e-4, "unet_lr": 1e-4, "text_lr": 5e-5},
            **{"optimizer": "adamw8bit", "optimizer_args": ("weight_decay=0.05", "betas=0.9,0.99")},
            **{"schedule": "cosine-restarts", "cycles": 3, "warmup": 0.05, "batch": 4, "epochs": 10, "steps": None},
            **{"precision": "bf16", "save_precision": "bf16", "min_snr": 5, "noise_offset": 0.0357, "shuffle": True},
            **{
                "keep_tokens": 1,
                "gradient_checkpointing": True,
                "clip_skip": 1,
                "output_name": "robe v2",
                "seed": 31337,
            },
            **{"resolution": 1024, "bucket_min": 512, "bucket_max": 2048, "bucket_step": 32, "save_every_n_epochs": 2},
        },
    ),
    (
        "sd15.bat",
        SD15,
        {
            **{
                "base": "hub/sd15",
                "algo": "lora",
                "rank": 32,
                "alpha": 16,
                "resolution": 512,
                "batch": 2,
                "steps": 1500,
            },
            **{
                "learning_rate": 1e-4,
                "unet_lr": None,
                "text_lr": 1e-4,
                "schedule": "constant-with-warmup",
                "warmup": 100,
            },
            **{"precision": "fp16", "clip_skip": 2, "max_tokens": 225, "flip": True, "optimizer": "adamw"},
        },
    ),
    (
        "prodigy.ps1",
        PRODIGY,
        {
            **{"base": "hub/noob", "algo": "lora", "rank": 16, "alpha": 1, "optimizer": "prodigy", "learning_rate": 1},
            **{"unet_lr": 1, "text_lr": 0, "optimizer_args": ("decouple=True", "weight_decay=0.01", "d_coef=0.8")},
            **{
                "schedule": "cosine",
                "epochs": 8,
                "resolution": 887,
                "prediction": "v",
                "ztsnr": True,
                "upscale": False,
            },
            **{"precision": "fp32", "save_precision": "fp32"},
        },
    ),
]


@pytest.mark.parametrize(("name", "text", "options"), MEANT, ids=[one[0] for one in MEANT])
def test_a_pasted_command_means_what_it_says(name: str, text: str, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    made = TrainOptions.build({"from_kohya": (str(tmp_path / name),)})
    assert {option: getattr(made, option) for option in options} == options


@pytest.mark.parametrize(("name", "text", "options"), MEANT, ids=[one[0] for one in MEANT])
def test_init_writes_a_pipeline_that_trains_the_same(
    name: str, text: str, options: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "in/zwx").mkdir(parents=True)
    Image.new("RGB", (80, 80), "teal").save(tmp_path / "in/zwx/a.png")
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        family = [] if name == "pony.sh" else ["--family", "sd1"]  # which SDXL's own script tells
        files = ["--from-kohya", str(tmp_path / name), "-o", str(tmp_path / "p.yaml")]
        main(["init", str(tmp_path / "in"), *files, *family])
    assert ended.value.code == 0
    pipeline = load(tmp_path / "p.yaml")
    train: Any = pipeline.stages[-1]
    told = TrainOptions.build({"from_kohya": (str(tmp_path / name),)})
    for option in set(TrainOptions.model_fields) - {"from_kohya", "output_dir"}:
        assert getattr(train, option) == getattr(told, option), option
    written = (tmp_path / "p.yaml").read_text(encoding="utf-8")
    for outcome in imported(str(tmp_path / name)).outcomes:
        assert outcome.name.lstrip("-") in written


def test_what_became_of_each_flag_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "c.sh").write_text(PONY, encoding="utf-8")
    lines = init.training([str(tmp_path / "c.sh")], None).lines
    assert "rank: 8  # --network_dim" in lines and "conv_rank: 16  # conv_dim" in lines
    assert any(line.startswith("#   --xformers is ignored") for line in lines)
    assert any(line.startswith("#   --clip_skip has no effect: SDXL") for line in lines)
    assert any(
        line.startswith("#   num_cpu_threads_per_process has no effect: it belongs to the launcher") for line in lines
    )


@pytest.mark.parametrize(
    ("line", "suffix", "words"),
    [
        (r"a --x=C:\loras\new --y 'b c'", ".sh", ["a", r"--x=C:\loras\new", "--y", "b c"]),
        (r'--out "C:\my loras\" --z', ".bat", ["--out", "C:\\my loras\\", "--z"]),
        (r"--dir /data/my\ pictures", ".sh", ["--dir", "/data/my pictures"]),
        (r'--say "one \"two\" three"', ".sh", ["--say", 'one "two" three']),
        ("--a it's --b", ".bat", ["--a", "it's", "--b"]),
        ("--a '' --b # not this", ".sh", ["--a", "", "--b"]),
        (r"--x C:\loras\ --y", ".sh", ["--x", "C:\\loras\\", "--y"]),
    ],
)
def test_words_are_split_as_their_shell_does(line: str, suffix: str, words: list[str]) -> None:
    assert shell.words(line, suffix) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("python hunyuan_image_train_network.py --network_dim 4", "trains another family of models"),
        ("python train_db.py --seed 4", "train_db.py trains no LoRA"),
        ("echo hello", "holds no command of kohya's scripts"),
        ("python train_network.py --network_dim $RANK", "holds a variable that the file does not set"),
        ("python train_network.py --output_name my robe", "takes one value, not 'my robe'"),
        ("python train_network.py --config_file E:/x/c.toml", "is a Windows path: give that file too"),
    ],
)
def test_a_command_that_cannot_be_taken_over_is_explained(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.sh").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        TrainOptions.build({"from_kohya": (str(tmp_path / "c.sh"),)})


def test_a_command_stands_above_the_files_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("network_dim = 4\nnetwork_alpha = 2\n", encoding="utf-8")
    (tmp_path / "d.toml").write_text(
        "[general]\nkeep_tokens = 2\nshuffle_caption = true\n[[datasets]]\nresolution = 640\n"
        "[[datasets.subsets]]\nimage_dir = 'C:\\pics\\5_zwx'\n",
        encoding="utf-8",
    )
    command = "python train_network.py --config_file c --dataset_config d.toml --network_dim 12"
    (tmp_path / "c.sh").write_text(command, encoding="utf-8")
    made = TrainOptions.build({"from_kohya": (str(tmp_path / "c.sh"),)})
    assert (made.rank, made.alpha, made.resolution, made.keep_tokens) == (12, 2, 640, 2)
    assert any("FOLDER/1_zwx" in note for note in imported(str(tmp_path / "c.sh")).notes)


def test_flags_alone_are_a_command(tmp_path: Path) -> None:
    (tmp_path / "flags.txt").write_text("--network_dim 6\n--seed=3\n", encoding="utf-8")
    made = TrainOptions.build({"from_kohya": (str(tmp_path / "flags.txt"),)})
    assert (made.rank, made.seed) == (6, 3)


EASY = """
[[subsets]]
num_repeats = 5
keep_tokens = 1
caption_extension = ".txt"
shuffle_caption = true
flip_aug = false
image_dir = "F:/sets/5_zwx dog"
[train_mode]
train_mode = "lora"
[general_args.args]
pretrained_model_name_or_path = "hub/anime"
seed = 23
clip_skip = 2
max_train_epochs = 4
mixed_precision = "bf16"
[general_args.dataset_args]
resolution = 768
batch_size = 2
[network_args.args]
network_dim = 12
network_alpha = 6.0
[network_args.args.network_args]
{network}
[optimizer_args.args]
optimizer_type = "AdamW8bit"
lr_scheduler = "cosine"
learning_rate = 0.0002
warmup_ratio = 0.1
[optimizer_args.args.optimizer_args]
weight_decay = 0.1
betas = "0.9,0.95"
[bucket_args.dataset_args]
enable_bucket = true
min_bucket_reso = 320
[saving_args.args]
output_dir = "F:/out"
output_name = "dog ${{replace}}"
easy_name = "two"
"""


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("", {"algo": "lora", "rank": 12, "alpha": 6, "conv_rank": None}),
        ('algo = "lokr"\nfactor = 4\nconv_dim = 8', {"algo": "lokr", "factor": 4, "conv_rank": 8, "conv_alpha": 6}),
        ("conv_dim = 8\nconv_alpha = 2", {"algo": "locon", "conv_rank": 8, "conv_alpha": 2}),
        ("unit = 4", {"algo": "dylora", "dylora_unit": 4}),
        ('algo = "loha"\npreset = "attn-mlp"', {"algo": "loha", "layer_preset": "attn-mlp", "conv_rank": None}),
    ],
)
def test_the_toml_of_easy_training(network: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "easy.toml"
    path.write_text(EASY.format(network=network), encoding="utf-8")
    made = TrainOptions.build({"from_kohya": (str(path),)})
    assert {option: getattr(made, option) for option in options} == options
    assert (made.seed, made.epochs, made.resolution, made.batch, made.shuffle, made.keep_tokens) == (
        23,
        4,
        768,
        2,
        True,
        1,
    )
    assert (made.warmup, made.weight_decay, made.optimizer_args) == (0.1, 0.1, ("weight_decay=0.1", "betas=0.9,0.95"))
    assert (made.output_name, made.bucket_min, made.clip_skip) == ("dog two", 320, 2)
    assert "image_dir F:/sets/5_zwx dog: put its pictures into FOLDER/5_zwx dog" in imported(str(path)).notes

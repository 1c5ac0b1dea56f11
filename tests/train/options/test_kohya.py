"""kohya's files: every key becomes an option, or is named with the reason, or stops the import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.diffusion.family import family
from curate.train.network import plan
from curate.train.options import TrainOptions, imported, kohya, resolve
from curate.train.options.kohya import keys as kohya_keys
from curate.train.options.kohya import reasons

TRAINING = """
[model]
pretrained_model_name_or_path = "/models/anime.safetensors"
v2 = false
v_parameterization = false
[network]
network_module = "lycoris.kohya"
network_dim = 16
network_alpha = 8
network_args = ["algo=lokr", "factor=4", "preset=attn-mlp", "conv_dim=8", "use_tucker=True", "decompose_both=False"]
network_train_unet_only = true
[run]
max_train_epochs = 10
max_train_steps = 1600
train_batch_size = 2
gradient_accumulation_steps = 3
learning_rate = 2e-4
optimizer_type = "AdamW8bit"
optimizer_args = ["betas=0.9,0.99"]
lr_scheduler = "cosine_with_restarts"
lr_scheduler_num_cycles = 3
lr_scheduler_power = 1
mixed_precision = "bf16"
save_precision = "float"
xformers = true
cache_latents = true
logging_dir = "logs"
seed = 7
[loss]
min_snr_gamma = 5
noise_offset = 0.05
loss_type = "smooth_l1"
huber_c = 0.2
max_timestep = 900
[data]
shuffle_caption = true
keep_tokens = 2
caption_extension = ".caption"
bucket_no_upscale = true
min_bucket_reso = 256
resolution = "768,512"
flip_aug = true
strange_key = 3
"""
WANTED: dict[str, Any] = {
    "base": "/models/anime.safetensors",
    "algo": "lokr",
    "rank": 16,
    "alpha": 8,
    "factor": 4,
    "layer_preset": "attn-mlp",
    "conv_rank": None,  # the preset holds no convolutions larger than 1x1
    "tucker": True,
    "decompose_both": False,
    "text_lr": 0,
    "epochs": 10,
    "steps": None,
    "batch": 2,
    "accumulate": 3,
    "learning_rate": 2e-4,
    "optimizer": "adamw8bit",
    "optimizer_args": ("betas=0.9,0.99",),
    "schedule": "cosine-restarts",
    "cycles": 3,
    "precision": "bf16",
    "save_precision": "fp32",
    "seed": 7,
    "min_snr": 5,
    "noise_offset": 0.05,
    "loss": "smooth-l1",
    "huber_c": 0.2,
    "max_timestep": 900,
    "shuffle": True,
    "keep_tokens": 2,
    "caption_extension": ".caption",
    "upscale": False,
    "resolution": 627,
    "flip": True,
}


@pytest.fixture
def training(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(TRAINING, encoding="utf-8")
    return path


def test_every_key_of_a_training_file_arrives(training: Path) -> None:
    options = TrainOptions.build({"from_kohya": (str(training),)})
    assert {name: getattr(options, name) for name in WANTED} == WANTED
    assert options.bucket_min is None  # which kohya ignores without upscaling, and we refuse


def test_what_does_not_arrive_is_named_with_the_reason(training: Path) -> None:
    notes = imported(str(training)).notes
    assert "xformers is ignored: it affects speed or memory, not what is learned" in notes
    assert "cache_latents is ignored: curate always does this" in notes
    assert "strange_key is an unknown setting and is ignored" in notes
    assert not any("network_dim" in note or "min_snr" in note for note in notes)


def test_the_command_line_stands_above_and_a_guide_below(training: Path) -> None:
    options = TrainOptions.build({"from_kohya": (str(training),), "guide": "style", "rank": 4, "epochs": 2})  # type: ignore[arg-type]
    assert (options.rank, options.epochs, options.algo, options.showings) == (4, 2, "lokr", 100)


def gui(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "gui.json"
    settings = {
        "LoRA_type": "LyCORIS/LoHa",
        "pretrained_model_name_or_path": "stabilityai/stable-diffusion-xl-base-1.0",
        "network_dim": 8,
        "network_alpha": 4.0,
        "conv_dim": 1,
        "conv_alpha": 1,
        "LyCORIS_preset": "full",
        "epoch": 12,
        "max_train_steps": 1600,
        "max_resolution": "1024,1024",
        "optimizer": "Prodigy",
        "optimizer_args": "decouple=True weight_decay=0.1",
        "learning_rate": 1.0,
        "text_encoder_lr": 1.0,
        "unet_lr": 1.0,
        "lr_scheduler": "cosine",
        "lr_scheduler_num_cycles": "",
        "lr_warmup": 10,
        "train_batch_size": 1,
        "mixed_precision": "fp16",
        "save_precision": "fp16",
        "max_token_length": 225,
        "clip_skip": "1",
        "min_snr_gamma": 5,
        "bucket_reso_steps": 64,
        "caption_dropout_rate": 0.05,
        "multires_noise_iterations": 8,
        "multires_noise_discount": 0.2,
        "noise_offset_type": "Multires",
        "color_aug": False,
        "random_crop": False,
        "train_data_dir": "/pictures",
        "sdxl": True,
        "weighted_captions": False,
        "keep_tokens": "0",
        "max_data_loader_n_workers": "0",
        "sample_prompts": "",
        "additional_parameters": "",
        **changes,
    }
    path.write_text(json.dumps(settings), encoding="utf-8")
    return str(path)


def test_the_guis_file(tmp_path: Path) -> None:
    options = TrainOptions.build({"from_kohya": (gui(tmp_path),)})
    assert (options.algo, options.rank, options.alpha, options.conv_rank) == ("loha", 8, 4, 1)
    # the GUI takes its epochs only where it has no number of steps
    assert resolve.layer_preset(options, family("sdxl")) == "full" and options.epochs is None and options.steps == 1600
    assert (options.optimizer, options.optimizer_args) == ("prodigy", ("decouple=True", "weight_decay=0.1"))
    assert (options.resolution, options.max_tokens, options.warmup) == (1024, 225, 0.1)
    assert (options.multires_steps, options.multires_discount) == (8, 0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"random_crop": True}, "random_crop = True has no counterpart"),
        ({"color_aug": True}, "color_aug = True has no counterpart"),
        ({"LoRA_type": "Flux1"}, "LoRA_type = 'Flux1' has no counterpart: it is of another kind"),
        ({"flux1_checkbox": True}, "Flux is another family"),
        ({"text_encoder_lr": [1e-5, 2e-5]}, "both text encoders have the same rate"),
        ({"additional_parameters": "--random_crop"}, "additional_parameters: random_crop = True has no counterpart"),
    ],
)
def test_what_cannot_be_taken_over_stops(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        TrainOptions.build({"from_kohya": (gui(tmp_path, **changes),)})


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = gui(tmp_path, random_crop=True, color_aug=True)
    with pytest.raises(ValueError, match=r"(?s)color_aug.*random_crop|random_crop.*color_aug"):
        TrainOptions.build({"from_kohya": (path,)})


DATASET = """
[general]
shuffle_caption = true
caption_extension = '.txt'
[[datasets]]
resolution = 768
batch_size = 4
  [[datasets.subsets]]
  image_dir = 'pictures/dog'
  class_tokens = 'zwx dog'
  num_repeats = 10
  keep_tokens = {keep}
  [[datasets.subsets]]
  image_dir = 'pictures/robe'
  num_repeats = 2
  keep_tokens = 1
"""


def test_a_dataset_file_beside_a_training_file(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text(DATASET.format(keep=1), encoding="utf-8")
    path = tmp_path / "train.toml"
    path.write_text(
        'dataset_config = "dataset.toml"\nnetwork_module = "networks.lora"\nnetwork_dim = 4\n', encoding="utf-8"
    )
    options = TrainOptions.build({"from_kohya": (str(path),)})
    assert (options.resolution, options.batch, options.shuffle, options.keep_tokens) == (768, 4, True, 1)
    notes = imported(str(path)).notes
    assert "image_dir pictures/dog: put its pictures into FOLDER/10_zwx dog" in notes
    assert "image_dir pictures/robe: put its pictures into FOLDER/2_robe" in notes


def test_folders_that_carry_repeats_or_regularisation_pictures(tmp_path: Path) -> None:
    path = tmp_path / "dataset.toml"
    rows = ("image_dir = '5_zwx dog'\nnum_repeats = 3", "image_dir = 'reg/1_dog'\nis_reg = true")
    path.write_text("[[datasets]]\n" + "".join(f"[[datasets.subsets]]\n{row}\n" for row in rows), encoding="utf-8")
    assert imported(str(path)).notes == [
        "image_dir 5_zwx dog: put its pictures into FOLDER/3_zwx dog",
        "image_dir reg/1_dog: put its pictures into the folder that reg_folder names, as REG/1_dog",
    ]


def test_a_value_that_does_not_fit_is_told_with_its_file_and_key(tmp_path: Path) -> None:
    path = tmp_path / "gui.json"
    path.write_text(json.dumps({"network_dim": "banana", "save_every_n_steps": -2, "clip_skip": 2}), encoding="utf-8")
    with pytest.raises(ValueError, match="network_dim") as told:
        TrainOptions.build({"from_kohya": (str(path),)})
    for line in (
        f"{path}: network_dim = 'banana': must be a whole number",
        f"{path}: save_every_n_steps = -2: must be at least 0",
    ):
        assert line in str(told.value)


def test_what_differs_between_datasets_stops(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text(DATASET.format(keep=2), encoding="utf-8")
    with pytest.raises(ValueError, match="keep_tokens differs between its datasets"):
        TrainOptions.build({"from_kohya": (str(tmp_path / "dataset.toml"),)})


@pytest.mark.parametrize(("text", "message"), [("a = [", "neither TOML nor JSON"), (None, "cannot be read")])
def test_files_that_are_none(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        TrainOptions.build({"from_kohya": (str(path),)})


def test_settings_of_onetrainer_are_not_taken_for_kohyas(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text('{"__version": 6, "training_method": "LORA", "learning_rate": 3e-4}', encoding="utf-8")
    with pytest.raises(ValueError, match="holds OneTrainer's settings, which are not read"):
        TrainOptions.build({"from_kohya": (str(path),)})


def test_a_lokr_of_a_rank_without_end_is_the_full_matrix(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'network_module = "lycoris.kohya"\nnetwork_dim = 100000\nnetwork_args = ["algo=lokr"]\n', encoding="utf-8"
    )
    options = TrainOptions.build({"from_kohya": (str(path),)})
    assert options.rank is None and plan.plan(options, spatial=False).full_matrix


def test_the_table_leads_to_options_and_says_everything_once() -> None:
    assert set(kohya_keys.OPTIONS.values()) <= set(TrainOptions.model_fields)
    keys = [set(kohya_keys.OPTIONS), set(reasons.IGNORED), set(reasons.REFUSED)]
    assert sum(map(len, keys)) == len(set().union(*keys))


def test_the_words_of_a_file_stay_words(tmp_path: Path) -> None:
    """A title of figures alone is no number; what only kohya's metadata say is named."""
    (tmp_path / "a.toml").write_text(
        'metadata_title = "2024"\nmetadata_license = "CC0-1.0"\nmetadata_tags = "dog, robe"\n'
        'metadata_thumbnail = "look.png"\nmetadata_usage_hint = "say zwx"\n',
        encoding="utf-8",
    )
    options = TrainOptions.build({"from_kohya": (str(tmp_path / "a.toml"),)})
    assert (options.title, options.license, options.keywords) == ("2024", "CC0-1.0", "dog, robe")
    assert options.thumbnail == "look.png"
    found = kohya.read([str(tmp_path / "a.toml")], TrainOptions.model_fields)
    assert any("metadata_usage_hint is ignored" in note for note in found.notes)


def test_every_value_is_taken_over_from_words(tmp_path: Path) -> None:
    """The GUI writes many numbers and truth values as text."""
    found = kohya.read([gui(tmp_path, shuffle_caption="True", keep_tokens="3")], TrainOptions.model_fields)
    assert found.values["shuffle"] is True and found.values["keep_tokens"] == 3


def test_files_of_the_last_steps_are_counted(tmp_path: Path) -> None:
    """At step 500 kohya removes that of step 100 and keeps those of 200 to 500."""
    found = kohya.read([gui(tmp_path, save_every_n_steps="100", save_last_n_steps=300)], TrainOptions.model_fields)
    assert (found.values["save_every_n_steps"], found.values["keep_saves"]) == (100, 4)
    assert "keep_saves" not in kohya.read([gui(tmp_path, save_last_n_steps=300)], TrainOptions.model_fields).values


def test_lines_and_choices_in_captions_are_taken_over(tmp_path: Path) -> None:
    found = kohya.read(
        [gui(tmp_path, enable_wildcard=True, shuffle_caption=True, keep_tokens_separator="|||")],
        TrainOptions.model_fields,
    )
    assert (found.values["caption_variants"], found.values["caption_wildcards"]) == ("lines", True)
    assert not found.refused() and any("keep_tokens_separator needs no option" in note for note in found.notes)
    other = kohya.read([gui(tmp_path, keep_tokens_separator="///")], TrainOptions.model_fields)
    assert "keep_tokens_separator" in other.refused()[0]

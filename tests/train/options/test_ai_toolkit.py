"""ai-toolkit's jobs: every setting becomes an option, or is named with the reason, or stops the import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from curate.diffusion.family import family
from curate.init.kohya_file import training
from curate.train.loop.objective_options import check_family
from curate.train.options import TrainOptions, imported

WINDOW = """
job: extension
config:
  name: my_lora
  process:
    - type: diffusion_trainer
      training_folder: output
      sqlite_db_path: ./aitk_db.db
      device: cuda
      trigger_word: null
      performance_log_every: 10
      network: {type: lora, linear: 32, linear_alpha: 32, conv: 16, conv_alpha: 16, lokr_full_rank: true,
        lokr_factor: -1, network_kwargs: {ignore_if_contains: []}}
      save: {dtype: bf16, save_every: 250, max_step_saves_to_keep: 4, save_format: diffusers, push_to_hub: false}
      datasets:
        - {folder_path: /data/zwx dog, mask_path: null, mask_min_value: 0.1, default_caption: '', caption_ext: txt,
           caption_dropout_rate: 0.05, cache_latents_to_disk: false, is_reg: false, network_weight: 1,
           resolution: [512, 768, 1024], controls: [], shrink_video_to_frames: true, num_frames: 1, flip_x: false,
           flip_y: false, num_repeats: 3}
      train: {batch_size: 1, bypass_guidance_embedding: false, steps: 3000, gradient_accumulation: 1, train_unet: true,
        train_text_encoder: false, gradient_checkpointing: true, noise_scheduler: flowmatch, optimizer: adamw8bit,
        timestep_type: weighted, content_or_style: balanced, optimizer_params: {weight_decay: 1e-4},
        unload_text_encoder: false, cache_text_embeddings: false, lr: 0.0001, ema_config: {use_ema: false,
        ema_decay: 0.99}, skip_first_sample: false, disable_sampling: false, dtype: bf16,
        diff_output_preservation: false, diff_output_preservation_class: person, switch_boundary_every: 1,
        loss_type: mse}
      logging: {log_every: 1, use_ui_logger: true}
      model: {name_or_path: Tongyi-MAI/Z-Image, quantize: true, qtype: qfloat8, quantize_te: true, qtype_te: qfloat8,
        arch: zimage, low_vram: true, model_kwargs: {}, compile: false}
      sample: {sampler: flowmatch, sample_every: 250, width: 1024, samples: [{prompt: a bear}], walk_seed: true}
meta: {name: "[name]", version: '1.0'}
"""
WANTED: dict[str, Any] = {
    "base": "Tongyi-MAI/Z-Image",
    "output_name": "my_lora",
    "algo": "lora",
    "rank": 32,
    "alpha": 32,
    "conv_rank": None,
    "save_precision": "bf16",
    "save_every_n_steps": 250,
    "keep_saves": 4,
    "caption_extension": ".txt",
    "caption_dropout": 0.05,
    "resolution": (512, 768, 1024),
    "upscale": False,
    "batch": 1,
    "steps": 3000,
    "gradient_checkpointing": True,
    "optimizer": "adamw8bit",
    "optimizer_args": ("eps=1e-06",),
    "weight_decay": 1e-4,
    "learning_rate": 1e-4,
    "schedule": "constant",
    "precision": "bf16",
    "base_precision": "fp8",
    "timestep_sampling": "logit-normal",
    "logit_mean": 0.5,
    "logit_std": 1.55,
    "flow_shift": 1,
    "text_lr": None,
}


def job(tmp_path: Path, **changes: Any) -> str:
    """The window's job with settings changed by `section__key`."""
    table = YAML(typ="safe", pure=True).load(WINDOW)
    process = table["config"]["process"][0]
    for name, value in changes.items():
        section, _, key = name.partition("__")
        place = process["datasets"][0] if section == "datasets" else process[section]
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    (tmp_path / "job.json").write_text(json.dumps(table), encoding="utf-8")
    return str(tmp_path / "job.json")


def options(tmp_path: Path, **changes: Any) -> TrainOptions:
    return TrainOptions.build({"from_kohya": (job(tmp_path, **changes),)})


@pytest.fixture
def yaml(tmp_path: Path) -> str:
    (tmp_path / "job.yaml").write_text(WINDOW, encoding="utf-8")
    return str(tmp_path / "job.yaml")


def test_the_windows_job_is_taken_over(yaml: str) -> None:
    made = TrainOptions.build({"from_kohya": (yaml,)})
    assert {name: getattr(made, name) for name in WANTED} == WANTED
    check_family(made, family("zimage"))


def test_every_setting_is_told(yaml: str) -> None:
    found = imported(yaml)
    assert (found.family, found.program, found.problems) == ("zimage", "ai-toolkit", [])
    assert not any("unknown" in note for note in found.notes)
    assert "folder_path /data/zwx dog: put its pictures into FOLDER/3_zwx dog" in found.notes
    assert "network.conv has no effect: Z-Image has no convolutions" in found.notes
    assert any("its 1 prompts go into a file of their own" in note for note in found.notes)
    assert "train.timestep_type weighted gives noise levels weights" in "\n".join(found.notes)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"model__arch": "chroma", "model__name_or_path": "lodestones/Chroma1-Base"}, "chroma"),
        ({"model__arch": "lumina2"}, "lumina2"),
        ({"model__arch": None, "model__is_lumina2": True}, "lumina2"),
        ({"model__arch": "sd3", "model__name_or_path": "stabilityai/stable-diffusion-3.5-large"}, "sd35-large"),
        ({"model__arch": "sd3", "model__name_or_path": "stabilityai/stable-diffusion-3.5-medium"}, "sd35-medium"),
        (
            {
                "model__arch": None,
                "model__is_v3": True,
                "model__name_or_path": "stabilityai/stable-diffusion-3-medium-diffusers",
            },
            "sd35-medium",
        ),
    ],
)
def test_the_arch_and_the_base_tell_the_family(changes: dict[str, Any], name: str, tmp_path: Path) -> None:
    found = imported(job(tmp_path, **changes))
    assert (found.family, found.problems) == (name, [])
    assert not any("unknown" in note for note in found.notes)


def test_init_writes_a_pipeline_from_it(yaml: str) -> None:
    found = training([yaml], None)
    assert (found.base, found.family) == ("Tongyi-MAI/Z-Image", "zimage")
    assert any(line == 'schedule: "constant"  # ai-toolkit\'s default' for line in found.lines)
    assert any(line == "rank: 32  # network.linear" for line in found.lines)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"train__timestep_type": "sigmoid"}, {"timestep_sampling": "logit-normal", "logit_std": 1, "flow_shift": 1}),
        ({"train__timestep_type": "linear"}, {"timestep_sampling": "uniform", "flow_shift": 1}),
        ({"train__timestep_type": "shift"}, {"timestep_sampling": "uniform", "flow_shift": 3}),
        ({"train__timestep_type": None}, {"timestep_sampling": "logit-normal", "logit_std": 1}),
        ({"network__linear": None, "network__linear_alpha": None}, {"rank": 4, "alpha": 1}),
        ({"network__rank": 8, "network__linear_alpha": 4}, {"rank": 8, "alpha": 4}),
        ({"network__type": "lokr", "network__lokr_factor": 4}, {"algo": "lokr", "factor": 4, "rank": None}),
        ({"network__type": "lokr", "network__lokr_full_rank": False}, {"algo": "lokr", "factor": -1, "rank": 32}),
        ({"train__lr": None, "train__steps": None}, {"learning_rate": 1e-6, "steps": 1000}),
        ({"train__lr": "2e-4"}, {"learning_rate": 2e-4}),
        ({"train__optimizer": "prodigy"}, {"optimizer": "prodigy", "learning_rate": 1, "weight_decay": 1e-4}),
        ({"train__lr_scheduler": "constant_with_warmup"}, {"schedule": "constant-with-warmup", "warmup": 1000}),
        ({"train__gradient_accumulation": 4, "model__quantize": False}, {"accumulate": 4, "base_precision": "auto"}),
        ({"model__qtype": "int8", "datasets__resolution": 768}, {"base_precision": "int8", "resolution": 768}),
        ({"datasets__shuffle_tokens": True, "datasets__keep_tokens": 1}, {"shuffle": True, "keep_tokens": 1}),
        ({"model__arch": "anima", "model__quantize": False}, {"base_precision": "auto"}),
        (
            {"model__arch": "lumina2", "train__timestep_type": "lumina2_shift"},
            {"timestep_sampling": "uniform", "flow_shift": 6, "dynamic_shift": None},
        ),
        ({"model__arch": "flux", "train__timestep_type": "flux_shift"}, {"dynamic_shift": True, "flow_shift": None}),
        ({"model__arch": "sdxl", "train__timestep_type": None}, {"algo": "locon", "conv_rank": 16, "text_lr": 0}),
    ],
)
def test_settings_that_mean_more_together(changes: dict[str, Any], wanted: dict[str, Any], tmp_path: Path) -> None:
    made = options(tmp_path, **changes)
    assert {name: getattr(made, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__ema_config": {"use_ema": True, "ema_decay": 0.99}}, "no moving average of the weights is kept"),
        ({"datasets__trigger_word": "zwx"}, "datasets.trigger_word is not added: captions are trained as they are"),
    ],
)
def test_what_has_no_counterpart_but_spoils_nothing_is_told(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    made = options(tmp_path, **changes)
    notes = imported(made.from_kohya).messages(made.from_kohya)
    assert [one for one in notes if message in one and one.startswith("job.json: ")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__timestep_type": "lognorm_blend"}, "read are linear, sigmoid, weighted and shift"),
        ({"train__content_or_style": "style"}, "--timestep-sampling takes its place"),
        ({"train__optimizer": "automagic"}, "it is ai-toolkit's own; --optimizer takes its place"),
        ({"train__loss_type": "mae"}, "train.loss_type = 'mae' has no counterpart"),
        ({"train__diff_output_preservation": True}, "--reg-folder takes its place"),
        ({"train__lr_scheduler": "step"}, "read are constant, constant_with_warmup and cosine"),
        ({"network__network_kwargs": {"only_if_contains": ["attn"]}}, "only_if_contains: layers have other names here"),
        ({"network__type": "lorm"}, "read are lora, locon, lokr"),
        (
            {"model__arch": "chroma", "train__timestep_type": "shift"},
            "Chroma has no line of shifts over the sizes of pictures",
        ),
        ({"model__arch": "wan21"}, "model.arch = 'wan21' is another family of models"),
        ({"model__qtype": "uint3|some/adapter"}, "--base-precision takes its place"),
        ({"model__assistant_lora_path": "a/b"}, "distilled bases are not trained with an adapter beside them"),
        ({"datasets__control_path": "/c"}, "pictures are learned from captions alone"),
        ({"train__lr": "fast"}, "train.lr = 'fast': expected a number"),
        ({"network__linear": "many"}, "network.linear = 'many'"),
        ({"network__linear_alpha": "half"}, "network.linear_alpha = 'half'"),
        ({"train__optimizer_params": {"weight_decay": "x"}}, "train.optimizer_params"),
        ({"datasets__resolution": ["big"]}, "datasets.resolution"),
    ],
)
def test_what_cannot_be_taken_over_stops(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        options(tmp_path, **changes)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "is no job of ai-toolkit: expected config with a list called process"),
        ("a: [1\n", "is no YAML"),
        ("config: {process: [{type: slider}]}\n", "type = 'slider' trains no LoRA"),
        ("config: {process: []}\n", "process holds 0 entries"),
        ("config: {process: [1]}\n", "is no job of ai-toolkit"),
    ],
)
def test_other_files_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        TrainOptions.build({"from_kohya": (str(tmp_path / "a.yaml"),)})


def test_a_job_is_whole(yaml: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("network_dim = 4\n", encoding="utf-8")
    with pytest.raises(ValueError, match="which is whole: give it without other files"):
        TrainOptions.build({"from_kohya": (yaml, str(tmp_path / "a.toml"))})

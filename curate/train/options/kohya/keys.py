"""kohya's settings and ours: one table, which key becomes which option, and why others become none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

OPTIONS: Final[Mapping[str, str]] = {
    "pretrained_model_name_or_path": "base",
    "vae": "vae",
    "output_name": "output_name",
    "output_dir": "output_dir",
    "network_dim": "rank",
    "network_alpha": "alpha",
    "network_weights": "start_from",
    "dim_from_weights": "rank_from_file",
    "network_dropout": "dropout",
    "scale_weight_norms": "scale_weight_norms",
    "max_train_epochs": "epochs",
    "max_train_steps": "steps",
    "train_batch_size": "batch",
    "gradient_accumulation_steps": "accumulate",
    "seed": "seed",
    "learning_rate": "learning_rate",
    "unet_lr": "unet_lr",
    "text_encoder_lr": "text_lr",
    "optimizer_type": "optimizer",
    "optimizer_args": "optimizer_args",
    "lr_scheduler": "schedule",
    "lr_scheduler_num_cycles": "cycles",
    "lr_scheduler_power": "power",
    "lr_warmup_steps": "warmup",
    "max_grad_norm": "max_grad_norm",
    "mixed_precision": "precision",
    "save_precision": "save_precision",
    "gradient_checkpointing": "gradient_checkpointing",
    "torch_compile": "compile",
    "resolution": "resolution",
    "bucket_reso_steps": "bucket_step",
    "min_bucket_reso": "bucket_min",
    "max_bucket_reso": "bucket_max",
    "bucket_no_upscale": "upscale",
    "caption_extension": "caption_extension",
    "shuffle_caption": "shuffle",
    "keep_tokens": "keep_tokens",
    "caption_separator": "caption_separator",
    "caption_dropout_rate": "caption_dropout",
    "caption_dropout_every_n_epochs": "caption_dropout_every_n_epochs",
    "caption_tag_dropout_rate": "tag_dropout",
    "fp8_base": "base_precision",
    "fp8_base_unet": "base_precision",
    "flip_aug": "flip",
    "masked_loss": "masked_loss",
    "reg_data_dir": "reg_folder",
    "prior_loss_weight": "prior_loss_weight",
    "max_token_length": "max_tokens",
    "clip_skip": "clip_skip",
    "v_parameterization": "prediction",
    "zero_terminal_snr": "ztsnr",
    "min_timestep": "min_timestep",
    "max_timestep": "max_timestep",
    "loss_type": "loss",
    "huber_c": "huber_c",
    "huber_schedule": "huber_schedule",
    "min_snr_gamma": "min_snr",
    "debiased_estimation_loss": "debiased",
    "v_pred_like_loss": "v_like",
    "scale_v_pred_loss_like_noise_pred": "scale_v",
    "noise_offset": "noise_offset",
    "noise_offset_random_strength": "noise_offset_random",
    "adaptive_noise_scale": "adaptive_noise",
    "multires_noise_iterations": "multires_steps",
    "multires_noise_discount": "multires_discount",
    "ip_noise_gamma": "ip_noise",
    "ip_noise_gamma_random_strength": "ip_noise_random",
    "save_every_n_epochs": "save_every_n_epochs",
    "save_every_n_steps": "save_every_n_steps",
    "save_last_n_epochs": "keep_saves",
    "sample_prompts": "sample_prompts",
    "sample_every_n_steps": "sample_every_n_steps",
    "sample_every_n_epochs": "sample_every_n_epochs",
    "validation_split": "validation",
    "validate_every_n_steps": "validate_every_n_steps",
    "validate_every_n_epochs": "validate_every_n_epochs",
    "sample_at_first": "sample_at_start",
    "sample_sampler": "sample_sampler",
    "metadata_title": "title",
    "metadata_author": "author",
    "metadata_description": "comment",
    "metadata_license": "license",
    "metadata_tags": "keywords",
    "metadata_thumbnail": "thumbnail",
    "training_comment": "comment",
    # of the network's arguments
    "algo": "algo",
    "conv_dim": "conv_rank",
    "conv_alpha": "conv_alpha",
    "preset": "layer_preset",
    "factor": "factor",
    "decompose_both": "decompose_both",
    "use_tucker": "tucker",
    "use_cp": "tucker",
    "use_conv_cp": "tucker",
    "constraint": "constraint",
    "rescaled": "rescaled",
    "unit": "dylora_unit",
    "block_size": "dylora_unit",
    "use_scalar": "scalar",
    "rs_lora": "rs_lora",
    "dora_wd": "dora",
    "train_norm": "train_norm",
    "dropout": "dropout",
    "rank_dropout": "rank_dropout",
    "module_dropout": "module_dropout",
    "block_dims": "block_ranks",
    "block_alphas": "block_alphas",
    "conv_block_dims": "conv_block_ranks",
    "conv_block_alphas": "conv_block_alphas",
}
"""kohya's key, in its command line's spelling, to our option."""

_GROUPS: Final = (
    ("what it names is read too", "config_file dataset_config"),
    ("it belongs to the window of the GUI", "model_list training_preset save_as_bool"),
    (
        "curate always does this",
        "cache_latents cache_latents_to_disk enable_bucket save_state save_model_as save_state_on_train_end",
    ),
    ("it is read off the base model", "v2 sdxl no_half_vae"),
    (
        "it affects speed or memory, not what is learned",
        """xformers sdpa mem_eff_attn lowram highvram dynamo_backend dynamo_mode dynamo_use_dynamic
        dynamo_use_fullgraph cpu_offload_checkpointing blocks_to_swap
        deepspeed zero_stage torch_compile_mode max_data_loader_n_workers persistent_data_loader_workers vae_batch_size
        num_machines
        num_cpu_threads_per_process num_processes gpu_ids multi_gpu main_process_port machine_rank ddp_timeout
        ddp_gradient_as_bucket_view ddp_static_graph disable_mmap_load_safetensors debug_dataset console_log_level
        console_log_simple console_log_file skip_cache_check extra_accelerate_launch_args use_safetensors
        noise_offset_type
        sdxl_cache_text_encoder_outputs cache_text_encoder_outputs cache_text_encoder_outputs_to_disk
        opt_channels_last""",
    ),
    (
        "TensorBoard is written beside the run",
        """logging_dir log_with log_prefix log_tracker_name log_config wandb_api_key wandb_run_name log_tracker_config
        use_wandb""",
    ),
    ("running again continues by itself", "resume initial_epoch initial_step skip_until_initial_step"),
    (
        "checkpoints are kept by keep_states, LoRA files by keep_saves",
        "save_last_n_epochs_state save_last_n_steps_state",
    ),
    ("the LoRA's own weights are always trained in fp32", "full_fp16 full_bf16"),
    ("a base in fp8 always has a scale for each output", "fp8_scaled"),
    ("FOLDER and its N_name sub-folders say this", "train_data_dir image_dir num_repeats class_tokens is_reg"),
    ("captions are read beside the pictures", "dataset_repeats"),
    (
        "nothing is uploaded",
        """huggingface_repo_id huggingface_token huggingface_repo_type huggingface_path_in_repo async_upload
        huggingface_repo_visibility save_state_to_huggingface resume_from_huggingface""",
    ),
    (
        "it has no part in the result",
        "output_config tokenizer_cache_dir no_metadata wd_on_output cache_info validation_seed max_validation_steps",
    ),
    (
        "the metadata say of this what is so, or nothing",
        """metadata_usage_hint metadata_implementation_version metadata_preprocessor metadata_is_negative_embedding
        metadata_merged_from metadata_trigger_phrase""",
    ),
    ("the cheapest exact forward is always taken", "bypass_mode"),
)
IGNORED: Final[Mapping[str, str]] = {key: reason for reason, keys in _GROUPS for key in keys.split()}
"""Keys that become no option, and why that is no loss."""

REFUSED: Final[Mapping[str, str]] = {
    "color_aug": "it needs pictures to be encoded again each time, but latents are cached here",
    "random_crop": "it needs pictures to be encoded again each time, but latents are cached here",
    "face_crop_aug_range": "it needs pictures to be encoded again each time, but latents are cached here",
    "token_warmup_step": "captions hold all their tags from the first step on",
    "token_warmup_min": "captions hold all their tags from the first step on",
    "weighted_captions": "brackets in captions are words here, not weights",
    "caption_prefix": "write it into the captions: curate trigger",
    "caption_suffix": "write it into the captions",
    "secondary_separator": "captions have one separator",
    "keep_tokens_separator": "in captions it is |||; keep_tokens counts tags",
    "base_weights": "merge them into the base first",
    "base_weights_multiplier": "merge them into the base first",
    "lr_scheduler_type": "schedules are chosen by name",
    "lr_scheduler_args": "schedules have no further arguments",
    "lr_decay_steps": "the rate falls over the whole run",
    "lr_scheduler_min_lr_ratio": "the rate falls to zero",
    "lr_scheduler_timescale": "there is no inverse square root schedule here",
    "block_lr": "parts have rates, blocks have not; block_ranks with 0 leaves blocks out",
    "block_lr_zero_threshold": "parts have rates, blocks have not",
    "down_lr_weight": "parts have rates, blocks have not; block_ranks with 0 leaves blocks out",
    "mid_lr_weight": "parts have rates, blocks have not; block_ranks with 0 leaves blocks out",
    "up_lr_weight": "parts have rates, blocks have not; block_ranks with 0 leaves blocks out",
    "loraplus_lr_ratio": "both factors have one rate",
    "loraplus_unet_lr_ratio": "both factors have one rate",
    "loraplus_text_encoder_lr_ratio": "both factors have one rate",
    "conditioning_data_dir": "masks come from FOLDER/masks",
    "alpha_mask": "masks come from FOLDER/masks",
    "in_json": "captions are read beside the pictures",
    "metadata_file": "captions are read beside the pictures",
    "unbalanced_factorization": "both sides of a weight are split alike",
    "train_inpainting": "models for inpainting are not trained",
    "huber_scale": "huber and smooth-l1 keep the strength of l2",
    "resize_interpolation": "pictures are resized by area and Lanczos",
    "network_multiplier": "a LoRA is trained at its full strength",
    "custom_attributes": "captions are read beside the pictures",
    "fused_backward_pass": "gradients are clipped together",
    "stop_text_encoder_training": "give stop_text_after as a share of the run",
}
"""Keys that would change what is learned and have no counterpart: an error where they are on."""


INSTEAD: Final[Mapping[str, str]] = {
    **dict.fromkeys(("keep_tokens_separator",), "keep_tokens"),
    **dict.fromkeys(("secondary_separator",), "caption_separator"),
    **dict.fromkeys(("base_weights", "base_weights_multiplier"), "start_from"),
    **dict.fromkeys(
        ("lr_scheduler_args", "lr_decay_steps", "lr_scheduler_min_lr_ratio", "lr_scheduler_timescale"), "schedule"
    ),
    **dict.fromkeys(("down_lr_weight", "mid_lr_weight", "up_lr_weight", "block_lr"), "block_ranks"),
    **dict.fromkeys(("loraplus_lr_ratio", "loraplus_unet_lr_ratio"), "unet_lr"),
    "loraplus_text_encoder_lr_ratio": "text_lr",
    "conditioning_data_dir": "masked_loss",
    "alpha_mask": "masked_loss",
    "huber_scale": "huber_c",
    "stop_text_encoder_training": "stop_text_after",
}
"""The option that takes the place of a refused key where the user gives it."""

ALSO: Final[Mapping[str, str]] = {
    **{"network_module": "algo", "network_args": "algo", "LoRA_type": "algo", "network_train_unet_only": "text_lr"},
    **{"lr": "learning_rate", "dim": "rank", "batch_size": "batch", "epoch": "epochs", "max_resolution": "resolution"},
    **{"network_train_text_encoder_only": "unet_lr", "lr_warmup": "warmup", "LyCORIS_preset": "layer_preset"},
    **{"use_8bit_adam": "optimizer", "use_lion_optimizer": "optimizer", "save_last_n_steps": "keep_saves"},
    **{"lr_scheduler_type": "schedule", "config_file": "from_kohya", "dataset_config": "from_kohya"},
}
"""Names that several settings together stand for, or that people use, and the option that comes nearest."""


def counterpart(name: str) -> tuple[str, str]:
    """Our option for one of kohya's names, or why there is none; both are empty for an unknown name."""
    key = name.strip("-").replace("-", "_")
    option = OPTIONS.get(key) or ALSO.get(key) or INSTEAD.get(key, "")
    return option, "" if option else IGNORED.get(key) or REFUSED.get(key, "")


NEUTRAL: Final[Mapping[str, float]] = {
    **{
        "huber_scale": 1,
        "network_multiplier": 1,
        "token_warmup_min": 1,
        "loraplus_lr_ratio": 1,
        "base_weights_multiplier": 1,
    },
    **{"loraplus_unet_lr_ratio": 1, "loraplus_text_encoder_lr_ratio": 1},
}
"""Values of refused keys that change nothing."""

OTHER_FAMILIES: Final = re.compile(
    r"""(flux1?|sd3|hunyuan(_image)?|anima|lumina|t5xxl|t5|clip_[lg]|ggpo|img_(attn|mlp|mod)|txt_(attn|mlp|mod)|single|double
    |in_dims|ae$|apply_t5|discrete_flow|guidance_scale|logit_|mode_scale|model_prediction|model_type|sigmoid_scale
    |split_(mode|qkv)
    |timestep_sampling|train_(blocks|double|single|t5xxl|lora_ggpo)|weighting_scheme|mem_eff_save|pos_emb|enable_scaled
    |enable_all_linear|save_(clip|t5xxl)|show_timesteps|gemma2|byt5|qwen3|text_encoder(_batch_size)?$|attn_mode|vae_chunk
    |llm_adapter
    |leco|compile_)""",
    re.VERBOSE,
)
"""Keys of models that are not trained here, as the GUI's files hold them beside the others."""


def names(text: str) -> frozenset[str]:
    """Names that stand with blanks between them."""
    return frozenset(text.split())


def truth(value: Any) -> bool:
    """A truth value, also where it was written as text."""
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)


def plain(value: Any) -> Any:
    """A number or a truth value that was written as text, as what it is."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() in ("true", "false"):
        return truth(value)
    try:
        number = float(value)
    except ValueError:
        return value
    if not math.isfinite(number):
        return value
    return int(number) if number == int(number) and not {".", "e", "E"} & set(value) else number


def _no(value: Any) -> bool:
    return not truth(value)


def _resolution(value: Any) -> int:
    """Sides as 512, "512", "768,512" or [768, 512]: the square root of their product."""
    listed = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        listed = re.findall(r"\d+", value)
    sides = [int(v) for v in listed]
    return round(math.sqrt(sides[0] * sides[-1]))


def _rate(value: Any) -> Any:
    """One rate; a list must hold one value as often as it likes."""
    found = {plain(v) for v in value} if isinstance(value, list) else {plain(value)}
    if len(found) > 1:
        raise ValueError("both text encoders have the same rate in curate")
    return found.pop() if found else None


def _precision(value: Any) -> str:
    return {"no": "fp32", "float": "fp32", "": "auto"}.get(str(value), str(value))


def _save_precision(value: Any) -> str:
    return {"float": "fp32", "no": "fp32", "": "fp16"}.get(str(value), str(value))


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """As kohya has it, 0 and nothing mean that it was not set."""
    return lambda value: convert(value) or None


CONVERT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "resolution": _resolution,
    "text_lr": _rate,
    "precision": _precision,
    "save_precision": _save_precision,
    "upscale": _no,
    "base_precision": lambda value: "fp8" if truth(value) else None,
    "prediction": lambda value: "v" if truth(value) else None,
    "ztsnr": lambda value: True if truth(value) else None,
    "loss": lambda value: str(value).replace("_", "-"),
    "epochs": _optional(plain),
    "steps": _optional(plain),
    "schedule": lambda value: {"adafactor": "constant"}.get(
        value, value.replace("_", "-").replace("-with-restarts", "-restarts")
    ),
    "optimizer_args": lambda value: tuple(value.split() if isinstance(value, str) else value),
    **dict.fromkeys(
        (
            "base",
            "vae",
            "output_name",
            "output_dir",
            "start_from",
            "caption_extension",
            "caption_separator",
            "title",
            "author",
        ),
        str,
    ),
    **dict.fromkeys(("comment", "license", "keywords", "thumbnail"), str),
    **dict.fromkeys(("block_ranks", "block_alphas", "conv_block_ranks", "conv_block_alphas"), str),
}
"""How a value is turned into ours, by our option; others are taken as plain numbers, truth values and words."""

"""Why keys of kohya's become no option: no loss, no counterpart, or another family of models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

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
        """xformers sdpa flash_attn sage_attn flash3 mem_eff_attn split_attn attn_mode use_32bit_attention lowram
        highvram dynamo_backend dynamo_mode dynamo_use_dynamic dynamo_use_fullgraph dynamo_fullgraph dynamo_dynamic
        compile_backend compile_mode compile_dynamic compile_fullgraph compile_cache_size_limit
        cpu_offload_checkpointing gradient_checkpointing_cpu_offload unsloth_offload_checkpointing
        use_pinned_memory_for_block_swap block_swap_h2d_only block_swap_ring_size img_in_txt_in_offloading
        disable_numpy_memmap cuda_allow_tf32 cuda_cudnn_benchmark dit_dtype text_encoder_batch_size turbo_dit_cache
        vae_dtype vae_chunk_size vae_disable_cache vae_tiling vae_spatial_tile_sample_min_size qwen_image_vae_2d
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
    (
        "captions are encoded once, before the network is loaded, and the encoder is freed",
        "fp8_llm fp8_vl fp8_text_encoder fp8_t5 text_encoder_cpu text_encoder_dtype",
    ),
    ("sample pictures are drawn on the base that is trained", "turbo_dit"),
    ("latents are kept in a cache of curate's own", "cache_directory skip_existing"),
    ("nothing is shown and left again: --print-config shows the draw", "show_timesteps"),
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
        metadata_merged_from metadata_trigger_phrase metadata_reso metadata_arch""",
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
    "image_jsonl_file": "captions are read beside the pictures",
    "video_directory": "pictures are trained, not videos",
    "video_jsonl_file": "pictures are trained, not videos",
    "control_directory": "pictures are learned from captions alone, not from other pictures",
    "multiple_target": "pictures are learned from captions alone, not from other pictures",
    "llm_adapter_path": "the adapter is read from the base's own file",
    "exclude_patterns": "patterns are written in another way here",
    "include_patterns": "patterns are written in another way here",
    "network_reg_dims": "layers get ranks in another way here",
    "network_reg_lrs": "parts of the network have one rate",
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
    "exclude_patterns": "exclude",
    "include_patterns": "include",
    "network_reg_dims": "layers",
    "conditioning_data_dir": "masked_loss",
    "alpha_mask": "masked_loss",
    "huber_scale": "huber_c",
    "stop_text_encoder_training": "stop_text_after",
}
"""The option that takes the place of a refused key where the user gives it."""

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

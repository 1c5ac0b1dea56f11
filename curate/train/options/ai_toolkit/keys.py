"""ai-toolkit's settings and ours: which becomes which option, and why others become none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

OPTIONS: Final[Mapping[str, str]] = {
    "name": "output_name",
    "network.dropout": "dropout",
    "network.pretrained_lora_path": "start_from",
    "save.save_every": "save_every_n_steps",
    "train.batch_size": "batch",
    "train.max_grad_norm": "max_grad_norm",
    "train.noise_offset": "noise_offset",
    "train.reg_weight": "prior_loss_weight",
    "model.name_or_path": "base",
    "model.vae_path": "vae",
    "model.te_name_or_path": "text_encoder",
    "datasets.caption_dropout_rate": "caption_dropout",
    "datasets.token_dropout_rate": "tag_dropout",
    "datasets.shuffle_tokens": "shuffle",
    "datasets.flip_x": "flip",
}
"""ai-toolkit's key, by section, to our option."""

_GROUPS: Final = (
    ("it has no part in the result", "device performance_log_every sqlite_db_path logging meta job"),
    ("the LoRA goes to the usual place; --output-dir names another", "training_folder"),
    (
        "it affects speed or memory, not what is learned",
        """train.xformers train.sdp train.attention_backend model.low_vram model.split_model_over_gpus
        model.compile_mode model.compile_fullgraph model.compile_dynamic model.cache_size_limit model.auto_memory
        network.layer_offloading datasets.num_workers datasets.prefetch_factor datasets.fast_image_size
        datasets.cache_latents_num_workers""",
    ),
    ("--swap-blocks keeps blocks of the network off the GPU here", "model.layer_offloading"),
    (
        "--swap-blocks keeps blocks of the network off the GPU here",
        "model.layer_offloading_transformer_percent model.layer_offloading_text_encoder_percent",
    ),
    (
        "curate always does this",
        """datasets.cache_latents datasets.cache_latents_to_disk datasets.cache_text_embeddings datasets.buckets
        train.cache_text_embeddings train.unload_text_encoder datasets.cache_tensors_to_disk""",
    ),
    (
        "captions are encoded once, and the encoder is freed",
        "model.quantize_te model.qtype_te model.text_encoder_bits model.te_dtype model.te_device",
    ),
    ("the base is kept in the precision of the computation", "model.dtype model.vae_dtype model.vae_device"),
    (
        "parts that a file lacks are read from what --tokenizer, --vae and --text-encoder name",
        "model.extras_name_or_path",
    ),
    ("it is read off the base model", "model.model_kwargs model.model_paths"),
    ("the file has the names that programs read for the family; --names chooses others", "save.save_format"),
    ("nothing is uploaded", "save.push_to_hub save.hf_repo_id save.hf_private"),
    ("LoKr files have LyCORIS' form", "network.old_lokr_format"),
    ("it is for models of several stages", "network.split_multistage_loras train.switch_boundary_every"),
    ("a base that was not distilled does not read it", "train.bypass_guidance_embedding"),
    ("it is for videos", "datasets.shrink_video_to_frames datasets.fps datasets.do_i2v datasets.do_audio"),
    ("it goes with another setting that is off", "datasets.mask_min_value train.diff_output_preservation_class"),
    (
        "it goes with another setting that is off",
        "train.diff_output_preservation_multiplier train.blank_prompt_preservation_multiplier",
    ),
    ("FOLDER and its N_name sub-folders say this", "datasets.type"),
)
IGNORED: Final[Mapping[str, str]] = {key: reason for reason, keys in _GROUPS for key in keys.split()}
"""Keys, or whole sections, that become no option, and why that is no loss."""

_OTHER_PICTURES = "pictures are learned from captions alone, not from other pictures"
_DECODED = "it needs pictures to be encoded again each time, but latents are cached here"
_PRESERVED = "pictures of --reg-folder keep what the base knows here"
REFUSED: Final[Mapping[str, tuple[Any, str]]] = {
    "datasets.default_caption": (None, "captions are read beside the pictures"),
    "datasets.control_path": (None, _OTHER_PICTURES),
    **{f"datasets.control_path_{n}": (None, _OTHER_PICTURES) for n in (1, 2, 3)},
    "datasets.inpaint_path": (None, _OTHER_PICTURES),
    "datasets.clip_image_path": (None, _OTHER_PICTURES),
    "datasets.unconditional_path": (None, _OTHER_PICTURES),
    "datasets.controls": (None, _OTHER_PICTURES),
    "datasets.num_frames": (1, "pictures are trained, not videos"),
    "datasets.auto_frame_count": (None, "pictures are trained, not videos"),
    "datasets.mask_path": (None, "masks come from FOLDER/masks"),
    "datasets.alpha_mask": (None, "masks come from FOLDER/masks"),
    "datasets.invert_mask": (None, "masks come from FOLDER/masks"),
    "datasets.prior_reg": (None, "the base's own prediction is no target here"),
    "datasets.network_weight": (1, "a LoRA is trained at its full strength"),
    "datasets.loss_multiplier": (1, "every picture has the same weight"),
    "datasets.scale": (1, "pictures are scaled to the resolution alone"),
    "datasets.flip_y": (None, "pictures are mirrored left to right alone"),
    "datasets.use_short_captions": (None, "write the captions that are meant into .txt files"),
    "datasets.random_triggers": (None, "write them into the captions: curate trigger"),
    "datasets.replacements": (None, "captions are changed beforehand: curate captions"),
    **{f"datasets.{key}": (None, _DECODED) for key in ("random_scale", "random_crop", "augments", "augmentations")},
    "datasets.square_crop": (None, "each picture goes into the bucket of its shape"),
    "datasets.standardize_images": (None, "colors stay as they are"),
    "network.all_layers": (None, "weights that are neither linear nor convolutions are not trained beside a LoRA"),
    "network.lorm": (None, "it is not an algorithm here"),
    "network.transformer_only": (True, "which layers are trained is one choice"),
    "train.train_unet": (True, "nothing else of this base is trained"),
    "train.content_or_style": ("balanced", "noise levels are drawn by --timestep-sampling"),
    "train.content_or_style_reg": ("balanced", "noise levels are drawn by --timestep-sampling"),
    "train.linear_timesteps": (None, "every noise level has the same weight"),
    "train.linear_timesteps2": (None, "every noise level has the same weight"),
    "train.min_denoising_steps": (0, "noise levels are limited by --min-timestep and --max-timestep"),
    "train.max_denoising_steps": (999, "noise levels are limited by --min-timestep and --max-timestep"),
    "train.loss_type": ("mse", "the error is squared, huber or smooth-l1"),
    "train.loss_target": ("noise", "what is learned is the base's own target"),
    "train.diff_output_preservation": (None, _PRESERVED),
    "train.blank_prompt_preservation": (None, _PRESERVED),
    "train.inverted_mask_prior": (None, _PRESERVED),
    "train.do_prior_divergence": (None, "the base's own prediction is no target here"),
    "train.prompt_dropout_prob": (0, "captions are dropped by --caption-dropout"),
    "train.short_and_long_captions": (None, "several captions of a picture: --caption-variants"),
    "train.single_item_batching": (None, "gradients are added up by --accumulate"),
    "train.do_guidance_loss": (None, "the base is trained without guidance"),
    "train.do_differential_guidance": (None, "the base is trained without guidance"),
    "train.do_cfg": (None, "the base is trained without guidance"),
    "train.train_turbo": (None, "distilled bases are not trained"),
    "train.do_fft_loss": (None, "the error is measured in latents alone"),
    "train.t0_loss_target": (None, "the error is measured at the noise level that was drawn"),
    "train.diffusion_feature_extractor_path": (None, "the error is measured in latents alone"),
    "train.latent_feature_extractor_path": (None, "the error is measured in latents alone"),
    "train.optimal_noise_pairing_samples": (1, "noise is drawn, not chosen"),
    "train.force_consistent_noise": (None, "noise is drawn anew each time"),
    "train.blended_blur_noise": (None, "noise is drawn, not blurred"),
    "train.noise_multiplier": (1, "noise has its own strength"),
    "train.learnable_snr_gos": (None, "weights of noise levels are not learned"),
    "train.merge_network_on_save": (None, "a LoRA is written; curate lora merge writes models"),
    "train.weight_jitter": (0, "weights are not shaken"),
    "train.do_paramiter_swapping": (None, "all of the LoRA is trained in every step"),
    "train.standardize_latents": (None, "latents are those of the base's autoencoder"),
    "train.validation_config": (None, "pictures are held out by --validation"),
    "train.start_step": (None, "running again continues by itself"),
    "train.max_loss": (None, "gradients are clipped by --max-grad-norm"),
    "model.lora_path": (None, "merge it into the base first: curate lora merge"),
    "model.assistant_lora_path": (None, "distilled bases are not trained with an adapter beside them"),
    "model.inference_lora_path": (None, "sample pictures are drawn on the base that is trained"),
    "model.refiner_name_or_path": (None, "one base is trained at a time"),
    "model.unet_path": (None, "give that file as --base"),
    "model.ignore_if_contains": (None, "layers are left out in another way here"),
    "model.only_if_contains": (None, "layers are chosen in another way here"),
    "model.in_context": (None, _OTHER_PICTURES),
    "adapter": (None, "a LoRA is trained, no adapter of another kind"),
    "embedding": (None, "a LoRA is trained, no embedding"),
    "slider": (None, "a LoRA of pictures is trained, no slider"),
}
"""Keys that would change what is learned: the value that changes nothing, and why others are not taken."""

INSTEAD: Final[Mapping[str, str]] = {
    **dict.fromkeys(("train.min_denoising_steps",), "max_timestep"),
    **dict.fromkeys(("train.max_denoising_steps",), "min_timestep"),
    **dict.fromkeys(("train.content_or_style", "train.linear_timesteps"), "timestep_sampling"),
    **dict.fromkeys(("train.linear_timesteps2", "train.content_or_style_reg"), "timestep_sampling"),
    **dict.fromkeys(("train.diff_output_preservation", "train.blank_prompt_preservation"), "reg_folder"),
    **dict.fromkeys(("datasets.mask_path", "datasets.alpha_mask", "datasets.invert_mask"), "masked_loss"),
    "train.loss_type": "loss",
    "train.prompt_dropout_prob": "caption_dropout",
    "train.single_item_batching": "accumulate",
    "train.validation_config": "validation",
    "network.transformer_only": "layer_preset",
    "model.ignore_if_contains": "exclude",
    "model.only_if_contains": "include",
    "model.unet_path": "base",
}
"""The option that takes the place of a refused key where the user gives it."""

"""The metadata that kohya's and other readers show, all strings, and nothing that depends on when a run happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from curate.train.data.job import Job, prediction_of, resolution_of, zero_terminal
from curate.train.network.network import Network
from curate.train.options import TrainOptions, resolve
from curate.train.output.metadata_dataset import dataset_values
from curate.train.output.metadata_network import network_values
from curate.train.output.metadata_user import words

OF_DIFFUSION = frozenset(
    (
        *("min_snr_gamma", "debiased_estimation", "zero_terminal_snr", "clip_skip", "max_token_length", "v2"),
        *("multires_noise_iterations", "multires_noise_discount"),
    )
)
"""What is said of the training of diffusion models alone."""
PRECISIONS = {torch.float32: "no", torch.float16: "fp16", torch.bfloat16: "bf16"}
"""kohya's words for what is computed in."""
SCHEDULES = {"constant-with-warmup": "constant_with_warmup", "cosine-restarts": "cosine_with_restarts"}
"""kohya's words for schedules that it spells otherwise."""


def metadata(job: Job, network: Network, name: str, identity: str, step: int) -> dict[str, str]:
    """`ss_*` and `modelspec.*` values of a run after so many steps; hashes of the file itself are added on writing."""
    plain = {**network_values(job.options, network), **_training(job), **dataset_values(job)}
    plain |= {
        "output_name": name,
        "steps": step,
        "epoch": -(-step // job.order.steps_per_epoch),
        "session_id": str(int(identity, 16) >> 32),
        "base_model_version": job.backbone.family.labels(prediction_of(job))[0],
    }
    if job.backbone.family.objective == "flow":
        plain = {key: value for key, value in plain.items() if key not in OF_DIFFUSION} | _flow(job)
    values = {f"ss_{key}": value if isinstance(value, str) else _text(value) for key, value in plain.items()}
    return {
        **values,
        **_modelspec(job),
        **words(job.options, name),
        "curate.run": identity,
        "curate.dataset": job.data.digest,
        "curate.base": job.backbone.digest,
        "curate.vae": job.backbone.vae_digest,
    }


def _flow(job: Job) -> dict[str, Any]:
    """How σ was drawn, in kohya's words for it."""
    options, drawn = job.options, resolve.flow(job.options, job.backbone.family)
    of_logit = drawn.sampling == "logit-normal"
    return {
        "timestep_sampling": "sigmoid" if of_logit and not options.logit_mean else drawn.sampling.replace("-", "_"),
        "sigmoid_scale": options.logit_std if of_logit else None,
        "logit_mean": options.logit_mean if of_logit else None,
        "mode_scale": options.mode_scale if drawn.sampling == "mode" else None,
        "discrete_flow_shift": None if drawn.dynamic_shift else drawn.shift,
        "dynamic_shift": drawn.dynamic_shift,
    }


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _training(job: Job) -> dict[str, Any]:
    return {**_rates(job), **_length(job), **_data(job.options), **_objective(job), **_base(job)}


def _rates(job: Job) -> dict[str, Any]:
    options, schedule = job.options, resolve.schedule(job.options)
    has_text = any(layer_name.part != "unet" for layer_name in job.backbone.layer_names())
    return {
        "learning_rate": resolve.learning_rate(options),
        "unet_lr": resolve.part_rate(options, "unet"),
        "text_encoder_lr": resolve.part_rate(options, "te1") if has_text else None,
        "lr_scheduler": SCHEDULES.get(schedule, schedule),
        "lr_warmup_steps": resolve.warmup_steps(options, job.steps),
        "optimizer": options.optimizer + (f"({','.join(options.optimizer_args)})" if options.optimizer_args else ""),
        "max_grad_norm": options.max_grad_norm,
        "mixed_precision": PRECISIONS[
            next(p.dtype for p in job.backbone.parts["unet"].parameters() if not p.requires_grad)
        ],
    }


def _length(job: Job) -> dict[str, Any]:
    options = job.options
    return {
        "max_train_steps": job.steps,
        "num_epochs": job.epochs,
        "num_batches_per_epoch": job.order.batches_per_epoch,
        "gradient_accumulation_steps": options.accumulate,
        "batch_size_per_device": options.batch,
        "total_batch_size": options.batch,
        "seed": options.seed,
    }


def _data(options: TrainOptions) -> dict[str, Any]:
    return {
        "clip_skip": options.clip_skip if options.clip_skip > 1 else None,
        "max_token_length": options.max_tokens,
        "cache_latents": True,
        **dict.fromkeys(("color_aug", "random_crop", "full_fp16", "lowram"), False),
        "fp8_base": options.base_precision == "fp8",
        **dict.fromkeys(("face_crop_aug_range", "resize_interpolation")),
        "validation_split": options.validation,
        "shuffle_caption": options.shuffle,
        "keep_tokens": options.keep_tokens,
        "caption_dropout_rate": options.caption_dropout,
        "caption_dropout_every_n_epochs": options.caption_dropout_every_n_epochs,
        "caption_tag_dropout_rate": options.tag_dropout,
        "flip_aug": options.flip,
    }


def _objective(job: Job) -> dict[str, Any]:
    options = job.options
    return {
        "min_snr_gamma": options.min_snr or None,
        "debiased_estimation": options.debiased,
        "zero_terminal_snr": zero_terminal(options, job.backbone),
        "prior_loss_weight": options.prior_loss_weight,
        "noise_offset": options.noise_offset or None,
        "noise_offset_random_strength": options.noise_offset_random,
        "adaptive_noise_scale": options.adaptive_noise or None,
        "multires_noise_iterations": options.multires_steps or None,
        "multires_noise_discount": options.multires_discount,
        "ip_noise_gamma": options.ip_noise or None,
        "ip_noise_gamma_random_strength": options.ip_noise_random,
        "scale_weight_norms": options.scale_weight_norms or None,
        "network_dropout": options.dropout or None,
        "loss_type": options.loss.replace("-", "_"),
        "huber_schedule": options.huber_schedule,
        "huber_c": options.huber_c,
    }


def _base(job: Job) -> dict[str, Any]:
    options = job.options
    return {
        "v2": job.backbone.family.v2,
        "sd_model_name": _model_name(job.backbone.name),
        **({"vae_name": _model_name(options.vae)} if options.vae else {}),
        **job.backbone.hashes,
    }


def _model_name(name: str) -> str:
    """A hub name as it is, of a file or folder its last part: where it lies on this machine is nobody's business."""
    path = Path(name).expanduser()
    return path.name if path.exists() and path.name else name


def _modelspec(job: Job) -> dict[str, str]:
    options, resolution = job.options, resolution_of(job)
    trained = [e.picture.concept for e in job.entries if not e.picture.reg]
    said = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{job.backbone.family.labels(prediction_of(job))[1]}/lora",
        "modelspec.implementation": job.backbone.family.implementation,
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.prediction_type": prediction_of(job),
        "modelspec.trigger_phrase": ", ".join(dict.fromkeys(job.data.triggers[concept] for concept in trained)),
    }
    if job.backbone.family.objective == "flow":
        del said["modelspec.prediction_type"]  # the specification knows epsilon and v
    if job.backbone.family.encoder_layer:
        said["modelspec.encoder_layer"] = str(options.clip_skip)
    if (options.min_timestep, options.max_timestep) != (0, 1000):
        said["modelspec.timestep_range"] = f"{options.min_timestep},{options.max_timestep}"
    return said

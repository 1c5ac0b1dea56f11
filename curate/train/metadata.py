"""The metadata that kohya's and other readers show, all strings, and nothing that depends on when a run happened."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from curate.train import buckets, settled
from curate.train.described import network_values
from curate.train.network import Network
from curate.train.objective import Prediction
from curate.train.options import TrainOptions
from curate.train.prepare import Job


def metadata(job: Job, network: Network, name: str, identity: str, step: int) -> dict[str, str]:
    """`ss_*` and `modelspec.*` values of a run after so many steps; hashes of the file itself are added on writing."""
    plain = {**network_values(job.options, network), **_training(job), **_data(job)}
    plain |= {
        "output_name": name,
        "steps": step,
        "epoch": -(-step // job.order.steps_per_epoch),
        "session_id": str(int(identity, 16) >> 32),
        "base_model_version": job.backbone.labels(prediction_of(job))[0],
    }
    values = {f"ss_{key}": value if isinstance(value, str) else _text(value) for key, value in plain.items()}
    return {
        **values,
        **_modelspec(job),
        **words(job.options, name),
        "curate.run": identity,
        "curate.dataset": job.data.digest,
    }


WORDS = ("modelspec.title", "modelspec.author", "modelspec.description", "ss_training_comment")


def words(options: TrainOptions, name: str) -> dict[str, str]:
    """The values of `WORDS` that are there: what the user says of a LoRA of this name."""
    said = (options.title or name, options.author, options.comment, options.comment)
    return {key: value for key, value in zip(WORDS, said, strict=True) if value}


def prediction_of(job: Job) -> Prediction:
    """What the LoRA makes the base predict: as given, or as the base does."""
    return job.backbone.prediction if job.options.prediction == "auto" else job.options.prediction


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _training(job: Job) -> dict[str, Any]:
    options = job.options
    return {
        "learning_rate": settled.learning_rate(options),
        "unet_lr": options.unet_lr,
        "text_encoder_lr": options.text_lr,
        "lr_scheduler": settled.schedule(options),
        "lr_warmup_steps": settled.warmup(options),
        "optimizer": options.optimizer + (f"({','.join(options.optimizer_args)})" if options.optimizer_args else ""),
        "max_grad_norm": options.max_grad_norm,
        "mixed_precision": options.precision,
        "max_train_steps": job.steps,
        "num_epochs": job.epochs,
        "num_batches_per_epoch": job.order.batches_per_epoch,
        "gradient_accumulation_steps": options.accumulate,
        "batch_size_per_device": options.batch,
        "total_batch_size": options.batch,
        "seed": options.seed,
        "clip_skip": options.clip_skip if options.clip_skip > 1 else None,
        "max_token_length": options.max_tokens,
        "cache_latents": True,
        "shuffle_caption": options.shuffle,
        "keep_tokens": options.keep_tokens,
        "caption_dropout_rate": options.caption_dropout,
        "caption_dropout_every_n_epochs": options.caption_dropout_every_n_epochs,
        "caption_tag_dropout_rate": options.tag_dropout,
        "flip_aug": options.flip,
        "min_snr_gamma": options.min_snr or None,
        "debiased_estimation": options.debiased,
        "zero_terminal_snr": job.backbone.ztsnr if options.ztsnr is None else options.ztsnr,
        "noise_offset": options.noise_offset or None,
        "noise_offset_random_strength": options.noise_offset_random,
        "adaptive_noise_scale": options.adaptive_noise or None,
        "multires_noise_iterations": options.multires_steps or None,
        "multires_noise_discount": options.multires_discount,
        "ip_noise_gamma": options.ip_noise or None,
        "ip_noise_gamma_random_strength": options.ip_noise_random,
        "scale_weight_norms": options.scale_weight_norms or None,
        "network_dropout": options.dropout or None,
        "loss_type": options.loss,
        "huber_schedule": options.huber_schedule,
        "huber_c": options.huber_c,
        "v2": job.backbone.family == "sd2",
        "sd_model_name": _model_name(job.backbone.name),
        "sd_model_hash": job.backbone.digest[:12],
        "new_sd_model_hash": job.backbone.digest,
        "vae_hash": job.backbone.vae_digest[:12],
        "new_vae_hash": job.backbone.vae_digest,
    }


def _model_name(name: str) -> str:
    """A hub name as it is, of a file or folder its last part: where it lies on this machine is nobody's business."""
    path = Path(name).expanduser()
    return path.name if path.exists() and path.name else name


def _data(job: Job) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {}
    by_bucket: Counter[buckets.Size] = Counter()
    folders: dict[str, dict[str, int]] = {}
    regularising: dict[str, dict[str, int]] = {}
    for entry in job.entries:
        picture = entry.picture
        if picture.reg:
            held = regularising.setdefault(picture.concept, {"n_repeats": picture.repeats, "img_count": 0})
            held["img_count"] += 1
            continue
        by_bucket[entry.fit.bucket] += picture.repeats
        tags = [t.strip() for t in picture.caption.split(",") if t.strip()]
        counts.setdefault(picture.concept, Counter()).update(tags)
        held = folders.setdefault(picture.concept, {"n_repeats": picture.repeats, "img_count": 0})
        held["img_count"] += 1
    shapes = {str(i): {"resolution": list(size), "count": n} for i, (size, n) in enumerate(sorted(by_bucket.items()))}
    resolution = job.options.resolution or job.backbone.resolution
    return {
        "num_train_images": sum(by_bucket.values()),
        "num_reg_images": job.order.showings_per_epoch - sum(by_bucket.values()),
        "resolution": f"({resolution}, {resolution})",
        "enable_bucket": True,
        "bucket_no_upscale": not job.options.upscale,
        "bucket_info": {"buckets": shapes},
        "dataset_dirs": folders,
        "reg_dataset_dirs": regularising,
        "tag_frequency": {concept: dict(found.most_common()) for concept, found in counts.items()},
    }


def _modelspec(job: Job) -> dict[str, str]:
    resolution = job.options.resolution or job.backbone.resolution
    trained = [e.picture.concept for e in job.entries if not e.picture.reg]
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{job.backbone.labels(prediction_of(job))[1]}/lora",
        "modelspec.implementation": "curate",
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.prediction_type": prediction_of(job),
        "modelspec.trigger_phrase": ", ".join(dict.fromkeys(job.data.triggers[concept] for concept in trained)),
        "modelspec.encoder_layer": str(job.options.clip_skip),
    }

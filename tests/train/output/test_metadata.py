"""What a finished file says of itself: the keys that readers know, kohya's hashes, and a user's words and picture."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from curate.adapters import safetensors_file
from curate.diffusion import tiny
from curate.errors import InputError
from curate.train.options import TrainOptions
from curate.train.output import metadata_user
from tests.diffusion.helpers import another_vae, narrow, one_file
from tests.train.conftest import SIZES, run

PUBLISHED = Path(__file__).parents[3] / "../shared/data/lora/ss_metadata_kohya_2023.filtered.json"
# what kohya's train_network.py writes of every run
KOHYAS = """session_id output_name learning_rate text_encoder_lr unet_lr num_train_images num_validation_images
    num_reg_images num_batches_per_epoch num_epochs epoch steps gradient_accumulation_steps max_train_steps
    lr_warmup_steps lr_scheduler network_module network_dim network_alpha network_dropout network_args mixed_precision
    full_fp16 v2 base_model_version clip_skip max_token_length cache_latents seed lowram noise_offset
    noise_offset_random_strength multires_noise_iterations multires_noise_discount adaptive_noise_scale
    zero_terminal_snr optimizer max_grad_norm caption_dropout_rate caption_dropout_every_n_epochs
    caption_tag_dropout_rate face_crop_aug_range prior_loss_weight min_snr_gamma scale_weight_norms ip_noise_gamma
    ip_noise_gamma_random_strength debiased_estimation loss_type huber_schedule huber_c fp8_base validation_split
    resize_interpolation batch_size_per_device total_batch_size resolution color_aug flip_aug random_crop
    shuffle_caption enable_bucket bucket_no_upscale min_bucket_reso max_bucket_reso keep_tokens dataset_dirs
    reg_dataset_dirs tag_frequency bucket_info sd_model_name"""
# when and by which of kohya's commits a file was made, and what changes no byte of it
NEVER = {"training_started_at", "training_finished_at", "sd_scripts_commit_hash", "gradient_checkpointing"}
SHORT: dict[str, Any] = {"steps": 3, "layer_preset": "attn-only", "rank": 2, "resolution": 128}


def legacy(path: Path) -> str:
    """The old hash of AUTOMATIC1111's web UI, worked out anew."""
    return hashlib.sha256(path.read_bytes()[0x100000 : 0x100000 + 0x10000]).hexdigest()[:8]


def test_a_file_says_what_kohyas_readers_know(folder: Path) -> None:
    path, _ = run(
        folder, **SHORT, schedule="cosine-restarts", cycles=2, warmup=0.34, learning_rate=1e-3, loss="smooth-l1"
    )
    said = safetensors_file.read(path)[1]
    assert {f"ss_{key}" for key in KOHYAS.split()} <= said.keys()
    assert not {f"ss_{key}" for key in NEVER} & said.keys()
    wanted = {
        "lr_scheduler": "cosine_with_restarts",
        "lr_warmup_steps": "1",
        "unet_lr": "0.001",
        "text_encoder_lr": "0.0005",
        "mixed_precision": "no",
        "loss_type": "smooth_l1",
        "resolution": "(128, 128)",
        "num_validation_images": "0",
    }
    assert {key: said[f"ss_{key}"] for key in wanted} == wanted
    # two pictures a folder: a square one and one of 3:2, whose bucket of 160x96 is 5:3
    held = json.loads(said["ss_bucket_info"])
    buckets = [tuple(bucket["resolution"]) for bucket in held["buckets"].values()]
    assert SIZES[:2] == ((160, 160), (192, 128)) and buckets == [(128, 128), (160, 96)]
    assert held["mean_img_ar_error"] == pytest.approx((5 / 3 - 3 / 2) / 2)


def test_what_a_published_file_says_of_every_run_ours_says_too(folder: Path) -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED} is not here")
    real = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    base = one_file("sd1", narrow(folder.parent / "sd1", "sd1"), folder.parent / "base.safetensors")
    path, _ = run(folder, **SHORT, base=str(base), tokenizer=str(tiny.folder() / "tokenizer"), comment="None")
    said = safetensors_file.read(path)[1]
    # `datasets` is told folder by folder, as kohya does without a dataset file
    assert real.keys() - {f"ss_{key}" for key in NEVER} - {"ss_datasets"} <= said.keys()
    for key in ("ss_sd_model_hash", "ss_new_sd_model_hash", "sshs_model_hash", "sshs_legacy_hash"):
        assert len(real[key]) == len(said[key]) and int(said[key], 16) >= 0
    assert said["ss_sd_model_name"] == "base.safetensors"
    assert said["ss_sd_model_hash"] == legacy(base)
    assert said["ss_new_sd_model_hash"] == hashlib.sha256(base.read_bytes()).hexdigest()


def test_a_folder_has_no_hash_of_a_file(folder: Path) -> None:
    said = safetensors_file.read(run(folder, **SHORT)[0])[1]
    assert not [key for key in said if key.endswith(("sd_model_hash", "vae_hash", "vae_name"))]
    assert len(said["curate.base"]) == len(said["curate.vae"]) == 64


def test_an_autoencoder_of_its_own_is_named_with_its_hashes(folder: Path, tmp_path: Path) -> None:
    vae = next(another_vae(tmp_path / "vae").glob("*.safetensors")).rename(tmp_path / "my.vae.safetensors")
    said = safetensors_file.read(run(folder, **SHORT, vae=str(vae))[0])[1]
    assert (said["ss_vae_name"], said["ss_vae_hash"]) == ("my.vae.safetensors", legacy(vae))
    assert said["ss_new_vae_hash"] == hashlib.sha256(vae.read_bytes()).hexdigest()


def test_modelspecs_keys(folder: Path) -> None:
    path, _ = run(
        folder, **SHORT, min_timestep=100, max_timestep=900, clip_skip=2, license="CC0-1.0", keywords="dog, robe"
    )
    said, data = safetensors_file.read(path)[1], path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    spec = {key.removeprefix("modelspec."): value for key, value in said.items() if key.startswith("modelspec.")}
    assert spec == {
        "sai_model_spec": "1.0.1",
        "architecture": "stable-diffusion-v1/lora",
        "implementation": "diffusers",
        "title": "prepared",
        "resolution": "128x128",
        "hash_sha256": "0x" + hashlib.sha256(data[start:]).hexdigest(),
        "license": "CC0-1.0",
        "tags": "dog, robe",
        "trigger_phrase": "blue robe, zwx dog",
        "prediction_type": "epsilon",
        "timestep_range": "100,900",
        "encoder_layer": "2",
    }


def test_a_thumbnail_goes_in_small_and_trains_nothing_anew(folder: Path, tmp_path: Path) -> None:
    plain, _ = run(folder, **SHORT)
    Image.new("RGBA", (1000, 500), (200, 60, 40, 255)).save(tmp_path / "look.png")
    looked, events = run(folder, **SHORT, thumbnail=str(tmp_path / "look.png"))
    assert looked != plain and not [e for e in events if type(e).__name__ == "TrainStep"]
    (tensors, said), (before, _) = safetensors_file.read(looked), safetensors_file.read(plain)
    assert all(torch.equal(tensors[key], before[key]) for key in before)
    kind, _, text = said["modelspec.thumbnail"].partition(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        assert (kind, image.format, image.size) == ("data:image/jpeg", "JPEG", (256, 128))
        assert max(abs(a - b) for a, b in zip(image.convert("RGB").getpixel((9, 9)), (200, 60, 40), strict=True)) < 4
    # type: ignore[arg-type] # the same path with another picture is another thumbnail
    Image.new("RGB", (1000, 500), (0, 0, 250)).save(tmp_path / "look.png")
    other, _ = run(folder, **SHORT, thumbnail=str(tmp_path / "look.png"))
    assert safetensors_file.read(other)[1]["modelspec.thumbnail"] != said["modelspec.thumbnail"]


def test_a_thumbnail_is_looked_at_before_training(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("banana")
    for name in ("x.png", "nowhere.png"):
        with pytest.raises(InputError, match=r"thumbnail: .* cannot be read"):
            run(folder, **SHORT, thumbnail=str(tmp_path / name))
    given = "data:image/webp;base64,UklGRg=="
    assert metadata_user.words(TrainOptions(thumbnail=given), "x")["modelspec.thumbnail"] == given

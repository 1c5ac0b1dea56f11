"""Every option that decides bytes changes them: none is read and ignored. And what could do nothing is refused."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

from curate.diffusion.base import Backbone
from curate.diffusion.load import LoadOptions, load
from curate.errors import InputError, MissingError
from curate.stages.train import Train
from curate.train.data.dataset import read_dataset
from curate.train.data.job import Context, prepare
from curate.train.loop.loop import Loop
from curate.train.options import NEEDS, UNKEYED, TrainOptions
from curate.train.options.objective import BY_FAMILY, FLOW_ONLY
from curate.train.output import lora_file
from curate.train.trainer import attach
from tests.train.conftest import PlainPictures, draw_folder, run

BASE: dict[str, Any] = {"steps": 2, "rank": 2, "layer_preset": "attn-only", "learning_rate": 1e-2}
# option: (its value, what it is set beside)
CHANGES: dict[str, tuple[Any, dict[str, Any]]] = {
    "algo": ("loha", {}),
    "rank": (3, {}),
    "alpha": (1.0, {}),
    "conv_rank": (3, {"layer_preset": "unet-convblock-only"}),
    "conv_alpha": (1.0, {"layer_preset": "unet-convblock-only"}),
    "block_ranks": (",".join(["3"] * 12 + ["0"] * 13), {}),
    "block_alphas": (",".join(["0.5"] * 25), {}),
    "conv_block_ranks": (",".join(["3"] * 25), {"layer_preset": "unet-convblock-only"}),
    "conv_block_alphas": (",".join(["0.5"] * 25), {"layer_preset": "unet-convblock-only"}),
    "layers": (("attn2=loha:3/1",), {}),
    "include": (("attn2",), {}),
    "exclude": (("lora_te_*",), {}),
    "factor": (2, {"algo": "lokr"}),
    "decompose_both": (True, {"algo": "lokr", "rank": 1}),
    "dylora_unit": (1, {"algo": "dylora", "rank": 4}),
    "constraint": (1e-9, {"algo": "diag-oft", "rank": 8}),
    "rescaled": (True, {"algo": "boft", "rank": 8}),
    "train_norm": (True, {"layer_preset": "unet-transformer-only"}),
    "tucker": (True, {"layer_preset": "unet-convblock-only"}),
    "scalar": (True, {}),
    "rs_lora": (True, {}),
    "dora": (True, {}),
    "dropout": (0.5, {}),
    "rank_dropout": (0.5, {}),
    "module_dropout": (0.5, {}),
    "scale_weight_norms": (0.01, {}),
    "guide": ("valstrix", {}),
    "layer_preset": ("attn-mlp", {}),
    "showings": (6, {"steps": None, "showings": 1}),
    "epochs": (1, {}),
    "steps": (3, {}),
    "batch": (2, {}),
    "accumulate": (2, {}),
    "seed": (1, {}),
    "learning_rate": (2e-2, {}),
    "unet_lr": (2e-2, {}),
    "text_lr": (2e-2, {}),
    "optimizer": ("lion", {}),
    "optimizer_args": (("betas=0.5,0.9",), {}),
    "schedule": ("linear", {"steps": 3}),
    "cycles": (2, {"schedule": "cosine-restarts", "steps": 3}),
    "power": (2.0, {"schedule": "polynomial"}),
    "warmup": (1, {}),
    "weight_decay": (0.5, {}),
    "max_grad_norm": (1e-9, {}),
    "precision": ("bf16", {}),
    "save_precision": ("bf16", {}),
    "resolution": (96, {}),
    "bucket_step": (64, {}),
    "bucket_min": (128, {}),
    "bucket_max": (128, {}),
    "upscale": (False, {"resolution": 256}),
    "caption_extension": (".caption", {}),
    "max_tokens": (150, {}),
    "clip_skip": (2, {}),
    "shuffle": (True, {}),
    "keep_tokens": (0, {"shuffle": True}),
    "caption_wildcards": (True, {"caption_extension": ".caption"}),
    "caption_separator": (" ", {"shuffle": True}),
    "caption_dropout": (1.0, {}),
    "caption_dropout_every_n_epochs": (1, {}),
    "tag_dropout": (0.9, {}),
    "flip": (True, {"steps": 4}),
    "masked_loss": (True, {}),
    "validation": (0.5, {}),
    "stop_text_after": (1, {}),
    "prediction": ("v", {}),
    "ztsnr": (True, {"prediction": "v"}),
    "min_timestep": (900, {}),
    "max_timestep": (100, {}),
    "loss": ("huber", {}),
    "huber_c": (0.5, {"loss": "huber"}),
    "huber_schedule": ("constant", {"loss": "huber"}),
    "min_snr": (1.0, {}),
    "debiased": (True, {}),
    "p2": (1.0, {}),
    "v_like": (0.5, {}),
    "scale_v": (True, {"prediction": "v"}),
    "noise_offset": (0.3, {}),
    "noise_offset_random": (True, {"noise_offset": 0.3}),
    "adaptive_noise": (0.3, {}),
    "multires_steps": (6, {}),
    "multires_discount": (0.8, {"multires_steps": 6}),
    "ip_noise": (0.3, {}),
    "ip_noise_random": (True, {"ip_noise": 0.3}),
}


VALUES: dict[str, Any] = {
    **{"sample_sampler": "ddim", "prior_loss_weight": 0.5, "keep_saves": 2},
    **{"logit_mean": 0.5, "logit_std": 0.5, "mode_scale": 1.0, "flow_shift": 3.0},
}
"""Values of options that change no byte, or are tried elsewhere."""
WITHOUT: dict[str, dict[str, Any]] = {
    "stop_text_after": {"text_lr": 0},
    "showings": {"steps": 2},
    **{key: {"upscale": False} for key in ("bucket_min", "bucket_max")},
    **{key: {"algo": "ia3"} for key in ("rank", "conv_rank", "block_ranks", "conv_block_ranks")},
    **{key: {"algo": "diag-oft"} for key in ("alpha", "conv_alpha", "block_alphas", "conv_block_alphas")},
    **{key: {"algo": "full"} for key in ("tucker", "scalar", "rs_lora", "dora")},
    "rank_dropout": {"algo": "dylora"},
    "scale_weight_norms": {"algo": "boft"},
    **{key: {"timestep_sampling": "uniform"} for key in ("logit_mean", "logit_std")},
    "flow_shift": {"dynamic_shift": True},
}
"""What takes an option's effect away, where that is not a plain run."""


def folder_of(place: Path) -> Path:
    """One folder for all: runs in it do not disturb each other, and share their latents."""
    if not place.exists():
        draw_folder(place)
        for number, path in enumerate(sorted(place.rglob("*.txt"))):
            path.with_suffix(".caption").write_text(f"another text {number}, {{red|blue}}")
            mask = place / "masks" / path.parent.name / f"{path.stem}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.linear_gradient("L").save(mask)
    return place


@functools.cache
def base_model(clip_skip: int, max_tokens: int) -> Backbone:
    return load("tiny", True, LoadOptions(clip_skip, max_tokens))


def trained(place: Path, given: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What the file would hold; the base model is loaded once for all."""
    options = TrainOptions(**given)
    context = Context(
        folder_of(place), PlainPictures().read, torch.device("cpu"), True, lambda event: None, lambda: False
    )
    backbone = base_model(options.clip_skip, options.max_tokens)
    data = read_dataset(context.folder, options.caption_reading, masks=options.masked_loss)
    job = prepare(options, data, backbone, context)
    network = attach(options, backbone)
    try:
        with tempfile.TemporaryDirectory() as states:
            Loop(job, network, context, Path(states)).run()
        written = lora_file.content(job, network, "x", "0" * 16, job.steps)
    finally:
        network.detach()
    return safetensors.torch.load(written)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("options") / "prepared"


@pytest.fixture(scope="module")
def baselines() -> dict[str, dict[str, torch.Tensor]]:
    return {}


@pytest.mark.parametrize("option", CHANGES)
def test_option_has_an_effect(option: str, shared: Path, baselines: dict[str, dict[str, torch.Tensor]]) -> None:
    value, beside = CHANGES[option]
    plain = BASE | beside
    changed = plain | {option: value}
    if option == "epochs":
        del changed["steps"]
    if repr(plain) not in baselines:
        baselines[repr(plain)] = trained(shared, plain)
    before, after = baselines[repr(plain)], trained(shared, changed)
    same = before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)
    assert not same
    assert all(torch.isfinite(t.float()).all() for t in after.values())


def test_every_option_is_tried() -> None:
    elsewhere = {"base", "vae", "tokenizer", "output_name", "start_from", "rank_from_file"}
    elsewhere |= {"save_every_n_epochs", "save_every_n_steps", "reg_folder", "prior_loss_weight", "base_precision"}
    elsewhere |= {*FLOW_ONLY, "text_encoder", "names"}  # tests/diffusion/flow
    assert set(CHANGES) == set(TrainOptions.model_fields) - UNKEYED - elsewhere


@pytest.mark.parametrize("option", [option for option in NEEDS if option not in BY_FAMILY])
def test_option_that_could_do_nothing_is_refused(option: str) -> None:
    value = CHANGES[option][0] if option in CHANGES else VALUES.get(option, True)
    beside = WITHOUT.get(option, {})
    with pytest.raises(ValueError, match=f"{option} has no effect without"):
        Train(**{option: value, **beside})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamm"}, "unknown optimizer"),
        ({"ztsnr": True, "prediction": "epsilon"}, "needs v-prediction"),
        ({"min_timestep": 500, "max_timestep": 400}, "is not below"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Train(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ztsnr": True}, InputError, "the base predicts epsilon"),
        ({"scale_v": True}, InputError, "no effect"),
        ({"v_like": 1.0, "prediction": "v"}, InputError, "no effect"),
        ({"optimizer_args": ("betas",)}, InputError, "not name=value"),
        ({"optimizer_args": ("banana=1",)}, InputError, "does not take"),
        ({"optimizer": "no_such_module.Optimizer"}, MissingError, "not installed"),
        ({"optimizer": "torch.optim.Banana"}, InputError, "no optimizer"),
    ],
)
def test_what_the_base_or_the_machine_forbids(
    options: dict[str, Any], error: type[Exception], message: str, shared: Path
) -> None:
    with pytest.raises(error, match=message):
        run(folder_of(shared), **BASE, **options)

"""Every family of flow matching keeps the contract: from picture files to a LoRA, and back into pictures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.adapters import safetensors_file
from curate.adapters.lora_file import read_layers
from curate.adapters.quantized_layer import Storage
from curate.core.events import Saved, TrainStep, Validated
from curate.diffusion.base import Backbone
from curate.diffusion.family import families
from curate.diffusion.family_class import family_class
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.load import load
from curate.diffusion.quantize import quantize
from curate.errors import InputError, Interrupted
from curate.train.loop.flow import FlowSchedule, TimeDraw
from curate.train.network.build import attach, plan_network
from curate.train.options import TrainOptions
from curate.train.options.objective import DIFFUSION_ONLY
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_traits
from tests.diffusion.flow_networks import flow_networks
from tests.train.conftest import draw_folder, one_thread, own_cache, run

__all__ = ["one_thread", "own_cache"]
FLOW = flow_networks()
EVERY = pytest.mark.parametrize("name", FLOW)
SHORT: dict[str, Any] = {"resolution": 64, "bucket_step": 32, "rank": 2, "tensorboard": False}
CPU = torch.device("cpu")
Tiny = Callable[[str], Path]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The tiny model of a family, written once."""
    places: dict[str, Path] = {}

    def place(name: str) -> Path:
        if name not in places:
            made = family_class(name)
            assert issubclass(made, FlowTransformer)
            places[name] = tmp_path_factory.mktemp("tiny") / name  # whose name tells that it is not distilled
            made.write_tiny(places[name])
        return places[name]

    return place


def steps(events: list[Any]) -> list[TrainStep]:
    return [event for event in events if isinstance(event, TrainStep)]


@EVERY
@pytest.mark.parametrize("algo", ["lora", "lokr", "loha"])
def test_it_trains_from_pictures_to_a_file(name: str, algo: str, tiny: Tiny, tmp_path: Path) -> None:
    given = {"steps": 2, "batch": 2, "alpha": 1.0, "save_precision": "fp32", "dora": algo == "lora"}
    path, events = run(draw_folder(tmp_path / "prepared"), base=str(tiny(name)), algo=algo, **given, **SHORT)
    assert len(steps(events)) == 2
    backbone = load(str(tiny(name)), True)
    layers = read_layers(str(path), backbone.layer_names())
    assert set(layers) == set(plan_network(TrainOptions(algo=algo, rank=2), backbone))
    assert all(any(bool(tensor.any()) for tensor in held.values()) for held in layers.values())
    metadata = safetensors_file.read(path)[1]
    assert metadata["ss_base_model_version"] == families()[name].versions[0]
    assert metadata["ss_timestep_sampling"] and "ss_clip_skip" not in metadata
    has_text = any(layer_name.part != "unet" for layer_name in backbone.layer_names())
    assert (metadata["ss_text_encoder_lr"] == "None") == (not has_text)
    assert not (tmp_path / "prepared" / "texts").exists()


@EVERY
def test_a_stopped_run_goes_on_to_the_same_bytes(name: str, tiny: Tiny, tmp_path: Path) -> None:
    given = {**SHORT, "steps": 4, "shuffle": True, "caption_dropout": 0.3, "flip": True, "base": str(tiny(name))}
    whole, _ = run(draw_folder(tmp_path / "one" / "prepared"), **given)
    folder = draw_folder(tmp_path / "two" / "prepared")
    with pytest.raises(Interrupted):
        run(folder, stop_at=2, **given)
    again, events = run(folder, **given)
    assert [step.step for step in steps(events)] == [3, 4]
    assert again.read_bytes() == whole.read_bytes()


@EVERY
def test_sample_pictures_and_validation(name: str, tiny: Tiny, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a dog --s 2 --w 64 --h 96\na (red:1.3) hat --n a dog --s 2 --w 64 --h 64 --ss heun\n", "utf-8")
    given = {"sample_prompts": str(prompts), "validation": 0.5, "steps": 2}
    _, events = run(draw_folder(tmp_path / "prepared"), base=str(tiny(name)), **given, **SHORT)
    assert len([event for event in events if isinstance(event, Saved) and event.kind == "sample"]) >= 2
    assert [event for event in events if isinstance(event, Validated)]
    prompts.write_text("a dog --ss ddim\n", "utf-8")
    with pytest.raises(InputError, match="sampler ddim cannot draw with a flow-matching model"):
        run(draw_folder(tmp_path / "other"), base=str(tiny(name)), **given, **SHORT)


def fixed_batch(backbone: Backbone) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
    assert backbone.captions is not None
    torch.manual_seed(1)
    shape = (2, *backbone.latent_shape(64, 64))
    latents, noise, times = torch.randn(shape) * 0.5, torch.randn(shape), torch.tensor([0.3, 0.8])
    schedule = FlowSchedule(TimeDraw())
    texts = backbone.captions.encode(["a dog", "a red hat"], CPU, torch.float32)
    noisy, target = schedule.noisy(latents, noise, times), schedule.target(latents, noise, times)
    return noisy, target, times, backbone.collate(texts)


def learned(
    base: Path, options: TrainOptions, steps: int, rate: float = 1e-2, storage: Storage | None = None, until: float = 0
) -> tuple[list[float], torch.Tensor]:
    """The losses at fixed noise, and ΔW of all layers, one after the other; `storage` of the frozen weights.

    It ends before where the loss is below `until` of the first.
    """
    backbone = load(str(base), True)
    noisy, target, times, conditions = fixed_batch(backbone)
    if storage is not None:
        quantize([backbone.parts["unet"]], storage)
    network = attach(options.model_copy(update={"base": str(base)}), backbone)
    optimizer = torch.optim.Adam([parameter for _, parameter in network.named_parameters()], rate)
    losses: list[float] = []
    for _ in range(steps):
        loss = (backbone.predict(noisy, times, conditions) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < until * losses[0]:
            break
    return losses, torch.cat([adapter.delta().detach().flatten() for adapter in network.adapters.values()])


@EVERY
def test_the_loss_at_fixed_noise_halves_in_200_steps(name: str, tiny: Tiny) -> None:
    losses, _ = learned(tiny(name), TrainOptions(rank=8, alpha=8), 200, until=0.5)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("given", [{"algo": "lokr", "factor": 2}, {"algo": "loha"}], ids=["lokr", "loha"])
def test_so_it_does_with_other_algorithms(given: dict[str, Any], tiny: Tiny) -> None:
    losses, _ = learned(tiny("zimage"), TrainOptions(rank=8, alpha=8, **given), 200, until=0.5)
    assert losses[-1] < 0.5 * losses[0]


STORED = {"int8": 0.15, "fp8": 0.5, "nf4": 0.9}
"""Largest relative errors of ΔW, measured as 0.02 to 0.06, 0.12 to 0.28 and 0.31 to 0.41.

In random networks of 16 to 48 numbers a row a weight's error hardly averages out.
"""


@pytest.mark.parametrize(("name", "storage"), list(zip(FLOW, cycle(STORED), strict=False)))
def test_what_25_steps_learn_on_a_base_stored_small_is_near(name: str, storage: Storage, tiny: Tiny) -> None:
    if storage == "nf4":
        pytest.importorskip("bitsandbytes")
    options = TrainOptions(rank=4, alpha=4)
    losses, whole = learned(tiny(name), options, 25, 1e-3, "bf16")
    losses_too, small = learned(tiny(name), options, 25, 1e-3, storage)
    assert 0 < float((small - whole).norm() / whole.norm()) < STORED[storage]
    assert float(small.norm()) == pytest.approx(float(whole.norm()), rel=0.05)
    assert losses_too[-1] == pytest.approx(losses[-1], rel=0.03)


@EVERY
def test_gradient_checkpointing_changes_nothing(name: str, tiny: Tiny) -> None:
    found: list[list[torch.Tensor]] = []
    for checkpointing in (False, True):
        backbone = load(str(tiny(name)), True)
        network = attach(TrainOptions(rank=2, algo="loha", base=str(tiny(name))), backbone)
        unet: Any = backbone.parts["unet"]
        if checkpointing:
            unet.enable_gradient_checkpointing()
            unet.train()
        noisy, target, times, conditions = fixed_batch(backbone)
        (backbone.predict(noisy, times, conditions) - target).square().mean().backward()
        found.append([p.grad for _, p in network.named_parameters() if p.grad is not None])
    assert found[0] and len(found[0]) == len(found[1])
    torch.testing.assert_close(found[0], found[1])


REFUSED: dict[str, dict[str, Any]] = {
    **{
        option: {option: value}
        for option, value in {
            **{"min_snr": 5.0, "debiased": True, "p2": 1.0, "v_like": 1.0, "scale_v": True, "multires_steps": 3},
            **{"prediction": "v", "clip_skip": 2, "max_tokens": 150, "stop_text_after": 5},
        }.items()
    },
    "ztsnr": {"ztsnr": True},
    "huber_schedule": {"loss": "huber"},
    "multires_discount": {"multires_steps": 3, "multires_discount": 0.5},
}


def test_every_option_of_diffusion_is_tried() -> None:
    assert set(DIFFUSION_ONLY) <= REFUSED.keys()


@EVERY
@pytest.mark.parametrize("option", REFUSED)
def test_options_that_say_nothing_are_refused_by_name(name: str, option: str, tiny: Tiny) -> None:
    options = TrainOptions(base=str(tiny(name)), **REFUSED[option])
    with pytest.raises(InputError, match=rf"{option}.* no effect on {families()[name].title}"):
        check_base(options, base_traits(options, tiny(name)), tiny(name), CPU)


@EVERY
def test_precisions_presets_and_sizes_that_do_not_fit_are_refused(name: str, tiny: Tiny, tmp_path: Path) -> None:
    def refuse(message: str, **given: Any) -> None:
        options = TrainOptions(base=str(tiny(name)), **given)
        with pytest.raises(InputError, match=message):
            check_base(options, base_traits(options, tiny(name)), tiny(name), CPU)

    if "fp16" not in families()[name].precisions:
        refuse("precision fp16 overflows", precision="fp16")
    refuse("has no blocks of convolutions", layer_preset="unet-convblock-only")
    refuse("conv_rank has no effect", conv_rank=4)
    if families()[name].shift_line is None:
        refuse("dynamic_shift has no effect", dynamic_shift=True)
    with pytest.raises(InputError, match=rf"bucket_step 8: .* multiples of {families()[name].step}"):
        run(draw_folder(tmp_path / "prepared"), base=str(tiny(name)), **{**SHORT, "bucket_step": 8}, steps=1)


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        (
            "sd1",
            {"mode_scale": 1.0, "flow_shift": 2.0, "dynamic_shift": True},
            "mode_scale, flow_shift and dynamic_shift",
        ),
        ("anima", {"multires_discount": 0.5, "ztsnr": True}, "ztsnr and multires_discount have no effect on Anima"),
        ("anima", {"mode_scale": 1.0}, "mode_scale has no effect without timestep_sampling mode"),
        ("sd1", {"multires_discount": 0.5}, "multires_discount has no effect without multires_steps"),
    ],
)
def test_what_a_family_refuses_is_refused_at_once(family: str, options: dict[str, Any], message: str) -> None:
    given = TrainOptions(family=family, **options)
    with pytest.raises(InputError, match=message):
        check_base(given, base_traits(given, None), None, CPU)


def test_options_of_flow_are_refused_for_diffusion() -> None:
    options = TrainOptions(text_encoder="x/y", family="sd1")
    with pytest.raises(InputError, match="text_encoder has no effect"):
        check_base(options, base_traits(options, None), None, CPU)
    options = TrainOptions(flow_shift=3.0, timestep_sampling="uniform", family="sd1")
    with pytest.raises(InputError, match=r"timestep_sampling and flow_shift have no effect on SD 1\.x"):
        check_base(options, base_traits(options, None), None, CPU)


def test_all_options_that_do_not_fit_a_base_are_told_at_once() -> None:
    options = TrainOptions(family="zimage", text_lr=1e-4, min_snr=5, debiased=True, clip_skip=2, conv_rank=4)
    with pytest.raises(InputError) as error:
        check_base(options, base_traits(options, None), None, CPU)
    assert [part.message.partition(":")[0] for part in error.value.parts] == [
        "min_snr and debiased have no effect on Z-Image",
        "clip_skip has no effect on Z-Image",
        "conv_rank has no effect",
        "text_lr has no effect",
    ]
    assert [part.remedy for part in error.value.parts][:2] == ["leave them out", "leave it out"]


def test_what_a_guide_sets_is_not_asked_to_be_left_out() -> None:
    options = TrainOptions(family="zimage", guide="valstrix")
    with pytest.raises(InputError, match="guide valstrix sets them: choose another guide"):
        check_base(options, base_traits(options, None), None, CPU)

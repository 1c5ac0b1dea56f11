"""Every named optimiser and schedule: five steps, downhill, and the same bits after an interruption."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from curate.errors import InputError, MissingError
from curate.train.loop import lr_schedule, optimizer, optimizer_catalogue
from curate.train.network.build import attach
from curate.train.network.network import Network
from curate.train.options import OPTIMIZERS, TrainOptions, resolve
from curate.train.options.optimizer import finds_rate

EIGHT_BIT = ("adamw8bit", "paged-adamw8bit", "lion8bit", "paged-lion8bit")
OWN = [name for name in OPTIMIZERS if name not in EIGHT_BIT]
SCHEDULES = ["constant", "constant-with-warmup", "linear", "cosine", "cosine-restarts", "polynomial"]
STEPS = 5


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load("tiny", True)


@pytest.fixture
def built(backbone: Backbone) -> Any:
    def build(**given: Any) -> tuple[TrainOptions, Network, torch.optim.Optimizer]:
        options = TrainOptions(algo="lora", rank=2, layer_preset="attn-only", unet_lr=0, **given)
        network = attach(options, backbone)
        network.detach()
        return options, network, optimizer.build(network, options)

    return build


def distance(network: Network) -> torch.Tensor:
    """A bowl whose bottom every parameter can reach."""
    parts = [((p - 0.5) ** 2).mean() for _, p in network.named_parameters()]
    return torch.stack(parts).mean()


def walk(options: TrainOptions, network: Network, optimiser: torch.optim.Optimizer, start: int, stop: int) -> None:
    for step in range(start, stop):
        lr_schedule.set_rate(optimiser, lr_schedule.factor(options, step, STEPS))
        optimiser.zero_grad()
        distance(network).backward()
        optimiser.step()


def weights(network: Network) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


@pytest.mark.parametrize("name", OWN)
def test_optimiser_walks_and_resumes_bit_for_bit(name: str, built: Any, tmp_path: Path) -> None:
    rate = {} if finds_rate(name) else {"learning_rate": 1e-2}
    options, whole, optimiser = built(optimizer=name, **rate)
    before = distance(whole).item()
    walk(options, whole, optimiser, 0, STEPS)
    assert distance(whole).item() < before

    _, first, optimiser = built(optimizer=name, **rate)
    walk(options, first, optimiser, 0, 3)
    with optimizer.averaged(optimiser):
        pass  # as a picture sampled in between would
    torch.save({"parameters": weights(first), "optimiser": optimiser.state_dict()}, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)  # as a checkpoint is read
    _, second, optimiser = built(optimizer=name, **rate)
    with torch.no_grad():
        for key, parameter in second.named_parameters():
            parameter.copy_(saved["parameters"][key])
    optimiser.load_state_dict(saved["optimiser"])
    walk(options, second, optimiser, 3, STEPS)
    a, b = weights(whole), weights(second)
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule_starts_high_and_ends_where_it_says(schedule: Any) -> None:
    options = TrainOptions(schedule=schedule, **({"cycles": 2} if schedule == "cosine-restarts" else {}))
    curve = [lr_schedule.factor(options, step, 100) for step in range(100)]
    assert all(0 <= value <= 1 for value in curve)
    warm = {"constant-with-warmup": 5}.get(schedule, 0)
    assert curve[:warm] == [pytest.approx((i + 1) / (warm + 1)) for i in range(warm)]
    assert curve[warm] == 1
    last = {"constant": 1, "constant-with-warmup": 1, "linear": 0.01, "polynomial": 0.01}.get(schedule)
    if last is not None:
        assert curve[-1] == pytest.approx(last)
    else:
        assert curve[-1] < 0.002
    if schedule == "cosine-restarts":
        assert curve[50] == 1 and curve[49] < 0.002


def test_schedule_free_keeps_two_sets_of_weights(built: Any) -> None:
    options, network, optimiser = built(optimizer="schedule-free", learning_rate=1e-2)
    walk(options, network, optimiser, 0, STEPS)
    stepped = weights(network)
    with optimizer.averaged(optimiser):
        learned = weights(network)
    assert any(not torch.equal(stepped[k], learned[k]) for k in stepped)
    after = weights(network)
    assert all(torch.equal(stepped[k], after[k]) for k in stepped)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AdamW8bit", "adamw8bit"),
        ("PagedAdamW8bit", "paged-adamw8bit"),
        ("DAdaptAdam", "dadapt-adam"),
        ("DAdaptation", "dadapt-adam"),
        ("SGDNesterov", "sgd"),
        ("Prodigy", "prodigy"),
        ("CAME", "came"),
        ("AdamWScheduleFree", "schedule-free"),
        ("torch.optim.NAdam", "torch.optim.NAdam"),
    ],
)
def test_names_of_other_programs(written: str, meant: str) -> None:
    assert TrainOptions(optimizer=written).optimizer == meant


def test_schedules_of_other_programs() -> None:
    assert TrainOptions(schedule="cosine_with_restarts").schedule == "cosine-restarts"  # type: ignore[arg-type]
    assert TrainOptions(schedule="constant_with_warmup").schedule == "constant-with-warmup"  # type: ignore[arg-type]


def test_what_finds_its_rate_starts_at_one_and_with_alpha_one() -> None:
    options = TrainOptions(optimizer="prodigy")
    assert resolve.part_rate(options, "unet") == resolve.part_rate(options, "te1") == 1
    assert resolve.ranks(options).alpha == 1
    assert resolve.ranks(TrainOptions()).alpha == 32
    plain = TrainOptions(learning_rate=2e-4)
    assert (resolve.part_rate(plain, "unet"), resolve.part_rate(plain, "te1")) == (2e-4, 1e-4)


def test_a_guides_arguments_for_prodigy_are_known(built: Any) -> None:
    arguments = ("decouple=True", "weight_decay=0.1", "betas=0.9,0.99", "use_bias_correction=True", "d_coef=0.8")
    _, _, optimiser = built(optimizer="prodigy", optimizer_args=arguments)
    group = optimiser.param_groups[0]
    assert group["weight_decay"] == 0.1 and group["betas"] == (0.9, 0.99) and group["d_coef"] == 0.8
    assert group["weight_decouple"] is True and group["bias_correction"] is True


@pytest.mark.parametrize("name", ["lion", "adamw", "pytorch_optimizer.Lamb"])
def test_misspelt_arguments_are_named(name: str, built: Any) -> None:
    with pytest.raises(InputError, match=r"does not take banana\n.*betas"):
        built(optimizer=name, optimizer_args=("banana=1",))


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
@pytest.mark.parametrize("name", EIGHT_BIT)
def test_eight_bits_say_what_to_install(name: str, built: Any) -> None:
    with pytest.raises(MissingError, match=r"not installed.*\n.*curate\[8bit\]"):
        built(optimizer=name)


@pytest.mark.parametrize(
    ("version", "can"), [("0.45.5", False), ("0.49.2", False), ("0.50.0", True), ("1.0.dev1", True)]
)
def test_versions_for_gpus_alone_say_so_on_a_cpu(
    version: str, can: bool, built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of that name and version in front of the path, with an optimiser that steps anywhere."""
    place = tmp_path / "bitsandbytes"
    place.mkdir()
    (place / "__init__.py").touch()
    (place / "optim.py").write_text("from torch.optim import AdamW as AdamW8bit\n")
    described = tmp_path / f"bitsandbytes-{version}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: bitsandbytes\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "bitsandbytes"]:
        monkeypatch.delitem(sys.modules, name)
    try:
        if can:
            walk(*built(optimizer="adamw8bit"), 0, STEPS)
        else:
            with pytest.raises(
                MissingError, match=rf"{version} has optimizers for GPUs alone.*\n.*>=0\.50', or optimizer adamw"
            ):
                built(optimizer="adamw8bit")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "bitsandbytes"]:
            del sys.modules[name]


def test_every_name_leads_somewhere() -> None:
    assert set(optimizer_catalogue.KNOWN) == set(OPTIMIZERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "schedule-free", "schedule": "cosine"}, "needs a constant learning rate"),
        ({"schedule": "constant-with-warmup", "warmup": 0}, "is constant"),
        ({"optimizer": "adamm"}, "unknown optimizer"),
    ],
)
def test_contradictions(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainOptions(**options)

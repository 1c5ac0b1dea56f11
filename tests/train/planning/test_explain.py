"""What a run comes to before it starts: effective values, where they came from, its length, its cost, and advice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.core.events import Note
from curate.diffusion.detect import Traits, traits
from curate.diffusion.frame import frame
from curate.diffusion.load import load
from curate.diffusion.locate import locate_base
from curate.errors import InputError
from curate.train.data.order import Order
from curate.train.network.build import attach
from curate.train.options import TrainOptions
from curate.train.planning import advice, dry_model, estimate, explain
from tests.train.conftest import run

CPU = torch.device("cpu")


def explained(folder: Path, *given: str, **options: Any) -> dict[str, Any]:
    return dict(explain.findings(TrainOptions.build(options), folder, (*options, *given), CPU).data)


def test_every_option_stands_with_its_source(folder: Path, tmp_path: Path) -> None:
    toml = tmp_path / "kohya.toml"
    toml.write_text("noise_offset = 0.05\nsdpa = true\n", encoding="utf-8")
    found = explained(folder, guide="valstrix", rank=4, from_kohya=(str(toml),), batch=2)["options"]
    assert set(found) == set(TrainOptions.model_fields)

    def of(name: str) -> tuple[Any, str]:
        return found[name]["value"], found[name]["source"]

    assert of("rank") == (4, "command line")
    assert of("noise_offset") == (0.05, "kohya's file")
    assert of("min_snr") == (5, "guide valstrix")
    assert of("alpha") == (1, "optimizer prodigy")
    assert of("learning_rate") == (1, "optimizer prodigy")
    assert of("resolution") == (128, "base")
    assert of("bucket_max") == (256, "resolution")
    assert of("prediction") == ("epsilon", "base")
    assert of("precision") == ("float32", "device cpu")
    assert of("seed") == (42, "default")
    assert all(
        value["value"] not in (None, "auto") or name in ("keep_tokens", "factor", "caption_form", "caption_encoding")
        for name, value in found.items()
    )


def test_the_length_is_what_the_run_then_has(folder: Path) -> None:
    given: dict[str, Any] = {"batch": 2, "accumulate": 2, "epochs": 3, "layer_preset": "attn-only", "rank": 1}
    length = explained(folder, **given)["length"]
    # 2 pictures twice and 2 once, in buckets of their own: 1 + 1 batches of two, 1 + 1 of one
    assert (length["pictures"], length["showings_per_epoch"], length["batches_per_epoch"]) == (4, 6, 4)
    assert (length["steps_per_epoch"], length["steps"]) == (2, 6)
    _, events = run(folder, **given)
    assert any(isinstance(e, Note) and e.message.startswith("6 steps (one epoch is 2 steps)") for e in events)
    assert any(isinstance(e, Note) and e.message.startswith("estimate: ") and "LoRA" in e.message for e in events)


def test_the_command_prints_and_touches_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from curate.cli.main import main

    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as done:
        main(["train", str(folder), "--print-config", "--json", "--steps", "3"])
    assert done.value.code in (0, None)
    found = json.loads(capsys.readouterr().out)
    assert found["options"]["steps"] == {"value": 3, "source": "command line"}
    assert found["length"]["steps"] == 3 and found["estimate"]["steps"] == 3
    assert sorted(folder.rglob("*")) == before


def test_a_base_that_is_not_here_leaves_open_what_it_decides(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = explain.findings(TrainOptions(base="nobody/nothing-of-this-name"), folder, ("base",), CPU)
    assert "length" not in found.data
    assert any("the settings that depend on it are not known yet" in line for line in found.closing)


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="N_trigger"):
        explained(tmp_path)


@pytest.mark.parametrize("options", [{"algo": "loha", "rank": 3}, {"algo": "lokr"}, {"algo": "locon", "text_lr": 0}])
def test_numbers_to_train_are_counted_as_they_are_made(options: dict[str, Any]) -> None:
    made = TrainOptions(**options)
    outlined = frame(traits("tiny", True), "tiny", locate_base("tiny", True))
    backbone = load("tiny", True)
    counted = estimate.counts(outlined, 0)
    assert counted == estimate.counts(backbone, 0)
    network = attach(made, backbone)
    assert dry_model.adapter_parameters(made, outlined) == sum(p.numel() for _, p in network.named_parameters())


FULL = {"sd1": (859_520_964, 123_060_480, 83_653_863), "sdxl": (2_567_463_684, 817_720_320, 83_653_863)}


@pytest.mark.parametrize("family", FULL)
def test_full_size_families_without_their_weights(family: str) -> None:
    options = TrainOptions(rank=16)
    outlined = frame(Traits(family, 1024, "epsilon", False), family, None)
    counted = estimate.counts(outlined, dry_model.adapter_parameters(options, outlined))
    assert (counted.unet, counted.texts, counted.vae) == FULL[family]
    if family == "sdxl":
        # the specification's table: 722 UNet modules of rank 16 are 42.6 million, with both text encoders' more
        only = options.model_copy(update={"text_lr": 0.0})
        assert dry_model.adapter_parameters(only, outlined) == pytest.approx(42.6e6, rel=0.002)


def test_arithmetic_and_memory_are_those_that_were_counted() -> None:
    options = TrainOptions(rank=16, precision="bf16")
    counted = estimate.Counts(2_567_463_684, 0, 0, 42_600_000)
    found = estimate.of(options, "sdxl", counted, {(1024, 1024): 1}, 10, CPU)
    assert found.tflop_per_step == pytest.approx(14.92, rel=0.02)
    assert found.memory["activations"] == pytest.approx(6.74, rel=0.02)
    assert found.memory["adapters and optimizer"] == pytest.approx(42.6e6 * 16 / 2**30)
    assert found.disk["LoRA"] == pytest.approx(42.6e6 * 2 / 2**30)
    half = estimate.of(
        options.model_copy(update={"gradient_checkpointing": True}), "sdxl", counted, {(1024, 1024): 1}, 10, CPU
    )
    assert half.memory["activations"] < found.memory["activations"] / 3 and half.tflop_per_step > found.tflop_per_step
    eight = estimate.of(
        TrainOptions(rank=16, batch=8), "sd1", estimate.Counts(859_520_964, 0, 0, 1), {(512, 512): 1}, 1, CPU
    )
    assert eight.tflop_per_step == pytest.approx(14.6, rel=0.03)


def test_time_is_told_of_full_size_models_alone() -> None:
    options = TrainOptions(rank=16, accumulate=3)
    full = estimate.of(options, "sd1", estimate.Counts(859_520_964, 0, 0, 1), {(512, 512): 1}, 4, CPU)
    assert full.seconds > 0 and " here, more exact after the first steps" in full.lines()[0]
    # narrow layers are nowhere near the speed of a matrix product
    tiny = estimate.of(options, "sd1", estimate.counts(load("tiny", True), 0), {(512, 512): 1}, 4, CPU)
    assert tiny.seconds == 0 and tiny.lines()[0].endswith("; the time is known after the first steps")


def test_small_pictures_take_what_calling_the_layers_takes() -> None:
    calling = 700 * estimate.CALLS * 1e-5
    assert estimate.pass_seconds(0.0, 700, 10.0, 1e-5, False) == pytest.approx(calling)
    assert estimate.pass_seconds(4.0, 700, 10.0, 1e-5, False) == pytest.approx(1.0 + calling)
    assert estimate.pass_seconds(4.0, 700, 10.0, 1e-5, True) == pytest.approx(1.0)
    assert estimate.pass_seconds(4e-3, 700, 10.0, 1e-5, True) == pytest.approx(calling)
    assert 300 < estimate.counts(load("tiny", True), 0).layers < 700


def test_too_little_memory_is_said_with_the_remedy() -> None:
    found = estimate.Estimate(1, 1.0, 0.0, {"base": 10.0}, 8.0, {"LoRA": 0.1})
    assert "only 8.0 GiB are available" in found.lines()[-1] and "gradient_checkpointing" in found.lines()[-1]
    assert len(estimate.Estimate(1, 1.0, 0.0, {"base": 7.0}, 8.0, {"LoRA": 0.1}).lines()) == 2


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"rank": 128}, "more than 64 is rarely better"),
        ({"algo": "loha", "rank": 64}, "more than 32 is rarely better"),
        ({"algo": "locon", "conv_rank": 64}, "conv_rank 64"),
        ({"rank": 8, "alpha": 16.0}, "2 times as large"),
        ({"dropout": 0.7}, "outside the usual 0.1 to 0.5"),
        ({"rank_dropout": 0.5}, "outside the usual 0.1 to 0.3"),
        ({"optimizer": "prodigy", "schedule": "constant"}, "works best with cosine"),
        ({"optimizer": "prodigy", "learning_rate": 1e-4}, "only scales it"),
        ({"algo": "ia3", "learning_rate": 1e-4}, "0.005 to 0.01"),
        ({"batch": 8}, "higher learning rate and more epochs"),
        ({"batch": 2}, "1 of 2 buckets"),
        ({"resolution": 768}, "above the base's own 512"),
        ({"dora": True, "dropout": 0.2}, "has little effect with dora"),
        ({"guide": "pony"}, "written for sdxl, and the base is sd1"),
        ({"prediction": "v", "ztsnr": True, "scale_v": True}, "defeats zero terminal SNR"),
        ({"prediction": "v", "ztsnr": True, "noise_offset": 0.05}, "is useless with zero terminal SNR"),
    ],
)
def test_advice(options: dict[str, Any], wanted: str) -> None:
    made = TrainOptions(**options)
    order = Order(["a", "b"], [1, 12], made.batch, 1, 0)
    found = advice.lines(made, advice.Setting("sd1", 512), order)
    assert [level for level, _ in found] == ["warning"] * len(found)
    assert any(wanted in line for _, line in found)


def test_nothing_is_said_against_the_defaults() -> None:
    order = Order(["a"], [10], 1, 1, 0)
    for algo in ("lora", "locon", "loha", "lokr"):
        assert advice.lines(TrainOptions(algo=algo), advice.Setting("sd1", 512), order) == []  # type: ignore[arg-type]
    assert advice.lines(TrainOptions(guide="valstrix"), advice.Setting("sd1", 512), order) == []  # type: ignore[arg-type]


def test_a_folder_made_by_hand_wants_two_words(folder: Path) -> None:
    from curate.cli.main import main

    with pytest.raises(SystemExit) as done:
        main(["train", str(folder), "--base", "tiny", "--steps", "1"])
    assert done.value.code in (0, None)
    assert (folder / "lora" / "prepared.safetensors").is_file()


def test_the_wrong_level_is_said_before_anything_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from curate.cli.main import main

    inner = folder / "2_zwx dog"
    before = sorted(inner.iterdir())
    with pytest.raises(SystemExit) as done:
        main(["train", str(inner), "--base", "tiny"])
    assert done.value.code == 2 and "holds no folder called N_trigger" in capsys.readouterr().err
    assert sorted(inner.iterdir()) == before

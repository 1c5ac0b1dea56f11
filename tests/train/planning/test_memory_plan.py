"""What is chosen so that a run fits a card, and in which order."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.core.events import Note
from curate.errors import InputError
from curate.train.options import TrainOptions
from curate.train.planning.explain import findings
from curate.train.planning.memory_plan import within_memory
from tests.train.conftest import run

GPU, CPU = torch.device("cuda"), torch.device("cpu")
SDXL: dict[str, Any] = {"family": "sdxl", "text_lr": 0.0, "batch": 1}


def planned(fit: str, device: torch.device = GPU, **given: Any) -> tuple[TrainOptions, str]:
    return within_memory(TrainOptions.build({**SDXL, **given, "fit": fit}), device)


def chosen(fit: str, **given: Any) -> tuple[bool, str, int | str]:
    options, _ = planned(fit, **given)
    return options.gradient_checkpointing, options.base_precision, options.swap_blocks


def test_what_costs_least_comes_first() -> None:
    assert chosen("80GB") == (False, "auto", 0)
    assert chosen("16GB") == (True, "auto", 0)
    assert chosen("8GB") == (True, "int8", 0)
    saves, storage, swapped = chosen("5GB")
    assert (saves, storage) == (True, "int8") and 0 < int(swapped) <= 16


def test_a_smaller_card_never_keeps_more() -> None:
    cards = [f"{size}GB" for size in (4.6, 5, 6, 7, 8, 10, 12, 16, 24)]
    order = ["auto", "int8", "nf4"]
    rows = [(order.index(b), int(s), not g) for g, b, s in (chosen(c) for c in reversed(cards))]
    found = [(storage, swapped) for storage, swapped, _ in rows]
    assert found == sorted(found) and [plain for *_, plain in rows] == sorted((p for *_, p in rows), reverse=True)


def test_what_the_user_set_stays() -> None:
    assert chosen("8GB", base_precision="fp8")[1] == "fp8"
    assert chosen("7.5GB", swap_blocks=4)[2] == 4
    options, sentence = planned("24GB", gradient_checkpointing=True)
    assert options.gradient_checkpointing and "nothing needs to be set" in sentence


def test_what_fits_no_card_says_what_it_takes() -> None:
    with pytest.raises(
        InputError, match=r"fit: with every setting that saves memory this run takes [\d.]+ GiB"
    ) as error:
        planned("2GB", batch=8)
    assert "a smaller batch" in (error.value.remedy or "")


def test_blocks_are_not_swapped_on_a_cpu(folder: Path) -> None:
    assert planned("8GB", CPU, precision="bf16")[0].swap_blocks == 0
    for value in (3, "auto"):
        with pytest.raises(InputError, match="swap_blocks has no effect on a CPU"):
            run(folder, resolution=64, steps=1, swap_blocks=value)


def test_the_plan_is_what_is_trained(folder: Path) -> None:
    given: dict[str, Any] = {"resolution": 64, "steps": 1, "rank": 2, "tensorboard": False}
    _, events = run(folder, **given, fit="1GB")
    assert any(isinstance(e, Note) and e.message.startswith("fit 1GB: nothing needs to be set") for e in events)
    first, _ = run(folder, **given, fit="0.004GB")
    planned_, _ = within_memory(TrainOptions.build({"base": "tiny", **given, "fit": "0.004GB"}), CPU)
    assert planned_.gradient_checkpointing and planned_.fit == ""
    again, events = run(
        folder, **given, **{n: getattr(planned_, n) for n in ("gradient_checkpointing", "base_precision")}
    )
    assert again == first, "the same run as with the settings given one by one"


def test_the_configuration_names_what_chose_them(folder: Path) -> None:
    options = TrainOptions.build({**SDXL, "fit": "8GB", "precision": "bf16"})
    result = findings(options, folder, {"family", "fit"}, CPU)
    assert result.data["options"]["base_precision"] == {"value": "int8", "source": "fit 8GB"}
    [line] = [
        line for line in result.closing if line.startswith("fit 8GB: gradient_checkpointing, base_precision int8")
    ]
    assert "int8 and not fp8, because" in line


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"compile": True, "base_precision": "int8"}, "compile does not work with base_precision"),
        ({"fit": "12 apples"}, "fit"),
        ({"swap_blocks": "many"}, "swap_blocks"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises((InputError, ValueError), match=message):
        run(folder, resolution=64, steps=1, **given)


@pytest.mark.skipif(not find_spec("bitsandbytes"), reason="the extra 8bit is not installed")
def test_four_bits_come_last() -> None:
    assert chosen("5GB")[1] == "int8" and chosen("4.7GB")[1] == "nf4"

"""A base that is stored small: what is trained on it, and that nothing else changes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.adapters import safetensors_file
from curate.core.events import Note
from curate.errors import MissingError
from curate.train.network.network import by_layer
from curate.train.options import TrainOptions
from curate.train.planning import estimate
from tests.train.conftest import draw_folder, run

has_bitsandbytes = find_spec("bitsandbytes") is not None
needs_bitsandbytes = pytest.mark.skipif(not has_bitsandbytes, reason="the extra 8bit is not installed")
GIVEN: dict[str, Any] = {
    **{"resolution": 64, "rank": 4, "learning_rate": 1e-3, "text_lr": 0.0},
    **{"batch": 2, "tensorboard": False},
}


def delta(file: Path) -> Tensor:
    """ΔW of all layers, one after the other."""
    found: list[Tensor] = []
    for tensors in by_layer(safetensors_file.read(file)[0]).values():
        up, down = (tensors[f"lora_{side}.weight"].double() for side in ("up", "down"))
        found.append((up.flatten(1) @ down.flatten(1)).flatten() * float(tensors["alpha"]) / len(down))
    return torch.cat(found)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """ΔW after 25 steps on a base in float32."""
    return delta(run(draw_folder(tmp_path_factory.mktemp("plain") / "prepared"), **GIVEN, steps=25)[0])


@pytest.mark.parametrize(
    ("storage", "away"),
    # measured: 0.042, 0.066, 0.317 and 0.752; a random base spreads a weight's error over the whole picture
    [("bf16", 0.06), ("int8", 0.1), ("fp8", 0.4), pytest.param("nf4", 0.9, marks=needs_bitsandbytes)],
)
def test_what_is_learned_on_a_small_base_is_near(storage: str, away: float, plain: Tensor, folder: Path) -> None:
    learned = delta(run(folder, **GIVEN, steps=25, base_precision=storage)[0])
    assert 0 < float((learned - plain).norm() / plain.norm()) < away
    assert float(learned.norm()) == pytest.approx(float(plain.norm()), rel=0.05)


@pytest.mark.parametrize("storage", ["int8", pytest.param("nf4", marks=needs_bitsandbytes)])
def test_a_stopped_run_goes_on_to_the_same_bytes(storage: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {**GIVEN, "steps": 4, "base_precision": storage, "text_lr": 1e-4, "algo": "loha"}
    whole, _ = run(draw_folder(tmp_path / "a" / "prepared"), **given)
    with pytest.raises(Exception, match="stopped"):
        run(draw_folder(tmp_path / "b" / "prepared"), stop_at=2, **given)
    resumed, events = run(tmp_path / "b" / "prepared", **given)
    assert any(isinstance(e, Note) and "continuing at step 2" in e.message for e in events)
    assert whole.read_bytes() == resumed.read_bytes()


def test_checkpointing_changes_nothing(tmp_path: Path) -> None:
    given: dict[str, Any] = {**GIVEN, "steps": 3, "base_precision": "fp8"}
    first, _ = run(draw_folder(tmp_path / "a" / "prepared"), **given)
    second, _ = run(draw_folder(tmp_path / "b" / "prepared"), **given, gradient_checkpointing=True)
    assert torch.equal(delta(first), delta(second))


def test_the_estimate_knows_what_is_stored_small(folder: Path) -> None:
    sizes: dict[str, float] = {}
    for storage in ("auto", "bf16", "int8", "nf4"):
        options = TrainOptions(base="tiny", precision="bf16", base_precision=storage)  # type: ignore[arg-type]
        counted = estimate.Counts(1000 << 20, 100 << 20, 50 << 20, 1 << 20, 100, 1000 << 20)
        expected = estimate.of(options, "sdxl", counted, {(64, 64): 1}, 1, torch.device("cpu"))
        sizes[storage] = expected.memory["base"]
    assert sizes["auto"] == sizes["bf16"] == pytest.approx(1100 * 2 / 1024)
    assert sizes["int8"] == pytest.approx((1000 + 200) / 1024)
    assert sizes["nf4"] == pytest.approx((562.5 + 200) / 1024)


def test_without_bitsandbytes_nf4_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(MissingError, match="bitsandbytes"):
        run(folder, **GIVEN, steps=1, base_precision="nf4")

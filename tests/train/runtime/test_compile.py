"""Compiled blocks: the same LoRA but for rounding; a machine that cannot compile says so before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curate.adapters import safetensors_file
from curate.errors import MissingError
from curate.train.runtime import compile
from tests.train.conftest import draw_folder, run

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.skipif(bool(compile.lacking(CPU)), reason="there is no C++ compiler here")
def test_compiled_blocks_train_the_same(tmp_path: Path) -> None:
    options = {
        "steps": 3,
        "rank": 2,
        "algo": "lora",
        "text_lr": 0,
        "resolution": 64,
        "optimizer": "sgd",
        "learning_rate": 0.1,
    }
    plain, _ = run(draw_folder(tmp_path / "a" / "prepared"), **options)
    quick, _ = run(draw_folder(tmp_path / "b" / "prepared"), **options, compile=True)
    ours, theirs = safetensors_file.read(plain)[0], safetensors_file.read(quick)[0]
    assert ours.keys() == theirs.keys()
    assert max(float(t.abs().max()) for name, t in ours.items() if "lora_up" in name) > 1e-4  # they start at 0
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-6)
    counted = torch._dynamo.utils.counters["stats"]  # type: ignore[attr-defined]
    assert counted["unique_graphs"] >= 1


def test_a_machine_without_a_compiler_is_told_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingError, match=r"lacks no-such-compiler\n.*leave compile out"):
        run(draw_folder(tmp_path / "prepared"), steps=1, rank=2, compile=True)


def test_the_limit_of_variants_is_given_back() -> None:
    import torch._dynamo as dynamo

    before = dynamo.config.cache_size_limit
    with pytest.raises(ZeroDivisionError), compile.compiling(True):
        assert dynamo.config.cache_size_limit == max(compile.VARIANTS, before) > before
        raise ZeroDivisionError
    assert dynamo.config.cache_size_limit == before


def test_only_compilers_errors_are_taken_for_theirs() -> None:
    from torch._dynamo.exc import TorchDynamoException

    with pytest.raises(MissingError, match="compile: no header"), compile.compiling(True):
        raise TorchDynamoException("no header\nand more")
    with pytest.raises(ZeroDivisionError), compile.compiling(True):
        raise ZeroDivisionError
    with pytest.raises(TorchDynamoException), compile.compiling(False):
        raise TorchDynamoException

"""A new algorithm, family or cleaner is one file: in its folder, or named by a dotted path, it works everywhere."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import cleaners
import curate.adapters
import curate.diffusion.families
from curate.adapters import safetensors_file
from curate.adapters.algorithm import algorithm_of, choices
from curate.core.events import TrainStep
from curate.core.record import Image, Record
from curate.core.stage import Env
from curate.diffusion import tiny
from curate.diffusion.detect import traits
from curate.diffusion.family import families
from curate.errors import InputError
from curate.images import PICTURE_FILES
from curate.stages.denoise import Denoise
from curate.train.options import TrainOptions, algorithms, resolve
from curate.train.output.fingerprint import identify
from tests.train.conftest import draw_folder, own_cache, run

__all__ = ["own_cache"]
ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "plugins"
Drop = Callable[[Any, str], None]


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Drop]:
    """Puts a plug-in's file into a folder that counts as the package's."""
    added: list[tuple[list[str], str]] = []
    modules: list[str] = []

    def put(package: Any, name: str) -> None:
        folder = tmp_path / package.__name__
        folder.mkdir(exist_ok=True)
        shutil.copy(FILES / f"{name}.py", folder)
        package.__path__.append(str(folder))
        added.append((package.__path__, str(folder)))
        modules.append(f"{package.__name__}.{name}")
        importlib.invalidate_caches()

    yield put
    for paths, folder in added:
        paths.remove(folder)
    for name in modules:
        sys.modules.pop(name, None)


def help_of(program: str, *arguments: str) -> str:
    """What a command prints, its lines joined, in a process that runs a few lines before it."""
    code = f"import sys\n{program}\nsys.argv = {['curate', *arguments]!r}\nfrom curate.cli.main import main\nmain()"
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return " ".join(done.stdout.split())


SHORT: dict[str, Any] = {"steps": 3, "resolution": 64, "bucket_step": 64}


@pytest.mark.parametrize("name", ["outer", "tests.contract.plugins.outer"])
def test_an_algorithm(drop: Drop, tmp_path: Path, name: str) -> None:
    if name == "outer":
        with pytest.raises(ValidationError, match="unknown algorithm"):
            TrainOptions(algo=name)
        drop(curate.adapters, name)
        assert name in choices() and "outer (a test's own)" in algorithms.short_help()
        assert "shows that one file is enough; rate 0.001 to 0.01" in algorithms.table()
    options = TrainOptions(algo=name)
    ranks = resolve.ranks(options)
    assert (ranks.rank, ranks.alpha, resolve.learning_rate(options)) == (2, 1.0, 3e-3)
    with pytest.raises(ValidationError, match="tucker has no effect without algo"):
        TrainOptions(algo=name, tucker=True)
    path, events = run(draw_folder(tmp_path / "one" / "prepared"), algo=name, layer_preset="attn-only", **SHORT)
    assert len([e for e in events if isinstance(e, TrainStep)]) == 3
    tensors, metadata = safetensors_file.read(path)
    assert {key.partition(".")[2] for key in tensors} == {"outer_u", "outer_v", "alpha"}
    assert json.loads(metadata["ss_network_args"])["algo"] == name
    assert any(tensor.any() for key, tensor in tensors.items() if key.endswith("outer_u"))
    layer = next(key.partition(".")[0] for key in tensors)
    held = {key.partition(".")[2]: tensor for key, tensor in tensors.items() if key.startswith(f"{layer}.")}
    assert algorithm_of(held, () if name == "outer" else (name,)) == name
    given = {"rank_from_file": True} if name == "outer" else {"algo": name, "layer_preset": "attn-only"}
    again, _ = run(draw_folder(tmp_path / "two" / "prepared"), start_from=str(path), **given, **SHORT)
    assert set(safetensors_file.read(again)[0]) == set(tensors)


def test_an_algorithms_own_layers(drop: Drop, tmp_path: Path) -> None:
    drop(curate.adapters, "outer")
    path, _ = run(draw_folder(tmp_path / "prepared"), algo="outer", **SHORT)
    layers = {key.partition(".")[0] for key in safetensors_file.read(path)[0]}
    assert layers and all(layer.endswith(("to_q", "q_proj")) for layer in layers)


def test_an_algorithm_in_help(tmp_path: Path) -> None:
    shutil.copy(FILES / "outer.py", tmp_path)
    dropped = f"import curate.adapters\ncurate.adapters.__path__.append({str(tmp_path)!r})"
    text = help_of(f"{dropped}\n", "train", "--help")
    assert "outer (a test's own)" in text and "shows that one file is enough" in text
    assert "outer-only" in text


@pytest.mark.parametrize("name", ["pocket", "tests.contract.plugins.pocket"])
def test_a_family(drop: Drop, tmp_path: Path, name: str) -> None:
    base = tmp_path / "pocket"
    shutil.copytree(tiny.folder(), base)
    index = json.loads((base / "model_index.json").read_text("utf-8"))
    (base / "model_index.json").write_text(json.dumps({**index, "_class_name": "ToyPipeline"}), "utf-8")
    given: dict[str, Any] = {}
    if name == "pocket":
        drop(curate.diffusion.families, "pocket")
        assert "pocket" in families()
        assert traits(str(base), True).family == "pocket"
    else:
        with pytest.raises(InputError, match="ToyPipeline, which cannot be trained"):
            traits(str(base), True)
        given["family"] = name
        assert traits(str(base), True, family=name).family == TrainOptions(family=name).family == name
        with pytest.raises(ValidationError, match="module that declares Family"):
            TrainOptions(family="tests.contract.plugins.outer")
    folder = draw_folder(tmp_path / "prepared")
    path, events = run(folder, base=str(base), rank=2, layer_preset="attn-only", **given, **SHORT)
    assert len([e for e in events if isinstance(e, TrainStep)]) == 3
    tensors, metadata = safetensors_file.read(path)
    assert all(key.startswith("lora_unet_") for key in tensors)
    assert metadata["ss_base_model_version"] == "pocket"
    assert metadata["modelspec.architecture"] == "pocket-1/lora"


def test_a_family_by_dotted_path_makes_a_run_of_its_own(tmp_path: Path) -> None:
    """It may take a base that another family would take too: the same weights, and another LoRA."""
    folder = draw_folder(tmp_path / "prepared")
    names = (None, "sd1", "tests.contract.plugins.pocket")
    runs = [identify(TrainOptions(family=name), folder, True)[0].id for name in names]
    assert runs[0] == runs[1] != runs[2]


def test_a_family_in_help(tmp_path: Path) -> None:
    shutil.copy(FILES / "pocket.py", tmp_path)
    dropped = f"import curate.diffusion.families\ncurate.diffusion.families.__path__.append({str(tmp_path)!r})"
    assert "or Toy: a diffusers folder" in help_of(f"{dropped}\n", "train", "--help")


def cleaned(method: str, folder: Path) -> tuple[Record, Any]:
    draw = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    env = Env(folder, folder / "out", PICTURE_FILES, device="cpu", offline=True)
    PICTURE_FILES.write(draw, folder / "a.png", "png")
    stage = Denoise(methods=(method,), when="always", guard=False)
    assert stage.requirements().gpus == 0 and stage.files(env) == []
    with stage.open(env) as worker:
        (record,) = worker([Record("dog/a.png", "dog", "o", Image("d", "a.png", 64, 64))])
    return record, env.held["dog/a.png"]


@pytest.mark.parametrize("name", ["blank", "tests.contract.plugins.blank"])
def test_a_cleaner(drop: Drop, tmp_path: Path, name: str) -> None:
    if name == "blank":
        with pytest.raises(ValidationError, match="unknown cleaner"):
            Denoise(methods=(name,))
        drop(cleaners, name)
        assert name in cleaners.names()
    record, pixels = cleaned(name, tmp_path)
    assert record.facts["denoise"]["methods"] == [name]
    assert np.array_equal(pixels[::2, ::2], pixels[1::2, 1::2])


def test_a_cleaner_in_help(tmp_path: Path) -> None:
    shutil.copy(FILES / "blank.py", tmp_path)
    dropped = f"import cleaners\ncleaners.__path__.append({str(tmp_path)!r})"
    assert "blank (a test's own, by means)" in help_of(f"{dropped}\n", "denoise", "--help")

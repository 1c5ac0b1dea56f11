"""Folders of flow families that are not whole, or mixed, are named by the part at fault before anything is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from curate.diffusion.detect import traits
from curate.diffusion.family import families, family
from curate.diffusion.family_class import family_class
from curate.diffusion.folder_check import check_folder
from curate.errors import InputError
from curate.train.options import TrainOptions
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_place, base_traits
from curate.train.planning.requirements import missing

FLOW = [name for name, found in families().items() if found.stored_text]


@pytest.fixture(scope="module")
def zimage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bases") / "z-image"
    family_class("zimage").write_tiny(place)
    return place


def gone(name: str) -> Callable[[Path], None]:
    return lambda place: shutil.rmtree(place / name)


def lost(pattern: str) -> Callable[[Path], None]:
    return lambda place: [path.unlink() for path in place.glob(pattern)].clear()


def cut(pattern: str) -> Callable[[Path], None]:
    def shorten(place: Path) -> None:
        for path in place.glob(pattern):
            path.write_bytes(path.read_bytes()[:-100])

    return shorten


def says(name: str, **values: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        file = place / name / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")

    return change


def shards(place: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (place / "text_encoder/model.safetensors").rename(place / "text_encoder/model-00001-of-00002.safetensors")
    (place / "text_encoder/model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (gone("vae"), "it has no folder vae/"),
        (gone("tokenizer"), "it has no folder tokenizer/"),
        (lost("tokenizer/tokenizer.json"), "tokenizer has no vocabulary"),
        (lost("transformer/*.safetensors"), "transformer holds no weights"),
        (lost("text_encoder/config.json"), "text_encoder has no config.json"),
        (cut("text_encoder/*.safetensors"), "is truncated: it has"),
        (cut("vae/*.safetensors"), "is truncated: it has"),
        (shards, "model-00002-of-00002.safetensors is missing"),
        (says("transformer", _class_name="Flux2Transformer2DModel"), "transformer holds a Flux2Transformer2DModel"),
        (says("text_encoder", model_type="qwen3_vl"), "text_encoder holds a qwen3_vl, and Z-Image needs a qwen3 there"),
        (says("vae", _class_name="AutoencoderKLQwenImage"), "vae holds a AutoencoderKLQwenImage, and Z-Image needs"),
    ],
)  # fmt: skip
def test_the_part_at_fault_is_named(change: Callable[[Path], None], words: str, zimage: Path, tmp_path: Path) -> None:
    place = tmp_path / "z-image"
    shutil.copytree(zimage, place)
    change(place)
    options = TrainOptions(base=str(place))
    with pytest.raises(InputError) as error:
        base_traits(options, base_place(options))
    assert words in error.value.message


def test_another_autoencoder_stands_in_for_one_that_is_missing(zimage: Path, tmp_path: Path) -> None:
    place = tmp_path / "z-image"
    shutil.copytree(zimage, place)
    shutil.rmtree(place / "vae")
    options = TrainOptions(base=str(place), vae="ae.safetensors")
    assert base_traits(options, base_place(options)).family == "zimage"


def test_a_part_is_not_taken_for_a_file_of_its_own(zimage: Path) -> None:
    file = zimage / "transformer/diffusion_pytorch_model.safetensors"
    with pytest.raises(InputError, match="is one part of a model in diffusers' layout") as error:
        traits(str(file), offline=True)
    assert error.value.remedy == f"give {zimage}"
    said = missing(TrainOptions(base=str(file)), zimage / "none", "cpu")
    assert not any("CLIP" in one.message for one in said)


def test_a_guide_of_another_family_is_refused(zimage: Path) -> None:
    options = TrainOptions(base=str(zimage), guide="anima")
    place = base_place(options)
    with pytest.raises(InputError, match="guide anima is for Anima, and the base is Z-Image") as error:
        check_base(options, base_traits(options, place), place, torch.device("cpu"))
    assert error.value.remedy == "choose from zimage, zimage-onetrainer"


@pytest.mark.parametrize("name", FLOW)
def test_every_family_says_what_its_folders_hold(name: str, tmp_path: Path) -> None:
    found = family(name)
    assert found.parts.keys() == {
        one for one in found.components if one not in ("scheduler", "processor") and "tokenizer" not in one
    }
    family_class(name).write_tiny(tmp_path / "base")
    check_folder(tmp_path / "base", found)

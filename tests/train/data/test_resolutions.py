"""Training at several resolutions: each picture at each of them, as often in all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from curate.adapters import safetensors_file
from curate.train.data.dataset import read_dataset
from curate.train.data.run_plan import fits, outline
from curate.train.options import TrainOptions
from curate.train.output.trained import find_trained
from curate.train.planning.explain import fitted
from curate.train.planning.run_length import length_lines
from tests.train.conftest import run

SHORT: dict[str, Any] = {"rank": 2, "tensorboard": False, "text_lr": 0.0, "layer_preset": "attn-only"}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (512, 512),
        ("512", 512),
        ("512,768,1024", (512, 768, 1024)),
        ([1024, 512, 512], (512, 1024)),
        (("512,768", "1024"), (512, 768, 1024)),
        ("512, 768", (512, 768)),
        (["640"], 640),
        (None, None),
    ],
)
def test_one_number_or_several(given: Any, read: Any) -> None:
    assert TrainOptions.build({"base": "tiny", "resolution": given}).resolution == read


@pytest.mark.parametrize("given", ["big", "512;768", 32, [512, 10_000], [], "512,", True, 64.5, "64,-5", ""])
def test_what_is_no_resolution_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError, match="resolution"):
        TrainOptions.build({"base": "tiny", "resolution": given})


def test_one_resolution_keeps_its_identity() -> None:
    assert TrainOptions.build({"base": "tiny", "resolution": [64]}).model_dump(mode="json")["resolution"] == 64


def test_each_picture_is_shown_as_often_in_all(folder: Path) -> None:
    data = read_dataset(folder)
    one, two = (TrainOptions.build({"resolution": side, "showings": 12}) for side in (64, (64, 128)))
    plain, both = (outline(options, *fitted(options, data, 64)) for options in (one, two))
    assert (plain.pictures, both.pictures) == (4, 4) and (plain.own, both.own) == (4, 4)
    assert both.showings == plain.showings and both.order.showings_per_epoch == 2 * plain.order.showings_per_epoch
    assert sum(both.shapes.values()) == 8 and set(both.shapes) > set(plain.shapes)
    assert length_lines(two, both)[0].startswith("4 pictures at 2 resolutions × their repeats")


def test_a_picture_that_is_not_enlarged_is_there_once(folder: Path) -> None:
    options = TrainOptions.build({"base": "tiny", "resolution": (512, 1024), "upscale": False})
    pictures = read_dataset(folder).pictures
    assert len(fits(options, 64, 8, pictures)) == len(pictures), "all are smaller than both"


def test_a_run_at_two_resolutions(folder: Path) -> None:
    file, _ = run(folder, **SHORT, resolution="64,128", steps=6, flip=True, validation=0.4, batch=2)
    metadata = safetensors_file.read(file)[1]
    buckets = json.loads(metadata["ss_bucket_info"])["buckets"].values()
    assert {max(b["resolution"]) > 96 for b in buckets} == {True, False}
    assert metadata["modelspec.resolution"] == "128x128"
    assert sum(d["img_count"] for d in json.loads(metadata["ss_dataset_dirs"]).values()) == 2
    assert metadata["ss_num_validation_images"] == "2"
    assert find_trained(folder).side == 128
    again, _ = run(folder, **SHORT, resolution=[128, 64], steps=6, flip=True, validation=0.4, batch=2)
    assert again == file, "the same run however they are written"


def test_stopped_and_resumed(tmp_path: Path) -> None:
    from tests.train.conftest import draw_folder

    given: dict[str, Any] = {**SHORT, "resolution": (64, 96), "steps": 4}
    whole, _ = run(draw_folder(tmp_path / "a" / "prepared"), **given)
    with pytest.raises(Exception, match="stopped"):
        run(draw_folder(tmp_path / "b" / "prepared"), stop_at=2, **given)
    resumed, _ = run(tmp_path / "b" / "prepared", **given)
    assert whole.read_bytes() == resumed.read_bytes()

"""dataset.toml, read back by the rules of sd-scripts' configuration: which keys each level takes, and of which type."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from curate import drive
from curate.core.record import Image, Record
from curate.folder import sd_scripts
from curate.pipeline import load
from curate.stages.train import Train
from tests.folder.helpers import Project

NUMBER = (int, float)
SUBSET: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("color_aug", "flip_aug", "random_crop", "shuffle_caption", "enable_wildcard"), bool),
    **dict.fromkeys(("num_repeats", "keep_tokens", "token_warmup_min", "caption_dropout_every_n_epochs"), int),
    **dict.fromkeys(("caption_separator", "keep_tokens_separator", "secondary_separator", "caption_extension"), str),
    **dict.fromkeys(("caption_prefix", "caption_suffix", "class_tokens", "resize_interpolation"), str),
    **dict.fromkeys(("caption_dropout_rate", "caption_tag_dropout_rate", "token_warmup_step"), NUMBER),
}
DATASET: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("batch_size", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso", "validation_seed"), int),
    **dict.fromkeys(("enable_bucket", "bucket_no_upscale"), bool),
    **dict.fromkeys(("validation_split", "network_multiplier"), float),
    "resolution": (int, list),
}
OF_A_FOLDER: dict[str, type | tuple[type, ...]] = {"image_dir": str, "is_reg": bool, "alpha_mask": bool}


def fits(table: Mapping[str, Any], *allowed: Mapping[str, type | tuple[type, ...]]) -> None:
    """Fails for a key that a level does not take, and for a value of another type (a bool is no int there)."""
    known: dict[str, type | tuple[type, ...]] = {key: kind for level in allowed for key, kind in level.items()}
    for key, value in table.items():
        assert key in known, f"extra key {key}"
        kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
        assert isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)), (key, value)  # type: ignore[arg-type]


def read(text: str) -> list[dict[str, Any]]:
    """Every subset with what stands above it, as sd-scripts falls back: subset, dataset, general."""
    table = tomllib.loads(text)
    assert table.keys() <= {"general", "datasets"}
    fits(table["general"], SUBSET, DATASET)
    rows: list[dict[str, Any]] = []
    for dataset in table["datasets"]:
        own = {key: value for key, value in dataset.items() if key != "subsets"}
        fits(own, SUBSET, DATASET)
        masked = ["conditioning_data_dir" in subset for subset in dataset["subsets"]]
        assert all(masked) or not any(masked), "a dataset holds masked folders alone, or none"
        for subset in dataset["subsets"]:
            fits(subset, SUBSET, OF_A_FOLDER, {"conditioning_data_dir": str} if all(masked) else {})
            rows.append({**table["general"], **own, **subset})
    for row in rows:
        assert row["enable_bucket"] and row["min_bucket_reso"] <= row["resolution"] <= row["max_bucket_reso"]
    return rows


def written(project: Project) -> list[dict[str, Any]]:
    return read(project.files()["dataset.toml"].decode())


def test_a_prepared_folder_is_found_from_anywhere(
    dogs: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dogs.picture("robe/a.png", 40)
    dogs.concepts["robe"] = {"trigger": ["rbx", "robe"], "repeats": 3}
    dogs.stages = ["convert", "trigger", {"export": {"also": ["dataset.toml"]}}]
    dogs.run()
    monkeypatch.chdir(tmp_path)
    rows = written(dogs)
    folders = {Path(row["image_dir"]).name: row for row in rows}
    assert folders.keys() == {"1_zwx dog", "3_rbx, robe"}
    for name, row in folders.items():
        assert Path(row["image_dir"]).is_absolute() and list(Path(row["image_dir"]).glob("*.png"))
        assert row["caption_extension"] == ".txt" and list(Path(row["image_dir"]).glob("*.txt"))
        assert (row["num_repeats"], row["keep_tokens"]) == {"1_zwx dog": (1, 1), "3_rbx, robe": (3, 2)}[name]
        # as training here: in their order unless shuffle is given
        assert "shuffle_caption" not in row and (row["resolution"], row["bucket_reso_steps"]) == (1024, 64)


def test_it_says_what_the_training_that_follows_does(dogs: Project) -> None:
    train = {"base": "tiny", "steps": 1, "rank": 1, "resolution": 64, "batch": 2, "shuffle": True, "keep_tokens": 2}
    dogs.stages = ["convert", "trigger", {"export": {"also": ["dataset.toml"]}}, {"train": train}]
    dogs.run()
    (row,) = written(dogs)
    assert (row["resolution"], row["batch_size"], row["bucket_reso_steps"]) == (64, 2, 32)
    assert row["shuffle_caption"] is True and row["keep_tokens"] == 2
    dogs.stages[-1] = {"train": {**train, "shuffle": False, "keep_tokens": None, "flip": True}}
    dogs.run()
    (row,) = written(dogs)
    assert "shuffle_caption" not in row and row["flip_aug"] is True and row["keep_tokens"] == 1


def test_a_run_that_ends_with_export_writes_what_will_be_trained(dogs: Project) -> None:
    train = {"base": "tiny", "resolution": 64, "shuffle": True, "keep_tokens": 3, "bucket_max": 128, "batch": 2}
    dogs.stages = ["convert", "trigger", {"export": {"also": ["dataset.toml"]}}, {"train": train}]
    drive.run(load(dogs.pipeline(), until="export"), quiet=True)
    (row,) = written(dogs)
    assert (row["resolution"], row["batch_size"], row["max_bucket_reso"]) == (64, 2, 128)
    assert row["shuffle_caption"] is True and row["keep_tokens"] == 3
    assert not (dogs.out / "lora").exists()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"resolution": 512}, {"resolution": 512, "min_bucket_reso": 256, "max_bucket_reso": 1024}),
        ({"resolution": 768, "bucket_min": 320, "bucket_max": 1536}, {"min_bucket_reso": 320, "max_bucket_reso": 1536}),
        (
            {"resolution": 768, "upscale": False, "bucket_step": 32},
            {"bucket_no_upscale": True, "bucket_reso_steps": 32},
        ),
        ({"shuffle": True, "caption_separator": "|", "tag_dropout": 0.1}, {"caption_separator": "|"}),
        ({"caption_dropout": 0.05, "caption_dropout_every_n_epochs": 4}, {"caption_dropout_rate": 0.05}),
        ({}, {"resolution": 128}),  # the base's own
    ],
)
def test_every_option_of_training_arrives(options: dict[str, Any], wanted: dict[str, Any], tmp_path: Path) -> None:
    training = Train(base="tiny", **options).training_options()
    record = Record("dog/a.png", "dog", "origin", Image("digest"), trigger=("zwx",), repeats=2)
    (row,) = read(sd_scripts.dataset_toml({"2_zwx": [record]}, tmp_path, training))
    assert {key: row[key] for key in wanted} == wanted
    assert row["image_dir"] == (tmp_path / "2_zwx").as_posix() and row["num_repeats"] == 2

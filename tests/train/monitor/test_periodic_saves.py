"""LoRA files along the way, and words in their metadata that train nothing anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.adapters import safetensors_file
from curate.core.events import Event, Note, Removed, Saved, TrainStep
from curate.core.record import Manifest
from curate.errors import Interrupted
from curate.stages.train import Train
from curate.train.options import TrainOptions, resolve
from curate.train.output import run_records
from curate.train.output.trained import find_trained, is_trained
from tests.train.conftest import draw_folder, env_of, run

SHORT: dict[str, Any] = {"steps": 6, "rank": 2, "layer_preset": "attn-only", "save_state_every": 2}


def made(folder: Path, tell: Callable[[Event], None] = lambda _: None, **options: Any) -> tuple[Path, list[Event]]:
    """Trains; the LoRA that is told of last and all events."""
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        tell(event)

    stage = Train(**{"base": "tiny", "save_precision": "fp32", **options})
    stage.run(Manifest(), env_of(folder), listen)
    return Path([e.path for e in events if isinstance(e, Saved) and e.kind == "lora"][-1]), events


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "lora").iterdir())


def test_files_after_steps_are_those_of_shorter_runs(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "a" / "prepared")
    _, events = run(folder, **SHORT, schedule="constant", save_every_n_steps=2)
    assert names(folder) == [
        "prepared-step00000002.safetensors",
        "prepared-step00000004.safetensors",
        "prepared.safetensors",
    ]
    assert [Path(e.path).name for e in events if isinstance(e, Saved) and e.kind == "lora"] == names(folder)
    tensors, said = safetensors_file.read(folder / "lora" / "prepared-step00000004.safetensors")
    assert (said["ss_steps"], said["ss_output_name"]) == ("4", "prepared-step00000004")
    shorter, _ = run(draw_folder(tmp_path / "b" / "prepared"), **{**SHORT, "steps": 4}, schedule="constant")
    expected = safetensors_file.read(shorter)[0]
    assert tensors.keys() == expected.keys() and all(torch.equal(tensors[k], expected[k]) for k in tensors)


def test_files_are_found_after_the_folder_was_copied_or_moved(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "a" / "prepared")
    run(folder, **SHORT, save_every_n_steps=2)
    copied = shutil.copytree(folder, tmp_path / "copy" / "other name")
    before = names(folder)
    assert [p.relative_to(copied / "lora").name for p in find_trained(copied).loras] == before
    moved = folder.rename(tmp_path / "moved")
    assert [p.relative_to(moved / "lora").name for p in find_trained(moved).loras] == before


def test_runs_of_a_folder_that_became_read_only_are_found(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "prepared")
    run(folder, **SHORT)
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
        assert is_trained(folder) and find_trained(folder).loras == (folder / "lora" / "prepared.safetensors",)
    finally:
        folder.chmod(0o755)


def test_earlier_files_are_removed_over_a_stop_but_not_what_somebody_changed(folder: Path) -> None:
    options: dict[str, Any] = {**SHORT, "steps": 6, "save_every_n_steps": 1, "keep_saves": 2}
    with pytest.raises(Interrupted):
        run(folder, stop_at=3, **options)
    assert names(folder) == ["prepared-step00000002.safetensors", "prepared-step00000003.safetensors"]
    mine = folder / "lora" / "prepared-step00000002.safetensors"
    mine.write_bytes(b"mine")
    _, events = run(folder, **options)
    gone = [e.path for e in events if isinstance(e, Removed)]
    assert [Path(path).name for path in gone] == ["prepared-step00000003.safetensors"]
    left = [f"prepared-step0000000{n}.safetensors" for n in (2, 4, 5)]
    assert names(folder) == [*left, "prepared.safetensors"]
    assert mine.read_bytes() == b"mine"


def test_a_stop_before_the_checkpoint_loses_no_file(folder: Path) -> None:
    """The file of a step is written before the checkpoint from which the rerun goes on."""
    options: dict[str, Any] = {**SHORT, "save_every_n_epochs": 1, "save_state_every": 6, "steps": 12}

    def tell_and_stop(event: Event) -> None:
        if isinstance(event, Saved) and event.kind == "checkpoint":
            raise Interrupted("as by a kill right after the checkpoint", "")

    with pytest.raises(Interrupted):
        made(folder, tell=tell_and_stop, **options)
    assert names(folder) == ["prepared-000001.safetensors"]


def test_other_words_are_written_without_training(folder: Path) -> None:
    plain, _ = made(folder, **SHORT)
    tensors, said = safetensors_file.read(plain)
    assert said["modelspec.title"] == "prepared" and "modelspec.author" not in said
    words: dict[str, Any] = {"title": "Äpfel, “zwei”", "author": "Ana", "comment": "first try"}
    titled, events = made(folder, **SHORT, **words)
    assert titled.name == "prepared-2.safetensors" and plain.is_file()
    assert not any(isinstance(e, TrainStep) for e in events)
    again, words_said = safetensors_file.read(titled)
    assert all(torch.equal(tensors[k], again[k]) for k in tensors) and tensors.keys() == again.keys()
    assert words_said["modelspec.title"] == words["title"] and words_said["ss_output_name"] == "prepared-2"
    assert (words_said["modelspec.author"], words_said["modelspec.description"]) == ("Ana", "first try")
    assert words_said["ss_training_comment"] == "first try"
    whole = {k: v for k, v in words_said.items() if not k.startswith("sshs_")}
    assert safetensors_file.hashes(again, whole).items() <= words_said.items()
    recalled, events = made(folder, **SHORT, **words)
    assert recalled == titled and any(isinstance(e, Note) and "nothing to do" in e.message for e in events)
    # a pipeline asks first whether what it remembers of these options stands
    options: dict[str, Any] = {"base": "tiny", "save_precision": "fp32", **SHORT}
    assert Train(**options, **words).is_current(Manifest(), env_of(folder), lambda _: None)
    assert not Train(**options).is_current(Manifest(), env_of(folder), lambda _: None)
    back, _ = made(folder, **SHORT)
    assert back == plain and names(folder) == ["prepared-2.safetensors", "prepared.safetensors"]
    assert run_records.Run.of(folder, said["curate.run"]).is_finished(folder)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 1),
        ({"save_every_n_steps": 10}, 10),
        ({"save_every_n_steps": 10, "keep_saves": 2}, 4),
        ({"save_every_n_epochs": 2}, 5),
        ({"save_every_n_epochs": 2, "keep_saves": 9}, 5),
    ],
)
def test_how_many_files_there_will_be(given: dict[str, Any], expected: int) -> None:
    assert resolve.files(TrainOptions(**given), steps=100, steps_per_epoch=10) == expected

"""torch's CosineAnnealingLR in kohya's settings is our cosine where it falls over exactly the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.train.options import TrainOptions, imported


def command(place: Path, *words: str) -> str:
    file = place / "train.sh"
    file.write_text(f"accelerate launch train_network.py --network_module=networks.lora {' '.join(words)}\n")
    return str(file)


CLASS = '--lr_scheduler_type CosineAnnealingLR --lr_scheduler_args "T_max={}"'


def test_over_the_whole_run_it_is_cosine(tmp_path: Path) -> None:
    file = command(tmp_path, "--max_train_steps 400", CLASS.format(400))
    assert TrainOptions.build({"from_kohya": (file,)}).schedule == "cosine"
    assert not any("lr_scheduler_type" in note for note in imported(file).notes)


@pytest.mark.parametrize(("over", "what"), [(100, "rises again"), (900, "does not reach zero")])
def test_over_another_length_it_is_refused_unless_the_schedule_is_chosen(over: int, what: str, tmp_path: Path) -> None:
    file = command(tmp_path, "--max_train_steps 400", CLASS.format(over))
    [message] = imported(file).refused()
    assert what in message and "--schedule takes its place" in message
    assert imported(file).refused(("schedule",)) == []


def test_where_the_length_is_not_known_yet_it_is_said(tmp_path: Path) -> None:
    file = command(tmp_path, "--max_train_epochs 4", CLASS.format(400))
    assert TrainOptions.build({"from_kohya": (file,)}).schedule == "cosine"
    assert any("is cosine if the run is as long as 400" in note for note in imported(file).notes)


def test_a_floor_or_another_class_is_refused(tmp_path: Path) -> None:
    words = '--lr_scheduler_type CosineAnnealingLR --lr_scheduler_args "T_max=400" "eta_min=1e-6"'
    assert imported(command(tmp_path, "--max_train_steps 400", words)).refused()
    assert imported(command(tmp_path, "--lr_scheduler_type CosineAnnealingWarmRestarts")).refused()


def test_its_warm_up_has_no_effect(tmp_path: Path) -> None:
    file = command(tmp_path, "--max_train_steps 400", "--lr_warmup_steps 50", CLASS.format(400))
    assert TrainOptions.build({"from_kohya": (file,)}).warmup is None
    assert any("lr_warmup_steps has no effect" in note for note in imported(file).notes)

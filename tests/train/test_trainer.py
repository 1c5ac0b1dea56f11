"""Training end to end: the same bytes however often it was interrupted, nothing overwritten, nothing done twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.adapters import safetensors_file
from curate.core.events import Note, Saved, TrainStep
from curate.core.record import Manifest
from curate.errors import CurateError, InputError, Interrupted
from curate.stages.train import Train
from curate.train.loop import checkpoint
from curate.train.output import run_records
from curate.train.storage import picture_losses
from curate.train.storage.paths import home
from tests.train.conftest import draw_folder, env_of, run
from tests.warm import Server

SHORT: dict[str, Any] = {"steps": 6, "rank": 4, "layer_preset": "attn-only", "save_state_every": 2}


def losses(events: list[Any]) -> list[float]:
    return [e.loss for e in events if isinstance(e, TrainStep)]


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LoRA of a run that nothing stopped, in its folder."""
    path, _ = run(draw_folder(tmp_path_factory.mktemp("whole") / "prepared"), **SHORT)
    return path


@pytest.fixture(scope="module")
def whole(unstopped: Path) -> bytes:
    """The file of a run that nothing stopped."""
    return unstopped.read_bytes()


def test_same_data_and_options_give_the_same_file_anywhere(tmp_path: Path) -> None:
    one, events = run(draw_folder(tmp_path / "a" / "prepared"), **SHORT)
    two, again = run(draw_folder(tmp_path / "b" / "prepared"), **SHORT)
    assert losses(events) == losses(again) and len(losses(events)) == 6
    assert one.read_bytes() == two.read_bytes()
    other, _ = run(draw_folder(tmp_path / "c" / "prepared"), **SHORT, seed=7)
    assert other.read_bytes() != one.read_bytes()


@pytest.mark.parametrize("stop_at", [1, 2, 3, 5])
def test_stopped_and_continued_is_bit_equal(folder: Path, unstopped: Path, whole: bytes, stop_at: int) -> None:
    with pytest.raises(Interrupted, match=f"step {stop_at} of 6"):
        run(folder, stop_at=stop_at, **SHORT)
    assert not list((folder / "lora").glob("*"))
    parts, events = run(folder, **SHORT)
    assert [e.step for e in events if isinstance(e, TrainStep)] == list(range(stop_at + 1, 7))
    assert parts.read_bytes() == whole
    means = [picture_losses.latest(path.parent.parent) for path in (parts, unstopped)]
    assert means[0] is not None and means[1] is not None
    assert means[0].read_bytes() == means[1].read_bytes()


CHILD = """
import sys
from pathlib import Path
from tests.train.conftest import run
run(Path(sys.argv[1]), steps=6, rank=4, layer_preset="attn-only", save_state_every=2)
"""


@pytest.mark.slow
def test_killed_and_rerun_gives_the_same_bytes(
    tmp_path: Path, folder: Path, whole: bytes, server: Server | None
) -> None:
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    if server is None:
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], cwd=root, env=env)
    else:
        child = server.start(folder, cwd=root, env=env, out=tmp_path / "said", program=CHILD)
    folders = home(folder)
    deadline = time.monotonic() + 600
    while child.poll() is None and not list(folders.glob("*/step-*2.pt")) and time.monotonic() < deadline:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    child.wait()
    again, events = run(folder, **SHORT)
    assert losses(events) or child.returncode == 0
    assert len(losses(events)) < 6
    assert again.read_bytes() == whole


def test_what_changed_since_an_interruption_is_told(folder: Path) -> None:
    """Neither pictures, captions, options nor base may change beneath a checkpoint: a new run starts and says why."""
    started = [0]

    def stop() -> bool:
        started[0] += 1
        return started[0] > 8

    def told(**options: Any) -> list[str]:
        _, events = run(folder, **{**SHORT, **options})
        return [
            e.message for e in events if isinstance(e, Note) and "step" in e.message and "estimate" not in e.message
        ]

    with pytest.raises(Interrupted):
        run(folder, stop, **{**SHORT, "steps": 9})
    state = next((folder / ".curate" / "train").glob("*/step-*.pt"))
    step = int(state.stem.partition("-")[2])
    begins = f"starting at the first step: an interrupted run is at step {step}; it differs in "
    assert f"{begins}steps (9, now 3)" in told(steps=3)
    assert f"{begins}rank (4, now 2), steps (9, now 3)" in told(steps=3, rank=2)
    (folder / "2_zwx dog" / "0.txt").write_text("zwx dog, by hand")
    assert f"{begins}pictures or captions, steps (9, now 3)" in told(steps=3)
    (folder / "2_zwx dog" / "0.txt").write_text("zwx dog, simple background, shape 0")
    assert not [line for line in told(steps=3) if "interrupted" in line]
    # back to what it was: it goes on, and nothing was lost
    assert f"continuing at step {step} of 9" in told(steps=9)
    assert not state.exists()


def test_damaged_checkpoint_falls_back_to_the_one_before(folder: Path) -> None:
    with pytest.raises(Interrupted):
        run(folder, stop_at=5, **SHORT)
    newest = sorted(home(folder).glob("*/step-*.pt"))
    assert [p.name for p in newest] == ["step-00000004.pt", "step-00000005.pt"]
    newest[-1].write_bytes(newest[-1].read_bytes()[:1000])
    _, events = run(folder, **SHORT)
    assert len(losses(events)) == 2


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_a_killed_run_left_half_written_goes_with_the_next(folder: Path, tmp_path: Path, elsewhere: bool) -> None:
    """Not from a folder that other trainings may write to as well."""
    place = tmp_path / "shared" if elsewhere else folder / "lora"
    place.mkdir()
    half = place / ".curate-0123456789abcdef.safetensors"
    half.write_bytes(b"half")
    Train.build({"base": "tiny", **SHORT, "steps": 1, **({"output_dir": str(place)} if elsewhere else {})}).run(
        Manifest(), env_of(folder), lambda event: None
    )
    assert half.exists() == elsewhere
    assert len(list(place.glob("[!.]*.safetensors"))) == 1


def test_finished_run_is_recalled_and_stands_until_touched(folder: Path) -> None:
    stage = Train(base="tiny", save_precision="fp32", **SHORT)
    env = env_of(folder)
    assert not stage.is_current(Manifest(), env, lambda _: None)
    path, _ = run(folder, **SHORT)
    assert stage.is_current(Manifest(), env, lambda _: None)
    stamp = path.stat().st_mtime_ns
    _, events = run(folder, **SHORT)
    assert not losses(events) and any(isinstance(e, Note) and "nothing to do" in e.message for e in events)
    assert path.stat().st_mtime_ns == stamp
    # how often state is saved changes no byte
    assert Train(base="tiny", save_precision="fp32", **{**SHORT, "save_state_every": 5}).is_current(
        Manifest(), env, lambda _: None
    )
    assert Train(save_state_every=5).key_options() == Train().key_options() != Train(seed=1).key_options()
    # another output folder gets the finished file without training again
    elsewhere = Train(base="tiny", save_precision="fp32", **SHORT, output_dir=str(folder / "elsewhere"))
    assert not elsewhere.is_current(Manifest(), env, lambda _: None)
    elsewhere.run(Manifest(), env, events.append)
    assert (folder / "elsewhere" / path.name).read_bytes() == path.read_bytes()
    assert elsewhere.is_current(Manifest(), env, lambda _: None)
    stage.run(Manifest(), env, events.append)
    assert stage.is_current(Manifest(), env, lambda _: None) and len(list(path.parent.iterdir())) == 1
    caption = folder / "2_zwx dog" / "0.txt"
    text = caption.read_text()
    caption.write_text("zwx dog, other")
    assert not stage.is_current(Manifest(), env, lambda _: None)
    caption.write_text(text)
    assert stage.is_current(Manifest(), env, lambda _: None)
    path.write_bytes(b"x")
    assert not stage.is_current(Manifest(), env, lambda _: None)


def test_nothing_is_overwritten(folder: Path) -> None:
    first, _ = run(folder, **SHORT, output_name="dog")
    kept = first.read_bytes()
    second, _ = run(folder, **{**SHORT, "steps": 3}, output_name="dog")
    assert (first.name, second.name) == ("dog.safetensors", "dog-2.safetensors")
    assert first.read_bytes() == kept
    second.write_bytes(b"somebody else's")
    third, _ = run(folder, **{**SHORT, "steps": 3}, output_name="dog")
    assert third.name == "dog-3.safetensors" and second.read_bytes() == b"somebody else's"


def test_killed_between_file_and_note_takes_the_file(folder: Path) -> None:
    path, _ = run(folder, **SHORT)
    for state in home(folder).glob("*/run.json"):
        state.unlink()
    again, _ = run(folder, **SHORT)
    assert again == path and len(list(path.parent.iterdir())) == 1


def test_checkpoints_are_pruned_and_removed_at_the_end(folder: Path) -> None:
    path, events = run(folder, **{**SHORT, "save_state_every": 1, "keep_states": 2})
    saved = [e.path for e in events if isinstance(e, Saved) and e.kind == "checkpoint"]
    assert len(saved) == 5
    assert not list(home(folder).glob("*/step-*.pt"))
    assert path.exists()


def test_latents_are_encoded_once(folder: Path) -> None:
    run(folder, **SHORT)
    stored = {p: p.stat().st_mtime_ns for p in (home(folder) / "latents").iterdir()}
    # a file and its index for each of the three buckets: two squares lie in one
    assert sorted(p.suffix for p in stored) == [".f32", ".f32", ".json", ".json"]
    run(folder, **SHORT, seed=1)
    assert {p: p.stat().st_mtime_ns for p in stored} == stored


def test_broken_picture_is_left_out_with_a_warning(folder: Path) -> None:
    broken = folder / "2_zwx dog" / "2.png"
    broken.write_bytes((folder / "2_zwx dog" / "0.png").read_bytes()[:200])
    (folder / "2_zwx dog" / "2.txt").write_text("zwx dog")
    _, events = run(folder, **SHORT)
    assert any(isinstance(e, Note) and e.level == "warning" and "2.png" in e.message for e in events)


def test_a_loss_that_is_not_finite_names_the_batch(folder: Path) -> None:
    with pytest.raises(CurateError, match=r"the loss is (nan|inf) at step \d+; the batch was .*\.png"):
        run(
            folder,
            **{
                **SHORT,
                "learning_rate": 1e12,
                "schedule": "constant",
                "steps": 20,
                "max_grad_norm": 0,
                "weight_decay": 0,
            },
        )
    assert not list((folder / "lora").glob("*"))


def test_two_forwards_of_two_equal_one_of_four(tmp_path: Path) -> None:
    def one_group(place: Path) -> Path:
        draw_folder(place, each=4)
        shutil.rmtree(place / "1_blue robe")
        for picture in (place / "2_zwx dog").glob("*.png"):
            shutil.copy(place / "2_zwx dog" / "0.png", picture) if picture.name != "0.png" else None
        (place / "2_zwx dog").rename(place / "1_zwx dog")
        return place

    whole, first = run(one_group(tmp_path / "a" / "p"), steps=3, rank=4, batch=4)
    parts, second = run(one_group(tmp_path / "b" / "p"), steps=3, rank=4, batch=2, accumulate=2)
    assert losses(first) == pytest.approx(losses(second), rel=1e-5)
    ours, theirs = safetensors_file.read(whole)[0], safetensors_file.read(parts)[0]
    for key, tensor in ours.items():
        torch.testing.assert_close(theirs[key], tensor, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 4}, "factor has no effect without algo lokr"),
        ({"unet_lr": 0, "text_lr": 0}, "nothing would be trained"),
        ({"learning_rate": "banana"}, "learning_rate"),
        ({"banana": 1}, "banana"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Train(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": "no/such/place"}, "not there"),
        ({"resolution": 128, "bucket_min": 192}, "not between"),
        ({"layer_preset": "attn-only", "unet_lr": 0, "text_lr": 1e-4, "base": "/"}, "not a diffusers model"),
    ],
)
def test_wrong_input_is_explained(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(folder, **{**SHORT, **options})


def test_text_encoder_alone_or_left_out(folder: Path) -> None:
    text, _ = run(folder, **SHORT, unet_lr=0, output_name="text")
    unet, _ = run(folder, **SHORT, text_lr=0, output_name="unet")
    assert {k.split("_")[1] for k in safetensors_file.read(text)[0]} == {"te"}
    assert {k.split("_")[1] for k in safetensors_file.read(unet)[0]} == {"unet"}


def test_state_survives_saving(tmp_path: Path, folder: Path) -> None:
    assert checkpoint.State(step=3, average=0.5) == checkpoint.State(**vars(checkpoint.State(3, 0.5)))
    assert run_records.Run.of(folder, "x") == run_records.Run("x")
    run_state = run_records.Run("x", "cpu", "lora/a.safetensors", "abc")
    run_state.save(folder)
    assert run_records.Run.of(folder, "x") == run_state


def test_epoch_files_are_written_and_a_rerun_takes_them(folder: Path) -> None:
    options = {**SHORT, "steps": 12, "save_every_n_epochs": 1}  # 6 showings an epoch
    with pytest.raises(Interrupted):
        run(folder, stop_at=8, **options)
    first = folder / "lora" / "prepared-000001.safetensors"
    kept = first.read_bytes()
    metadata = safetensors_file.read(first)[1]
    assert (metadata["ss_epoch"], metadata["ss_steps"]) == ("1", "6")
    run(folder, **options)
    assert first.read_bytes() == kept
    assert sorted(p.name for p in first.parent.iterdir()) == ["prepared-000001.safetensors", "prepared.safetensors"]
    final = safetensors_file.read(first.parent / "prepared.safetensors")[1]
    assert (final["ss_epoch"], final["ss_steps"]) == ("2", "12")


def test_gradient_checkpointing_changes_no_byte(tmp_path: Path) -> None:
    plain, _ = run(draw_folder(tmp_path / "a" / "prepared"), steps=2, rank=2)
    saving, _ = run(draw_folder(tmp_path / "b" / "prepared"), steps=2, rank=2, gradient_checkpointing=True)
    assert plain.read_bytes() == saving.read_bytes()


def test_frozen_captions_are_encoded_once_with_the_same_result(tmp_path: Path) -> None:
    held, _ = run(draw_folder(tmp_path / "a" / "prepared"), steps=6, rank=2, text_lr=0)
    # a tag dropout that drops nothing makes every showing encode its caption anew
    anew, _ = run(draw_folder(tmp_path / "b" / "prepared"), steps=6, rank=2, text_lr=0, tag_dropout=1e-12)
    ours, theirs = safetensors_file.read(held)[0], safetensors_file.read(anew)[0]
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)

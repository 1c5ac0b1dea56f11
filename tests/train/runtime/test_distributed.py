"""Several processes train the LoRA that one process with more accumulation trains, and the first alone writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from curate.core.events import Note
from curate.errors import InputError
from curate.train.runtime.distributed import Team
from tests.train.conftest import draw_folder, run
from tests.train.runtime.launch import Launch, free_port
from tests.warm import Server

OPTIONS = ["--base", "tiny", "--steps", "3", "--rank", "2", "--layer-preset", "attn-only"]
OPTIONS += ["--save-precision", "fp32", "--dropout", "0.1"]


EACH = """
import sys
from pathlib import Path
from typing import Any
import torch.distributed
from tests.train.conftest import run
from curate.errors import Interrupted
torch.distributed.init_process_group("gloo")
for at, options in enumerate(eval(sys.argv[2])):
    if torch.distributed.get_rank():  # where the first stops after a step, all do
        options.pop("stop_at", None)
    try:
        run(Path(sys.argv[1]) / str(at) / "prepared", **options)
    except Interrupted:
        pass
torch.distributed.destroy_process_group()
"""


@pytest.fixture
def launch(server: Server | None, tmp_path_factory: pytest.TempPathFactory) -> Launch:
    return Launch(server, tmp_path_factory.mktemp("processes"))


@pytest.mark.slow
def test_two_processes_are_one_that_accumulates(tmp_path: Path, launch: Launch) -> None:
    folder = draw_folder(tmp_path / "prepared")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("zwx dog --s 1 --w 64 --h 64\nblue robe --s 1 --w 64 --h 64\n")
    held_out = draw_folder(tmp_path / "held out")
    more = ["--json", "--sample-prompts", str(prompts), "--validation-folder", str(held_out)]
    first, second = launch.team("train", str(folder), *OPTIONS, "--device", "cpu", *more)
    assert (first.code, second.code) == (0, 0), first.stderr + second.stderr
    assert json.loads(first.stdout) and not second.stdout.strip()
    assert "curate" not in second.stderr
    samples = sorted(map(str, (folder / "lora" / "samples").iterdir()))
    assert len(samples) == 2 and all(path in first.stderr for path in samples)
    assert pictures_shown(folder) == {"sample/00", "sample/01"}
    (ours,) = (folder / "lora").glob("*.safetensors")
    other = draw_folder(tmp_path / "b" / "prepared")
    options = {"steps": 3, "rank": 2, "layer_preset": "attn-only", "dropout": 0.1}
    theirs, _ = run(other, **options, accumulate=2, tensorboard=False)
    assert ours.read_bytes() == theirs.read_bytes()
    # a run of what is trained already ends in all processes alike
    first, second = launch.team("train", str(folder), *OPTIONS, "--device", "cpu")
    assert (first.code, second.code) == (0, 0)
    assert "nothing to do" in first.stderr and not second.stderr.strip()
    # what one refuses is an error of that one; the other only misses it
    first, second = launch.team("train", str(folder), *OPTIONS, "--device", "cpu", "--validation-folder", str(folder))
    assert (first.code, second.code) == (2, 1)
    assert "is the folder that is trained" in first.stderr
    assert "curate: another process of this run has ended" in second.stderr and "fault in curate" not in second.stderr


def pictures_shown(folder: Path) -> set[str]:
    """Names of the pictures that a run gave TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (logs,) = (folder / ".curate" / "train" / "logs").iterdir()
    events = EventAccumulator(str(logs))
    events.Reload()
    return set(events.Tags()["images"])


@pytest.mark.slow
def test_more_batches_than_processes_sum_up_to_the_last_bit(tmp_path: Path, launch: Launch) -> None:
    # the second trains other parameters in each forward
    both = [{"algo": "lora", "rank": 2, "dropout": 0.1}, {"algo": "dylora", "rank": 4, "dylora_unit": 1, "alpha": 2}]
    common = {
        "include": ("up_blocks_3_attentions_2",),
        "resolution": 64,
        "steps": 3,
        "tensorboard": False,
        "output_name": "it",
    }
    runs: list[dict[str, Any]] = [{**common, **options, "accumulate": 2} for options in both]
    for at in range(len(runs)):
        draw_folder(tmp_path / "two" / str(at) / "prepared")
    ended = launch.team(str(tmp_path / "two"), repr(runs), program=EACH)
    assert [p.code for p in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    for at, options in enumerate(runs):
        theirs, _ = run(draw_folder(tmp_path / "one" / str(at) / "prepared"), **{**options, "accumulate": 4})
        ours = tmp_path / "two" / str(at) / "prepared" / "lora" / theirs.name
        assert ours.read_bytes() == theirs.read_bytes(), options["algo"]


TORCHRUN = "torch.distributed.run --nnodes 2 --nproc-per-node 2 --node-rank RANK --master-addr 127.0.0.1"
ACCELERATE = "accelerate.commands.launch --multi_gpu --num_machines 2 --num_processes 4 --machine_rank RANK"
LAUNCHERS = {
    "torchrun": f"{TORCHRUN} --master-port PORT",
    "accelerate": f"{ACCELERATE} --main_process_ip 127.0.0.1 --main_process_port PORT --mixed_precision no",
}
"""How docs/scale.md starts the processes of one machine, up to the module that they start.

accelerate takes machines without GPUs by `--multi_gpu` alone.
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_machines_of_two_processes_are_one_that_accumulates(launcher: str, tmp_path: Path, launch: Launch) -> None:
    """The folder is on a disk that both see."""
    folder = draw_folder(tmp_path / "prepared")
    options = {"steps": 2, "rank": 2, "layer_preset": "attn-only", "include": ("up_blocks_3",), "resolution": 64}
    words = ["--steps", "2", "--rank", "2", "--layer-preset", "attn-only", "--include", "up_blocks_3"]
    words += ["--resolution", "64", "--base", "tiny", "--save-precision", "fp32", "--device", "cpu", "--json"]
    launcher = LAUNCHERS[launcher].replace("PORT", str(free_port()))
    machines = [launcher.replace("RANK", str(rank)).split() for rank in range(2)]
    first, second = launch.machines(machines, ["train", str(folder), *words])
    assert (first.code, second.code) == (0, 0), first.stderr + second.stderr
    assert json.loads(first.stdout) and not second.stdout.strip()
    (ours,) = (folder / "lora").glob("*.safetensors")
    theirs, _ = run(draw_folder(tmp_path / "b" / "prepared"), **options, accumulate=4, tensorboard=False)
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.slow
def test_another_number_of_processes_goes_on_or_starts_anew(tmp_path: Path, launch: Launch) -> None:
    """It goes on where a step shows as many batches as before; else it starts clean, and says why."""
    options: dict[str, Any] = {
        "include": ("up_blocks_3_attentions_2",),
        "resolution": 64,
        "rank": 2,
        "steps": 6,
        "tensorboard": False,
        "output_name": "it",
    }
    stopped = draw_folder(tmp_path / "two" / "0" / "prepared")
    ended = launch.team(str(tmp_path / "two"), repr([{**options, "stop_at": 2}]), program=EACH)
    assert [p.code for p in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    assert not list((stopped / "lora").glob("*.safetensors"))
    other = Path(shutil.copytree(stopped, tmp_path / "copy" / "prepared"))
    never, _ = run(draw_folder(tmp_path / "one" / "prepared"), **options, accumulate=2)
    gone_on, events = run(stopped, **options, accumulate=2)
    assert any("continuing at step" in e.message for e in events if isinstance(e, Note))
    assert gone_on.read_bytes() == never.read_bytes()
    anew, events = run(other, **options)
    (note,) = [e.message for e in events if isinstance(e, Note) and "starting at the first step" in e.message]
    assert "accumulate times processes (2, now 1)" in note
    assert list((other / ".curate" / "train").glob("*/step-*.pt")), "the interrupted one is kept"
    alone, _ = run(draw_folder(tmp_path / "alone" / "prepared"), **options)
    assert anew.read_bytes() == alone.read_bytes() != never.read_bytes()


def test_one_process_is_a_team_of_itself() -> None:
    team = Team()
    assert (
        team.first
        and team.share([1, 2, 3]) == [1, 2, 3]
        and team.first_then_others(lambda: 7) == 7
        and team.broadcast("x") == "x"
    )
    assert Team(1, 3).share([0, 1, 2, 3, 4]) == [1, 4] and not Team(1, 3).first


def test_a_pipeline_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.drive.launched import require_single_process

    require_single_process("it")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"done by one process.*\n.*curate train"):
        require_single_process("it")

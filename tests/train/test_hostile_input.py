"""What a user gets wrong is told once, before anything is trained, and loses nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file

from curate.core.record import Manifest
from curate.diffusion.checkpoint_file import read
from curate.diffusion.detect import family_of_keys, read_json
from curate.diffusion.load import LoadOptions, load
from curate.errors import CurateError, InputError, MissingError
from curate.sampling.prompts import read_prompts
from curate.stages.train import Train
from curate.train.data import captions, masks
from curate.train.data.dataset import read_dataset
from curate.train.data.order import Order
from curate.train.loop import checkpoint
from curate.train.loop.loop import Loop
from curate.train.loop.optimizer import arguments
from curate.train.loop.optimizer_catalogue import installed
from curate.train.options import TrainOptions
from curate.train.output import lora_file
from curate.train.output.metadata import _model_name  # pyright: ignore[reportPrivateUsage]
from curate.train.planning import advice, checks, dry_model
from curate.train.runtime import memory
from tests.train.conftest import env_of, run

make: Any = TrainOptions


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("learning_rate", float("inf"), "finite"),
        ("adaptive_noise", float("nan"), "finite"),
        ("alpha", float("inf"), "finite"),
        ("max_grad_norm", float("inf"), "finite"),
        ("rank", 10**9, "less than or equal"),
        ("resolution", 10**6, "must be from 64 to 8,192"),
        ("base", "", "at least 1 character"),
        ("layer_preset", "banana", 'unknown layer preset "banana": choose from'),
        ("guide", "banana", 'unknown guide "banana": choose from: valstrix'),
    ],
)
def test_values_that_mean_nothing_are_refused(option: str, value: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        make(**{option: value})


@pytest.mark.parametrize("factor", [0, -2])
def test_a_factor_that_splits_nothing_is_refused(factor: int) -> None:
    with pytest.raises(ValidationError, match="splits nothing"):
        make(algo="lokr", factor=factor)


def test_options_that_do_nothing_in_a_run_are_warned_of() -> None:
    order = Order(groups=["a"], repeats=[4], batch=1, accumulate=8, seed=0)
    made: dict[str, Any] = {"steps": 4, "accumulate": 8, "warmup": 4, "schedule": "cosine-restarts", "cycles": 3}
    options = make(**made, text_lr=1e-5, layer_preset="unet-only")
    said = "\n".join(line for _, line in advice.lines(options, advice.Setting("sd1", 512), order))
    for start in (
        "accumulate 8 has no effect above 4",
        "warmup 4 is as long",
        "cycles 3 are more",
        "text_lr has no effect",
    ):
        assert start in said


def test_what_is_no_optimizer_is_never_called() -> None:
    for path in ("os.getcwd", "torch.nn.Linear"):
        with pytest.raises(InputError, match="is not an optimizer"):
            installed(path)
    with pytest.raises(InputError, match=r"'hello' in 'eps=hello' is not a value"):
        arguments(make(optimizer_args=("eps=hello",)))


def test_adapters_that_no_memory_holds_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "installed", lambda: 1.0)  # of any machine, that the test may not hang on it
    with pytest.raises(MissingError, match="this machine has 1 GiB"):
        dry_model.fits_memory(make(rank=1_000_000), load("tiny", True))


def test_a_clip_skip_below_the_first_layer_is_refused() -> None:
    with pytest.raises(InputError, match="more than the 2 layers"):
        load("tiny", True, LoadOptions(clip_skip=9))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("transformer_blocks.0.scale_shift_table/adaln_single.linear.weight", "PixArt"),
        ("y_embedder.y_proj.fc1.weight", "PixArt"),
        ("single_transformer_blocks.0.attn.to_q.weight", r"FLUX\.1 of another kind than dev"),
        ("distilled_guidance_layer.in_proj.weight/nerf_blocks.0.x", "Chroma Radiance"),
        ("caption_norm.weight", "Sana"),
    ],
)
def test_other_families_are_named(key: str, name: str) -> None:
    with pytest.raises(InputError, match=f"x is {name}, which cannot be trained"):
        family_of_keys(dict.fromkeys(key.split("/")), "x")


def test_checkpoints_that_are_not_whole_are_named(tmp_path: Path) -> None:
    part = tmp_path / "part.safetensors"
    save_file({"cond_stage_model.transformer.text_model.final_layer_norm.weight": torch.zeros(2)}, part)
    with pytest.raises(InputError, match=r"part.safetensors is not a complete checkpoint of sd1"):
        load(str(part), True)
    torch.save([torch.zeros(1)], tmp_path / "list.ckpt")
    with pytest.raises(InputError, match="contains a list"):
        read(tmp_path / "list.ckpt")
    (tmp_path / "model_index.json").write_text("[1]")
    with pytest.raises(InputError, match="is not a configuration"):
        read_json(tmp_path / "model_index.json")


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["CURATE_TEST_MARK"],)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_TEST_MARK", str(tmp_path / "ran"))
    torch.save({"state_dict": {"x": _Code()}}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="contains code beside its weights"):
        read(tmp_path / "evil.ckpt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("line", ["a --s 0", "a --s 100000", "a --w 0", "a --h 1000000", "a --l nan", f"a --d {2**64}"])
def test_prompts_that_cannot_be_drawn_name_their_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(f"# one\n{line}\n")
    with pytest.raises(InputError, match=r"p.txt:2: --\w takes"):
        read_prompts(tmp_path / "p.txt")


def test_files_that_options_name_are_looked_at_first(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for options, said in (
        ({"sample_prompts": str(tmp_path)}, "cannot be read as a file of prompts"),
        ({"validation_folder": str(tmp_path / "none")}, "there is no folder"),
        ({"output_dir": str(tmp_path / "file")}, "cannot write to"),
        ({"validation_folder": str(folder / "1_x" / "..")}, "is the folder that is trained"),
        ({"reg_folder": str(folder)}, "is the folder that is trained"),
    ):
        with pytest.raises(InputError, match=said):
            checks.check(make(**options), folder)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["sample_prompts", "validation_folder"])
def test_a_finished_run_is_not_recalled_over_nonsense(option: str, folder: Path, tmp_path: Path) -> None:
    """Options that change no byte are checked where nothing is left to do as well."""
    path, _ = run(folder, steps=1)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"the prompt file .* does not exist|there is no folder "):
        run(folder, steps=1, **{option: str(tmp_path / "nowhere")})
    # what the runner asks before it says that nothing had changed
    said: dict[str, Any] = {"base": "tiny", "save_precision": "fp32", "steps": 1}
    assert not Train(**{**said, option: str(tmp_path / "nowhere")}).is_current(
        Manifest(), env_of(folder), lambda _: None
    )
    assert Train(**said).is_current(Manifest(), env_of(folder), lambda _: None)
    assert path.read_bytes() == before


def test_dates_are_no_repeats(folder: Path) -> None:
    (folder / "1_blue robe").rename(folder / "20231105_blue robe")
    with pytest.raises(InputError, match="rename it to 1_blue robe"):
        read_dataset(folder)


def test_black_masks_are_told(folder: Path) -> None:
    place = folder / "masks" / "2_zwx dog"
    place.mkdir(parents=True)
    for name, shade in (("0", 0), ("1", 9)):
        Image.new("L", (8, 8), shade).save(place / f"{name}.png")
    assert masks.blank(read_dataset(folder, masks=True).pictures) == [place / "0.png"]


def test_captions_are_dropped_in_every_nth_epoch() -> None:
    options = make(caption_dropout_every_n_epochs=3)
    told = [captions.shown("a, b", "a", options, epoch, random.Random(0)) for epoch in range(6)]
    assert told == ["a, b", "a, b", "", "a, b", "a, b", ""]


def test_no_checkpoint_holds_weights_that_are_not_finite(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Loop.step

    def blown(self: Loop, step: int, batches: Any) -> Any:
        told = plain(self, step, batches)
        if step == 2:
            with torch.no_grad():
                self.parameters[0].fill_(float("nan"))
        return told

    monkeypatch.setattr(Loop, "step", blown)
    with pytest.raises(CurateError, match="weights are not finite after step 3"):
        run(folder, steps=5, save_state_every=1, rank=2)
    assert [p.name for p in sorted(folder.rglob("step-*.pt"))] == ["step-00000001.pt", "step-00000002.pt"]


def test_a_disk_that_fills_while_a_checkpoint_is_written_is_named(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    with pytest.raises(OSError, match="No space left"):
        checkpoint._write({"a": torch.zeros(10_000)}, Path("/dev/full"))  # pyright: ignore[reportPrivateUsage]


def test_the_place_of_a_base_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert _model_name(str(tmp_path / "model.safetensors")) == "model.safetensors"  # pyright: ignore[reportPrivateUsage]
    assert _model_name("owner/model") == "owner/model"


def test_a_lora_that_cannot_be_written_costs_no_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lora_file.finish

    def full(*_: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lora_file, "finish", full)
    with pytest.raises(OSError, match="No space"):
        run(folder, steps=3, rank=2)
    monkeypatch.setattr(lora_file, "finish", plain)
    steps: list[int] = []
    once = Loop.step
    monkeypatch.setattr(Loop, "step", lambda self, step, batches: steps.append(step) or once(self, step, batches))  # type: ignore[misc]
    path, _ = run(folder, steps=3, rank=2)
    assert path.is_file()
    assert steps == []

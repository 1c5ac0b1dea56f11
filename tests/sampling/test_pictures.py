"""Files of requested pictures: drawn once, found again by what decides them, the same after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from curate.core.events import Event, Note, Phase
from curate.diffusion.family import family
from curate.errors import InputError, Interrupted
from curate.sampling import picture_file
from curate.sampling.drawing_base import Context
from curate.sampling.loras import LoraStrength
from curate.sampling.options import DrawOptions
from curate.sampling.pictures import Pictures, Request
from curate.sampling.settings import PictureSettings
from tests.sampling.helpers import lora

DOG = PictureSettings("a dog", "blurry", 64, 64, 1, 2)


def pictures(events: list[Event] | None = None, stopping: Any = lambda: False, **options: Any) -> Pictures:
    heard: list[Event] = [] if events is None else events
    context = Context(torch.device("cpu"), True, heard.append, stopping)
    return Pictures("tiny", DrawOptions(**options), context)


def requests(*used: LoraStrength) -> list[Request]:
    seeds = [Request(f"dog-{seed}", replace(DOG, seed=seed), used) for seed in range(3)]
    return [*seeds, Request("wide", replace(DOG, width=128), used)]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*.png"))}


def test_pictures_are_drawn_once(tmp_path: Path) -> None:
    events: list[Event] = []
    first = list(pictures(events).write(requests(), tmp_path))
    assert [(d.index, d.path.name, d.recalled) for d in first] == [
        *((n, f"dog-{n}.png", False) for n in range(3)),
        (3, "wide.png", False),
    ]
    before = contents(tmp_path)
    later: list[Event] = []
    again = list(pictures(later).write(requests(), tmp_path))
    assert all(d.recalled for d in again) and contents(tmp_path) == before
    # nothing was loaded for it
    assert [e.task for e in events if isinstance(e, Phase)] == ["loading the base model"] and not later


def test_what_decides_a_picture_makes_another_file(tmp_path: Path) -> None:
    one = lora(tmp_path / "one.safetensors")
    plain = [Request("a", DOG)]
    list(pictures().write(plain, tmp_path))
    changes: list[tuple[dict[str, Any], Request]] = [
        ({}, Request("a", replace(DOG, seed=2))),
        ({"clip_skip": 2}, Request("a", DOG)),
        ({}, Request("a", DOG, (LoraStrength(one),))),
        ({}, Request("a", DOG, (LoraStrength(one, 0.5),))),
    ]
    for number, (options, request) in enumerate(changes, 2):
        [drawn] = pictures(**options).write([request], tmp_path)
        assert (drawn.path.name, drawn.recalled) == (f"a-{number}.png", False)
    assert len(set(contents(tmp_path).values())) == 5
    lora(one, size=2.0)
    [drawn] = pictures().write([Request("a", DOG, (LoraStrength(one),))], tmp_path)
    assert drawn.path.name == "a-6.png", "another file of the same name is another LoRA"
    # neither the batch nor a LoRA without strength decides anything
    [drawn] = pictures(batch=4, offload=True).write([Request("a", DOG, (LoraStrength(one, 0, 0),))], tmp_path)
    assert (drawn.path.name, drawn.recalled) == ("a.png", True)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_stopped_run_and_another_give_the_same_bytes(tmp_path: Path, batch: int) -> None:
    list(pictures(batch=batch).write(requests(), tmp_path / "whole"))
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Interrupted):
        list(pictures(stopping=stopping, batch=batch).write(requests(), tmp_path / "parts"))
    there = contents(tmp_path / "parts")
    assert 0 < len(there) < 4
    # of a batch that is drawn anew, what is there stays as it is
    (tmp_path / "parts" / sorted(there)[0]).unlink()
    found = list(pictures(batch=batch).write(requests(), tmp_path / "parts"))
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert sum(d.recalled for d in found) == len(there) - 1


def test_a_file_says_what_it_was_drawn_with(tmp_path: Path) -> None:
    used = LoraStrength(lora(tmp_path / "my dog.safetensors"), 0.7, 0.2)
    list(pictures(clip_skip=2).write([Request("a", DOG, (used, LoraStrength(used.path, 0, 0)))], tmp_path))
    found = picture_file.parameters(tmp_path / "a.png")
    assert (found.prompt, found.negative) == ("a dog <lora:my dog:0.2:0.7>", "blurry")
    assert found.settings["Model"] == "tiny" and found.settings["Clip skip"] == "2"
    assert found.settings["Lora hashes"].startswith("my dog: ") and len(found.settings["Lora hashes"]) == 20


def test_tensors_that_have_no_effect_are_named(tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors")
    from safetensors.torch import load_file

    save_file({**load_file(path), "lora_te_text_projection.lora_up.weight": torch.zeros(1)}, path)
    events: list[Event] = []
    list(pictures(events).write([Request("a", DOG, (LoraStrength(path),))], tmp_path))
    [note] = [e for e in events if isinstance(e, Note)]
    assert note.level == "warning" and "1 of its tensors" in note.message and "text_projection" in note.message


def test_a_lora_that_is_none_is_named_before_the_base_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"PK\x03\x04 a pickle")
    events: list[Event] = []
    with pytest.raises(InputError, match="pickle"):
        list(pictures(events).write([Request("a", DOG, (LoraStrength(path),))], tmp_path))
    assert not events


def test_a_long_prompt_is_named(tmp_path: Path) -> None:
    events: list[Event] = []
    list(pictures(events).write([Request("a", replace(DOG, prompt="dog " * 80))], tmp_path))
    assert any(isinstance(e, Note) and "80 tokens is cut to 75" in e.message for e in events)
    list(pictures(events, max_tokens=150).write([Request("a", replace(DOG, prompt="dog " * 80))], tmp_path))
    assert sum(isinstance(e, Note) for e in events) == 1


def test_weights_decide_pictures_of_prompts_that_have_some(tmp_path: Path) -> None:
    plain, weighed = Request("plain", DOG), Request("weighed", replace(DOG, prompt="a (dog:1.3)"))
    list(pictures().write([plain, weighed], tmp_path))
    found = list(pictures(emphasis="none").write([plain, weighed], tmp_path))
    assert [(d.path.name, d.recalled) for d in found] == [("plain.png", True), ("weighed-2.png", False)]
    assert picture_file.parameters(tmp_path / "weighed-2.png").settings["Emphasis"] == "None"
    assert "Emphasis" not in picture_file.parameters(tmp_path / "weighed.png").settings
    one, other = (picture_file.pixels(tmp_path / name) for name in ("weighed.png", "weighed-2.png"))
    assert (one != other).any()


def test_syntax_of_other_programs_is_named_once_for_each_prompt(tmp_path: Path) -> None:
    events: list[Event] = []
    odd = replace(DOG, prompt="a [dog:cat:0.5] <lora:x:1>", negative="(blurry:1.2)")
    list(pictures(events).write([Request("a", odd), Request("b", replace(odd, seed=5))], tmp_path))
    [note] = [e for e in events if isinstance(e, Note)]
    assert note.level == "warning"
    assert note.message == "[a:b:0.5], <lora:…> is not supported and is read as words: a [dog:cat:0.5] <lora:x:1>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ztsnr": True}, "ztsnr has no effect: epsilon"),
        ({"ztsnr": True, "prediction": "v", "sampler": "lms"}, "lms cannot draw with ztsnr"),
        ({"sampler": "ddim", "spacing": "karras"}, "spacing karras has no effect"),
        ({"clip_skip": 3}, "clip_skip 3 is more than the 2 layers"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wanted = DrawOptions(**options)
        settings = wanted.pictures(wanted.model_copy(update={"prompt": ("a dog",)}).read_prompts(), 64, family("sd1"))
        list(pictures(**options).write([Request("a", settings[0])], tmp_path))
    assert not contents(tmp_path)


def test_clip_skip_of_a_family_without_it_is_refused(bases: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="clip_skip has no effect: SDXL"):
        Pictures(str(bases["sdxl"]), DrawOptions(clip_skip=2), Context(torch.device("cpu"), True, print))


def test_prompts_come_with_seeds_and_sizes_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("a hen --d 7 --w 128\n")
    options = DrawOptions(prompt=("a dog --n night", "a cow"), prompts=str(path), negative="day", count=2, width=64)
    found = options.pictures(options.read_prompts(), 101, family("sd1"))
    assert [(p.prompt, p.negative, p.width, p.height, p.seed) for p in found] == [
        *(("a dog", "night", 64, 96, seed) for seed in (42, 43)),
        *(("a cow", "day", 64, 96, seed) for seed in (42, 43)),
        *(("a hen", "day", 128, 96, seed) for seed in (7, 8)),
    ]

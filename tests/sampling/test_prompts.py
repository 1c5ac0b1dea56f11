"""Prompts: lines with flags, and every form of kohya's prompt files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import InputError
from curate.sampling.prompts import Prompt, read_prompts

PROMPTS = "# two pictures\nzwx dog, red --n blue --w 64 --h 72 --d 1 --l 3 --s 2\n\nblue robe --s 2 --w 64 --h 64\n"


def test_prompt_file(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text(
        "\ufeff# a comment\n" + PROMPTS + "a -- b, two--three --n bad, worse --ss K_Euler_A\n", encoding="utf-8"
    )
    assert read_prompts(path) == [
        Prompt("zwx dog, red", "blue", 64, 72, 1, 3.0, 2),
        Prompt("blue robe", width=64, height=64, steps=2),
        Prompt("a -- b, two--three", "bad, worse", sampler="k_euler_a"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dog\ndog --q 1", r"p\.txt:2: --q is unknown.*\n.*--n, --w"),
        ("dog --w wide", r"p\.txt:1: --w takes a width in pixels up to 8192, not 'wide'"),
        ("dog\n\nrobe --ss plms", r"p\.txt:3: --ss takes one of ddim, .*k_dpm_2_a, not 'plms'"),
        ("dog --s 0", "--s takes a number of steps"),
        ("# nothing\n", "holds no prompt"),
    ],
)
def test_wrong_prompt_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_prompts(path)


COMMON = {"negative_prompt": "grain", "width": 128, "scale": 6.5}
FORMS = [
    (
        "a.toml",
        '[prompt]\nnegative_prompt = "grain"\nwidth = 128\nscale = 6.5\n[[prompt.subset]]\nprompt = "zwx robe"\n'
        '[[prompt.subset]]\nprompt = "zwx robe, night"\nwidth = 192\nseed = 3\nsample_sampler = "DDIM"\n',
        [
            Prompt("zwx robe", "grain", width=128, scale=6.5),
            Prompt("zwx robe, night", "grain", width=192, seed=3, scale=6.5, sampler="ddim"),
        ],
    ),
    ("one.toml", '[prompt]\nprompt = "alone"\nsample_steps = 4\n', [Prompt("alone", steps=4)]),
    (
        "b.json",
        json.dumps(
            [{"prompt": "a fox", **COMMON}, "a hen --W 64 --h 72 --n dark", {"prompt": "--w is text", "enum": 2}]
        ),
        [Prompt("a fox", "grain", width=128, scale=6.5), Prompt("a hen", "dark", 64, 72), Prompt("--w is text")],
    ),
    ("c.txt", "\n# off\na cat --L 5.5 --S 12\n", [Prompt("a cat", scale=5.5, steps=12)]),
    ("d.prompts", "a cow --d 7\n", [Prompt("a cow", seed=7)]),
]


@pytest.mark.parametrize(("name", "text", "prompts"), FORMS, ids=[form[0] for form in FORMS])
def test_every_form_of_kohyas_prompt_files(tmp_path: Path, name: str, text: str, prompts: list[Prompt]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_prompts(tmp_path / name) == prompts


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[prompt]\nwidth = 64\n[[prompt.subset]]\nseed = 1\n", r"a\.toml: prompt 1 has no text"),
        ("a.toml", "width = 64\n", r"holds no table \[prompt\]"),
        ("a.toml", "[prompt\n", "is not TOML"),
        ("a.toml", '[prompt]\n[[prompt.subset]]\nprompt = "a"\nwidth = "wide"\n', "prompt 1: width takes a width"),
        ("a.json", '[{"prompt": "a"}, {"prompt": "b", "steps": 3}]', "prompt 2: steps is unknown"),
        ("a.json", '[{"prompt": "a", "guidance_scale": 3}]', "guidance_scale has no effect: it steers other families"),
        ("a.json", '{"prompt": "a"}', "holds no list of prompts"),
        ("a.json", "[5]", "5 is not a prompt"),
        ("a.json", "[", "is not JSON"),
        ("a.txt", "a --cn pose.png", "--cn has no effect: sample pictures are drawn without a ControlNet"),
    ],
)
def test_a_wrong_prompt_file_of_any_form_is_explained(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_prompts(tmp_path / name)

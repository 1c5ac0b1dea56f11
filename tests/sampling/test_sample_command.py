"""`curate sample`: what it writes, prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from curate.cli.main import main
from tests.sampling.helpers import lora


def sample(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["sample", *arguments])
    code = end.value.code
    return code if isinstance(code, int) else 1


SHORT = ("--steps", "2", "--width", "64", "--height", "64", "--device", "cpu", "--offline")


def test_pictures_are_written_and_recalled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lora(tmp_path / "犬.safetensors")
    out = tmp_path / "out"
    command = ("tiny", "--prompt", "ein Hund: ä/b", "--lora", f"{path}:0.5", "--count", "2", *SHORT, "-o", str(out))
    assert sample(*command) == 0
    assert "2 pictures drawn into" in capsys.readouterr().err
    names = sorted(p.name for p in out.glob("*.png"))
    assert names == ["000-ein Hund_ ä_b-42.png", "001-ein Hund_ ä_b-43.png"]
    with Image.open(out / names[0]) as image:
        assert image.size == (64, 64) and "<lora:犬:0.5>" in image.info["parameters"]
    assert sample(*command, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert [row["recalled"] for row in figures["pictures"]] == [True, True] and figures["status"] == "done"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny",), "there is nothing to draw"),
        (("tiny", "--prompt", "a --q 3"), "prompt 1: --q is unknown"),
        (("nowhere", "--prompt", "a"), 'base model "nowhere" is not there'),
        (("tiny", "--prompt", "a", "--lora", "no.safetensors:1"), "lora no.safetensors:1: no.safetensors does not"),
        (("tiny", "--prompt", "a", "--width", "65"), "--width: must be a multiple of 8"),
        (("tiny", "--prompt", ""), "prompt 1 is empty"),
        (("tiny", "--prompt", "a", "--prompt", " "), "prompt 2 is empty"),
        (("tiny", "--prompt", "a", "--lora", "no.safetensors:abc"), '"abc" is not a strength'),
        (("tiny", "--prompt", "a", "--sampler", "plms"), "plms"),
        (("tiny", "--prompts", "no.txt"), "prompt file no.txt does not exist"),
    ],
)
def test_wrong_input_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sample(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))

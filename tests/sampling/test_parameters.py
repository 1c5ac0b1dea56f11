"""The text in a picture's file: what A1111's own rules read in it, and files that are never overwritten."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.sampling import picture_file
from curate.sampling.parameters import LoraTag, Models, Parameters, model_name, parse, text
from curate.sampling.settings import PictureSettings

PICTURE = PictureSettings("zwx dog, grass", "blurry", 640, 512, 77, 28, 6.5)
LORAS = (LoraTag("dog", 0.8, 0.8, "ab" * 32, "cd" * 32), LoraTag("robe, blue", 1.0, 0.5, "12" * 32, "34" * 32))


def a1111(text: str) -> dict[str, str]:
    """As its `parse_generation_parameters` is described: the last line's pairs, lines before it by their beginning."""
    *lines, last = text.strip().split("\n")
    at = next((n for n, line in enumerate(lines) if line.startswith("Negative prompt:")), len(lines))
    found = {"prompt": "\n".join(lines[:at]), "negative": "\n".join(lines[at:])[len("Negative prompt:") :].strip()}
    for key, value in re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', last):
        found.setdefault(key, json.loads(value) if value.startswith('"') and value.endswith('"') else value)
    return found


def test_a1111_reads_every_setting() -> None:
    models = Models("v1-5, pruned", "ef" * 32, 2, LORAS)
    found = a1111(text(replace(PICTURE, sampler="k_euler_a"), models))
    assert found["prompt"] == "zwx dog, grass <lora:dog:0.8> <lora:robe, blue:0.5:1>"
    assert found["negative"] == "blurry"
    assert [found[k] for k in ("Steps", "Sampler", "CFG scale", "Seed", "Size", "Clip skip")] == [
        *("28", "Euler a", "6.5", "77", "640x512", "2")
    ]
    assert found["Model hash"] == "ef" * 5 and found["Model"] == "v1-5, pruned"
    assert found["Lora hashes"] == f"dog: {'cd' * 6}, robe, blue: {'34' * 6}"


def test_civitais_hashes_are_json() -> None:
    written = text(PICTURE, Models("base", "ef" * 32, 1, LORAS))
    hashes = json.loads(written.partition("Hashes: {")[2].partition("}")[0].join("{}"))
    assert hashes == {"model": "ef" * 5, "lora:dog": "ab" * 5, "lora:robe, blue": "12" * 5}


def test_what_is_not_there_is_not_named() -> None:
    assert text(replace(PICTURE, negative=""), Models("tiny")) == (
        "zwx dog, grass\nSteps: 28, Sampler: Euler a, CFG scale: 6.5, Seed: 77, Size: 640x512, Model: tiny, "
        "Version: curate"
    )
    karras = text(replace(PICTURE, sampler="dpmsolver++", spacing="karras"), Models("tiny"))
    assert "Sampler: DPM++ 2M, Schedule type: Karras, " in karras


@pytest.mark.parametrize("prompt", ["a dog", 'a dog: red, "big"\nand a cat', "犬、草", "Steps: 3"])
@pytest.mark.parametrize("negative", ["", "blurry, 粗い"])
def test_what_is_written_is_read(prompt: str, negative: str) -> None:
    picture = replace(PICTURE, prompt=prompt, negative=negative)
    found = parse(text(picture, Models("a: b, c", "ef" * 32)))
    assert (found.prompt, found.negative) == (prompt, negative)
    assert found.settings["Model"] == "a: b, c" and found.settings["Seed"] == "77"


@pytest.mark.parametrize(
    ("base", "name"),
    [("models/v1.5.safetensors", "v1.5"), ("owner/sd-v1.5", "sd-v1.5"), ("models/sd 2.1/", "sd 2.1"), ("tiny", "tiny")],
)
def test_a_base_is_called_by_its_name(base: str, name: str) -> None:
    assert model_name(base) == name


def test_other_programs_texts_are_read() -> None:
    assert parse("only a prompt") == Parameters("only a prompt")
    assert parse("") == Parameters("")
    assert parse('dog\nNegative prompt: bad\nworse\nSteps: 20, Sampler: Euler, Seed: 5, Lora hashes: "a: 1"') == (
        Parameters("dog", "bad\nworse", {"Steps": "20", "Sampler": "Euler", "Seed": "5", "Lora hashes": "a: 1"})
    )


@pytest.mark.parametrize("prompt", ["a dog", "犬 – été"])
def test_a_file_carries_text_and_pixels(tmp_path: Path, prompt: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (24, 16, 3), np.uint8)
    data = picture_file.encode(pixels, text(replace(PICTURE, prompt=prompt), Models("tiny")), "id")
    path = picture_file.write(tmp_path / "new", "été 1", data)
    with Image.open(path) as image:
        assert (np.asarray(image) == pixels).all() and (picture_file.pixels(path) == pixels).all()
        assert image.info["parameters"].startswith(f"{prompt}\nNegative prompt: blurry\nSteps: 28")
    assert picture_file.parameters(path).prompt == prompt
    # readers that know no compressed and no international text find plain one where Latin-1 holds it
    assert (b"tEXtparameters\0" in data) == (prompt == "a dog")
    assert picture_file.encode(pixels, text(replace(PICTURE, prompt=prompt), Models("tiny")), "id") == data


def test_no_picture_is_overwritten(tmp_path: Path) -> None:
    one, two = (picture_file.encode(np.full((8, 8, 3), n, np.uint8), "x") for n in (0, 1))
    assert [picture_file.write(tmp_path, "a", data).name for data in (one, two, one, two)] == [
        *("a.png", "a-2.png", "a.png", "a-2.png")
    ]


def test_a_picture_is_found_by_what_decides_it(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(b"somebody's")
    picture_file.write(tmp_path, "a", picture_file.encode(pixels, "x", "one"))
    path = picture_file.write(tmp_path, "a", picture_file.encode(pixels, "x", "two"))
    assert picture_file.find(tmp_path, "a", "two") == path == tmp_path / "a-3.png"
    assert picture_file.find(tmp_path, "a", "three") is None and picture_file.find(tmp_path, "b", "two") is None
    path.write_bytes(path.read_bytes()[:-30])
    assert picture_file.find(tmp_path, "a", "two") is None, "a damaged picture is not there"

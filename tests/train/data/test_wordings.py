"""Several captions of a picture in training: which is drawn, what the run's identity hangs on, what is reported."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from curate.adapters import safetensors_file
from curate.core.caption_options import CaptionReading
from curate.core.events import Note
from curate.errors import InputError
from curate.train.data import captions
from curate.train.data.dataset import read_dataset
from curate.train.options import TrainOptions
from curate.train.planning.trigger_words import lacking
from tests.train.conftest import run

SHORT: dict[str, Any] = {"base": "tiny", "resolution": 64, "steps": 4, "rank": 2, "tensorboard": False}
LINES = CaptionReading(variants="lines")


def write_lines(folder: Path) -> None:
    for path in folder.rglob("*.txt"):
        path.write_text(f"{path.read_text().strip()}\nA photo of {path.parent.name[2:]}.")


def test_every_line_is_drawn_as_often_and_the_seed_decides(folder: Path) -> None:
    write_lines(folder)
    picture = read_dataset(folder, LINES).pictures[2]
    options = TrainOptions(base="tiny", caption_variants="lines")
    counts = Counter(captions.drawn(picture, options, random.Random(n)).text for n in range(4000))
    assert set(counts) == {"zwx dog, simple background, shape 0", "A photo of zwx dog."}
    assert min(counts.values()) > 1850
    assert captions.drawn(picture, options, random.Random(5)) == captions.drawn(picture, options, random.Random(5))


def test_without_the_option_nothing_is_cut_and_the_person_is_told(folder: Path) -> None:
    write_lines(folder)
    data = read_dataset(folder)
    assert data.pictures[2].caption == "zwx dog, simple background, shape 0, A photo of zwx dog."
    assert any("several lines: they are read as one line" in line for line in data.warnings)


def test_a_further_caption_is_part_of_the_data(folder: Path) -> None:
    plain = read_dataset(folder).digest
    assert read_dataset(folder, LINES).digest == plain, "one line each is the same data"
    write_lines(folder)
    first = read_dataset(folder, LINES).digest
    path = folder / "2_zwx dog" / "0.txt"
    path.write_text(path.read_text() + " More.")
    assert len({plain, first, read_dataset(folder, LINES).digest}) == 3


def test_training_with_lines_and_choices(folder: Path) -> None:
    write_lines(folder)
    path = folder / "2_zwx dog" / "0.txt"
    path.write_text("zwx dog, {red|blue}\na photo of zwx dog")
    given: dict[str, Any] = {**SHORT, "caption_variants": "lines", "caption_wildcards": True}
    file, events = run(folder, **given)
    tags = json.loads(safetensors_file.read(file)[1]["ss_tag_frequency"])["2_zwx dog"]
    assert tags["red"] == tags["blue"] == 1 and tags["zwx dog"] == 2
    assert not [e for e in events if isinstance(e, Note) and "several lines" in e.message]


def test_lists_in_json(folder: Path) -> None:
    for path in [*folder.rglob("*.txt")]:
        path.with_suffix(".json").write_text(json.dumps([path.read_text(), f"a picture of {path.parent.name[2:]}"]))
        path.unlink()
    data = read_dataset(folder, CaptionReading(extension=".json"))
    assert [one.text for one in data.pictures[2].variants] == [
        "zwx dog, simple background, shape 0",
        "a picture of zwx dog",
    ]
    run(folder, **SHORT, caption_extension=".json")


def test_every_caption_must_hold_the_trigger(folder: Path) -> None:
    path = folder / "2_zwx dog" / "0.txt"
    path.write_text("zwx dog, grass\n{a dog|zwx dog} on grass")
    options = TrainOptions(base="tiny", caption_variants="lines", caption_wildcards=True)
    pictures = read_dataset(folder, options.caption_reading).pictures
    [line] = lacking(pictures, texts=lambda picture: captions.every(picture, options))
    assert line.startswith("1 of 2 captions in 2_zwx dog does not contain the trigger word")


def test_shuffling_works_on_the_drawn_caption(folder: Path) -> None:
    (folder / "2_zwx dog" / "0.txt").write_text("zwx dog ||| a, b, c\nzwx dog, sitting ||| d, e ||| last")
    options = TrainOptions(base="tiny", caption_variants="lines", shuffle=True)
    picture = read_dataset(folder, options.caption_reading).pictures[2]
    seen = set[str]()
    for n in range(1, 400):
        wording = captions.drawn(picture, options, random.Random(n))
        seen.add(captions.shown(wording.text, "zwx dog", options, 0, random.Random(n + 1000), wording.kept))
    assert len(seen) == 6 + 2
    assert all(one.startswith("zwx dog, sitting, ") == one.endswith(", last") for one in seen)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"caption_extension": ".json", "caption_variants": "lines"}, "caption_variants has no effect"),
        ({"caption_extension": ".cap", "caption_variants": "files"}, "leave caption_extension out"),
        ({"caption_form": "lines", "caption_variants": "lines"}, "give one"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainOptions(base="tiny", **given)


def test_lists_that_cannot_be_read_are_named_with_the_reason(folder: Path) -> None:
    for path in [*folder.rglob("*.txt")]:
        path.with_suffix(".json").write_text('["zwx dog",')
        path.unlink()
    with pytest.raises(InputError, match=r"none of the 4 pictures .* has a caption that can be used") as error:
        read_dataset(folder, CaptionReading(extension=".json"))
    assert "0.json: the captions cannot be read, it is no JSON" in (error.value.remedy or "")

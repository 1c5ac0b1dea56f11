"""What dedupe must keep: other expressions, colors and words. And what it must find: the same picture saved again."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from curate.core.events import Event, Note
from curate.core.record import Manifest, Record
from curate.core.stage import DatasetStage, Env, Pixels, RecordStage
from curate.stages.dedupe import Dedupe
from tests.images.drawings import COLORS, EXPRESSIONS, TEXTS, face, page, shirt, turned
from tests.stages.helpers import env, held, run

Change = Callable[[Pixels], Pixels]


def jpeg(quality: int) -> Change:
    def change(pixels: Pixels) -> Pixels:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


def scaled(factor: float) -> Change:
    return lambda p: np.asarray(
        Image.fromarray(p).resize((round(p.shape[1] * factor), round(p.shape[0] * factor)), Image.Resampling.LANCZOS)
    )


def cropped(pixels: Pixels) -> Pixels:
    """With a margin gone that is another one on each side."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[height // 50 : -height // 40, width // 30 : -width // 60])


def noisy(pixels: Pixels, strength: float = 6, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).choice([-strength, strength], pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def smooth_noise(pixels: Pixels, strength: float = 5) -> Pixels:
    noise = cv2.GaussianBlur(np.random.default_rng(1).standard_normal(pixels.shape).astype(np.float32), (0, 0), 2)
    return np.clip(pixels + strength * noise / noise.std(), 0, 255).astype(np.uint8)


SAVED_AGAIN: dict[str, Change] = {
    "as it is": lambda p: p,
    "jpeg 75": jpeg(75),
    "jpeg 45": jpeg(45),
    "half": scaled(0.5),
    "larger": scaled(1.4),
    "cropped": cropped,
    "cropped, three quarters, jpeg 80": lambda p: jpeg(80)(scaled(0.75)(cropped(p))),
    "noise": noisy,
    "warmer": lambda p: np.clip(p * np.array([1.1, 1.0, 0.9]), 0, 255).astype(np.uint8),
    "darker": lambda p: (p * 0.8).astype(np.uint8),
    "less contrast": lambda p: np.asarray(ImageEnhance.Contrast(Image.fromarray(p)).enhance(0.75)),
}
# a mouth of few pixels does not outlast half the size
EXACT = ("as it is", "jpeg 75", "cropped", "cropped, three quarters, jpeg 80", "noise", "warmer")


def after(where: Env, records: list[Record], events: list[Event] | None = None, **options: object) -> dict[str, Record]:
    manifest = Manifest(records)
    for step in Dedupe(**options).parts():
        if isinstance(step, DatasetStage):
            manifest = step.run(manifest, where, events.append if events is not None else lambda _: None)
        else:
            assert isinstance(step, RecordStage)
            manifest = Manifest(run(step, where, *manifest))
    return {r.key: r for r in manifest}


def aside(where: Env, pictures: list[Pixels], **options: object) -> list[str]:
    records = [held(where, p, f"dog/{n}.png") for n, p in enumerate(pictures)]
    return [key for key, record in after(where, records, **options).items() if record.aside]


@pytest.mark.parametrize(("seed", "change"), list(enumerate(EXACT, 20)))
def test_other_expressions_stay(tmp_path: Path, seed: int, change: str) -> None:
    size, share = ((640, 0.4), (800, 0.25), (480, 0.6), (700, 0.3), (512, 0.5))[seed % 5]
    faces = [face(seed, expression, height=size, share=share) for expression in EXPRESSIONS]
    again = [SAVED_AGAIN[change](p) if n % 2 else p for n, p in enumerate(faces)]
    assert aside(env(tmp_path), again) == []
    assert len(aside(env(tmp_path), again, variants=True)) >= 2


@pytest.mark.parametrize(("seed", "change"), list(enumerate(SAVED_AGAIN)))
def test_garments_of_other_colors_stay(tmp_path: Path, seed: int, change: str) -> None:
    shirts = [shirt(seed + 20, color, height=320) for color in COLORS.values()]
    again = [SAVED_AGAIN[change](p) if n % 2 else p for n, p in enumerate(shirts)]
    assert aside(env(tmp_path), again) == []


@pytest.mark.parametrize("degrees", [40, 90, 180, 240, 320])
@pytest.mark.parametrize("seed", range(5))
def test_another_hue_of_one_garment_stays(tmp_path: Path, seed: int, degrees: float) -> None:
    color = list(COLORS.values())[seed % 4]
    assert aside(env(tmp_path), [shirt(seed, color), shirt(seed, turned(color, degrees))]) == []


@pytest.mark.parametrize("pair", list(combinations(range(4), 2)))
@pytest.mark.parametrize("change", ["as it is", "jpeg 75", "cropped"])
def test_other_words_stay(tmp_path: Path, pair: tuple[int, int], change: str) -> None:
    one, other = (page(sum(pair), TEXTS[n]) for n in pair)
    assert aside(env(tmp_path), [one, SAVED_AGAIN[change](other)]) == []


@pytest.mark.parametrize(("seed", "change"), list(enumerate(SAVED_AGAIN)))
def test_drawings_that_were_saved_again_are_found(tmp_path: Path, seed: int, change: str) -> None:
    for picture in (face(seed + 40, "smile"), shirt(seed + 40, COLORS["blue"]), page(seed + 40, TEXTS[seed % 4])):
        assert len(aside(env(tmp_path), [picture, SAVED_AGAIN[change](picture)])) == 1


def test_sprites_with_other_expressions_and_clothes_stay(tmp_path: Path, data: Path) -> None:
    from curate.images import read_picture

    files = sorted(f for f in (data / "sprites").rglob("*.png") if not f.name.startswith("bg"))
    assert len(files) > 8
    assert aside(env(tmp_path), [read_picture(f).pixels for f in files]) == []


@pytest.mark.parametrize("keep", ["largest", "sharpest"])
@pytest.mark.parametrize("poison", [noisy, smooth_noise, lambda p: noisy(p, 10), lambda p: jpeg(92)(noisy(p, 8))])
@pytest.mark.parametrize("seed", range(3))
def test_the_copy_without_added_noise_stays(tmp_path: Path, seed: int, poison: Change, keep: str) -> None:
    where, clean = env(tmp_path), face(seed, "smile")
    records = [held(where, poison(clean), "dog/a.png"), held(where, clean, "dog/much longer name.png")]
    found = after(where, records, keep=keep)
    assert [key for key, record in found.items() if record.aside] == ["dog/a.png"]
    larger = [held(where, scaled(1.5)(poison(clean)), "dog/a.png"), held(where, clean, "dog/b.png")]
    if poison is noisy:
        assert after(where, larger, keep=keep)["dog/a.png"].aside == "near duplicate of dog/b.png"


@pytest.mark.parametrize("seed", range(5))
def test_compression_and_size_do_not_pass_for_cleanness(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 3, (640, 640, 1)).astype(np.float32), (0, 0), 0.7)[:, :, None]
    base = np.asarray(
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).resize((640, 640), Image.Resampling.BICUBIC)
    )
    photo = np.clip(base + grain, 0, 255).astype(np.uint8)
    for worse in (jpeg(25), jpeg(50), scaled(0.5), scaled(0.25)):
        where = env(tmp_path)
        found = after(where, [held(where, worse(photo), "dog/a.png"), held(where, photo, "dog/the original.png")])
        assert [key for key, record in found.items() if record.aside] == ["dog/a.png"]


def test_pictures_equal_to_a_near_copy_go_with_it(tmp_path: Path) -> None:
    where, picture = env(tmp_path), face(3, "smile")
    small = scaled(0.6)(picture)
    records = [held(where, p, f"dog/{n}.png") for n, p in enumerate((small, small, picture, small))]
    found = after(where, records)
    assert {key: r.facts.get("duplicate_of") for key, r in found.items()} == {
        "dog/0.png": "dog/2.png",
        "dog/1.png": "dog/2.png",
        "dog/2.png": None,
        "dog/3.png": "dog/2.png",
    }


# captions ------------------------------------------------------------------


def captioned(record: Record, text: str, **changes: object) -> Record:
    from curate import captions

    tags, sentence = captions.parse(text, record.trigger)
    return dataclasses.replace(record, imported=text, tags=tags, sentence=sentence, **changes)  # type: ignore[arg-type]


def heirs(
    tmp_path: Path, kept: Callable[[Record], Record], copy: Callable[[Record], Record]
) -> tuple[Record, list[str]]:
    where, picture = env(tmp_path), face(5, "smile", height=320)
    records = [
        kept(held(where, picture, "dog/a.png")),
        copy(held(where, scaled(0.5)(picture), "dog/b.png")),
        held(where, face(6, "angry", height=320), "dog/c.png"),
    ]
    events: list[Event] = []
    found = after(where, records, events)
    assert [key for key, record in found.items() if record.aside] == ["dog/b.png"]
    assert found["dog/b.png"].edited == records[1].edited
    assert found["dog/b.png"].imported == records[1].imported
    return found["dog/a.png"], [e.message for e in events if isinstance(e, Note) and e.key == "dog/a.png"]


def plain(record: Record) -> Record:
    return record


@pytest.mark.parametrize(
    "text", ["red robe, sitting", "", "A dog sits on a stone.", "狗, 公园", "dog\\(animal\\), 1dog"]
)
def test_an_edited_caption_goes_to_the_picture_that_stays(tmp_path: Path, text: str) -> None:
    for kept in (plain, lambda r: captioned(r, "generated, tags")):
        heir, told = heirs(tmp_path, kept, lambda r: dataclasses.replace(r, edited=text))
        assert heir.edited == text
        assert told == ["takes over the caption edited by hand of dog/b.png"]


@pytest.mark.parametrize("text", ["mine", "red, blue", "", "A dog runs in the park.", "1dog, solo"])
def test_of_two_edited_captions_the_own_one_stays_and_the_other_is_named(tmp_path: Path, text: str) -> None:
    own = lambda r: dataclasses.replace(r, edited=text)  # noqa: E731
    heir, told = heirs(tmp_path, own, lambda r: dataclasses.replace(r, edited="that of the copy"))
    assert heir.edited == text
    assert told == ['keeps its own edited caption; that of dog/b.png was "that of the copy"']
    _, told = heirs(tmp_path, own, own)
    assert told == []


@pytest.mark.parametrize(
    "text",
    ["red robe, sitting", "1dog, solo, park", "A dog sits on a stone.", "dog, A dog is sitting in the park.", "x_x"],
)
def test_a_caption_goes_to_a_picture_that_has_none(tmp_path: Path, text: str) -> None:
    for kept in (plain, lambda r: dataclasses.replace(r, imported="  ")):
        heir, told = heirs(tmp_path, kept, lambda r: captioned(r, text))
        assert heir.imported == text
        assert (heir.tags, heir.sentence) == (captioned(heir, text).tags, captioned(heir, text).sentence)
        assert told == ["takes over the caption of dog/b.png"]


@pytest.mark.parametrize(
    ("own", "other", "tags", "sentence"),
    [
        ("dog, park", "dog, sitting", ("dog", "park", "sitting"), ""),
        ("dog", "blue robe, park", ("dog", "blue_robe", "park"), ""),
        ("dog, park", "park, dog", ("dog", "park"), ""),
        ("dog", "A dog sits on a stone.", ("dog",), "A dog sits on a stone."),
        ("A dog sits on a stone.", "dog, park", ("dog", "park"), "A dog sits on a stone."),
        ("dog, A dog sits on a stone.", "cat, A cat lies in the sun.", ("dog", "cat"), "A dog sits on a stone."),
    ],
)
def test_two_captions_of_one_picture_are_joined(
    tmp_path: Path, own: str, other: str, tags: tuple[str, ...], sentence: str
) -> None:
    heir, told = heirs(tmp_path, lambda r: captioned(r, own), lambda r: captioned(r, other))
    assert (heir.tags, heir.sentence) == (tags, sentence)
    assert (captioned(heir, heir.imported or "").tags, captioned(heir, heir.imported or "").sentence) == (
        tags,
        sentence,
    )
    assert bool(told) == (captioned(heir, own).tags != tags or captioned(heir, own).sentence != sentence)


def test_a_caption_of_a_part_is_not_said_of_the_whole(tmp_path: Path) -> None:
    where, picture = env(tmp_path), face(5, "smile")
    part = np.ascontiguousarray(picture[: int(0.8 * picture.shape[0]), : int(0.8 * picture.shape[1])])
    records = [
        captioned(held(where, picture, "dog/a.png"), "full body"),
        captioned(held(where, part, "dog/b.png"), "close-up"),
    ]
    events: list[Event] = []
    found = after(where, records, events)
    assert found["dog/b.png"].aside
    assert found["dog/a.png"].imported == "full body"
    assert 'keeps its own caption; that of dog/b.png was "close-up"' in [
        e.message for e in events if isinstance(e, Note)
    ]


def test_trigger_words_of_another_concept_do_not_go_along(tmp_path: Path) -> None:
    where, picture = env(tmp_path), face(5, "smile")
    dog = dataclasses.replace(held(where, picture, "dog/a.png"), trigger=("zwx dog",))
    robe = dataclasses.replace(held(where, scaled(0.5)(picture), "robe/b.png", "robe"), trigger=("blue robe",))
    found = after(where, [dog, captioned(robe, "blue robe, sitting")])
    assert found["dog/a.png"].tags == ("sitting",)
    found = after(where, [dog, dataclasses.replace(robe, edited="blue robe, on a chair")])
    assert found["dog/a.png"].edited == "zwx dog, on a chair"
    found = after(where, [dog, dataclasses.replace(robe, edited="on a chair in a blue robe")])
    assert found["dog/a.png"].edited == "on a chair in a blue robe"


def test_an_edit_asks_for_the_choice_alone() -> None:
    fingerprint, search, choice = Dedupe().parts()
    assert not {"edited", "imported", "tags"} & (fingerprint.reads | search.reads)
    assert {"edited", "imported"} <= choice.reads
    assert Dedupe(keep="first").parts()[1] == search
    assert Dedupe(crops=False).parts()[1] != search

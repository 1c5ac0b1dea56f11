"""Duplicates found, different pictures kept, the search sub-quadratic."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.core.record import Manifest, Record
from curate.core.stage import DatasetStage, Env, Pixels, RecordStage
from curate.images import read_picture
from curate.images.duplicates.perceptual_hash import near_pairs
from curate.stages.dedupe import Dedupe
from tests.stages.helpers import env, held, run


def scene(seed: int, width: int = 320, height: int = 240) -> Pixels:
    """A picture with structure at several scales, different for every seed."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (3, 7, 19):
        noise = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        total += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return (total / 3).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int = 40) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def deduped(where: Env, records: list[Record], **options: object) -> dict[str, Record]:
    stage = Dedupe(**options)
    first, *rest = stage.parts()
    assert isinstance(first, RecordStage)
    assert rest[-1] == stage
    measured = run(first, where, *records)
    after = Manifest(measured)
    for step in rest:
        assert isinstance(step, DatasetStage)
        after = step.run(after, where, lambda _: None)
    return {r.key: r for r in after}


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "recompressed": jpeg,
    "halved": lambda p: np.asarray(
        Image.fromarray(p).resize((p.shape[1] // 2, p.shape[0] // 2), Image.Resampling.LANCZOS)
    ),
    "brighter": lambda p: np.clip(p * 1.15, 0, 255).astype(np.uint8),
    "warmer": lambda p: np.clip(p * np.array([1.1, 1.0, 0.9]), 0, 255).astype(np.uint8),
    "cropped": lambda p: p[10:-14, 12:-20],
    "cut to 80 %": lambda p: p[: int(p.shape[0] * 0.8), : int(p.shape[1] * 0.8)],
    "cut to 70 %": lambda p: p[int(p.shape[0] * 0.17) :, int(p.shape[1] * 0.11) :][
        : int(p.shape[0] * 0.7), : int(p.shape[1] * 0.7)
    ],
}


def test_of_a_crowd_of_copies_the_largest_stays(tmp_path: Path) -> None:
    where, one = env(tmp_path), scene(1, 64, 48)
    copies = [np.clip(one * (0.9 + 0.003 * n), 0, 255).astype(np.uint8) for n in range(70)]
    large = np.asarray(Image.fromarray(one).resize((96, 72), Image.Resampling.BICUBIC))
    rows = [held(where, p, f"dog/{n:02}.png") for n, p in enumerate([*copies, large, scene(2, 64, 48)])]
    after = deduped(where, rows)
    assert {key for key, record in after.items() if not record.aside} == {"dog/70.png", "dog/71.png"}
    assert {r.facts["duplicate_of"] for r in after.values() if r.aside} == {"dog/70.png"}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(tmp_path: Path, change: str) -> None:
    where = env(tmp_path)
    pictures = [scene(n) for n in range(5)]
    records = [held(where, p, f"dog/{n}.png") for n, p in enumerate(pictures)]
    records.append(held(where, CHANGES[change](pictures[2]), "dog/copy.png"))
    after = deduped(where, records)
    aside = {key: record.aside for key, record in after.items() if record.aside}
    assert set(aside) <= {"dog/copy.png", "dog/2.png"}
    assert len(aside) == 1
    (key,) = aside
    assert after[key].facts["likeness"] > 0.9
    assert after[key].facts["duplicate_of"] in aside[key]


def test_equal_pixels_are_found_without_near(tmp_path: Path) -> None:
    where = env(tmp_path)
    records = [
        held(where, scene(1), "a/1.png"),
        held(where, scene(1), "b/2.png", "b"),
        held(where, scene(2), "a/3.png"),
    ]
    after = deduped(where, records, near=False)
    assert after["b/2.png"].aside == "duplicate of a/1.png"
    assert not after["a/1.png"].aside
    assert not after["a/3.png"].aside
    assert not any(r.aside for r in deduped(where, records, near=False, across=False).values())


def test_near_copies_in_other_concepts_count_only_when_asked(tmp_path: Path) -> None:
    where = env(tmp_path)
    records = [held(where, scene(1), "a/1.png", "a"), held(where, jpeg(scene(1)), "b/1.png", "b")]
    assert sum(bool(r.aside) for r in deduped(where, records).values()) == 1
    assert not any(r.aside for r in deduped(where, records, across=False).values())


def test_which_copy_stays(tmp_path: Path) -> None:
    where = env(tmp_path)
    large = scene(1, 640, 480)
    blurred = np.asarray(Image.fromarray(large).resize((160, 120)).resize((640, 480), Image.Resampling.BICUBIC))
    small = np.asarray(Image.fromarray(large).resize((320, 240), Image.Resampling.LANCZOS))
    records = [held(where, blurred, "a/0.png"), held(where, small, "a/1.png"), held(where, large, "a/2.png")]

    def kept(rule: str) -> list[str]:
        return [key for key, record in deduped(where, records, keep=rule).items() if not record.aside]

    assert kept("largest") == ["a/2.png"]
    assert kept("first") == ["a/0.png"]
    assert kept("sharpest") != ["a/0.png"]
    assert len(kept("sharpest")) == 1


def test_crops_and_variants_are_options(tmp_path: Path) -> None:
    where = env(tmp_path)
    whole = scene(4)
    face = whole.copy()
    face[100:130, 150:180] = 255 - face[100:130, 150:180]
    records = [
        held(where, whole, "a/1.png"),
        held(where, face, "a/2.png"),
        held(where, whole[20:-20, 30:-30], "a/3.png"),
    ]
    assert deduped(where, records)["a/3.png"].facts["share"] < 0.95
    assert [k for k, r in deduped(where, records).items() if r.aside] == ["a/3.png"]
    assert [k for k, r in deduped(where, records, crops=False).items() if r.aside] == []
    merged = deduped(where, records, crops=False, variants=True, difference=255)
    assert len({k for k, r in merged.items() if r.aside} & {"a/1.png", "a/2.png"}) == 1


def test_what_is_set_aside_already_stays_so_and_hides_nothing(tmp_path: Path) -> None:
    where = env(tmp_path)
    gone = dataclasses.replace(held(where, scene(1), "a/0.png"), aside="blurred")
    (live,) = run(Dedupe().parts()[0], where, held(where, scene(1), "a/1.png"))  # type: ignore[arg-type]
    after = Dedupe().run(Manifest([gone, live]), where, lambda _: None)
    assert [r.aside for r in after] == ["blurred", ""]


def test_real_photos_are_no_duplicates_of_each_other(tmp_path: Path, data: Path) -> None:
    where = env(tmp_path)
    files = sorted((data / "photos").rglob("*.jpg"))[:30]
    records = [held(where, read_picture(f).pixels, f"{f.parent.name}/{f.name}") for f in files]
    assert [r.key for r in deduped(where, records).values() if r.aside] == []


@pytest.mark.parametrize("distance", [0, 3, 7, 11])
def test_the_search_finds_every_near_hash(distance: int) -> None:
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**64, 600, dtype=np.uint64)
    for n in range(200):
        flips = rng.choice(64, rng.integers(0, 13), replace=False)
        hashes[n + 300] = hashes[n] ^ np.uint64(sum(1 << int(bit) for bit in flips))
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = set(zip(*(axis.tolist() for axis in np.nonzero(apart <= distance)), strict=True))
    found = {pair for i, j in near_pairs(hashes, hashes, distance) for pair in zip(i.tolist(), j.tolist(), strict=True)}
    assert found == expected


def test_the_search_does_not_grow_with_the_square() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 100_000, dtype=np.uint64)
    begun = time.process_time()
    pairs = sum(len(i) for i, _ in near_pairs(hashes, hashes, 7))
    assert time.process_time() - begun < 10
    assert pairs >= 100_000  # each with itself, once for each quarter


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ("dog/park copy.png", "dog/park.png"),
        ("dog/a (1).png", "dog/a.png"),
        ("dog/Copy of a.png", "dog/a.png"),
        ("dog/a~2.png", "dog/a.png"),
        ("dog/a (1).png", "dog/portrait in the park.png"),
        ("art/sub/a_1.png", "dog/a.png"),
    ],
)
@pytest.mark.parametrize("keep", ["largest", "sharpest"])
def test_of_equals_the_one_that_is_not_called_a_copy_stays(tmp_path: Path, copy: str, original: str, keep: str) -> None:
    where = env(tmp_path)
    for order in ((copy, original), (original, copy)):
        after = deduped(where, [held(where, scene(1), key) for key in order], keep=keep)
        assert after[copy].facts["duplicate_of"] == original
        assert not after[original].aside


@pytest.mark.parametrize("keep", ["largest", "sharpest"])
def test_dots_of_few_colours_do_not_pass_for_sharpness(tmp_path: Path, keep: str) -> None:
    where = env(tmp_path)
    few = Image.fromarray(scene(3)).quantize(24, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")
    records = [held(where, np.asarray(few), "dog/a.gif"), held(where, scene(3), "dog/b.png")]
    after = deduped(where, records, keep=keep)
    assert (after["dog/a.gif"].aside, after["dog/b.png"].aside) == ("near duplicate of dog/b.png", "")

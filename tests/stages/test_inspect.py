"""Stage inspect: faults found, sound pictures left alone."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from curate.core.events import Event, Note
from curate.core.record import Manifest, Record
from curate.core.stage import Concept, Env, Pixels, RecordStage
from curate.images import read_picture
from curate.images.analysis import metrics
from curate.stages.inspect import Inspect
from tests.stages.helpers import env, held, run


@pytest.fixture(scope="module")
def photo(data: Path) -> Pixels:
    return read_picture(data / "photos" / "cat2" / "02.jpg").pixels


def inspected(where: Env, records: list[Record], **options: object) -> tuple[list[Record], list[Note]]:
    stage = Inspect(**options)
    first, last = stage.parts()
    assert isinstance(first, RecordStage)
    told: list[Event] = []
    after = last.run(Manifest(run(first, where, *records)), where, told.append)  # type: ignore[attr-defined]
    return list(after), [event for event in told if isinstance(event, Note)]


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 14, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


FAULTS = {
    "blur": lambda p: cv2.GaussianBlur(p, (0, 0), 3),
    "blocks": lambda p: jpeg(p, 12),
    "noise": noisy,
    "blank": lambda p: np.full_like(p, 240),
    "aspect": lambda p: np.ascontiguousarray(p[:300]),
    "small": lambda p: np.ascontiguousarray(p[:480, :480]),
    "border": lambda p: cv2.copyMakeBorder(p, 40, 40, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0)),
    "enlarged": lambda p: cv2.resize(cv2.resize(p, (320, 320), interpolation=cv2.INTER_AREA), (1100, 1100)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_and_dropped_only_when_asked(tmp_path: Path, photo: Pixels, fault: str) -> None:
    where = env(tmp_path)
    record = held(where, FAULTS[fault](photo))
    ((after,), _) = inspected(where, [record])
    assert fault in after.facts["faults"]
    assert after.facts["triage"] == "edit"
    assert not after.aside
    ((dropped,), _) = inspected(where, [record], drop=(fault,))
    assert dropped.aside == after.facts["faults"][fault]
    others = tuple(other for other in FAULTS if other not in after.facts["faults"])
    assert not inspected(where, [record], drop=others)[0][0].aside


def test_a_sound_photo_is_fine(tmp_path: Path, photo: Pixels) -> None:
    where = env(tmp_path)
    ((after,), _) = inspected(where, [held(where, photo)])
    assert (after.facts["triage"], after.facts["faults"]) == ("fine", {})


def test_most_real_photos_are_fine(tmp_path: Path, data: Path) -> None:
    where = env(tmp_path)
    files = sorted((data / "photos").rglob("*.jpg"))[::3]
    records = [held(where, read_picture(f).pixels, f"{f.parent.name}/{f.name}") for f in files]
    after, _ = inspected(where, records, resolution=600)
    wrong = {r.key: r.facts["faults"] for r in after if r.facts["faults"]}
    # the real exceptions are photographs with film grain and those that were filled up to squares with bars
    grainy = {f"dog3/0{n}.jpg" for n in range(4)}
    assert set(wrong) <= {*grainy, "cat2/00.jpg", "cat2/01.jpg", "cat2/04.jpg"}, wrong
    assert all(set(faults) == {"border"} for key, faults in wrong.items() if key.startswith("cat2"))


BUCKETS = [
    *((1024, w, h) for w, h in ((1024, 1024), (960, 1088), (896, 1152), (1280, 768), (640, 1600), (2048, 512))),
    *((768, w, h) for w, h in ((768, 768), (704, 832), (960, 576), (512, 1152), (640, 896))),
    *((512, w, h) for w, h in ((512, 512), (448, 576), (704, 320), (384, 640), (256, 1024))),
]


@pytest.mark.parametrize(("resolution", "width", "height"), BUCKETS)
def test_a_picture_as_large_as_its_bucket_is_not_small(
    tmp_path: Path, resolution: int, width: int, height: int
) -> None:
    from curate.stages.upscale import Upscale

    where = env(tmp_path)
    tile = np.random.default_rng(0).integers(0, 200, (height, width, 3), np.uint8)
    options = {"resolution": resolution, "growth": 1.0, "drop": ("small",), "aspect": 9.0}
    assert not inspected(where, [held(where, tile)], **options)[0][0].aside
    assert Upscale(model="lanczos", size=resolution).target(width, height) is None
    less = np.ascontiguousarray(tile[: height - 9, : width - 9])
    assert "small" in inspected(where, [held(where, less)], **options)[0][0].facts["faults"]
    assert Upscale(model="lanczos", size=resolution).target(width - 9, height - 9) is not None


@pytest.mark.parametrize(("side", "small"), [(1024, False), (700, False), (530, False), (500, True), (90, True)])
def test_small_is_what_training_enlarges_more_than_twice(tmp_path: Path, side: int, small: bool) -> None:
    where = env(tmp_path)
    tile = np.random.default_rng(0).integers(0, 200, (side, side, 3), np.uint8)
    ((after,), _) = inspected(where, [held(where, tile)])
    assert ("small" in after.facts["faults"]) == small
    ((exact,), _) = inspected(where, [held(where, tile)], drop={"small": 1024})
    assert bool(exact.aside) == (side < 1024), "a resolution given for size is meant to the pixel"


@pytest.mark.parametrize("sides", [(12, 0, 12, 0), (0, 40, 0, 40), (3, 3, 3, 3), (0, 100, 0, 0), (7, 9, 30, 20)])
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255)])
def test_borders_are_seen(tmp_path: Path, photo: Pixels, sides: tuple[int, ...], color: tuple[int, ...]) -> None:
    where = env(tmp_path)
    left, top, right, bottom = sides
    framed = cv2.copyMakeBorder(photo, top, bottom, left, right, cv2.BORDER_CONSTANT, value=color)
    ((after,), _) = inspected(where, [held(where, framed)])
    assert after.facts["measures"]["borders"] == list(sides)
    assert f"{max(sides)} px" in after.facts["faults"]["border"] and "curate crop" in after.facts["faults"]["border"]
    assert not inspected(where, [held(where, framed)], border=max(sides) + 1)[0][0].facts["faults"].get("border")


@pytest.mark.parametrize(
    ("kind", "count", "level"),
    [
        ("object", 5, "warning"),
        ("object", 10, "advice"),
        ("object", 20, ""),
        ("style", 20, "advice"),
        ("style", 60, ""),
    ],
)
def test_counts_are_compared_with_what_suits_the_kind(tmp_path: Path, kind: str, count: int, level: str) -> None:
    where = dataclasses.replace(env(tmp_path), concepts={"dog": Concept.model_validate({"kind": kind})})
    tile = np.random.default_rng(0).integers(0, 200, (64, 64, 3), np.uint8)
    _, notes = inspected(where, [held(where, tile, f"dog/{n}.png") for n in range(count)])
    assert [n.level for n in notes if n.level in ("warning", "advice")] == ([level] if level else [])


def test_white_backgrounds_and_consent_are_told(tmp_path: Path) -> None:
    where = env(tmp_path)
    white = np.full((100, 100, 3), 255, np.uint8)
    white[30:70, 30:70] = np.random.default_rng(0).integers(0, 255, (40, 40, 3))
    records = [held(where, white, f"dog/{n}.png") for n in range(20)]
    records[0] = records[0].noting(consent="DMI-PROHIBITED")
    _, notes = inspected(where, records)
    assert any("white background" in n.message for n in notes)
    assert any("no AI training" in n.message and n.level == "warning" for n in notes)


def test_noise_is_estimated_in_its_own_unit() -> None:
    for sigma in (2, 8, 20):
        noise = np.random.default_rng(sigma).normal(0, sigma, (300, 300, 1)).repeat(3, axis=2)
        found = metrics.noise(np.clip(128 + noise, 0, 255).astype(np.uint8))
        assert abs(found - sigma) < 0.1 * sigma


def test_blocks_are_found_wherever_a_crop_put_the_grid() -> None:
    rng = np.random.default_rng(0)
    tiles = rng.integers(100, 130, (40, 40, 1)).repeat(8, axis=0).repeat(8, axis=1).repeat(3, axis=2)
    pixels = np.clip(tiles + rng.normal(0, 3, tiles.shape), 0, 255).astype(np.uint8)
    for place in range(8):
        assert metrics.blockiness(np.ascontiguousarray(pixels[place:, place:])) > 2
    assert metrics.blockiness(rng.integers(0, 255, (320, 320, 3), np.uint8)) < 1.2


@pytest.mark.parametrize("given", [{"blur": 0.7, "small": True}, ["blur=0.7", "small"]])
def test_a_limit_of_its_own_decides_what_is_dropped(tmp_path: Path, photo: Pixels, given: Any) -> None:
    where = env(tmp_path)
    record = held(where, cv2.GaussianBlur(photo, (0, 0), 3))
    measured = inspected(where, [record])[0][0].facts["measures"]["blur"]
    assert measured > 0.62
    assert not inspected(where, [record], drop={"blur": (measured + 1) / 2})[0][0].aside
    assert inspected(where, [record], drop={"blur": measured - 0.01})[0][0].aside.startswith("blurred")
    stage = Inspect(drop=given)
    assert (stage.drop, stage.key_options()["drop"]) == ({"blur": 0.7, "small": None}, {"blur": 0.7, "small": None})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"blur": 50}, "blur takes a number from 0 to 1 (0 is sharp, 1 is blurred), not 50"),
        (["blur=much"], "blur takes a number"),
        ({"blurr": 1}, "'blurr' is not a fault: did you mean \"blur\"?"),
        ({"damaged": 1.5}, "damaged takes no limit"),
        (5, "takes names of faults, or a mapping"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_with_what_it_means(given: Any, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Inspect(drop=given)
    (one,) = refused.value.errors()
    assert said in one["msg"]
    assert one["loc"] == ("drop",)


def test_what_is_drawn_on_a_grid_has_no_jpeg_blocks(photo: Pixels) -> None:
    small = Image.fromarray(photo).resize((256, 256))
    for factor in (2, 3, 4):
        enlarged = np.asarray(small.resize((256 * factor, 256 * factor), Image.Resampling.NEAREST))
        assert metrics.blockiness(enlarged) < 1.2, factor
    tiles = np.full((480, 480, 3), 128, np.uint8)
    tiles[::12] = tiles[:, ::12] = 0
    stripes = np.zeros((480, 480, 3), np.uint8)
    stripes[:, ::8] = 255
    assert max(metrics.blockiness(tiles), metrics.blockiness(stripes)) < 1.2
    assert metrics.blockiness(jpeg(photo, 20)) > Inspect().blocks
    assert metrics.blockiness(np.ascontiguousarray(jpeg(photo, 20)[3:, 5:])) > Inspect().blocks


def test_no_sprite_has_jpeg_blocks(data: Path) -> None:
    measured = {p.name: metrics.blockiness(read_picture(p).pixels) for p in (data / "sprites").rglob("*.png")}
    assert measured
    assert max(measured.values()) < 1.3, measured

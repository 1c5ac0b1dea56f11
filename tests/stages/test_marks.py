"""Stage marks: a signature in some of the photos is found, treated, and nothing is found in the untouched ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from curate.core.events import Event
from curate.core.record import Manifest, Record
from curate.core.stage import DatasetStage, Env, Pixels, RecordStage
from curate.images import read_picture
from curate.images.analysis import watermarks
from curate.stages.marks import Marks
from tests.stages.detectors import layouts, model
from tests.stages.helpers import env, held, run, signed

SIGNED = (0, 3, 4, 7, 9, 12, 15, 18, 20, 22, 25, 28)


@pytest.fixture(scope="module")
def photos(data: Path) -> list[Pixels]:
    files = sorted((data / "photos").rglob("*.jpg"))[:30]
    return [np.asarray(Image.fromarray(read_picture(f).pixels).resize((640, 640))) for f in files]


def found_in(where: Env, pictures: list[Pixels], **options: object) -> list[Record]:
    told: list[Event] = []
    records = [held(where, p, f"dog/{n:02}.png") for n, p in enumerate(pictures)]
    find, _ = Marks(**options).parts()
    assert isinstance(find, DatasetStage)
    return list(find.run(Manifest(records), where, told.append))


def treated(where: Env, records: list[Record], **options: object) -> list[Record]:
    _, treat = Marks(**options).parts()
    assert isinstance(treat, RecordStage)
    before = dict(where.held)
    after = run(treat, where, *records)
    pixels = {r.key: where.pixels(r) for r in after}
    where.held.clear()
    where.held.update(before)
    return [r.noting(pixels=pixels[r.key]) for r in after]


@pytest.mark.parametrize(
    ("width", "colour", "corner", "least"),
    [(128, (255, 255, 255), "bottom right", 11), (110, (0, 0, 0), "top left", 9)],
)
def test_a_signature_in_twelve_of_thirty(
    tmp_path: Path, photos: list[Pixels], width: int, colour: tuple[int, int, int], corner: str, least: int
) -> None:
    where = env(tmp_path)
    pictures = [signed(p, width, colour, corner) if n in SIGNED else p for n, p in enumerate(photos)]
    records = found_in(where, pictures)
    holders = {n for n, r in enumerate(records) if "marks" in r.facts}
    assert holders <= set(SIGNED)
    assert len(holders) >= least
    for n in holders:
        (mark,) = records[n].facts["marks"]
        assert mark["corner"] == corner
        left, top, right, bottom = mark["box"]
        true_left = 12 if "left" in corner else 640 - width - 12
        true_top = 12 if "top" in corner else 640 - round(width * 70 / 220) - 12
        assert abs(left - true_left) < 25
        assert abs(right - (true_left + width)) < 30
        assert top > true_top - 20
        assert bottom < true_top + width * 70 / 220 + 20
    tagged = treated(where, records, tags=("signature",))
    assert {n for n, r in enumerate(tagged) if r.tags == ("signature",)} == holders
    noted = treated(where, records, action="note")
    assert not any(r.tags for r in noted)
    if "top" in corner:
        return
    for n, record in enumerate(treated(where, records, action="crop")):
        pixels = record.facts["pixels"]
        assert (pixels.shape[0] < 600) == (n in holders)
        assert np.array_equal(pixels, pictures[n][: pixels.shape[0], : pixels.shape[1]])
    before, after = [], []
    for n, record in enumerate(treated(where, records, action="inpaint")):
        pixels = record.facts["pixels"].astype(int)
        assert np.array_equal(pixels[:500], pictures[n][:500])
        if n in holders:
            place = np.s_[580:630, 500:630]
            before.append(np.abs(pictures[n][place].astype(int) - photos[n][place]).mean())
            after.append(np.abs(pixels[place] - photos[n][place]).mean())
    assert np.mean(after) < 0.5 * np.mean(before)


def test_nothing_is_found_in_untouched_photos(tmp_path: Path, photos: list[Pixels]) -> None:
    assert not any("marks" in r.facts for r in found_in(env(tmp_path), photos))


def test_nothing_is_found_in_photos_of_their_own_sizes(tmp_path: Path, data: Path) -> None:
    files = sorted((data / "photos").rglob("*.jpg"))[:30]
    assert not any("marks" in r.facts for r in found_in(env(tmp_path), [read_picture(f).pixels for f in files]))


def test_nothing_is_found_in_random_sets_of_untouched_photos_and_sprites(data: Path) -> None:
    files = [*sorted((data / "photos").rglob("*.jpg")), *sorted((data / "sprites").rglob("*.png"))]
    pictures = [read_picture(f).pixels for f in files]
    places = [(corner, scaled) for corner in watermarks.CORNERS for scaled in (True, False)]
    fields = [[watermarks.field(p, corner, scaled=scaled) for p in pictures] for corner, scaled in places]
    rng = np.random.default_rng(12)
    for _ in range(25):
        some = rng.permutation(len(files))[: rng.integers(5, 22)]
        for (corner, scaled), every in zip(places, fields, strict=True):
            mark = watermarks.find([every[n] for n in some], corner, scaled=scaled, least=4)
            assert mark is None, [files[some[n]].name for n in mark.members]


def outlines(seed: int) -> Pixels:
    """Noise with long lines, each picture's own, and one that all have nearly in common."""
    rng = np.random.default_rng(seed)
    canvas = Image.fromarray(rng.integers(90, 166, (400, 400, 3), np.uint8))
    draw = ImageDraw.Draw(canvas)
    draw.line((0, 40 + int(rng.integers(-1, 2)), 200, 60), fill=(20, 20, 20), width=4)
    for _ in range(4):
        draw.line(tuple(rng.integers(0, 400, 4).tolist()), fill=(230, 230, 230), width=3)
    return np.asarray(canvas)


@pytest.mark.parametrize("seed", range(5))
def test_a_line_in_common_is_no_mark(tmp_path: Path, seed: int) -> None:
    pictures = [outlines(100 * seed + n) for n in range(9)]
    assert not any("marks" in r.facts for r in found_in(env(tmp_path), pictures))


def test_pictures_that_were_not_learned_from_are_compared_with_what_was_found(photos: list[Pixels]) -> None:
    pictures = [signed(p, 128) if n in SIGNED else p for n, p in enumerate(photos)]
    fields = [watermarks.field(p, "bottom right", scaled=True) for p in pictures]
    mark = watermarks.find(fields[:20], "bottom right", scaled=True, least=4)
    assert mark is not None
    members = [fields[n] for n in mark.members]
    carry = [watermarks.score(fields[n], members, mark) for n in range(20, 30) if n in SIGNED]
    others = [watermarks.score(fields[n], members, mark) for n in range(20, 30) if n not in SIGNED]
    assert min(carry) >= watermarks.LIKE * np.median(mark.scores) > max(others)


def test_text_boxes_of_a_detector(tmp_path: Path, photos: list[Pixels]) -> None:
    path = model(tmp_path / "text.onnx", layouts()["v8"])
    where = env(tmp_path)
    picture = held(where, photos[0][:320])
    (tagged,) = treated(where, [picture], model=path)
    assert tagged.tags == ("text",)
    ((left, top, right, bottom),) = tagged.facts["text"]
    assert 0 < left < right < 640
    assert 0 < top < bottom < 320
    (painted,) = treated(where, [picture], model=path, action="inpaint")
    changed = np.argwhere((painted.facts["pixels"] != photos[0][:320]).any(axis=2))
    assert abs(changed[:, 0].min() - top) <= 3
    assert abs(changed[:, 1].max() - right) <= 3


def test_what_is_done_with_marks_does_not_find_them_again() -> None:
    assert Marks(action="crop").parts()[0] == Marks(action="tag", tags=("signature",)).parts()[0]
    assert Marks(least=5).parts()[0] != Marks().parts()[0]

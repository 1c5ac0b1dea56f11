"""Every family of taggers keeps the contract: found by its files, deterministic, a batch is its pictures one by one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import taggers
from taggers import Picture, Scored
from tests.taggers.layouts import LAYOUTS

EVERY = pytest.mark.parametrize("name", taggers.families())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small model of each family, each in a folder of its own."""
    places = {name: tmp_path_factory.mktemp(name) for name in LAYOUTS}
    for name, write in LAYOUTS.items():
        write(places[name])
    return places


def pictures() -> list[Picture]:
    """Three of other sizes and brightness; channels differ."""
    draw = np.random.default_rng(5)
    sizes = ((40, 60), (64, 64), (90, 30))
    return [draw.integers(30 * n, 90 + 60 * n, (*size, 3), np.uint8) for n, size in enumerate(sizes)]


def scored(tagger: taggers.Tagger, given: list[Picture], batch: int = 0, floor: float = 0.0) -> list[Scored]:
    with tagger.open("cpu", batch=batch, floor=floor) as opened:
        return opened(given)


def near(ours: Scored, theirs: Scored) -> bool:
    same = {tag: category for tag, (_, category) in ours.items()} == {tag: c for tag, (_, c) in theirs.items()}
    return same and all(score == pytest.approx(theirs[tag][0], abs=1e-5) for tag, (score, _) in ours.items())


def test_every_family_is_tested_here() -> None:
    assert set(LAYOUTS) == set(taggers.families())


@EVERY
def test_it_is_found_by_its_files(name: str, folders: dict[str, Path]) -> None:
    found = taggers.find(str(folders[name]))
    assert found.family.name == name
    assert "general" in found.thresholds and all(0 < limit < 1 for limit in found.thresholds.values())
    assert all(file.is_relative_to(folders[name]) and file.is_file() for file in found.files)
    assert set(found.best()) <= found.known() and set(found.copyrights()) <= found.known()


@EVERY
def test_scores_are_probabilities_of_known_tags(name: str, folders: dict[str, Path]) -> None:
    found = taggers.find(str(folders[name]))
    for result in scored(found, pictures()):
        assert result and set(result) <= found.known()
        assert all("_".join(tag.split()) == tag for tag in result)
        assert all(-1e-6 <= score <= 1 + 1e-6 and category for score, category in result.values())


@EVERY
def test_it_is_deterministic_and_leaves_pictures_alone(name: str, folders: dict[str, Path]) -> None:
    found, given = taggers.find(str(folders[name])), pictures()
    before = [picture.copy() for picture in given]
    first = scored(found, given)
    assert scored(taggers.find(str(folders[name])), given) == first
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))
    assert len({tuple(score for score, _ in row.values()) for row in first}) == 3, "the model sees its pictures"


@EVERY
def test_a_batch_is_its_pictures_one_by_one(name: str, folders: dict[str, Path]) -> None:
    found, given = taggers.find(str(folders[name])), pictures()
    together = scored(found, given, batch=2)
    with found.open("cpu") as opened:
        single = [opened([picture])[0] for picture in given]
        streamed = list(opened.stream([lambda picture=picture: picture for picture in given]))
    for one, two, three in zip(together, single, streamed, strict=True):
        assert not isinstance(three, Exception)
        assert near(one, two) and near(one, three)


@EVERY
def test_one_picture_that_cannot_be_fetched_stops_no_other(name: str, folders: dict[str, Path]) -> None:
    picture = pictures()[0]

    def broken() -> Picture:
        raise OSError("truncated")

    with taggers.find(str(folders[name])).open("cpu") as opened:
        first, second, third = opened.stream([lambda: picture, broken, lambda: picture])
    assert isinstance(second, OSError) and first == third and not isinstance(first, Exception)


@EVERY
def test_the_floor_leaves_out_what_is_below(name: str, folders: dict[str, Path]) -> None:
    found, given = taggers.find(str(folders[name])), pictures()[1:2]
    (everything,) = scored(found, given)
    floor = sorted(score for score, _ in everything.values())[len(everything) // 2]
    (kept,) = scored(found, given, floor=floor)
    expected = {t: v for t, v in everything.items() if v[0] >= floor or v[1] in ("rating", "quality")}
    assert kept == expected and kept


@EVERY
def test_a_transparent_picture_is_seen_on_white(name: str, folders: dict[str, Path]) -> None:
    found, (picture, *_) = taggers.find(str(folders[name])), pictures()
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    clear = opaque.copy()
    clear[..., 3] = 0
    first, second, plain, white = scored(found, [opaque, clear, picture, np.full_like(picture, 255)])
    assert near(first, plain)
    if name != "jtp":  # its reference program composites on gray
        assert near(second, white)


@EVERY
def test_it_travels_to_another_process(name: str, folders: dict[str, Path]) -> None:
    found = taggers.find(str(folders[name]))
    arrived = pickle.loads(pickle.dumps(found))
    assert (arrived.name, arrived.files, arrived.thresholds) == (found.name, found.files, found.thresholds)
    assert scored(arrived, pictures()) == scored(found, pictures())


@EVERY
def test_its_published_models_are_complete(name: str) -> None:
    for model in taggers.families()[name].models:
        assert taggers.models()[model.name][1] is model, "a name means one model"
        assert model.licence and (model.embedded or "/" in model.repo) and len(model.files) >= 2
        assert taggers.vocabulary(model.name) in ("danbooru", "e621")

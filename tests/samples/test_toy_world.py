"""The toy world shows what its words say, the same every time, and nothing that the example trains."""

from __future__ import annotations

import numpy as np
import pytest

from curate.samples.toy_world import (
    BACKGROUNDS,
    COLOURS,
    POSITIONS,
    SIZES,
    STYLES,
    SUBJECTS,
    Scene,
    clutter,
    layers,
    random_scene,
    render,
)


def pixels(scene: Scene) -> np.ndarray:
    return np.asarray(render(scene), dtype=np.float32)


def shape(scene: Scene) -> np.ndarray:
    return np.asarray(layers(scene)[1].getchannel("A")) > 128


def test_there_is_enough_to_tell_apart() -> None:
    assert len(SUBJECTS) >= 12 and len(COLOURS) == 8 and len(BACKGROUNDS) == 8
    assert len(STYLES) == 4 and len(SIZES) == 3 and len(POSITIONS) == 3


def test_what_the_example_trains_is_not_in_it() -> None:
    assert not {"dog", "robe", "vase"} & set(SUBJECTS)


@pytest.mark.parametrize("seed", [0, 7, 12345])
def test_a_seed_gives_the_same_scene_and_the_same_bytes(seed: int) -> None:
    scene = random_scene(seed)
    assert scene == random_scene(seed)
    assert render(scene).tobytes() == render(scene).tobytes()


def test_the_bytes_of_a_picture_stay_what_the_base_was_trained_on() -> None:
    # coarse, because versions of Pillow may differ in the last bit
    picture = render(Scene("cat", "red", "meadow", seed=3)).resize((3, 3))
    means = np.asarray(picture).reshape(9, 3).mean(axis=0)
    np.testing.assert_allclose(means, (147.1, 161.3, 145.1), atol=1.5)


def test_tags_and_sentence_name_exactly_what_is_seen() -> None:
    scene = Scene("cat", "red", "meadow", "shaded", "small", "left")
    assert scene.tags() == ["cat", "red", "meadow", "small size", "left side", "soft shading"]
    assert scene.sentence() == "a softly shaded small red cat on a meadow on the left side"
    assert Scene("fish", "blue", "night").tags() == ["fish", "blue", "night"]
    assert Scene("fish", "blue", "night").sentence() == "a blue fish at night"


def test_styles_without_colour_name_none() -> None:
    grey = Scene("cup", "pink", "snow", "monochrome")
    assert grey.tags() == ["cup", "snow", "monochrome"]
    assert grey.sentence() == "a monochrome cup in the snow"
    assert np.ptp(pixels(grey), axis=2).max() == 0
    sketch = Scene("cup", "pink", "snow", "sketch")
    assert sketch.tags() == ["cup", "white background", "sketch"]
    assert sketch.sentence() == "a sketch of a cup on a white background"
    assert (pixels(sketch) > 200).mean() > 0.8


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_subject_is_large_and_inside(subject: str) -> None:
    for position in POSITIONS:
        for size, least in (("small", 0.06), ("", 0.09), ("large", 0.12)):
            inside = shape(Scene(subject, "red", "snow", size=size, position=position))
            assert inside.mean() > least, (size, position)
            assert inside[:, [0, -1]].mean() < 0.2 and inside[[0, -1]].mean() < 0.1, (size, position)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("colour", COLOURS)
def test_the_colour_asked_is_the_subject_s_most_frequent(subject: str, colour: str) -> None:
    scene = Scene(subject, colour, "white background", seed=4)
    seen = pixels(scene)[shape(scene)]
    distance = np.stack([np.abs(seen - np.array(rgb)).max(axis=1) for rgb in COLOURS.values()])
    near = distance.min(axis=0) < 30
    counts = np.bincount(distance.argmin(axis=0)[near], minlength=len(COLOURS))
    assert list(COLOURS)[int(counts.argmax())] == colour


def test_backgrounds_are_told_apart_by_their_edges() -> None:
    def edges(background: str, seed: int) -> np.ndarray:
        seen = np.asarray(layers(Scene("cat", "red", background, seed=seed))[0], dtype=np.float32)
        return np.concatenate([seen[:8].mean(axis=(0, 1)), seen[40:48].mean(axis=(0, 1)), seen[-8:].mean(axis=(0, 1))])

    known = {name: edges(name, 0) for name in BACKGROUNDS}
    for name in BACKGROUNDS:
        for seed in range(1, 6):
            seen = edges(name, seed)
            assert min(known, key=lambda other: float(np.abs(known[other] - seen).mean())) == name


@pytest.mark.parametrize(("position", "side"), [("left", -1), ("", 0), ("right", 1)])
def test_positions_are_where_they_say(position: str, side: int) -> None:
    columns = np.nonzero(shape(Scene("star", "red", "snow", position=position)))[1]
    assert abs(columns.mean() - 48 - side * 10.5) < 4


def test_sizes_grow() -> None:
    areas = [shape(Scene("house", "red", "snow", size=size)).mean() for size in SIZES]
    assert areas[0] < areas[1] * 0.8 < areas[2] * 0.65


def test_scenes_of_many_seeds_cover_everything_evenly() -> None:
    scenes = [random_scene(seed) for seed in range(1200)]
    for field, names in (("subject", SUBJECTS), ("colour", COLOURS), ("background", BACKGROUNDS)):
        counts = [sum(getattr(scene, field) == name for scene in scenes) for name in names]
        assert min(counts) > 0.7 * len(scenes) / len(names), field
    assert 0.65 < np.mean([scene.style == "flat" for scene in scenes]) < 0.75


def test_clutter_differs_by_seed_and_repeats() -> None:
    assert clutter(1).tobytes() == clutter(1).tobytes() != clutter(2).tobytes()
    assert clutter(1).size == render(random_scene(1)).size

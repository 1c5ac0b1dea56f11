"""The WD family: labels, output order, batches, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import taggers
from taggers.errors import BadModelError, UnknownTaggerError
from taggers.labels import E621, from_csv

SHARED = Path(__file__).parents[2] / "../shared/data/tags/wd14_selected_tags.redacted.csv"
Build = Callable[..., Path]


def test_scores_are_in_label_order_and_channels_reversed(wd_folder: Path) -> None:
    picture = np.zeros((10, 10, 3), np.uint8)
    picture[:] = (30, 60, 90)
    with taggers.find(str(wd_folder)).open("cpu") as tagger:
        (scores,) = tagger([picture])
    # output i is 0.001 · channel (i mod 3) + i / 1000, and channel 0 is blue
    expected = {"general": 0.090, "sensitive": 0.061, "questionable": 0.032, "explicit": 0.093}
    expected |= {"1girl": 0.064, "long_hair": 0.035, "hatsune_miku": 0.096}
    assert {t: round(s, 4) for t, (s, _) in scores.items()} == expected
    assert scores["hatsune_miku"][1] == "character"
    assert scores["general"][1] == "rating"
    assert scores["long_hair"][1] == "general"


def test_floor_leaves_out_all_but_ratings(wd_folder: Path) -> None:
    with taggers.find(str(wd_folder)).open("cpu", floor=0.5) as tagger:
        assert set(tagger([np.zeros((4, 4, 3), np.uint8)])[0]) == {"general", "sensitive", "questionable", "explicit"}


@pytest.mark.parametrize("batch", ["batch", 1, 3])
def test_any_batch_gives_the_same(tmp_path: Path, build: Build, write_table: Build, batch: int | str) -> None:
    build(tmp_path / "model.onnx", 2, shape=(batch, 448, 448, 3))
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0), (2, "b", 0, 0)])
    pictures = [np.full((5, 5 + i, 3), i * 20, np.uint8) for i in range(7)]
    tagger = taggers.find(str(tmp_path))
    with tagger.open("cpu", batch=2) as opened:
        together = opened(pictures)
        streamed = list(opened.stream([lambda p=p: p for p in pictures]))
        single = [opened([p])[0] for p in pictures]
    for one, two, three in zip(together, single, streamed, strict=True):
        for tag in ("a", "b"):
            assert one[tag][0] == pytest.approx(two[tag][0], rel=1e-2) == pytest.approx(three[tag][0], rel=1e-2)
    assert len({s["a"][0] for s in single}) == 7


def test_half_precision_graph(tmp_path: Path, build: Build, write_table: Build) -> None:
    build(tmp_path / "model.onnx", 1, dtype=TensorProto.FLOAT16)
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0)])
    with taggers.find(str(tmp_path)).open("cpu") as tagger:
        assert tagger([np.full((9, 9, 3), 100, np.uint8)])[0]["a"][0] == pytest.approx(0.1, abs=1e-3)


def test_the_side_is_the_graphs_own(tmp_path: Path, build: Build, write_table: Build) -> None:
    build(tmp_path / "model.onnx", 1, shape=("batch", 320, 320, 3))
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0)])
    with taggers.find(str(tmp_path)).open("cpu") as tagger:
        assert tagger([np.full((9, 9, 3), 100, np.uint8)])[0]["a"][0] == pytest.approx(0.1)


def test_a_broken_source_is_told_in_its_place(wd_folder: Path) -> None:
    def broken() -> np.ndarray:
        raise OSError("truncated")

    good = np.zeros((4, 4, 3), np.uint8)
    with taggers.find(str(wd_folder)).open("cpu", batch=2) as tagger:
        found = list(tagger.stream([lambda: good, broken, lambda: good, lambda: good, broken]))
    assert [isinstance(f, OSError) for f in found] == [False, True, False, False, True]
    assert found[0] == found[2] == found[3]


def test_wrong_label_count_is_one_clear_error(tmp_path: Path, build: Build, write_table: Build) -> None:
    build(tmp_path / "model.onnx", 5)
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0), (2, "b", 0, 0)])
    with (
        pytest.raises(BadModelError, match="has 2 labels, the model has 5 outputs"),
        taggers.find(str(tmp_path)).open("cpu"),
    ):
        pass


def test_wrong_label_count_where_the_graph_does_not_say_it(tmp_path: Path, build: Build, write_table: Build) -> None:
    model = onnx.load(build(tmp_path / "model.onnx", 5))
    five = onnx.numpy_helper.from_array(np.array([5], np.int64), "five")
    model.graph.initializer.append(five)
    model.graph.node[-1].output[0] = "all"
    model.graph.node.extend(
        [  # which columns stay is decided while the graph runs
            onnx.helper.make_node("ReduceMax", ["input"], ["top"], keepdims=0),
            onnx.helper.make_node("Cast", ["top"], ["some"], to=TensorProto.BOOL),
            onnx.helper.make_node("Not", ["some"], ["none"]),
            onnx.helper.make_node("Or", ["some", "none"], ["true"]),
            onnx.helper.make_node("Expand", ["true", "five"], ["which"]),
            onnx.helper.make_node("Compress", ["all", "which"], ["output"], axis=1),
        ]
    )
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "tags"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0), (2, "b", 0, 0)])
    with taggers.find(str(tmp_path)).open("cpu") as tagger, pytest.raises(BadModelError, match="2 labels"):
        tagger([np.zeros((4, 4, 3), np.uint8)])


@pytest.mark.parametrize(("outputs", "names"), [(3, {"a", "b"}), (2, {"a", "b"})])
def test_a_blank_row_is_a_placeholder_or_no_row(
    tmp_path: Path, build: Build, write_table: Build, outputs: int, names: set[str]
) -> None:
    build(tmp_path / "model.onnx", outputs)
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0), ("", "", "", ""), (2, "b", 0, 0)])
    with taggers.find(str(tmp_path)).open("cpu") as tagger:
        (scores,) = tagger([np.zeros((4, 4, 3), np.uint8)])
    assert set(scores) == names
    assert scores["b"][0] == pytest.approx((outputs - 1) / 1000)


def test_missing_column_names_itself(tmp_path: Path, write_table: Build) -> None:
    path = write_table(tmp_path / "tags.csv", [(1, "a", 0)], header=("tag_id", "tag", "category"))
    with pytest.raises(BadModelError, match="column name is missing"):
        from_csv(path)


def test_row_without_name_and_unknown_category_name_their_line(tmp_path: Path, write_table: Build) -> None:
    with pytest.raises(BadModelError, match=r"tags\.csv:3: a row without a name"):
        from_csv(write_table(tmp_path / "tags.csv", [(1, "a", 0, 0), (2, "", 0, 0)]))
    with pytest.raises(BadModelError, match=r'tags\.csv:2: unknown category "77"'):
        from_csv(write_table(tmp_path / "tags.csv", [(1, "a", 77, 0)]))
    with pytest.raises(BadModelError, match="no labels"):
        from_csv(write_table(tmp_path / "tags.csv", []))


def test_categories_of_e621(tmp_path: Path, write_table: Build) -> None:
    path = write_table(tmp_path / "tags.csv", [(1, "wolf", 5, 0), (2, "hi res", 7, 0), (3, "x_(lore)", 8, 0)])
    found = from_csv(path, E621)
    assert found.names == ("wolf", "hi_res", "x_(lore)")
    assert found.categories == ("species", "meta", "lore")


def test_a_real_label_file() -> None:
    if not SHARED.is_file():
        pytest.skip(f"{SHARED} is missing")
    found = from_csv(SHARED)
    assert len(found) == 6914
    assert found.names[:5] == ("general", "sensitive", "questionable", "explicit", "1girl")
    assert sum(not n for n in found.names) == 1
    assert set(found.categories) == {"general", "rating", ""}


def test_unknown_names_are_helped() -> None:
    with pytest.raises(UnknownTaggerError, match='did you mean "wd-vit-tagger-v3"'):
        taggers.find("wd-vit-tager-v3")


def test_a_folder_without_labels_or_model(tmp_path: Path, wd_folder: Path) -> None:
    with pytest.raises(BadModelError, match="no label file"):
        taggers.find(str(tmp_path))
    (wd_folder / "model.onnx").unlink()
    with pytest.raises(BadModelError, match="no model file"):
        taggers.find(str(wd_folder))


def test_a_file_that_is_no_model(wd_folder: Path) -> None:
    (wd_folder / "model.onnx").write_bytes(b"not an onnx file")
    with pytest.raises(BadModelError, match="cannot load it"):
        taggers.find(str(wd_folder))

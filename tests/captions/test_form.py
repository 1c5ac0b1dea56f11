"""The form of captions: the folder decides, the option overrides it; run and train read one folder alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from curate import captions
from curate.core.caption_options import CaptionReading
from curate.core.events import Note
from curate.core.stage import Env
from curate.core.store import Store
from curate.images import PICTURE_FILES
from curate.scan import scan
from curate.train.data.dataset import read_dataset

OWN = ("zwx_dog", "zwx dog")


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        # spaces: some captions have no underscore of their own
        (["1girl red_hair hat", "1girl hat sitting", "cat hat"], "spaces"),
        (["solo outdoors sky", "2boys outdoors", "sky cloud"], "spaces"),
        (["wolf blue_fur standing", "wolf lying", "wolf green_eyes ^_^"], "spaces"),
        (["tree_stump forest", "forest moss"], "spaces"),
        (["robe blue_robe hood", "robe hood", "robe belt gold_trim"], "spaces"),
        # one tag a line
        (["dog\nbrown fur\nsitting", "dog\nsky"], "lines"),
        (["zwx,\nred hat,\n", "zwx,\nblue hat,\nnight,\n"], "lines"),
        (["long_hair smile\nred dress", "hat\nblue eyes"], "lines"),
        (["a\r\nb", "c\r\nd", "e"], "lines"),
        (["rating:safe\ncreator:x\nblue sky", "sky\ncloud"], "lines"),
        # semicolons
        (["red hat; sitting", "blue hat; standing;", "hat"], "semicolons"),
        (["a; b; c", "d; ;_;"], "semicolons"),
        # commas, sentences and single tags are none of these
        (["red hat, sitting", "hat"], "tags"),
        (["red robe", "blue robe", "green robe"], "tags"),
        (["a photo of zwx_dog on grass", "zwx_dog in a park", "the zwx_dog sleeps"], "tags"),
        (["A dog sits on the grass.\nIt is brown.", "A cat."], "tags"),
        (["zwx_dog sitting", "zwx_dog standing"], "tags"),
    ],
)
def test_the_folder_decides(texts: list[str], form: str) -> None:
    assert captions.decide(texts, OWN).form == form


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["red hat ||| brown, sitting"], ["red hat, brown, sitting"]),
        (["a, b, ||| c ||| d"], ["a, b, c, d"]),
        (["红裙子，微笑、站立", "猫、"], ["红裙子, 微笑, 站立", "猫"]),
        (["一只狗坐在草地上，看着镜头。"], ["一只狗坐在草地上，看着镜头。"]),
        (["A dog sits.\nIt looks left."], ["A dog sits. It looks left."]),
        (["red hat, sitting\nA dog on the grass."], ["red hat, sitting, A dog on the grass."]),
        (["1girl hat_ribbon", "1girl sky"], ["1girl, hat_ribbon", "1girl, sky"]),
        (["a,  b ,c"], ["a,  b ,c"]),  # what is right stays as it stands
    ],
)
def test_captions_become_one_line_with_commas(texts: list[str], expected: list[str]) -> None:
    form = captions.decide(texts)
    assert [captions.normalize(t, form) for t in texts] == expected


def put(folder: Path, name: str, texts: dict[str, str | bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (len(name) * 20, 60, 40)).save(folder / name)
    for file, text in texts.items():
        (folder / file).write_bytes(text.encode() if isinstance(text, str) else text)


def black(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (64, 64), 9).save(path)


def folder_spaces(root: Path) -> None:
    put(root / "2_zwx", "a.png", {"a.txt": "1girl long_hair sky"})
    put(root / "2_zwx", "b.png", {"b.txt": "1girl sky cloud"})


def folder_lines(root: Path) -> None:
    put(root / "3_zwx dog", "a.png", {"a.txt": "zwx dog,\nbrown fur,\nsitting,\n"})
    put(root / "3_zwx dog", "b.png", {"b.txt": "zwx dog\r\ngrass"})


def folder_names(root: Path) -> None:
    put(root / "0_off", "a.png", {"a.txt": "never"})
    put(root / "10 robe", "a.png", {"a.txt": "robe, blue"})
    put(root / " 4_hat", "a.png", {"a.txt": "hat, red"})
    put(root / "1_two words", "a.png", {"a.txt": "two words, x"})
    put(root / "5_a, b", "a.png", {"a.txt": "a, b, x"})


def folder_caption_files(root: Path) -> None:
    place = root / "1_zwx"
    put(place, "a.png", {"a.png.txt": "zwx, whole name"})
    put(place, "b.png", {"b.txt": "  \n", "b.caption": "zwx, behind an empty file"})
    put(place, "c.png", {"c.TXT": "zwx, capitals"})
    put(place, "d.png", {"d.caption": "zwx, other ending"})
    put(place, "e.png", {"e.txt": "zwx, first", "e.caption": "A second one."})
    put(place, "f.png", {})
    (place / "meta_cap.json").write_text("{}")
    (place / "a.json").write_text("{}")


def folder_encodings(root: Path) -> None:
    put(root / "1_zwx", "a.png", {"a.txt": "красная шапка, улыбка".encode("cp1251")})
    put(root / "1_zwx", "b.png", {"b.txt": "девочка сидит на стуле, кот".encode("cp1251")})
    put(root / "2_abc", "a.png", {"a.txt": "红裙子, 微笑, 白猫".encode("gbk")})
    put(root / "2_abc", "b.png", {"b.txt": "女孩坐在椅子上, 蓝色眼睛".encode("gbk")})
    put(root / "3_def", "a.png", {"a.txt": "café, hat".encode("utf-16")})


def folder_masks(root: Path) -> None:
    put(root / "2_zwx", "a.jpg", {"a.txt": "zwx, a"})
    put(root / "2_zwx", "b.png", {"b.txt": "zwx, b"})
    put(root / "2_zwx", "c.png", {"c.txt": "zwx, c"})
    black(root / "2_zwx" / "a-masklabel.png")
    black(root / "masks" / "2_zwx" / "b.png")
    black(root / "2_zwx" / "c-condlabel.png")
    black(root / "2_zwx" / "gone-masklabel.png")


def folder_marks(root: Path) -> None:
    put(root / "1_zwx", "a.png", {"a.txt": "zwx, red hat ||| brown, sitting ||| best"})
    put(root / "1_zwx", "b.png", {"b.txt": "帽子，红色、猫"})
    put(root / "1_zwx", "c.png", {"c.txt": "score_9, long_hair, ^_^"})


def folder_mixed(root: Path) -> None:
    put(root / "1_zwx", "a.png", {"a.txt": "zwx, red hat"})
    put(root / "1_zwx", "b.png", {"b.txt": "1girl long_hair sky"})
    put(root / "1_zwx", "c.png", {"c.txt": "A dog sits on the grass.\nIt is brown."})


def folder_unreadable(root: Path) -> None:
    put(root / "1_zwx dog", "a.png", {"a.txt": "zwx dog, red hat"})
    put(root / "1_zwx dog", "b.png", {"b.txt": ""})
    (root / "1_zwx dog" / "b.txt").write_bytes(b"\x00\x01\x02")


FOLDERS = [
    folder_unreadable,
    folder_spaces,
    folder_lines,
    folder_names,
    folder_caption_files,
    folder_encodings,
    folder_masks,
    folder_marks,
    folder_mixed,
]


@pytest.mark.parametrize("draw", FOLDERS, ids=lambda f: f.__name__)
def test_run_and_train_read_one_folder_alike(draw: object, tmp_path: Path) -> None:
    root = tmp_path / "in"
    draw(root)  # type: ignore[operator]
    notes: list[str] = []
    with Store(tmp_path / "out") as store:
        env = Env(store.root, tmp_path / "out", PICTURE_FILES, store=store)
        found = scan([root], store, env, lambda e: notes.append(e.message) if isinstance(e, Note) else None, consent="")
    by_run = {
        Path(r.image.path).relative_to(root.absolute()).as_posix(): (
            r.trigger if r.imported is None else r.tags,
            r.sentence,
            r.trigger,
            r.repeats,
            bool(r.mask),
        )
        for r in found
    }
    data = read_dataset(root, masks=any(r.mask for r in found))
    by_train = {}
    for one in data.pictures:
        trigger = tuple(w.strip() for w in one.words.split(","))
        tags, sentence = captions.parse(one.caption, trigger, spaces=False)
        by_train[one.path.relative_to(root).as_posix()] = (tags, sentence, trigger, one.repeats, bool(one.mask))
    assert by_run == by_train
    # whatever had to be guessed or is left out is said by both in the same words
    said = [n for n in notes if "folder " not in n]
    assert all(any(n in line for line in data.warnings) for n in said), (said, data.warnings)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (folder_spaces, ["2_zwx: its captions separate tags with spaces"]),
        (folder_lines, ["3_zwx dog: its captions separate tags with line ends"]),
        (
            folder_caption_files,
            ["meta_cap.json", "a.json", "the first is empty", "two captions", "1 picture has no caption"],
        ),
        (folder_encodings, ["read as cp1251", "read as gb18030", "UTF-16"]),
        (folder_masks, ["c-condlabel.png", "gone-masklabel.png", "masked_loss is off"]),
        (folder_marks, ["|||"]),
        (folder_mixed, ["each is read in its own way", "several lines"]),
    ],
)  # fmt: skip
def test_what_is_guessed_or_left_out_is_told(draw: object, words: list[str], tmp_path: Path) -> None:
    draw(tmp_path)  # type: ignore[operator]
    warnings = read_dataset(tmp_path).warnings
    assert [word for word in words if not any(word in line for line in warnings)] == []


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("spaces", "dog sky grass", "dog, sky, grass"),
        ("lines", "red hat\nsky", "red hat, sky"),
        ("semicolons", "red hat; sky", "red hat, sky"),
        ("tags", "1girl long_hair", "1girl long_hair"),
        ("sentence", "a dog,\nsitting", "a dog, sitting"),
    ],
)
def test_the_option_overrides_the_folder(form: str, text: str, expected: str, tmp_path: Path) -> None:
    put(tmp_path / "1_zwx", "a.png", {"a.txt": text})
    data = read_dataset(tmp_path, CaptionReading(form))  # type: ignore[arg-type]
    assert [p.caption for p in data.pictures] == [expected]
    assert not any("caption_form" in line for line in data.warnings)


@pytest.mark.parametrize("text", ["zwx dog, red hat", "dog", "zwx dog, a dog, sitting", "long_hair girl", "a; b"])
def test_a_caption_that_is_said_to_be_a_sentence_is_none_of_tags(text: str, tmp_path: Path) -> None:
    put(tmp_path / "in" / "1_zwx dog", "a.png", {"a.txt": text})
    with Store(tmp_path / "out") as store:
        env = Env(store.root, tmp_path / "out", PICTURE_FILES, store=store)
        reading = CaptionReading("sentence")
        [record] = scan([tmp_path / "in"], store, env, lambda _: None, consent="", reading=reading)
    assert record.tags == (("zwx dog",) if text.startswith("zwx dog") else ())
    assert record.sentence == text.removeprefix("zwx dog, ")


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("score_9", "score_9"),
        ("score_6_up", "score_6_up"),
        ("source_furry", "source_furry"),
        ("rating_explicit", "rating_explicit"),
        ("style_cluster_1234", "style_cluster_1234"),
        (";_;", ";_;"),
        (">_@", ">_@"),
        ("t_t", "t_t"),
        ("^_^", "^_^"),
        ("source_request", "source request"),
        ("score_board", "score board"),
        ("long_hair", "long hair"),
        ("rating_system", "rating system"),
        ("ab_cd", "ab cd"),
    ],
)
def test_underscores_that_are_part_of_the_word_stay(tag: str, text: str) -> None:
    assert captions.spaced(tag) == text

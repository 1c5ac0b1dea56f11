"""Prompts of five kinds, and the lists that a person edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.core.concept import Concept
from curate.errors import InputError
from curate.evaluate.prompt_lists import USUAL, read_lists, write_usual
from curate.evaluate.prompts import KINDS, TEMPLATED, Subject, prompts, subject
from curate.train.data.dataset import Picture


def picture(number: int, caption: str) -> Picture:
    return Picture(Path(f"3_zwx dog/{number}.png"), "3_zwx dog", 3, caption, f"{number:040d}", 64, 64, "zwx dog")


PICTURES = [picture(n, f"zwx dog, tag {n % 5}") for n in range(10)]


def test_a_concept_is_found_by_the_words_of_its_folder() -> None:
    concepts = {
        "dog": Concept(trigger=("zwx dog",), class_word="terrier"),
        "robe": Concept(trigger=("zwx dog", "blue robe")),
    }
    assert subject("12_zwx dog", concepts) == Subject("12_zwx dog", "zwx dog", "terrier")
    assert subject("2_zwx dog, blue robe", concepts) == Subject("2_zwx dog, blue robe", "zwx dog, blue robe", "robe")
    assert subject("1_qqx", concepts) == Subject("1_qqx", "qqx", "")


def test_each_kind_has_its_prompts() -> None:
    made = list(prompts(Subject("3_zwx dog", "zwx dog", "dog"), PICTURES, USUAL, 4))
    by_kind = {kind: [p for p in made if p.kind == kind] for kind in KINDS}
    assert {kind: len(found) for kind, found in by_kind.items()} == {
        "train": 4, "trigger": 1, "alter": 4, "style": 4, "agnostic": 4,
    }  # fmt: skip
    assert {p.text for p in by_kind["train"]} <= {p.caption for p in PICTURES}
    assert by_kind["trigger"][0].text == "zwx dog"
    assert all("zwx dog" in p.text for kind in ("alter", "style") for p in by_kind[kind])
    assert not any("zwx" in p.text or "{" in p.text for p in by_kind["agnostic"])


def test_captions_that_say_the_same_count_once() -> None:
    made = list(prompts(Subject("3_zwx dog", "zwx dog"), PICTURES, USUAL, 100))
    assert len([p for p in made if p.kind == "train"]) == 5


def test_the_order_of_the_folder_does_not_choose_the_captions() -> None:
    about = Subject("3_zwx dog", "zwx dog")
    assert list(prompts(about, PICTURES, USUAL, 3)) == list(prompts(about, PICTURES[::-1], USUAL, 3))


def test_clip_is_asked_for_the_class_instead_of_the_trigger() -> None:
    lists = {**USUAL, "alter": ("{trigger} on a beach",)}
    shown = {p.kind: p.shows for p in prompts(Subject("3_zwx dog", "zwx dog", "dog"), PICTURES[:1], lists, 1)}
    assert shown["trigger"] == "dog"
    assert shown["alter"] == "dog on a beach"
    assert shown["train"] == "dog, tag 0"
    robe = Subject("1_zwx dog, blue robe", "zwx dog, blue robe", "robe")
    one = picture(1, "zwx dog, blue robe, standing")
    assert next(iter(prompts(robe, [one], USUAL, 1))).shows == "robe, standing"


def test_brackets_of_captions_and_triggers_are_no_weights() -> None:
    about = Subject("1_saber (fate)", "saber (fate)", "knight [x]")
    lists = {**USUAL, "alter": ("{trigger} in (deep:1.2) snow",)}
    made = {p.kind: p for p in prompts(about, [picture(1, r"saber (fate), red_(colour), a \(b\)")], lists, 1)}
    assert made["train"].text == r"saber \(fate\), red_\(colour\), a \\\(b\\\)"
    assert made["train"].shows == r"knight [x], red_(colour), a \(b\)"
    assert made["alter"].text == r"saber \(fate\) in (deep:1.2) snow"
    assert made["alter"].shows == "knight [x] in deep snow"
    assert made["agnostic"].text == r"a knight \[x\] in a park"


def test_templates_with_a_class_that_nobody_knows_are_left_out() -> None:
    made = [p.text for p in prompts(Subject("1_qqx", "qqx"), PICTURES, USUAL, 10) if p.kind == "agnostic"]
    assert made == [t for t in USUAL["agnostic"] if "{class}" not in t]


def test_the_lists_are_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    write_usual(path)
    assert read_lists(path) == USUAL
    path.write_text(path.read_text(encoding="utf-8").replace("deep snow", "fog"), encoding="utf-8")
    assert "{trigger} in fog" in read_lists(path)["alter"]


def test_brackets_are_written_as_in_other_prompts(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    write_usual(path)
    usual = path.read_text(encoding="utf-8")
    path.write_text(usual.replace("deep snow", r"\(deep\) snow"), encoding="utf-8")
    assert r"{trigger} in \(deep\) snow" in read_lists(path)["alter"]
    path.write_text('alter: ["{trigger} in \\(deep\\) snow"]', encoding="utf-8")
    with pytest.raises(InputError, match="unknown escape character") as error:
        read_lists(path)
    assert "single quotes" in error.value.remedy


def test_a_kind_that_is_left_out_has_the_usual_list(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text('style:\n  - "a mosaic of {trigger}"\n', encoding="utf-8")
    assert read_lists(path) == {**USUAL, "style": ("a mosaic of {trigger}",)}
    path.write_text("# nothing\n", encoding="utf-8")
    assert read_lists(path) == USUAL
    assert set(USUAL) == set(TEMPLATED)


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(
        'styles:\n  - "a mosaic of {trigger}"\nalter:\n  - "{trigger} at sea"\n  - at sea\n  - 3\n'
        'agnostic:\n  - "{trigger}"\n  - "a {klass}"\ntrigger: zwx\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError) as error:
        read_lists(path)
    lines = [line.partition(": ")[0].rpartition(":")[2] for line in error.value.message.splitlines()]
    assert lines == ["1", "5", "6", "8", "9", "10"]
    assert 'did you mean "style"?' in error.value.message


@pytest.mark.parametrize("text", ["alter: [\n", "- a\n", "alter: 'x"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"prompts\.yaml:\d"):
        read_lists(path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave it out"):
        read_lists(tmp_path / "no.yaml")

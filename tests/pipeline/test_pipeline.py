"""pipeline.yaml: every mistake at once, each with its place and what was meant."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate.core.path_options import PathOption
from curate.errors import InputError
from curate.pipeline import Pipeline, PipelineError, load, schema

GOOD = """\
input: in/
output: out/
concepts:
  dog: {trigger: [zwx dog], kind: character}
stages:
  - convert: {background: white}
  - resize: {max_side: 1024}
  - tag: {tagger: palette}
  - captions: {blacklist: [dark]}
  - prune
  - trigger
  - balance
  - export
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "in/dog").mkdir(parents=True)
    (tmp_path / "in/3_cat").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "in/dog/a.png")
    return tmp_path


def read(place: Path, text: str, *settings: str, until: str | None = None) -> Pipeline:
    (place / "p.yaml").write_text(text, encoding="utf-8")
    return load(place / "p.yaml", settings, until)


def mistakes(place: Path, text: str, *settings: str, until: str | None = None) -> list[str]:
    """What is said, a line for each mistake, without the file's name."""
    with pytest.raises(PipelineError) as told:
        read(place, text, *settings, until=until)
    return [line.replace(f"{place / 'p.yaml'}:", "") for line in told.value.message.split("\n")]


def with_stages(*stages: str) -> str:
    return "input: in\noutput: out\nstages:\n" + "".join(f"  - {s}\n" for s in stages)


def stage(pipeline: Pipeline, name: str) -> Any:
    return next(s for s in pipeline.stages if s.name == name)


def test_a_good_file_is_read(place: Path) -> None:
    found = read(place, GOOD)
    assert [s.name for s in found.stages][:3] == ["convert", "resize", "tag"]
    assert stage(found, "tag").tagger == ("palette",)
    assert (found.input, found.output) == ((place / "in",), place / "out")
    assert found.concepts["dog"].trigger == ("zwx dog",)
    assert found.consent == ""
    assert read(place, GOOD + "consent: keep-unchecked\n").consent == "keep-unchecked"


def test_every_mistake_at_once_with_its_place(place: Path) -> None:
    text = """\
input: in/
output: out/
colour: red
concepts:
  dgo: {trigger: zwx dog}
  cat: {wieght: 2}
stages:
  - convret
  - resize: {max_sid: 3, multiple: zero}
  - captions: {sentence: afetr, extension: txt}
  - export
run: {workers: many}
"""
    said = mistakes(place, text)
    assert [re.match(r"\d+:\d+", line)[0] for line in said] == [  # type: ignore[index]
        "3:1", "5:3", "6:9", "8:5", "9:14", "9:36", "10:26", "10:44", "12:16", "12:16",
    ][: len(said)]  # fmt: skip
    told = "\n".join(said)
    for part in (
        'unknown key "colour"',
        'no folder "dgo" in the input: did you mean "dog"?',
        'has no option "wieght": did you mean "weight"?',
        'unknown stage "convret": did you mean "convert"?',
        'resize has no option "max_sid": did you mean "max_side"?',
        "resize.multiple:",
        '"afetr" is not one of',
        'did you mean "after"?',
        "captions.extension:",
        "run.workers",
    ):
        assert part in told, told


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ("resolution: 64,96", 'train has no option "96": between braces a comma begins the next option'),
        ("zzzqq: 3", 'train has no option "zzzqq": `curate train --help` lists its options'),
        ("resolutoin: 64", 'train has no option "resolutoin": did you mean "resolution"?'),
    ],
)
def test_what_may_be_meant_by_an_option_that_is_none(place: Path, options: str, hint: str) -> None:
    text = f"input: in\noutput: out\nstages: [export, {{train: {{base: tiny, {options}}}}}]\n"
    assert any(hint in line for line in mistakes(place, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: expected input:, output: and stages:, found an empty file"),
        ("# only a comment\n", "1:1: expected input:, output: and stages:, found an empty file"),
        ("- a\n- b\n", "1:1: expected input:, output: and stages:, found a list"),
        ("input: in\n\toutput: out\n", r"2:1: not YAML: .* with spaces, not with tabs"),
        ("input: [in\n", r"\d+:\d+: not YAML: .* not closed, or a comma is missing"),
        ("input: in\nstages:\n- train: base: toy\n", r"3:14: not YAML: .*`- train: {base: toy}`, or indented.*"),
        ('input: "in\noutput: out\n', r"3:1: not YAML: .*; a quote is not closed"),
        ("input: in\noutput: out\noutput: other\nstages: [convert]\n", '3:1: "output" is there twice'),
        ("input: nowhere\noutput: out\nstages: [convert]\n", "1:8: input folder .*nowhere does not exist"),
        ("input: i\noutput: out\nstages: [convert]\n", r'1:8: input folder .* does not exist: did you mean "in"\?'),
        ("input: in\noutput: in\nstages: [convert]\n", "2:9: output .* is or holds the input"),
        ("input: in/dog\noutput: in\nstages: [convert]\n", "2:9: output .* is or holds the input"),
        (
            "input: in\noutput: in/dog\nstages: [convert]\n",
            "2:9: output .* is a folder of source pictures in .*",
        ),
        ("input: [in, in/]\noutput: out\nstages: [convert]\n", "1:13: input folder .* is the same as .*: name it once"),
        ("input: [in/dog, in]\noutput: out\nstages: [convert]\n", "1:17: input folder .*in and .*dog overlap: .*"),
        ("input: ''\noutput: out\nstages: [convert]\n", "1:8: input: takes a folder or a list of folders, found ''"),
        ("input: in\noutput: p.yaml\nstages: [convert]\n", "2:9: output .* is a file"),
        ("input: 3\noutput: out\nstages: [convert]\n", "1:8: input: takes a folder or a list of folders, found 3"),
        ("input: in\noutput: out\n", "1:1: stages: is missing.*"),
        ("input: in\noutput: out\nstages: convert\n", "3:9: stages: must be a list of stages, found 'convert'.*"),
        ("input: in\noutput: out\nstages: [[convert]]\n", "3:10: expected a stage name .* found a list"),
        (
            "input: in\noutput: out\nstages: [{convert: {}, resize: {}}]\n",
            "3:10: expected a stage name .* found a mapping",
        ),
        (
            "input: in\noutput: out\nstages: [convert: white]\n",
            "3:19: convert takes a mapping of options, found 'white'",
        ),
        ("input: in\noutput: out\nconsent: yes\nstages: [convert]\n", "3:10: consent: takes .*"),
        ("input: in\noutput: out\nconcepts: {dog: {trigger: ['a, b']}}\nstages: [convert]\n", "3:2.: trigger word .*"),
        ("input: in\noutput: out\nstages: [no.such.plugin]\n", '3:10: stage "no.such.plugin" cannot be imported: .*'),
        ("input: in\noutput: out\nstages: [convert: {quality: !!int ten}]\n", "3:29: .*"),
        ("input: in\noutput: &a [*a]\nstages: [convert]\n", r"\d+:\d+: .*"),
        ("---\n", "1:1: expected input:, output: and stages:, found an empty file"),
        (
            "input: in\noutput: out\nstages: [convert: {<<: {quality: 3}}]\n",
            "3:20: merge keys .* are not supported",
        ),
        ("input: in\noutput: out\nstages: [convert]\nrun: {[a]: 1}\n", "4:7: a name must be text: .* quotes"),
        (
            f"input: in\noutput: out\nstages: [resize: {{max_side: 64{'x' * 900}}}]\n",
            "3:29: .{,130}…$",
        ),
        ("input: " + "[" * 3000, ".*"),
        ("input: in\x07\noutput: out\nstages: [convert]\n", r"\d+:\d+: not YAML: .*"),
    ],
)
def test_one_mistake_is_one_line(place: Path, text: str, expected: str) -> None:
    [said] = mistakes(place, text)
    assert re.match(expected, said), said


def test_text_that_is_no_utf8_is_said(place: Path) -> None:
    (place / "p.yaml").write_bytes("input: caf\xe9\n".encode("latin-1"))
    with pytest.raises(PipelineError, match=r"p\.yaml:1:11: is not UTF-8 text, found the byte 0xe9: save it as UTF-8"):
        load(place / "p.yaml")
    (place / "p.yaml").write_bytes("input: caf\xe9\n".encode("utf-16"))
    with pytest.raises(PipelineError, match="is UTF-16 text: save it as UTF-8"):
        load(place / "p.yaml")


def test_a_missing_file_is_said(place: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml does not exist\n.*curate init"):
        load(place / "nowhere.yaml")
    with pytest.raises(InputError, match="is not a file"):
        load(place)


@pytest.mark.parametrize(
    ("number", "value"),
    [("010", 10), ("0x10", 16), ("1_0", 10), ("+7", 7), ("0o17", 15)],
)
def test_numbers_are_read_as_yaml_means_them(place: Path, number: str, value: int) -> None:
    assert stage(read(place, with_stages(f"resize: {{max_side: {number}}}", "export")), "resize").max_side == value


def test_floats_of_any_form(place: Path) -> None:
    for text, value in ((".05", 0.05), ("5e-2", 0.05), ("0.05", 0.05)):
        assert stage(read(place, with_stages(f"tag: {{tagger: palette, floor: {text}}}")), "tag").floor == value
    for text in (".NAN", "-.inf", ".Inf"):
        [said] = mistakes(place, with_stages(f"tag: {{tagger: palette, floor: {text}}}"))
        assert "tag.floor" in said


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        (
            ("captions", "tag: {tagger: palette}"),
            '"captions" is before "tag": the rules need the tags; put tag first',
        ),
        (("prune", "captions"), '"prune" is before "captions": a black-listed tag must be gone'),
        (("trigger", "prune"), '"trigger" is before "prune": trigger words come last'),
        (("export", "balance"), '"export" is before "balance": the folder names hold the repeats'),
        (("convert", "train"), '"train" without "export"'),
        (("export", "sample", "train"), '"sample" is before "train": sample draws with the LoRA'),
        (("convert", "export", "sample"), '"sample" without "train"'),
        (("convert", "export", "evaluate"), '"evaluate" without "train"'),
        (("convert", "export", "evaluate: {steps: 3}"), '"evaluate" without "train"'),
        (("export", "resize"), '"resize" is after "export"'),
    ],
)
def test_an_order_that_loses_meaning_is_refused_with_the_reason(
    place: Path, stages: tuple[str, ...], reason: str
) -> None:
    assert any(reason in line for line in mistakes(place, with_stages(*stages)))


def test_evaluate_of_named_files_needs_no_training(place: Path) -> None:
    (place / "dog.safetensors").write_bytes(b"")
    found = read(place, with_stages("export", "evaluate: {lora: [dog.safetensors]}"))
    assert stage(found, "evaluate").lora == (str(place / "dog.safetensors"),)
    assert stage(read(place, with_stages("export", "evaluate"), "evaluate.lora=[dog.safetensors]"), "evaluate").lora
    assert mistakes(place, with_stages("export", "evaluate: {lora: []}"))


def test_settings_win_over_the_file(place: Path) -> None:
    found = read(
        place, GOOD, "resize.max_side=512", "convert.background=black", "captions.blacklist=[a, b]", "trigger.pin=solo",
        "run.workers=3", "output=elsewhere", "concepts.dog.weight=2", "tag.general=0.4", "prune.implications=none",
    )  # fmt: skip
    assert stage(found, "resize").max_side == 512
    assert stage(found, "convert").background == "black"
    assert stage(found, "captions").blacklist == ("a", "b")
    assert stage(found, "trigger").pin == ("solo",)
    assert found.run.workers == 3
    assert found.output == place / "elsewhere"
    assert (found.concepts["dog"].weight, found.concepts["dog"].trigger) == (2, ("zwx dog",))
    assert read(place, GOOD, "resize.max_side=1", "resize.max_side=2").stages[1].max_side == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("resize", "--set resize: expected stage.option=value"),
        ("resize=3", "--set resize=3: expected stage.option=value"),
        ("=3", "--set =3: expected stage.option=value"),
        ("rezise.max_side=3", '--set rezise.max_side=3: no stage "rezise" in this pipeline: did you mean "resize"?'),
        ("resize.max_sid=3", '--set resize.max_sid=3: resize has no option "max_sid": did you mean "max_side"?'),
        ("resize.max_side=big", "--set resize.max_side=big: resize.max_side: "),
        ("run.workers=-", "--set run.workers=-: run.workers"),
        ("run.device.x=1", "--set run.device.x=1: run.device: must be text, not a mapping"),
        ("run.device=cuda:1", "--set run.device=cuda:1: run: device cuda:1 is a GPU of one machine"),
        ("concepts.nope.trigger=x", '--set concepts.nope.trigger=x: no folder "nope" in the input'),
        ("input=out/in", "--set input=out/in: output"),
        ("run.executor=rya", '--set run.executor=rya: run.executor: "rya" is not one of'),
    ],
)
def test_a_wrong_setting_is_named(place: Path, setting: str, expected: str) -> None:
    (place / "out/in").mkdir(parents=True)
    assert mistakes(place, GOOD + "run: {executor: ray, device: auto}\n", setting)[0].startswith(expected)


def test_what_was_wrong_without_a_setting_is_told_at_its_line(place: Path) -> None:
    told = mistakes(place, GOOD + "run: {executor: ray, device: 'cuda:1'}\n", "run.workers=2")
    assert told == [
        f"{GOOD.count(chr(10)) + 1}:6: run: device cuda:1 is a GPU of one machine: with executor ray, write cuda"
    ]


@pytest.mark.parametrize(
    "tagged", ["!foo", "!foo bar", "!!set {max_side: 64}", "{max_side: !env X}", "{!k max_side: 64}"]
)
def test_a_tag_that_means_nothing_is_refused(place: Path, tagged: str) -> None:
    told = mistakes(place, with_stages(f"resize: {tagged}"))
    tag = next(word.strip("{") for word in tagged.split() if "!" in word)
    where = f"4:{len('  - resize: ') + tagged.index('!') + 1}"
    assert f"{where}: the YAML tag {tag} means nothing here: leave it out, or put the text between quotes" in told


def test_tags_of_plain_values_are_taken(place: Path) -> None:
    pipeline = read(
        place, with_stages("!!str resize: !!map {max_side: !!int 64}", "captions: {blacklist: [2001-01-01, =]}")
    )
    assert stage(pipeline, "resize").max_side == 64


def test_a_list_of_a_setting_is_not_told_with_the_lines_of_the_list_that_it_replaces(place: Path) -> None:
    text = GOOD.replace("input: in/", "input: [in, in]")
    [told] = mistakes(place, text, "input=[in, gone]")
    assert told.startswith("--set input=[in, gone]: input folder")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("{address: auto}", "address is where a Ray cluster is: set executor to ray, or leave address out"),
        ("{executor: ray, address: nowhere}", "takes auto, local or HOST:PORT"),
        ("{executor: ray, address: 'ray://head:10001'}", "takes auto, local or HOST:PORT"),
        ("{executor: ray, device: 'cuda:1'}", "device cuda:1 is a GPU of one machine: with executor ray, write cuda"),
    ],
)
def test_where_a_run_cannot_be_carried_out_is_refused(place: Path, options: str, expected: str) -> None:
    assert expected in mistakes(place, GOOD + f"run: {options}\n")[0]


def test_a_cluster_is_named_in_the_file_or_by_settings(place: Path) -> None:
    run = read(place, GOOD, "run.executor=ray", "run.address=10.0.0.1:6379").run
    assert (run.executor, run.address) == ("ray", "10.0.0.1:6379")
    assert read(place, GOOD + "run: {executor: ray}\n").run.address == "auto"


def test_settings_reach_a_stage_written_wrongly(place: Path) -> None:
    assert mistakes(place, with_stages("convert: white", "export"), "convert.background=black")


def test_settings_reach_stages_by_either_spelling_and_by_path(place: Path) -> None:
    text = with_stages("tests.core.plugin: {word: a}", "export")
    assert read(place, text, "tests.core.plugin.word=b").stages[0].word == "b"  # type: ignore[attr-defined]


def test_until_ends_the_pipeline(place: Path) -> None:
    assert [s.name for s in read(place, GOOD, until="tag").stages] == ["convert", "resize", "tag"]
    [said] = mistakes(place, GOOD, until="tga")
    assert said == '--until tga: no such stage in this pipeline: did you mean "tag"?'


def test_paths_are_meant_from_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (place / "tables").mkdir()
    found = read(place, with_stages("captions: {vocabulary: ./tables}"))
    assert found.input == (place / "in",)
    assert stage(found, "captions").vocabulary == str(place / "tables")


def test_paths_of_every_option_are_meant_from_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    for folder in ("models", "mine", "reg"):
        (place / folder).mkdir()
    (place / "models/a.safetensors").write_bytes(b"")
    text = with_stages(
        "tag: {tagger: [wd-swinv2-tagger-v3, mine], describe: owner/model}",
        "captions: {per_concept: {dog: {vocabulary: mine}}}",
        "upscale: {model: owner/repository/4x.pth}",
        "crop: {model: models/faces.onnx}",
        "export",
        "train: {base: models/a.safetensors, vae: owner/vae, reg_folder: reg, output_dir: out, "
        "sample_prompts: prompts.txt, start_from: models/none.safetensors, tokenizer: ../clip}",
    )
    found = read(place, text)
    assert stage(found, "tag").tagger == ("wd-swinv2-tagger-v3", str(place / "mine"))
    assert stage(found, "tag").describe == "owner/model"
    assert stage(found, "captions").per_concept == {"dog": {"vocabulary": str(place / "mine")}}
    assert stage(found, "upscale").model == "owner/repository/4x.pth"
    assert stage(found, "crop").model == place / "models/faces.onnx"
    train = stage(found, "train")
    assert (train.base, train.vae) == (str(place / "models/a.safetensors"), "owner/vae")
    assert (train.reg_folder, train.output_dir) == (str(place / "reg"), str(place / "out"))
    assert train.sample_prompts == str(place / "prompts.txt")
    assert train.start_from == str(place / "models/none.safetensors")
    assert train.tokenizer == str(place.parent / "clip")


@pytest.mark.parametrize(
    ("option", "value", "is_path"),
    [
        (PathOption(), "a.txt", True),
        (PathOption(), "owner/model", True),
        (PathOption(names=True), "owner/model", False),
        (PathOption(names=True), "here", True),
        (PathOption(names=True), "here/model", True),
        (PathOption(names=True), "owner/model.v1", False),
        (PathOption(names=True), "models/x.SAFETENSORS", True),
        (PathOption(names=True), "a/b/c", True),
        (PathOption(names=True), "~/x", True),
        (PathOption(names=True), "..", True),
        (PathOption(names=True, carried=("here",)), "here", False),
        (PathOption(names=True, hub_files=True), "owner/model/x.pth", False),
        (PathOption(names=True, hub_files=True), "here/model/x.pth", True),
        (PathOption(names=True, hub_files=True), "models/x.pth", True),
        (PathOption(names=True, hub_files=True), "4x-UltraSharp", False),
        (PathOption(names=True), "", False),
    ],
)
def test_what_is_a_path_and_what_a_name(tmp_path: Path, option: PathOption, value: str, is_path: bool) -> None:
    for name in ("here/model/x.pth", "models/y.pth"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    resolved = option.resolve(value, tmp_path)
    if is_path:
        assert Path(resolved) == (tmp_path / Path(value).expanduser()).resolve()
    else:
        assert resolved == value


# the schema


def _valid(value: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())
    return [e.message for e in jsonschema.Draft202012Validator(schema()).iter_errors(value)]


def _yaml(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def test_the_schema_accepts_what_is_right() -> None:
    example = Path(__file__).parents[2] / "pipeline.example.yaml"
    assert _valid(_yaml(example.read_text(encoding="utf-8"))) == []
    assert _valid(_yaml(GOOD)) == []
    assert (
        _valid(
            _yaml("input: [a, b]\noutput: c\nstages: [convert: , my.plugin: {any: 1}]\nconsent: i-hold-the-rights\n")
        )
        == []
    )


@pytest.mark.parametrize(
    "wrong",
    [
        "output: b\nstages: [convert]",
        "input: a\noutput: b\nstages: []",
        "input: a\noutput: b\nstages: [convret]",
        "input: a\noutput: b\nstages: [convert: {backgruond: white}]",
        "input: a\noutput: b\nstages: [resize: {max_side: big}]",
        "input: a\noutput: b\nstages: [convert]\nconsent: maybe",
        "input: a\noutput: b\nstages: [convert]\nconcepts: {dog: {weight: 0}}",
        "input: a\noutput: b\nstages: [convert]\nrun: {wrokers: 2}",
    ],
)
def test_the_schema_rejects_what_is_wrong(wrong: str) -> None:
    assert _valid(_yaml(wrong)) != []


def test_the_schema_is_plain_json() -> None:
    assert json.loads(json.dumps(schema())) == schema()


def test_what_a_list_holds_is_said_once(place: Path) -> None:
    """No second line for the list that its wrong values left too short, and none on a list where an entry is wrong."""
    assert mistakes(place, with_stages("denoise: {methods: [bogus]}")) == [
        '4:25: denoise.methods.0: unknown cleaner "bogus": choose from adverse, diffusion, down-up, upscale'
    ]
    (one,) = mistakes(place, with_stages("convert", "export", "train: {base: tiny, layer_preset: bogus}"))
    assert 'unknown layer preset "bogus"' in one and not one.endswith("not a list")
    (empty,) = mistakes(place, with_stages("denoise: {methods: []}"))
    assert "at least 1 item" in empty


def test_every_mistake_of_one_stage_is_named(place: Path) -> None:
    train = "train: {base: tiny, optimizer: adamm, algo: lokrr, batch: two, guide: ponyy}"
    several = mistakes(place, with_stages("convert", "export", train))
    assert [line.partition(": ")[2] for line in several] == [
        'train.optimizer: unknown optimizer "adamm": did you mean "adamw"? (or give module.Class)',
        'train.algo: unknown algorithm "lokrr": did you mean "lokr"?',
        "train.batch: must be a whole number, not 'two'",
        'train.guide: unknown guide "ponyy": did you mean "pony"?',
    ]
    train = "train: {base: tiny, unet_lr: 0, text_lr: 0, power: 2, factor: 4, algo: lora}"
    together = mistakes(place, with_stages("convert", "export", train))
    assert [line.partition(": ")[2] for line in together] == [
        "train: factor has no effect without algo lokr",
        "train: power has no effect without schedule polynomial",
        "train: unet_lr and text_lr are both 0: nothing would be trained",
    ]


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        # a wrong value hides no conflict of other options, and is no reason for one
        ("rank: abc, schedule: cosin, cycles: 3, unet_lr: 0, text_lr: 0", ["rank", "schedule", "unet_lr and text_lr"]),
        # nor does an unknown key
        ("shedule: cosine-restarts, cycles: 3, factor: 4", ["shedule", "factor has no effect"]),
        # what a rule does not ask for may be wrong
        ("seed: x, caption_variants: lines, caption_form: lines", ["seed", "caption_form lines means"]),
        ("base: sdxl", ['did you mean "stabilityai/stable-diffusion-xl-base-1.0"? It may be']),
        ("rank: abc, base: toyy", ["rank", 'base: unknown base model "toyy"']),
    ],
)
def test_conflicts_are_told_beside_wrong_values(place: Path, options: str, messages: list[str]) -> None:
    lines = mistakes(place, with_stages("convert", "export", f"train: {{{options}}}"))
    assert len(lines) == len(messages)
    assert all(any(message in line for line in lines) for message in messages)


@pytest.mark.parametrize(
    ("inspect", "train", "resolution"),
    [
        ("inspect", "train: {base: tiny, resolution: 640}", 640),
        ("inspect", "train: {base: tiny, resolution: [512, 768]}", 768),
        ("inspect: {resolution: 900}", "train: {base: tiny, resolution: 640}", 900),
        ("inspect", "train: {base: tiny}", 128),
        ("inspect", "export", 1024),
    ],
)
def test_pictures_are_inspected_for_the_resolution_of_the_training(
    place: Path, inspect: str, train: str, resolution: int
) -> None:
    text = with_stages("convert", inspect, *([] if train == "export" else ["export"]), train)
    assert stage(read(place, text), "inspect").resolution == resolution
    assert stage(read(place, text, until="inspect"), "inspect").resolution == resolution


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("resize: {max_side: big}", "resize.max_side: must be a whole number, not 'big'"),
        ("resize: {multiple: 0}", "resize.multiple: must be at least 1, not 0"),
        ("convert: {background: whit}", 'convert.background: "whit" is not a color: write a name such as white'),
        ("train: {base: tiny, alpha: half}", "train.alpha: must be a number, not 'half'"),
        ("train: {base: tiny, masked_loss: often}", "train.masked_loss: must be true or false, not 'often'"),
        ("train: {base: tiny, factor: -3, algo: lokr}", "train.factor: -3 splits nothing: give 1 or more"),
    ],
)
def test_wrong_values_are_named_in_plain_words(place: Path, stage: str, message: str) -> None:
    (one,) = mistakes(place, with_stages(*(["convert", "export"] if stage.startswith("train") else []), stage))
    assert one.partition(": ")[2].startswith(message)


def test_an_enlargement_that_would_be_passed_over_is_a_mistake(place: Path) -> None:
    (one,) = mistakes(place, with_stages("upscale: {model: lanczos, factor: 2}"))
    assert one.startswith("4:39: upscale.factor: has no effect with when smaller-than")
    read(place, with_stages("upscale: {model: lanczos, factor: 2, when: always}"))
    told = mistakes(place, with_stages("upscale: {model: lanczos, engine: realesrgan, tile: 64}"))
    assert [line.partition(": ")[2].split(" with")[0] for line in told] == [
        "upscale.engine: has no effect",
        "upscale.tile: has no effect",
    ]


def test_options_that_do_not_fit_together_are_told_of_their_stage(place: Path) -> None:
    (one,) = mistakes(place, with_stages("convert", "export", "train: {base: tiny, algo: lora, factor: 4}"))
    assert one == "6:12: train: factor has no effect without algo lokr"


def test_what_stands_under_a_misspelt_key_or_stage_is_looked_at_too(place: Path) -> None:
    text = "imput: in\nouput: out\nconcept: {dog: {wieght: 2}}\nstages:\n  - resiz: {max_side: big}\n"
    assert [line.partition(": ")[2] for line in mistakes(place, text) if "no folder" not in line] == [
        'unknown key "imput": did you mean "input"?',
        'unknown key "ouput": did you mean "output"?',
        'unknown key "concept": did you mean "concepts"?',
        'concepts.dog has no option "wieght": did you mean "weight"?',
        'unknown stage "resiz": did you mean "resize"?',
        "resize.max_side: must be a whole number, not 'big'",
    ]

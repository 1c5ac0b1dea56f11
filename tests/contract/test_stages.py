"""Every stage keeps the contract of its kind: typed, frozen, explained, keyed, light to import."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from curate.core import registry
from curate.core.chain import Encode
from curate.core.path_options import path_option
from curate.core.record import FIELDS, Image, Record
from curate.core.stage import CompositeStage, Concept, DatasetStage, RecordStage, Stage
from tests.contract.strategies import STAGES, drawn_stage, literals

HEAVY = {
    "torch",
    "onnxruntime",
    "transformers",
    "diffusers",
    "scipy",
    "ray",
    "cv2",
    "huggingface_hub",
    "accelerate",
    "spandrel",
}


PICTURE = Record(
    "dog/a.png", "dog", "o", Image("d", "objects/a.png", 64, 64), tags=("zwx dog", "hat"), trigger=("zwx dog",)
)


def kinds(stage: type[Stage]) -> list[type[Stage]]:
    """The stage and the steps it is made of."""
    return list(dict.fromkeys([stage, *(type(p) for p in stage().parts())]))


def test_there_are_stages() -> None:
    assert {"convert", "resize", "tag", "captions", "prune", "trigger", "balance", "export", "train"} <= set(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_of_one_kind(name: str) -> None:
    stage = registry.stage(name)
    assert [issubclass(stage, kind) for kind in (RecordStage, DatasetStage, CompositeStage)].count(True) == 1
    assert stage().name == name


@pytest.mark.parametrize("name", STAGES)
def test_options_are_frozen_and_unknown_ones_refused(name: str) -> None:
    stage = registry.stage(name)
    made = stage()
    for field in stage.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(made, field, getattr(made, field))
    with pytest.raises(ValidationError, match=r"[Ee]xtra"):
        stage(no_such_option=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", STAGES)
def test_every_option_is_explained_in_a_sentence(name: str) -> None:
    stage = registry.stage(name)
    for field, info in stage.model_fields.items():
        text = info.description or ""
        assert len(text) > 8 and text.endswith("."), f"{name}.{field}: {text!r}"
        assert "\n" not in text


@pytest.mark.parametrize("name", STAGES)
def test_the_first_line_of_the_docstring_is_the_help(name: str) -> None:
    line = (registry.stage(name).__doc__ or "").strip().splitlines()[0]
    assert 10 < len(line) <= 120 and line.endswith(".")


@pytest.mark.parametrize("name", STAGES)
def test_reads_and_writes_are_fields(name: str) -> None:
    for kind in kinds(registry.stage(name)):
        assert kind.reads <= set(FIELDS) and kind.writes <= set(FIELDS) - {"key", "origin"}
        assert kind.concept_reads <= set(Concept.model_fields)
        assert isinstance(kind.version, int) and kind.version >= 1
        if issubclass(kind, RecordStage):
            assert kind.reads and kind.writes
            assert kind.resources.batch >= 1 and kind.resources.cpus >= 0 and kind.resources.gpus >= 0


PARTS_ASKED_FOR: dict[str, dict[str, Any]] = {"tag": {"describe": "a_model"}}
"""Options without which a stage leaves a part out."""


@pytest.mark.parametrize("name", STAGES)
def test_the_steps_of_a_stage_do_what_it_says(name: str) -> None:
    stage = registry.stage(name)
    parts = [type(p) for p in stage(**PARTS_ASKED_FOR.get(name, {})).parts()]
    written = frozenset[str]().union(*(p.writes for p in parts))
    asked = frozenset[str]().union(*(p.reads for p in parts)) - written
    assert written == stage.writes
    assert asked <= stage.reads
    assert frozenset[str]().union(*(p.concept_reads for p in parts)) == stage.concept_reads


@pytest.mark.parametrize("name", STAGES)
def test_what_a_stage_says_it_offers_is_there(name: str) -> None:
    stage = registry.stage(name)
    assert stage.prints_config == (stage.configuration is not Stage.configuration)
    assert not stage.distributed or issubclass(stage, DatasetStage)


NO_PATHS = {
    ("captions", "extension"),
    ("crop", "boxes"),
    ("denoise", "methods"),
    ("evaluate", "caption_encoding"),
    ("evaluate", "caption_extension"),
    ("flip", "pictures"),
    ("tag", "family"),
    ("train", "algo"),
    ("train", "caption_encoding"),
    ("train", "caption_extension"),
    ("train", "family"),
    ("train", "output_name"),
    ("train", "guide"),
    ("train", "layer_preset"),
    ("trigger", "words"),
}
"""Options whose help speaks of files, folders or models, and that name none."""


@pytest.mark.parametrize("name", STAGES)
def test_options_that_name_files_have_the_type_of_paths(name: str) -> None:
    for field, info in registry.stage(name).model_fields.items():
        text = (info.description or "").lower()
        kinds = ("file", "folder", "path", "on disk", "hub name", "tagger", "model by")
        speaks = any(kind in text for kind in kinds) and "str" in str(info.annotation)
        about = f"{name}.{field}: give it a type of curate.core.path_options, or list it in NO_PATHS"
        assert (path_option(info) is not None) or not speaks or (name, field) in NO_PATHS, about
        assert not (path_option(info) and (name, field) in NO_PATHS)


def test_the_encoding_step_keeps_the_contract() -> None:
    assert pickle.loads(pickle.dumps(Encode())) == Encode()
    assert Encode.writes == {"image"}


@pytest.mark.parametrize("name", STAGES)
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_stage_survives_pickling_and_json(name: str, data: st.DataObject) -> None:
    made = drawn_stage(name, data)
    assert pickle.loads(pickle.dumps(made)) == made
    assert type(made)(**json.loads(made.model_dump_json())) == made
    for part in made.parts():
        assert pickle.loads(pickle.dumps(part)) == part
        json.dumps(part.key_options(), allow_nan=False)


def others(value: Any, annotation: Any) -> list[Any]:
    """Values that an option of that type may take besides this one."""
    listed = [v for v in literals(annotation) if v != value]
    guesses: list[Any] = [not value, 2, 3, 64, 150, 0.15, 0.5, "text", ".caption", "e621", "#102030"]
    guesses += [",".join("2" * 25), ("attn=4",), (0.5,)]
    guesses += [
        (PICTURE.key,),
        {PICTURE.key: (1, 2, 30, 40)},
        ("dog",),
        ("palette",),
        ("general",),
        {"dog": ("cat",)},
        {"copyright": 0.5},
        {"dog": {"cap": 3}},
    ]
    near = [value + 1, value - 1, value + 64, value / 2] if isinstance(value, (int, float)) else []
    return [*listed, *((v,) for v in listed), *near, *guesses]


def choices(info: FieldInfo) -> list[Any]:
    """Values that an option lists: in its type, or as examples where a plug-in may add others."""
    return [*literals(info.annotation), *(info.examples or ())]


def made(stage: type[Stage], **options: Any) -> Stage | None:
    try:
        return stage(**options)
    except ValidationError:
        return None


def variant(stage: type[Stage], field: str) -> tuple[Stage, Stage] | None:
    """Two stages that differ in that option alone; another may have to be set for it to have an effect."""
    info = stage.model_fields[field]
    default = info.get_default(call_default_factory=True)
    helpers = {f: choices(i) or [v for v in (True, 1) if i.default is not v] for f, i in stage.model_fields.items()}
    asked = {f: v for f, v in PARTS_ASKED_FOR.get(stage.__module__.rpartition(".")[2], {}).items() if f != field}
    bases: list[dict[str, Any]] = [asked, *({f: v} for f, values in helpers.items() if f != field for v in values)]
    bases += [{f: "text"} for f in ("reg_folder", "start_from") if f in stage.model_fields and f != field]
    for base in bases:
        plain = made(stage, **base)
        for value in [*choices(info), *others(default, info.annotation)] if plain else ():
            other = made(stage, **base, **{field: value})
            if plain and other and getattr(other, field) != getattr(plain, field):
                return plain, other
    return None


@pytest.mark.parametrize("name", STAGES)
def test_every_option_takes_part_in_the_key(name: str) -> None:
    stage = registry.stage(name)
    for field in stage.model_fields.keys() - stage.unkeyed:
        pair = variant(stage, field)
        assert pair is not None, f"no other value is known for {name}.{field}"
        plain, other = (key_of(s) for s in pair)
        assert plain != other, f"{name}.{field} may change without a rerun"


def key_of(stage: Stage) -> list[Any]:
    """What the key of a picture's result is made of; an option about single pictures shows in their views alone."""
    return [(p.key_options(), p.key_fields(PICTURE)) for p in stage.parts()]


def test_importing_a_stage_loads_nothing_heavy() -> None:
    probe = f"""
import json, sys
from curate.core import registry
found = {{}}
for name in registry.stage_names():
    before = set(sys.modules)
    registry.stage(name)
    found[name] = sorted({HEAVY!r} & (set(sys.modules) - before))
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert {name: heavy for name, heavy in json.loads(done.stdout).items() if heavy} == {}


@pytest.mark.parametrize("name", STAGES)
def test_making_a_stage_reads_no_option_of_the_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = registry.stage(name)().key_options() if registry.stage(name)().parts() else {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert registry.stage(name)().key_options() == before

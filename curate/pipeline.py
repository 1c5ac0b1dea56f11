"""Pipeline: pipeline.yaml read into typed stages; every mistake at once, each with file:line:column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from curate.core import registry
from curate.core.stage import Concept, Options, RecordStage, Stage, takes_list
from curate.errors import InputError
from curate.names import concept_folder
from curate.scan import RIGHTS

SAMPLE = "builtin:sample"
"""As `input:`, the pictures that the package carries."""


class RunOptions(BaseModel):
    """How a run is carried out; nothing here may change a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int | Literal["auto"] = Field(
        default="auto", description="Worker processes for picture stages: auto, or a number (1: none)."
    )
    device: str = Field(default="auto", description="Where models run: auto, cpu, cuda or cuda:N.")
    require_gpu: bool = Field(default=False, description="Stop (exit 3) rather than fall back to the CPU.")
    offline: bool = Field(default=False, description="Never ask a model hub; use what is on disk.")

    @field_validator("workers", mode="before")
    @classmethod
    def _workers(cls, value: Any) -> Any:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if number != "auto" and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
            raise ValueError("takes auto or a number from 1 on")
        return number

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", value):
            raise ValueError("takes auto, cpu, cuda, cuda:N or mps")
        return value


class Pipeline(BaseModel):
    """A checked pipeline.yaml; paths are resolved against the file's folder."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    path: Path
    whole: bool = True
    input: tuple[Path, ...]
    output: Path
    concepts: dict[str, Concept]
    consent: bool
    stages: tuple[Stage, ...]
    run: RunOptions


class PipelineError(InputError):
    """Everything that is wrong with a pipeline file, a line for each mistake."""


ORDER: tuple[tuple[str, str, str], ...] = (
    ("tag", "captions", "the rules need the tags"),
    ("tag", "prune", "pruning needs the tags"),
    ("tag", "trigger", "tagging replaces the tags, and the trigger words with them"),
    ("captions", "prune", "a black-listed tag must be gone before it takes the tags it implies with it"),
    ("captions", "trigger", "the rules would run on the trigger words"),
    ("prune", "trigger", "trigger words come last, so that nothing reorders or drops them"),
    ("dedupe", "balance", "duplicates would be counted"),
    ("balance", "export", "the folder names hold the repeats"),
    ("export", "train", "training reads the prepared folder"),
)
"""(earlier, later, why): a pipeline that has both the other way round is refused."""


_MOST_VALUES, _DEEPEST = 200_000, 50
"""Beyond these a file is taken for a mistake: a few YAML aliases of aliases stand for billions of values."""


@dataclass(frozen=True, slots=True)
class _Problem:
    line: int
    column: int
    message: str
    origin: str = ""


class _Reader:
    """Reads one file; collects problems instead of raising at the first."""

    def __init__(self, path: Path, settings: Sequence[str]) -> None:
        self.path, self.settings = path, settings
        self.problems: list[_Problem] = []
        self.marks: dict[tuple[str | int, ...], Node | str] = {}

    # YAML -> plain values with marks -------------------------------------------------------------------------------------

    def parse(self) -> dict[str, Any]:
        if not self.path.is_file():
            what = "is not a file" if self.path.exists() else "does not exist"
            raise InputError(f"pipeline file {self.path} {what}", "`curate init` writes one")
        try:
            text = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise PipelineError(f"{self.path}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
        try:
            root = YAML(typ="rt", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise PipelineError(f"{self.path}:{line}:{column}: not YAML: {error.problem or error.context}") from error
        except ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            said = f"the character U+{ord(text[error.position]):04X} may not stand in it"
            raise PipelineError(f"{self.path}:{line}:{column}: not YAML: {said}") from error
        if not isinstance(root, MappingNode):
            raise PipelineError(f"{self.path}:1:1: expected input:, output: and stages:, found {_kind(root)}")
        values = self._plain(root, ())
        for setting in self.settings:
            self._set(values, setting)
        return values

    def _plain(self, node: Node, where: tuple[str | int, ...]) -> Any:
        if len(self.marks) > _MOST_VALUES or len(where) > _DEEPEST:
            where_is = f"{self.path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
            raise PipelineError(f"{where_is}: aliases or nesting make this file too large to be meant")
        self.marks[where] = node
        if isinstance(node, MappingNode):
            return self._mapping(node, where)
        if isinstance(node, SequenceNode):
            return [self._plain(child, (*where, i)) for i, child in enumerate(node.value)]
        try:
            return _scalar(node)
        except ValueError:
            # `!!int ten`: whoever takes the value says what is wrong with it
            return node.value

    def _mapping(self, node: MappingNode, where: tuple[str | int, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in values:
                self.problem(key_node, f'"{key}" stands twice')
            values[key] = self._plain(value_node, (*where, key))
            self.marks[(*where, key, "<key>")] = key_node
        return values

    def _set(self, values: dict[str, Any], setting: str) -> None:
        name, equals, text = setting.partition("=")
        origin = f"--set {setting}"
        parts = name.strip().split(".")
        if not equals or not all(parts):
            self.problems.append(_Problem(0, 0, "expected stage.option=value", origin))
            return
        try:
            value = YAML(typ="safe", pure=True).load(text) if text.strip() else text
        except MarkedYAMLError:
            value = text
        if parts[0] in ("input", "output", "consent", "run", "concepts"):
            self._assign(values, tuple(parts), value, origin)
            return
        stages = values.get("stages")
        entries = list(stages) if isinstance(stages, list) else []
        names = [n for n in map(_entry_name, entries) if n]
        # a plug-in's name has dots of its own: the longest name that is here counts
        length = next((n for n in range(len(parts) - 1, 0, -1) if _entry_name(".".join(parts[:n])) in names), 0)
        if not length:
            self.problems.append(
                _Problem(0, 0, f'no stage "{parts[0]}" in this pipeline: {registry.nearest(parts[0], names)}', origin)
            )
            return
        name = ".".join(parts[:length])
        for i, entry in enumerate(entries):
            options = entry[next(iter(entry))] or {} if isinstance(entry, dict) and entry else {}
            if _entry_name(entry) != _entry_name(name) or not isinstance(options, dict):
                continue
            assert stages is not None
            stages[i] = {name: dict(options)}
            self._assign(stages[i], (name, *parts[length:]), value, origin, ("stages", i))

    def _assign(
        self, values: dict[str, Any], parts: tuple[str, ...], value: Any, origin: str, where: tuple[str | int, ...] = ()
    ) -> None:
        here: Any = values
        for part in parts[:-1]:
            if not isinstance(here.get(part), dict):
                here[part] = {}
            here = here[part]
        here[parts[-1]] = value
        self.marks[(*where, *parts)] = origin
        self.marks[(*where, *parts, "<key>")] = origin

    # problems ------------------------------------------------------------------------------------------------------------

    def problem(self, where: Node | str | tuple[str | int, ...], message: str, *, at_key: bool = False) -> None:
        found: Node | str | None = self._mark(where, at_key) if isinstance(where, tuple) else where
        if isinstance(found, str):
            self.problems.append(_Problem(0, 0, message, found))
        else:
            mark = found.start_mark if found is not None else None
            self.problems.append(_Problem(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, message))

    def _mark(self, where: tuple[str | int, ...], at_key: bool) -> Node | str | None:
        if at_key and (*where, "<key>") in self.marks:
            return self.marks[(*where, "<key>")]
        while where and where not in self.marks:
            where = where[:-1]
        return self.marks.get(where)

    def finish(self) -> None:
        if not self.problems:
            return
        lines: list[str] = []
        for p in sorted(set(self.problems), key=lambda p: (p.line, p.column, p.message)):
            lines.append(f"{p.origin}: {p.message}" if p.origin else f"{self.path}:{p.line}:{p.column}: {p.message}")
        raise PipelineError("\n".join(lines))

    # typed ---------------------------------------------------------------------------------------------------------------

    def typed(self, model: type[BaseModel], values: Any, where: tuple[str | int, ...], what: str) -> Any:
        """The model made of the values, or None with every problem noted."""
        if values is None:
            values = {}
        if not isinstance(values, dict):
            self.problem(where, f"{what} takes a mapping of options, found {_describe(values)}")
            return None
        known = list(model.model_fields)
        for key in [k for k in values if k not in model.model_fields]:
            self.problem((*where, key), f'{what} has no option "{key}": {registry.nearest(key, known)}', at_key=True)
        try:
            return model.model_validate({k: v for k, v in values.items() if k in model.model_fields})
        except ValidationError as error:
            for one in error.errors():
                self.problem((*where, *one["loc"]), f"{what}.{_dotted(one['loc'])}: {explain(one)}")
            return None


def load(path: Path, settings: Sequence[str] = (), until: str | None = None) -> Pipeline:
    """Reads and checks a pipeline file. `settings` are `stage.option=value` strings that win over the file.

    `until` ends the pipeline after that stage. Raises PipelineError naming every mistake.
    """
    reader = _Reader(path, settings)
    values = reader.parse()
    known = ("input", "output", "concepts", "consent", "stages", "run")
    for key in [k for k in values if k not in known]:
        reader.problem((key,), f'unknown key "{key}": {registry.nearest(key, known)}', at_key=True)
    base = path.resolve().parent
    inputs = _inputs(reader, values, base)
    output = _output(reader, values, base, inputs)
    concepts = _concepts(reader, values, inputs)
    rights = _consent(reader, values)
    stages = _stages(reader, values, base)
    options = reader.typed(RunOptions, values.get("run"), ("run",), "run")
    if until is not None:
        names = [s.name for s in stages]
        entries = values.get("stages")
        if until not in names and until not in map(_entry_name, entries if isinstance(entries, list) else ()):
            reader.problems.append(
                _Problem(0, 0, f"no such stage in this pipeline: {registry.nearest(until, names)}", f"--until {until}")
            )
        elif until in names:
            stages = stages[: names.index(until) + 1]
    reader.finish()
    return Pipeline(
        path=path,
        whole=until is None,
        input=tuple(inputs),
        output=output,
        concepts=concepts,
        consent=rights,
        stages=tuple(stages),
        run=options,
    )


def _inputs(reader: _Reader, values: Mapping[str, Any], base: Path) -> list[Path]:
    given = values.get("input")
    if given is None:
        reader.problem((), "input: is missing: the folder whose sub-folders hold one concept each")
        return []
    folders: list[Path] = []
    rows = given if isinstance(given, list) else [given]
    for i, one in enumerate(rows):
        where: tuple[str | int, ...] = ("input", i) if isinstance(given, list) else ("input",)
        if not isinstance(one, str):
            reader.problem(where, f"input: takes a folder or a list of folders, found {_describe(one)}")
            continue
        if one == SAMPLE:
            from curate import samples

            folders.append(samples.folder())
            continue
        folder = base / Path(one).expanduser()
        if not folder.is_dir():
            reader.problem(
                where, f"input folder {folder} {'is not a folder' if folder.exists() else 'does not exist'}{_similar(folder)}"
            )
        folders.append(folder)
    if not rows:
        reader.problem(("input",), "input: lists no folder")
    return folders


def _similar(folder: Path) -> str:
    try:
        names = [p.name for p in folder.parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError:
        return ""
    close = difflib.get_close_matches(folder.name, names, 1)
    return f': did you mean "{close[0]}"?' if close else ""


def _output(reader: _Reader, values: Mapping[str, Any], base: Path, inputs: Sequence[Path]) -> Path:
    given = values.get("output")
    if not isinstance(given, str) or not given.strip():
        found = "is missing" if given is None else f"must be a folder, found {_describe(given)}"
        reader.problem(("output",) if "output" in values else (), f"output: {found}: everything is written under it")
        return base
    output = base / Path(given).expanduser()
    if output.exists() and not output.is_dir():
        reader.problem(("output",), f"output {output} is a file: choose a folder")
    for folder in inputs:
        if folder.exists() and (output.resolve() == folder.resolve() or output.resolve() in folder.resolve().parents):
            reader.problem(
                ("output",),
                f"output {output} is or holds the input {folder}: sources are never modified, choose another folder",
            )
    return output


def _concepts(reader: _Reader, values: Mapping[str, Any], inputs: Sequence[Path]) -> dict[str, Concept]:
    given = values.get("concepts")
    if given is None:
        return {}
    if not isinstance(given, dict):
        reader.problem(("concepts",), f"concepts: takes a mapping of folder names, found {_describe(given)}")
        return {}
    folders = sorted({name for root in inputs for name in _concept_names(root)})
    concepts: dict[str, Concept] = {}
    for name, settings in given.items():
        bare = concept_folder(name)[1]
        if folders and bare not in folders:
            reader.problem(
                ("concepts", name), f'no folder "{name}" in the input: {registry.nearest(name, folders)}', at_key=True
            )
        concept = reader.typed(Concept, settings, ("concepts", name), f"concepts.{name}")
        if concept is not None:
            for i, word in enumerate(concept.trigger):
                if not word.strip() or "," in word or "\n" in word:
                    reader.problem(
                        ("concepts", name, "trigger", i), f'trigger word "{word}" must be one tag: not empty, without commas'
                    )
            concepts[bare] = concept
    return concepts


def _concept_names(root: Path) -> Iterator[str]:
    try:
        yield root.resolve().name
        for path in root.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                yield concept_folder(path.name)[1]
    except OSError:
        return


def _consent(reader: _Reader, values: Mapping[str, Any]) -> bool:
    given = values.get("consent")
    if given is not None and given != RIGHTS:
        reader.problem(
            ("consent",), f'consent: takes only "{RIGHTS}" (you hold the rights in every picture of the input), or nothing'
        )
    return given == RIGHTS


def _stages(reader: _Reader, values: Mapping[str, Any], base: Path) -> list[Stage]:
    given = values.get("stages")
    if not isinstance(given, list) or not given:
        what = "is missing" if "stages" not in values else "names no stage" if given == [] else ""
        what = what or f"must be a list of stages, found {_describe(given)}"
        reader.problem(
            ("stages",) if "stages" in values else (), f"stages: {what}, for example [convert, resize, tag, trigger, export]"
        )
        return []
    stages: list[Stage] = []
    names: list[tuple[int, str]] = []
    for i, entry in enumerate(given):
        name = _entry_name(entry)
        if name is None:
            reader.problem(("stages", i), _not_a_stage(entry))
            continue
        names.append((i, name))
        try:
            found = registry.stage(name)
        except InputError as error:
            reader.problem(("stages", i), error.message + (f": {error.remedy}" if error.remedy else ""))
            continue
        raw = next(iter(entry)) if isinstance(entry, dict) else entry
        options = entry[raw] if isinstance(entry, dict) else None
        stage = reader.typed(found, _located(options, base), ("stages", i, raw), name)
        if stage is not None:
            stages.append(stage)
            for option, message in stage.problems().items():
                reader.problem(("stages", i, raw, option), f"{name}.{option}: {message}")
    _check_order(reader, names)
    return stages


def _not_a_stage(entry: Any) -> str:
    first = str(next(iter(entry))) if isinstance(entry, dict) and entry else ""
    if len(entry or ()) > 1 and isinstance(entry, dict) and entry[first] is None:
        return f'the options of "{first}" stand beside it, not under it: indent them two more, or write {first}: {{…}}'
    return f"expected a stage name or one `stage: {{options}}`, found {_describe(entry)}"


def _located(value: Any, base: Path) -> Any:
    """Paths among the options (`./x`, `../x`) are meant from the pipeline file."""
    if isinstance(value, dict):
        return {k: _located(v, base) for k, v in value.items()}
    if isinstance(value, list):
        return [_located(v, base) for v in value]
    if isinstance(value, str) and value.startswith(("./", "../", ".\\", "..\\")):
        return str((base / value).resolve())
    return value


def _check_order(reader: _Reader, names: Sequence[tuple[int, str]]) -> None:
    places: dict[str, list[int]] = {}
    for i, name in names:
        places.setdefault(name, []).append(i)
    for earlier, later, why in ORDER:
        if earlier in places and later in places and max(places[earlier]) > min(places[later]):
            reader.problem(("stages", min(places[later])), f'"{later}" stands before "{earlier}": {why}; put {earlier} first')
    if "train" in places and "export" not in places:
        reader.problem(
            ("stages", places["train"][0]), '"train" without "export": training reads the prepared folder; put export before it'
        )
    if "export" in places:
        for i, name in names:
            if i > min(places["export"]) and name not in ("export", "train", "evaluate", "report"):
                reader.problem(
                    ("stages", i), f'"{name}" stands after "export": what it does would not reach the prepared folder'
                )


def _entry_name(entry: Any) -> str | None:
    if isinstance(entry, str):
        return entry.replace("_", "-") if "." not in entry else entry
    if isinstance(entry, dict) and len(entry) == 1:
        name = str(next(iter(entry)))
        return name.replace("_", "-") if "." not in name else name
    return None


def _scalar(node: Node) -> Any:
    assert isinstance(node, ScalarNode)
    text, tag = node.value, str(node.tag)
    if tag.endswith(":int"):
        digits = text.replace("_", "")
        # YAML 1.2: a leading zero means nothing
        return int(digits, 10 if digits.lstrip("+-").isdecimal() else 0)
    if tag.endswith(":float"):
        bare = text.replace("_", "").lower()
        return float(bare.replace(".inf", "inf").replace(".nan", "nan"))
    if tag.endswith(":bool"):
        return text.lower() == "true"
    if tag.endswith(":null"):
        return None
    return text


def _kind(node: Node | None) -> str:
    return "an empty file" if node is None else "a list" if isinstance(node, SequenceNode) else "a single value"


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"{value!r}"


def _dotted(where: Iterable[str | int]) -> str:
    return ".".join(str(p) for p in where)


def explain(error: Mapping[str, Any]) -> str:
    """One pydantic error in plain words, with what was found."""
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    found = error.get("input")
    choices = str((error.get("ctx") or {}).get("expected", ""))
    if error["type"] == "literal_error" and isinstance(found, str):
        return f'"{found}" is not one of {choices}' + (f"; {hint}" if (hint := _hint(found, choices)) else "")
    return f"{message}, found {_describe(found)}"


def _hint(found: str, choices: str) -> str:
    names = [c.strip("' ") for c in choices.replace(" or ", ",").split(",")]
    close = difflib.get_close_matches(found, names, 1)
    return f'did you mean "{close[0]}"?' if close else ""


def schema() -> dict[str, Any]:
    """JSON schema of pipeline.yaml for editors: every stage with its options, types, defaults and help."""
    entries: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for name in registry.stage_names():
        found = registry.stage(name)
        model = found.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= model.pop("$defs", {})
        help_text = (found.__doc__ or "").strip().splitlines()[0]
        definitions[f"stage-{name}"] = {**_loosened(found, model), "title": name, "description": help_text}
        reference = {"anyOf": [{"$ref": f"#/$defs/stage-{name}"}, {"type": "null"}]}
        entries.append({"const": name, "description": help_text})
        entries.append(
            {
                "type": "object",
                "properties": {name: reference},
                "required": [name],
                "additionalProperties": False,
                "description": help_text,
            }
        )
    entries.append({"type": "string", "pattern": r"^\w+(\.\w+)+$", "description": "A plug-in's module."})
    entries.append(
        {"type": "object", "patternProperties": {r"^\w+(\.\w+)+$": True}, "additionalProperties": False, "minProperties": 1}
    )
    folders = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    concept = _loosened(Concept, Concept.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "curate pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["input", "output", "stages"],
        "properties": {
            "input": {**folders, "description": "A folder, or a list of folders, whose sub-folders hold one concept each."},
            "output": {"type": "string", "description": "The prepared folder; everything is written under it."},
            "concepts": {
                "type": "object",
                "additionalProperties": concept,
                "description": "What is said of each concept, by folder.",
            },
            "consent": {"const": RIGHTS, "description": "Includes pictures that refuse AI training: you hold the rights."},
            "stages": {"type": "array", "items": {"anyOf": entries}, "minItems": 1, "description": "The stages, in order."},
            "run": {**RunOptions.model_json_schema(), "description": "How the run is carried out; changes no result."},
        },
        "$defs": definitions,
    }


def _loosened(model: type[Options], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with a single value allowed where a list is meant, as `Options` allows it."""
    about = ("description", "default", "title")
    for name, info in model.model_fields.items():
        found = schema.get("properties", {}).get(name, {})
        if takes_list(info.annotation) and found:
            bare = {k: v for k, v in found.items() if k not in about}
            single = bare.get("items", {}) if "items" in bare else {"type": ["string", "number"]}
            schema["properties"][name] = {"anyOf": [single, bare], **{k: found[k] for k in about if k in found}}
    return schema


def picture_stage(stage: type[Stage]) -> bool:
    """Whether a stage makes new pictures."""
    return issubclass(stage, RecordStage) and "image" in stage.writes

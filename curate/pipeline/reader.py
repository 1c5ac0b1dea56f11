"""Reader: YAML into plain values that know where they stand; problems are collected, not raised at the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from curate.core import registry
from curate.core.conflicts import RightOptions
from curate.core.plain_words import describe, dotted
from curate.core.stage import Stage
from curate.pipeline.options import PipelineError
from curate.pipeline.validation import validate
from curate.storage import redacted

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

_MOST_VALUES, _DEEPEST = 200_000, 50
"""Beyond these a file is taken for a mistake: a few YAML aliases of aliases stand for billions of values."""
_MANY = 20
"""Options that are still named one by one."""
_TOP = ("input", "output", "caption_form", "caption_encoding", "consent", "run", "concepts")
"""Keys outside the stages that a --set may give."""
_COMMA = 'between braces a comma begins the next option: write several values as [64, 96] or "64,96"'


Where = tuple[str | int, ...]
"""A path of keys."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake and where it is; `origin` names a --set or --until in place of line and column."""

    line: int
    column: int
    message: str
    origin: str = ""


class Reader:
    """Reads one file; collects problems instead of raising at the first."""

    def __init__(self, path: Path, settings: Sequence[str]) -> None:
        self.path, self.settings = path, settings
        self.problems: list[Problem] = []
        self.stages: list[Stage | RightOptions] = []
        """Every stage, as far as its options are right."""
        self.marks: dict[Where, Node | str] = {}

    # YAML -> plain values with marks
    # -------------------------------------------------------------------------------------

    def parse(self) -> dict[str, Any]:
        """The file as plain values, with the settings applied. Raises PipelineError where it is no YAML at all."""
        # loading ruamel.yaml takes as long as loading all else: a command without a pipeline file does not need it
        from curate.pipeline import yaml_nodes

        root = yaml_nodes.compose(self.path)
        values = self._plain(root, ())
        for setting in self.settings:
            self._set(values, setting)
        return values

    def _plain(self, node: Node, where: Where) -> Any:
        if len(self.marks) > _MOST_VALUES or len(where) > _DEEPEST:
            where_is = f"{self.path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
            raise PipelineError(f"{where_is}: aliases or nesting make this file too large to be meant")
        self.marks[where] = node
        self._check_tag(node)
        from ruamel.yaml.nodes import MappingNode, SequenceNode

        if isinstance(node, MappingNode):
            return self._mapping(node, where)
        if isinstance(node, SequenceNode):
            return [self._plain(child, (*where, i)) for i, child in enumerate(node.value)]
        from curate.pipeline import yaml_nodes

        try:
            return yaml_nodes.scalar(node)
        except ValueError:
            # `!!int ten`: whoever takes the value says what is wrong with it
            return node.value

    def _check_tag(self, node: Node) -> None:
        from curate.pipeline import yaml_nodes

        if tag := yaml_nodes.unknown_tag(node):
            self.problem(node, f"the YAML tag {tag} means nothing here: leave it out, or put the text between quotes")

    def _mapping(self, node: Node, where: Where) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node.value, str):
                self.problem(key_node, "a name must be text: put one that begins with a bracket between quotes")
                continue
            self._check_tag(key_node)
            key = key_node.value
            if key == "<<":
                self.problem(key_node, "merge keys (<<) are not supported: write the options out")
                continue
            if key in values:
                self.problem(key_node, f'"{key}" is there twice')
            values[key] = self._plain(value_node, (*where, key))
            self.marks[(*where, key, "<key>")] = key_node
        return values

    def _set(self, values: dict[str, Any], setting: str) -> None:
        name, equals, text = setting.partition("=")
        origin = f"--set {redacted(setting)}"
        parts = name.strip().split(".")
        is_whole_stage = len(parts) == 1 and parts[0] not in _TOP
        if not equals or not all(parts) or is_whole_stage:
            self.problems.append(Problem(0, 0, "expected stage.option=value, such as resize.max_side=768", origin))
            return
        from curate.pipeline import yaml_nodes

        value = yaml_nodes.plain_value(text)
        if parts[0] in _TOP:
            self._assign(values, tuple(parts), value, origin)
            return
        stages = values.get("stages")
        entries = list(stages) if isinstance(stages, list) else []
        names = [n for n in map(entry_name, entries) if n]
        # a plug-in's name has dots of its own: the longest name that is here counts
        length = next((n for n in range(len(parts) - 1, 0, -1) if entry_name(".".join(parts[:n])) in names), 0)
        if not length:
            self.problems.append(
                Problem(0, 0, f'no stage "{parts[0]}" in this pipeline: {registry.nearest(parts[0], names)}', origin)
            )
            return
        name = ".".join(parts[:length])
        for i, entry in enumerate(entries):
            options = entry[next(iter(entry))] or {} if isinstance(entry, dict) and entry else {}
            if entry_name(entry) != entry_name(name) or not isinstance(options, dict):
                continue
            assert stages is not None
            stages[i] = {name: dict(options)}
            self._assign(stages[i], (name, *parts[length:]), value, origin, ("stages", i))

    def _assign(
        self, values: dict[str, Any], parts: tuple[str, ...], value: Any, origin: str, where: Where = ()
    ) -> None:
        here: Any = values
        length = len(parts)
        for i, part in enumerate(parts[:-1], 1):
            if not isinstance(here.get(part), dict):
                here[part], length = {}, min(length, i)
            here = here[part]
        here[parts[-1]] = value
        replaced = (*where, *parts[:length])
        self.marks = {at: mark for at, mark in self.marks.items() if at[: len(replaced)] != replaced}
        for end in range(length, len(parts) + 1):
            place = (*where, *parts[:end])
            self.marks |= {place: origin, (*place, "<key>"): origin}

    # problems
    # ------------------------------------------------------------------------------------------------------------

    def problem(self, where: Node | str | Where, message: str, *, at_key: bool = False, beside: Where = ()) -> None:
        """Notes a mistake at a node or at the value (or the key) that stands at a path of keys.

        Of a value that does not go with another one, `beside`, the one that a --set gave is named.
        """
        mark: Node | str | None = self._mark(where, at_key) if isinstance(where, tuple) else where
        if beside and not isinstance(mark, str) and isinstance(other := self._mark(beside, False), str):
            mark = other
        if isinstance(mark, str):
            self.problems.append(Problem(0, 0, message, mark))
        else:
            start = mark.start_mark if mark is not None else None
            self.problems.append(Problem(start.line + 1 if start else 1, start.column + 1 if start else 1, message))

    def origin(self, where: Where, *, at_key: bool = False) -> str:
        """Where a value (or its key) stands, as messages begin: FILE:LINE:COLUMN, or the --set that it was given by."""
        mark = self._mark(where, at_key)
        if mark is None or isinstance(mark, str):
            return mark or f"{self.path}:1:1"
        return f"{self.path}:{mark.start_mark.line + 1}:{mark.start_mark.column + 1}"

    def _mark(self, where: Where, at_key: bool) -> Node | str | None:
        if at_key and (*where, "<key>") in self.marks:
            return self.marks[(*where, "<key>")]
        while where and where not in self.marks:
            where = where[:-1]
        return self.marks.get(where)

    def rename(self, key: str, meant: str) -> None:
        """What stands under a key of the file is looked for under the one that was meant, too."""
        for where, mark in list(self.marks.items()):
            if where[:1] == (key,):
                self.marks[(meant, *where[1:])] = mark

    def finish(self) -> None:
        """Raises PipelineError with every mistake, in the order of the file."""
        if not self.problems:
            return
        lines: list[str] = []
        for p in sorted(set(self.problems), key=lambda p: (p.line, p.column, p.message)):
            lines.append(f"{p.origin}: {p.message}" if p.origin else f"{self.path}:{p.line}:{p.column}: {p.message}")
        raise PipelineError("\n".join(lines), lines)

    # typed
    # ---------------------------------------------------------------------------------------------------------------

    def typed(self, model: type[BaseModel], values: Any, where: Where, what: str) -> Any:
        """The model made of the values, or None with every problem noted."""
        if values is None:
            values = {}
        if not isinstance(values, dict):
            self.problem(where, f"{what} takes a mapping of options, found {describe(values)}")
            return None
        unknown = [k for k in values if k not in model.model_fields]
        for key in unknown:
            hint = _COMMA if values[key] is None and str(key).isdecimal() else _hint(model, what, str(key))
            self.problem((*where, key), f'{what} has no option "{key}": {hint}', at_key=True)
        meant = {option for key in unknown for option in _meant(model, str(key))}
        result = validate(model, {k: v for k, v in values.items() if k in model.model_fields}, meant)
        for one in result.mistakes:
            place = (*where, *one.where) if one.where else self._cause(model, values, where, one.message)
            self.problem(place, f"{dotted((what, *one.where))}: {one.message}")
        if issubclass(model, Stage) and result.right is not None:
            self.stages.append(result.right)
        return result.made

    def _cause(self, model: type[BaseModel], values: Mapping[str, Any], where: Where, conflict: str) -> Where:
        """Where a conflict of options is told: at the --set without which there is none, else at all the options."""
        for key in values:
            place = (*where, key)
            if isinstance(self.marks.get(place), str):
                others = {k: v for k, v in values.items() if k in model.model_fields and k != key}
                if all(one.message != conflict for one in validate(model, others).mistakes):
                    return place
        return where


def _hint(model: type[BaseModel], stage: str, key: str) -> str:
    """What a key that is none may have meant: another program's name, or a misspelt one."""
    option, reason = model.counterpart(key) if issubclass(model, Stage) else ("", "")
    if option:
        options = '" or "'.join(option.split(" or "))
        return f'here it is "{options}"'
    if reason:
        return f"leave it out: {reason}"
    known = list(model.model_fields)
    hint = registry.nearest(key, known)
    is_list = hint.startswith("choose") and len(known) > _MANY
    return f"`curate {stage} --help` lists its options" if is_list and issubclass(model, Stage) else hint


def _meant(model: type[BaseModel], key: str) -> list[str]:
    """The options that a key which is none likely stands for."""
    option, _ = model.counterpart(key) if issubclass(model, Stage) else ("", "")
    near = registry.closest(key, list(model.model_fields))
    return [*(one for one in option.split(" or ") if one), *([near] if near else [])]


def entry_name(entry: Any) -> str | None:
    """The name of the stage that an entry of `stages:` stands for, None where it stands for none."""
    if isinstance(entry, str):
        return entry.replace("_", "-") if "." not in entry else entry
    if isinstance(entry, dict) and len(entry) == 1:
        name = str(next(iter(entry)))
        return name.replace("_", "-") if "." not in name else name
    return None

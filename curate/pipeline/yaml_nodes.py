"""YAML nodes: a file's text as nodes that know their line, read by ruamel.yaml."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from curate.errors import InputError
from curate.pipeline.options import PipelineError

_HINTS = {
    "mapping values are not allowed": "; lines of one level begin in the same column; options stand between braces, "
    "`- train: {base: toy}`, or indented below `- train:`",
    "found character '\\t'": "; indent with spaces, not with tabs",
    "found character": "; put the value between quotes",
    "found undefined alias": "; put a value that begins with * between quotes",
    "found unexpected end of stream": "; a quote is not closed",
    "but found another document": "; a pipeline is one document: remove the line --- and what is below it",
    "expected ',' or": "; a bracket or brace that was opened before is not closed, or a comma is missing",
    "expected <block end>": "; lines that belong together must begin in the same column",
}
"""What to do about what the reader of YAML says, by its beginning."""


_YAML = "tag:yaml.org,2002:"
_TAGS = {
    "scalar": ("str", "int", "float", "bool", "null", "timestamp", "merge", "value"),
    "a list": ("seq",),
    "a mapping": ("map",),
}
"""Tags that are given to values without one, too."""


def compose(path: Path) -> MappingNode:
    """The mapping that a file holds. Raises InputError without the file, PipelineError where it is no YAML."""
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise InputError(f"pipeline file {path} {what}", "`curate init` writes one")
    text = _text(path)
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except RecursionError as error:
        raise PipelineError(f"{path}: its brackets are nested too deeply to be meant") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = str(error.problem or error.context)
        hint = next((text for start, text in _HINTS.items() if problem.startswith(start)), "")
        raise PipelineError(f"{path}:{line}:{column}: not YAML: {problem}{hint}") from error
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        character = f"U+{ord(text[error.position]):04X}"
        raise PipelineError(
            f"{path}:{line}:{column}: not YAML: the character {character} is not allowed in it"
        ) from error
    if not isinstance(root, MappingNode):
        raise PipelineError(f"{path}:1:1: expected input:, output: and stages:, found {kind(root)}")
    return root


def _text(path: Path) -> str:
    """The text of a file. Raises PipelineError for any encoding but UTF-8."""
    data = path.read_bytes()
    if any(data.startswith(mark) for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise PipelineError(f"{path}: is UTF-16 text: save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        found = f"found the byte {data[error.start]:#04x}"
        raise PipelineError(f"{path}:{line}:{column}: is not UTF-8 text, {found}: save it as UTF-8") from error
    if text[1:2] == "\0" or text[:1] == "\0":
        raise PipelineError(f"{path}: is UTF-16 text: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def plain_value(text: str) -> Any:
    """A single value as YAML reads it; the text itself where it is no YAML."""
    try:
        return YAML(typ="safe", pure=True).load(text) if text.strip() else text
    except MarkedYAMLError:
        return text


def scalar(node: Node) -> Any:
    """The plain value of a scalar. Raises ValueError where it is not what its tag says."""
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


def unknown_tag(node: Node) -> str:
    """The tag of a node as it is written, where it is none that plain YAML has for such a value; "" of any other."""
    tag = str(node.tag)
    known = _TAGS["scalar" if isinstance(node, ScalarNode) else kind(node)]
    return "" if tag in ("!", *(_YAML + name for name in known)) else tag.replace(_YAML, "!!")


def kind(node: Node | None) -> str:
    """What a file or a value is, in words."""
    if node is None or (isinstance(node, ScalarNode) and str(node.tag).endswith(":null")):
        return "an empty file"
    if isinstance(node, MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, SequenceNode) else "a single value"

"""Schema: the JSON schema of pipeline.yaml, read off the stages."""

from __future__ import annotations

from typing import Any

from curate.core import registry
from curate.core.stage import Concept, Options, takes_list
from curate.pipeline.options import CaptionOptions, RunOptions
from curate.scan import RIGHTS, UNCHECKED


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
        {
            "type": "object",
            "patternProperties": {r"^\w+(\.\w+)+$": True},
            "additionalProperties": False,
            "minProperties": 1,
        }
    )
    folders = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    names = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    concept = _loosened(Concept, Concept.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "curate pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["input", "output", "stages"],
        "properties": {
            "input": {
                **folders,
                "description": "A folder, or a list of folders, whose sub-folders hold one concept each.",
            },
            "output": {"type": "string", "description": "The prepared folder; everything is written under it."},
            "concepts": {
                "type": "object",
                "additionalProperties": concept,
                "description": "What is said of each concept, by folder.",
            },
            **CaptionOptions.model_json_schema()["properties"],
            "consent": {
                "enum": [UNCHECKED, RIGHTS],
                "description": f"{UNCHECKED} includes pictures whose files cannot be checked for a refusal of AI training; "
                f"{RIGHTS} also those that refuse it.",
            },
            "exclude": {
                **names,
                "description": "Pictures that are left out, by name (a.png, dog/a) or pattern (*_old, dog/sub/*).",
            },
            "restore": {
                **names,
                "description": "Pictures that come back although you removed them from the prepared folder.",
            },
            "stages": {
                "type": "array",
                "items": {"anyOf": entries},
                "minItems": 1,
                "description": "The stages, in order.",
            },
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

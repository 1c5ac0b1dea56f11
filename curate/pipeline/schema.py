"""Schema: the JSON schema of pipeline.yaml, read off the stages."""

from __future__ import annotations

from typing import Any

from curate.core import registry
from curate.core.stage import Concept, Options, takes_list
from curate.pipeline.options import CaptionOptions, RunOptions
from curate.scan import RIGHTS, UNCHECKED

_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_FOLDERS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_PLUG_IN = r"^\w+(\.\w+)+$"


def schema() -> dict[str, Any]:
    """JSON schema of pipeline.yaml for editors: every stage with its options, types, defaults and help."""
    entries, definitions = _stages()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "curate pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["input", "output", "stages"],
        "properties": _keys(entries),
        "$defs": definitions,
    }


def _keys(stage_entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The keys of the file."""
    folders = (
        "A folder or a list of folders. Each sub-folder is a concept. Also an address (s3://BUCKET/FOLDER, gs://, "
        "hf://datasets/NAME), and a folder of WebDataset shards (.tar) or of tables of pictures (.parquet)."
    )
    output = "The prepared folder, where everything is written; or an address: s3://BUCKET/FOLDER, gs://."
    concept = _loosened(Concept, Concept.model_json_schema())
    consent = (
        "Pictures marked 'no AI training', or that cannot be checked for it, are set aside. "
        f"{UNCHECKED} includes those that cannot be checked; {RIGHTS} includes both."
    )
    exclude = "Pictures to leave out, by name (a.png, dog/a) or pattern (*_old, dog/sub/*)."
    restore = "Pictures to bring back that you removed from the prepared folder."
    stages = {"type": "array", "items": {"anyOf": stage_entries}, "minItems": 1}
    return {
        "input": {**_FOLDERS, "description": folders},
        "output": {"type": "string", "description": output},
        "concepts": {
            "type": "object",
            "additionalProperties": concept,
            "description": "Settings of each concept, by folder name.",
        },
        **CaptionOptions.model_json_schema()["properties"],
        "consent": {"enum": [UNCHECKED, RIGHTS], "description": consent},
        "exclude": {**_NAMES, "description": exclude},
        "restore": {**_NAMES, "description": restore},
        "stages": {**stages, "description": "The stages, in order."},
        "run": {**RunOptions.model_json_schema(), "description": "How the run works. Nothing here changes a result."},
    }


def _stages() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What an entry of `stages:` may be, and the definitions that the entries refer to."""
    entries: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for name in registry.stage_names():
        stage = registry.stage(name)
        model = stage.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= model.pop("$defs", {})
        help_text = (stage.__doc__ or "").strip().splitlines()[0]
        definitions[f"stage-{name}"] = {**_loosened(stage, model), "title": name, "description": help_text}
        reference = {"anyOf": [{"$ref": f"#/$defs/stage-{name}"}, {"type": "null"}]}
        entries.append({"const": name, "description": help_text})
        entries.append(_one_key({"properties": {name: reference}, "required": [name], "description": help_text}))
    entries.append({"type": "string", "pattern": _PLUG_IN, "description": "A plug-in's module."})
    entries.append(_one_key({"patternProperties": {_PLUG_IN: True}, "minProperties": 1}))
    return entries, definitions


def _one_key(about: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, **about}


def _loosened(model: type[Options], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with a single value allowed where a list is meant, as `Options` allows it."""
    about = ("description", "default", "title")
    for name, info in model.model_fields.items():
        field = schema.get("properties", {}).get(name, {})
        if takes_list(info.annotation) and field:
            bare = {k: v for k, v in field.items() if k not in about}
            single = bare.get("items", {}) if "items" in bare else {"type": ["string", "number"]}
            schema["properties"][name] = {"anyOf": [single, bare], **{k: field[k] for k in about if k in field}}
    return schema

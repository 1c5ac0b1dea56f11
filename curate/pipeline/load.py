"""Load: a pipeline file into typed stages; every mistake at once, each with file:line:column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.core import registry
from curate.core.caption_options import CaptionReading
from curate.core.path_options import resolve_paths
from curate.core.plain_words import describe
from curate.core.stage import Concept, Stage
from curate.errors import InputError
from curate.names import folder_name
from curate.pipeline.options import CaptionOptions, Pipeline, PipelineError, RunOptions
from curate.pipeline.order import check_order
from curate.pipeline.places import all_here, inputs_of, origins_of, output_of, work_of
from curate.pipeline.reader import Problem, Reader, entry_name
from curate.scan import RIGHTS, UNCHECKED, ConsentChoice

_KEYS = ("input", "output", *CaptionOptions.model_fields, "concepts", "consent", "exclude", "restore", "stages", "run")


def load(path: Path, settings: Sequence[str] = (), until: str | None = None) -> Pipeline:
    """Reads and checks a pipeline file. `settings` are `stage.option=value` strings that win over the file.

    `until` ends the pipeline after that stage. Raises PipelineError naming every mistake.
    """
    reader = Reader(path, settings)
    values = reader.parse()
    for key in [k for k in values if k not in _KEYS]:
        reader.problem((key,), f'unknown key "{key}": {registry.nearest(key, _KEYS)}', at_key=True)
        # what stands under it is looked at as what was likely meant
        if (meant := registry.closest(key, _KEYS)) and meant not in values:
            values[meant] = values[key]
            reader.rename(key, meant)
    base = path.resolve().parent
    inputs = inputs_of(reader, values, base)
    output = output_of(reader, values, base, inputs)
    concepts = _concepts(reader, values, [one for one in inputs if isinstance(one, Path)], all_here(inputs))
    consent = _consent(reader, values)
    reading = _captions(reader, values)
    stages = _stages(reader, values, base)
    stages = [stage.before_training(lambda: _training_options(stages)) for stage in stages]
    options = reader.typed(RunOptions, values.get("run"), ("run",), "run")
    stages, later = _until(reader, values, stages, until)
    destination = output if isinstance(output, str) else ""
    work = work_of(reader, base, options, destination)
    exclude, restore = _patterns(reader, values, "exclude"), _patterns(reader, values, "restore")
    try:
        reader.finish()
    except PipelineError as error:
        error.stages, error.output, error.run = (
            tuple(reader.stages),
            output if isinstance(output, Path) else None,
            options,
        )
        raise
    return Pipeline(
        path=path,
        whole=until is None,
        input=tuple(inputs),
        output=output if isinstance(output, Path) else work,
        destination=destination,
        concepts=concepts,
        captions=reading,
        consent=consent,
        exclude=exclude,
        restore=restore,
        stages=tuple(stages),
        later=tuple(later),
        run=options,
        origins=origins_of(reader, inputs, destination, values.get("concepts") or ()),
    )


def _training_options(stages: Sequence[Stage]) -> dict[str, Any]:
    return {name: value for stage in stages for name, value in stage.training_options().items()}


def _until(
    reader: Reader, values: Mapping[str, Any], stages: list[Stage], until: str | None
) -> tuple[list[Stage], list[Stage]]:
    """The stages up to and with `until`, and those after it."""
    names, entries = [s.name for s in stages], values.get("stages")
    if until is None:
        return stages, []
    if until in names:
        end = names.index(until) + 1
        return stages[:end], stages[end:]
    # a stage of that name whose options are wrong has been named as a mistake
    if until not in map(entry_name, entries if isinstance(entries, list) else ()):
        message = f"no such stage in this pipeline: {registry.nearest(until, names)}"
        reader.problems.append(Problem(0, 0, message, f"--until {until}"))
    return stages, []


def _concepts(
    reader: Reader, values: Mapping[str, Any], inputs: Sequence[Path], is_all_here: bool
) -> dict[str, Concept]:
    """What is said of concepts. Their names are looked for in the input where all of it is on this disk."""
    given = values.get("concepts")
    if given is None:
        return {}
    if not isinstance(given, dict):
        reader.problem(("concepts",), f"concepts: takes a mapping of folder names, found {describe(given)}")
        return {}
    # names in a folder that is not there would only add to its own message
    there = [root for root in inputs if root.is_dir()] if is_all_here else []
    folders = sorted({name for root in there for name in _concept_names(root)}) if there == [*inputs] else []
    concepts: dict[str, Concept] = {}
    for name, settings in given.items():
        bare = name if name in folders else folder_name(name).name
        if folders and bare not in folders:
            reader.problem(
                ("concepts", name), f'no folder "{name}" in the input: {registry.nearest(name, folders)}', at_key=True
            )
        concept = reader.typed(Concept, settings, ("concepts", name), f"concepts.{name}")
        if concept is not None:
            for i, word in enumerate(concept.trigger):
                if not word.strip() or "," in word or "\n" in word:
                    reader.problem(
                        ("concepts", name, "trigger", i),
                        f'trigger word "{word}" must be one tag: not empty, without commas',
                    )
            concepts[bare] = concept
    return concepts


def _concept_names(root: Path) -> Iterator[str]:
    try:
        yield root.resolve().name
        for path in root.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                yield folder_name(path.name).name
    except OSError:
        return


def _consent(reader: Reader, values: Mapping[str, Any]) -> ConsentChoice:
    given = values.get("consent")
    if given == RIGHTS:
        return RIGHTS
    if given == UNCHECKED:
        return UNCHECKED
    if given is not None:
        reader.problem(
            ("consent",),
            f'consent: takes "{RIGHTS}" (you hold the rights in every picture of the input), '
            f'"{UNCHECKED}" (include pictures whose files cannot be checked for a refusal), or nothing',
        )
    return ""


def _captions(reader: Reader, values: Mapping[str, Any]) -> CaptionReading:
    given = {key: values[key] for key in CaptionOptions.model_fields if key in values}
    options = reader.typed(CaptionOptions, given, (), "pipeline") or CaptionOptions()
    return CaptionReading(options.caption_form, options.caption_encoding)


def _patterns(reader: Reader, values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Names and patterns of pictures."""
    given = values.get(key)
    rows = given if isinstance(given, list) else [given]
    if given is None:
        return ()
    for i, one in enumerate(rows):
        if not isinstance(one, str) or not one.strip():
            where = (key, i) if isinstance(given, list) else (key,)
            reader.problem(where, f"{key}: takes names or patterns of pictures (a.png, dog/*), found {describe(one)}")
    return tuple(one for one in rows if isinstance(one, str))


def _stages(reader: Reader, values: Mapping[str, Any], base: Path) -> list[Stage]:
    given = values.get("stages")
    if not isinstance(given, list) or not given:
        what = "names no stage" if given == [] else f"must be a list of stages, found {describe(given)}"
        if "stages" not in values:
            what = "is missing"
        reader.problem(
            ("stages",) if "stages" in values else (),
            f"stages: {what}, for example [convert, resize, tag, trigger, export]",
        )
        return []
    stages: list[Stage] = []
    names: list[tuple[int, str]] = []
    written: dict[int, Any] = {}
    for i, entry in enumerate(given):
        name = entry_name(entry)
        if name is None:
            reader.problem(("stages", i), _not_a_stage(entry))
            continue
        try:
            found = registry.stage(name)
        except InputError as error:
            reader.problem(("stages", i), error.message + (f": {error.remedy}" if error.remedy else ""))
            name = registry.closest(name, registry.stage_names()) if "." not in name else ""
            if not name:
                continue
            found = registry.stage(name)
        names.append((i, name))
        raw = next(iter(entry)) if isinstance(entry, dict) else entry
        options = entry[raw] if isinstance(entry, dict) else None
        written[i] = options if isinstance(options, dict) else None
        stage = reader.typed(found, resolve_paths(found, options, base), ("stages", i, raw), name)
        if stage is not None:
            stages.append(stage)
    check_order(reader, names, written)
    return stages


def _not_a_stage(entry: Any) -> str:
    first = str(next(iter(entry))) if isinstance(entry, dict) and entry else ""
    if len(entry or ()) > 1 and isinstance(entry, dict) and entry[first] is None:
        remedy = f"indent them two more, or write {first}: {{…}}"
        return f'the options of "{first}" must be indented under it: {remedy}'
    return f"expected a stage name or one `stage: {{options}}`, found {describe(entry)}"

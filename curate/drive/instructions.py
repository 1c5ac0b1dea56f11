"""Instructions: what a person asked for pictures in the review page is carried out before anything else."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.core.counting import counted
from curate.core.events import ConceptsChanged, InstructionsDone, Listener, Note
from curate.core.record import Manifest, Record
from curate.core.stage import Concept, RecordStage, Stage
from curate.core.store import LEDGER, Store, ledger_place
from curate.core.transform import Transform
from curate.core.user_changes import MOVED_FROM, TRANSFORMED, Identity
from curate.core.written import Written
from curate.folder import Instructions, copy_ledger, source_key
from curate.folder.instruction_matching import match
from curate.folder.transform_stage import NOT_TRANSFORMED, TransformStage
from curate.names import words
from curate.report.instructions import carried_out
from curate.scan import picture_key
from curate.stages.convert import Convert
from curate.stages.dedupe import Dedupe
from curate.stages.split import Split

_SHAPE = 0.02
"""How much wider or taller than its source, as a share, a prepared picture may be and still show all of it."""


def with_transforms(stages: Sequence[Stage], transforms: Mapping[str, Transform]) -> list[Stage]:
    """The stages with the steps that turn, mirror and crop: in front, and behind what takes pictures apart."""
    if not transforms:
        return list(stages)
    convert = next((stage for stage in stages if isinstance(stage, Convert)), None)
    entry = (convert or Convert.model_validate({})).model_copy(update={"at_least": 0})
    if stages[0] is not convert:
        # what leaves this pass is read again
        entry = entry.model_copy(update={"format": "png", "png_level": None})
    parts = {key: one for key, one in transforms.items() if source_key(key) != key}
    first = {key: one for key, one in transforms.items() if key not in parts or entry.frames != "first"}
    compared = any(isinstance(stage, Dedupe) for stage in stages)

    def step(some: Mapping[str, Transform], entry: RecordStage | None, *, keeps_encoding: bool = False) -> Stage:
        return TransformStage(
            transforms=tuple(some.items()), entry=entry, keeps_encoding=keeps_encoding, keeps_picture=compared
        )

    steps: list[Stage] = [step(first, entry, keeps_encoding=convert is None)] if first else []
    for stage in stages:
        steps.append(stage)
        if isinstance(stage, Split) and parts:
            steps.append(step(parts, None))
    return steps


def with_concepts(
    manifest: Manifest, instructions: Instructions, concepts: Mapping[str, Concept], tell: Listener
) -> Manifest:
    """The records, those in their new concept that a person moved there: its trigger words and repeats are theirs."""
    moved = {r.key for r in manifest if instructions.concepts.get(r.key, r.concept) != r.concept and not r.aside}
    if not moved:
        return manifest
    own = {r.concept: r for r in reversed(manifest) if r.key not in moved}

    def placed(record: Record) -> Record:
        if record.key not in moved:
            return record
        name = instructions.concepts[record.key]
        settings, other = concepts.get(name, Concept()), own.get(name)
        return dataclasses.replace(
            record.noting(f"moved from {record.concept} to {name} as you asked", **{MOVED_FROM: record.concept}),
            concept=name,
            trigger=settings.trigger or (other.trigger if other else words(name)),
            repeats=settings.repeats or (other.repeats if other else 1),
        )

    result = Manifest(map(placed, manifest))
    counts: dict[str, int] = {}
    for record in result:
        counts[record.concept] = counts.get(record.concept, 0) + 1
    tell(ConceptsChanged(counts))
    return result


def of_inputs(inputs: Sequence[Path], manifest: Manifest, tell: Listener) -> Instructions:
    """The instructions that lie in the ledgers of input folders and of folders in them, which are only read."""
    found = Instructions()
    tops = {folder.absolute() for folder in inputs}
    places = {Path(place) for place in {os.path.dirname(r.image.path) for r in manifest if r.image.path}}  # noqa: PTH120
    inner = {above for place in places for above in (place, *place.parents) if not tops.isdisjoint(above.parents)}
    for folder in (*inputs, *sorted(inner)):
        with _ledger(folder) as ledger:
            if ledger is not None:
                found = found.over(of_folder(folder, ledger, manifest, tell))
    return found


@contextlib.contextmanager
def _ledger(folder: Path) -> Generator[Store | None]:
    """A copy of a folder's ledger; None where it has none."""
    place = ledger_place(folder)
    if not (place / LEDGER / "ledger.sqlite").is_file():
        yield None
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy_ledger(place, Path(scratch))
        with Store(Path(scratch)) as store:
            yield store


def of_folder(folder: Path, ledger: Store, manifest: Manifest, tell: Listener) -> Instructions:
    """The instructions in a folder's own ledger that are not carried out in its pictures yet.

    A prepared picture that no longer shows all of its source cannot be cropped as it was meant: that is told of.
    """
    kept, concepts = ledger.transforms(), ledger.concept_overrides()
    if not kept and not concepts:
        return Instructions()
    rows, root = ledger.written(), folder.absolute()
    records: dict[Identity, Record] = {}
    known: dict[str, Written] = {}
    for record in manifest:
        path = Path(record.image.path)
        if record.aside or root not in path.parents:
            continue
        row = rows.get(path.relative_to(root).as_posix())
        if row is None:
            records[record.origin, picture_key(root, path)] = record
        else:
            records[row.origin, row.key] = record
            known[record.key] = row
    matched = match(kept, concepts, records, {}, root, tell)
    sizes = {key: (one.width, one.height) for (_, key), one in kept.items()}
    waiting = {
        key: one
        for key, one in matched.transforms.items()
        if key not in known or _is_waiting(known[key], one, sizes.get(known[key].key, (0, 0)), tell)
    }
    moving = {
        key: name
        for key, name in matched.concepts.items()
        if key not in known or known[key].record.get("concept") != name
    }
    return Instructions(waiting, moving)


def _is_waiting(row: Written, transform: Transform, source: tuple[int, int], tell: Listener) -> bool:
    """Whether a prepared picture is still to be changed, and can be."""
    done = row.record.get("facts", {}).get(TRANSFORMED)
    if done is not None and {k: v for k, v in done.items() if k != "part"} == transform.to_plain():
        return False
    image = row.record.get("image", {})
    width, height = image.get("width", 0), image.get("height", 0)
    other = width and source[0] and abs(width * source[1] / (height * source[0]) - 1) > _SHAPE
    if done is not None or other:
        what = f"it is not {', '.join(transform.words)} as you asked, since it does not show the whole source"
        tell(Note("warning", f"{what}: run again what prepared {row.path}", key=row.key))
        return False
    return True


def known_before(store: Store, instructions: Instructions) -> dict[str, Mapping[str, Any]]:
    """The records of pictures as a folder has them before the instructions are carried out, by key."""
    if not instructions.transforms and not instructions.concepts:
        return {}
    return {row.key: row.record for row in store.written().values()}


def report_done(
    instructions: Instructions, before: Mapping[str, Mapping[str, Any]], after: Manifest, tell: Listener
) -> None:
    """Names the pictures that were not as a person asked before, and are so now."""
    asked = {*instructions.transforms, *instructions.concepts}
    done = carried_out([r for r in after if r.key in asked or source_key(r.key) in asked], before)
    tell(InstructionsDone({word: tuple(keys) for word, keys in done.items()}))


def report_left_out(manifest: Manifest, tell: Listener) -> None:
    """Names the transforms that could not be carried out: their pictures go on as they are."""
    for record in manifest:
        if reason := record.facts.get(NOT_TRANSFORMED):
            tell(Note("warning", f"not changed as you asked: {reason}", key=record.key))


def report_waiting(instructions: Instructions, command: str, tell: Listener) -> None:
    """Tells of instructions that a command does not carry out, since it writes no pictures."""
    count = len({*instructions.transforms, *instructions.concepts})
    if count:
        what = f"{counted(count, 'picture')} not changed as you asked, since {command} writes no pictures"
        tell(Note("warning", f"{what}: write them to another folder with -o, or `curate convert --in-place`"))

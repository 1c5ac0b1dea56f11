"""Overrides: what a person decides about pictures and folders, in the pipeline or by hand in the prepared folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from curate import folder, picture_names
from curate.core.events import Listener, Note
from curate.core.lock import run_lock
from curate.core.record import Manifest
from curate.core.stage import Concept
from curate.core.store import LEDGER, Store
from curate.core.user_changes import RepeatsOverride
from curate.drive.session import silent
from curate.errors import InputError


def apply_repeats(
    concepts: Mapping[str, Concept], overrides: Mapping[str, RepeatsOverride], tell: Listener
) -> dict[str, Concept]:
    """The concepts with the repeats that a person chose by renaming folders; the pipeline's own count more."""
    result = dict(concepts)
    for name, override in overrides.items():
        concept = concepts.get(name, Concept())
        if concept.repeats:
            message = f"you renamed its folder to {override.repeats} repeats, but the pipeline sets {concept.repeats}"
            tell(Note("warning", f"{name}: {message}, so {concept.repeats} is used"))
            continue
        result[name] = concept.model_copy(update={"repeats": override.repeats})
        message = (
            f"{override.repeats} repeats, since you renamed its folder; rename it to {override.generated}_ to undo"
        )
        tell(Note("advice", f"{name}: {message}"))
    return result


def fixed_repeats(concepts: Mapping[str, Concept]) -> set[str]:
    """The concepts whose repeats the pipeline sets."""
    return {name for name, concept in concepts.items() if concept.repeats}


def exclude(manifest: Manifest, patterns: Sequence[str], tell: Listener) -> Manifest:
    """The manifest with the pictures set aside that `exclude:` names; tells of names that mean no picture."""
    if not patterns:
        return manifest
    for message in picture_names.warnings("exclude", patterns, (r.key for r in manifest)):
        tell(Note("warning", message))
    matches = {r.key: picture_names.match(r.key, patterns) for r in manifest}
    return Manifest(
        dataclasses.replace(r, aside=f"excluded in the pipeline ({matches[r.key]})")
        if matches[r.key] is not None and not r.aside
        else r
        for r in manifest
    )


def of_folders(concepts: Mapping[str, Concept], manifest: Manifest, source: Path, tell: Listener) -> dict[str, Concept]:
    """What a pipeline says of concepts, also by the names that their folders have in a prepared folder: the triggers.

    A concept that no folder is of is named: what is said of it has no effect.
    """
    present = {record.concept for record in manifest}
    result = dict(concepts)
    for name, concept in concepts.items():
        words = ", ".join(concept.trigger)
        if name in present or not present:
            continue
        if words in present:
            result.setdefault(words, concept)
        else:
            message = f'no folder in {source} is of the concept "{name}", so what the pipeline says of it has no effect'
            tell(Note("warning", message))
    return result


def restore_patterns(
    changes: folder.Changes, patterns: Sequence[str], target: Path, store: Store, tell: Listener
) -> folder.Changes:
    """The changes without the removals that `restore:` in the pipeline takes back."""
    wanted = folder.restore(target, store, patterns) if patterns else []
    for key in wanted:
        tell(Note("info", "restored: you had removed it from the prepared folder", key=key))
    return dataclasses.replace(changes, removed=store.removed()) if wanted else changes


def restore(target: Path, patterns: Sequence[str], *, dry_run: bool = False) -> list[str]:
    """Pictures that a person removed from a prepared folder come back with the next run; returns their keys.

    Raises InputError where no run has worked on the folder, or where a name means none of them.
    """
    if not (target / LEDGER / "ledger.sqlite").is_file():
        raise InputError(f"{target} is not a folder that curate prepared", "give the output folder of a run")
    with run_lock(target), Store(target) as store:
        folder.read_changes(target, store, silent)
        removed = [key for _, key in store.removed()]
        for pattern, near in picture_names.unmatched(patterns, removed):
            hint = f'did you mean "{near}"?' if near else "`curate tags restore FOLDER --dry-run` lists them"
            raise InputError(f'no picture called "{pattern}" was removed from {target}', hint)
        if dry_run:
            return [key for _, key in folder.matching_removals(store, patterns)]
        return folder.restore(target, store, patterns, "tags restore")

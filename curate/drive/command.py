"""Command: one stage over plain folders, to another folder or in place."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curate import folder
from curate.core.caption_options import CaptionReading
from curate.core.events import Listener, Note
from curate.core.lock import run_lock
from curate.core.option_names import COMMON
from curate.core.record import Manifest
from curate.core.stage import Concept, Stage, adds_only, picture_stage
from curate.core.store import LEDGER, Store, ledger_place
from curate.drive.command_folders import check_folders
from curate.drive.instructions import (
    known_before,
    of_folder,
    of_inputs,
    report_done,
    report_left_out,
    report_waiting,
    with_concepts,
    with_transforms,
)
from curate.drive.known_options import with_known_options
from curate.drive.launched import is_further_process, take_part
from curate.drive.output_paths import places, source_file, source_files
from curate.drive.overrides import of_folders
from curate.drive.preview import check_finished, preview
from curate.drive.requirements import check_requirements
from curate.drive.selection import merge, select
from curate.drive.session import Completion, Job, Result, Session, carry_out, env_over, quoted
from curate.drive.triggers import triggers_first
from curate.drive.undo import undo_unfinished
from curate.pipeline import RunOptions
from curate.scan import ConsentChoice, reopen, scan
from curate.stages.export import Export

_NEXT = {
    "convert": "tag",
    "resize": "tag",
    "tag": "captions",
    "captions": "prune",
    "prune": "trigger",
    "trigger": "balance",
    "balance": "train",
    "export": "train",
}
"""What usually follows a stage's command."""


@dataclass(frozen=True)
class Command:
    """One stage over plain folders: from `source` to `out`, or within `source`.

    A `dry_run` writes to neither; its findings say what the command would change. `remarks` are told at the start.
    """

    stage: Stage
    source: Path
    out: Path | None = None
    in_place: bool = False
    only: tuple[str, ...] = ()
    concepts: Mapping[str, Concept] = field(default_factory=dict[str, Concept])
    consent: ConsentChoice = ""
    captions: CaptionReading = field(default_factory=CaptionReading)
    options: RunOptions = field(default_factory=RunOptions)
    quiet: bool = False
    dry_run: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def target(self) -> Path:
        """The folder written to."""
        return self.out or self.source


def command(c: Command) -> Result:
    """Carries out one stage. Raises InputError where the folders do not allow it, CurateError where it fails."""
    if is_further_process():
        return take_part(c.stage, c.target, c.options)
    check_folders(c.stage, c.source, c.out, in_place=c.in_place, dry_run=c.dry_run)
    stage, remarks = with_known_options(c.stage, c.source)
    c = dataclasses.replace(c, stage=stage, remarks=remarks)
    env = env_over(c.target, c.target, c.options, c.concepts, None)
    check_requirements([c.stage], env, writes=not (adds_only(type(c.stage)) or c.dry_run))
    if c.stage.read_only:
        return _read_only(c)
    return _dry_run(c) if c.dry_run else _carried_out(c)


def _read_only(c: Command) -> Result:
    """The stage over a folder that is only read: the ledger of such a command is nobody's, and gone when it ends."""
    with tempfile.TemporaryDirectory() as place:
        return _carried_out(dataclasses.replace(c, out=Path(place)))


def _dry_run(c: Command) -> Result:
    """The command with a copy of the ledger in a scratch folder, which also takes the pictures that are made."""
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        folder.copy_ledger(c.target, scratch)
        return _carried_out(c, scratch)


def _carried_out(c: Command, scratch: Path | None = None) -> Result:
    quiet_stage = c.stage.name if c.stage.read_only else ""
    # what only adds files may add them elsewhere: a folder that takes none serves as it is
    ledger = ledger_place(c.source) if adds_only(type(c.stage)) and not c.stage.read_only else c.target
    temporary = scratch is not None or c.stage.read_only
    job = Job(
        scratch or c.target,
        (c.stage.name,),
        c.options,
        c.concepts,
        c.quiet,
        quiet_stage,
        scratch or ledger,
        temporary,
        typed=COMMON.union(type(c.stage).model_fields),
        dry_run=c.dry_run,
        settings=c.concepts or None,
    )
    return carry_out(job, lambda session: _work(c, session))


def _work(c: Command, session: Session) -> Completion:
    store, tell = session.store, session.tell
    for line in c.remarks:
        tell(Note("info", line, c.stage.name))
    if c.dry_run:
        check_finished(c.target, store)
    elif store.folder not in (c.target, c.source):
        tell(Note("info", f"{c.source} is read-only: curate keeps its own files in {store.root}"))
    if c.out is None and not c.dry_run:
        undo_unfinished(c.source, store, tell)
    with session.env.interruptible():
        recognized = _records(c, session)
        session = session.with_concepts(of_folders(c.concepts, recognized.manifest, c.source, tell))
        manifest, instructions = _instructed(c, session, recognized)
        selected = select(manifest, c.only, c.source)
        before = Manifest(r for r in manifest if r.key in selected)
        c.stage.check_records(before, session.env, tell)
        known = known_before(store, instructions)
        stages = with_transforms([c.stage], instructions.transforms)
    # export changes no record: what it would write follows from them
    after = before if c.dry_run and isinstance(c.stage, Export) else session.runner.run(stages, before)
    with session.env.interruptible():
        report_left_out(after, tell)
        report_done(instructions, known, after, tell)
        if "tags" in c.stage.writes and c.stage.name != "trigger":
            after = triggers_first(before, after)
        return _completion(c, session, manifest, after, merge(manifest, after, selected), instructions.concepts)


def _completion(
    c: Command, session: Session, manifest: Manifest, after: Manifest, final: Manifest, moved: Mapping[str, str]
) -> Completion:
    """Writes what the command made, or says what it would write; `moved` are the concepts that pictures go to."""
    store, env = session.store, session.env
    if c.dry_run:
        final = folder.with_edits(final, store.edits(), store.removed())
        return Completion(final, findings=preview(c.stage, c.source, c.out, env, store, manifest, final, moved))
    if not adds_only(type(c.stage)) and not isinstance(c.stage, Export):
        _publish(c, session, manifest, final, moved)
    if c.out is not None and not c.stage.read_only:
        folder.keep_sources(manifest, store)
    # in a folder of the user's own the next command would write again, which is for the user to ask for
    following = "" if c.in_place else _NEXT.get(c.stage.name)
    return Completion(
        final,
        {"folder": c.source if c.stage.read_only else c.target},
        f"curate {following} {quoted(c.target)}" if following else "",
        c.stage.findings(after, env),
    )


def _instructed(c: Command, session: Session, recognized: folder.Recognized) -> tuple[Manifest, folder.Instructions]:
    """The records in the concepts where a person wants them, and what the person asks for them beside.

    A command that writes captions alone into a folder carries out nothing, and says so.
    """
    manifest, tell = recognized.manifest, session.tell
    found = recognized.instructions
    writes = c.out is not None or picture_stage(type(c.stage)) or c.stage.read_only
    if not writes:
        report_waiting(found, c.stage.name, tell)
        found = folder.Instructions()
    manifest = with_concepts(manifest, found, session.env.concepts, tell)
    moved = {r.key: r.concept for r in manifest if r.key in found.concepts}
    return manifest, dataclasses.replace(found, concepts=moved)


def _records(c: Command, session: Session) -> folder.Recognized:
    """The records the command starts from, with the captions that a person edited in either folder."""
    store, env, tell = session.store, session.env, session.tell
    with contextlib.ExitStack() as stack:
        ledger = store if c.out is None else _ledger_of(c, stack)
        if c.dry_run and ledger:
            check_finished(c.source, ledger)
        edits = folder.read_changes(c.source, ledger, tell).edits if ledger else {}
        scan_tell = _without_notes(tell) if c.stage.reads_folder else tell
        if ledger:
            manifest = reopen(
                c.source,
                ledger,
                store,
                env,
                scan_tell,
                consent=c.consent,
                edits=edits,
                reading=c.captions,
                accept_truncated=c.stage.keeps_truncated,
            )
        else:
            manifest = scan(
                [c.source],
                store,
                env,
                scan_tell,
                consent=c.consent,
                skip=c.out,
                reading=c.captions,
                accept_truncated=c.stage.keeps_truncated,
            )
        own = of_folder(c.source, ledger, manifest, tell) if ledger else of_inputs([c.source], manifest, tell)
    if c.out is None or c.stage.read_only:
        return folder.Recognized(manifest, instructions=own)
    changes = folder.read_changes(c.out, store, tell)
    recognized = folder.recognize(manifest, changes, c.out, store, env, tell)
    return dataclasses.replace(recognized, instructions=recognized.instructions.over(own))


def _without_notes(tell: Listener) -> Listener:
    """A listener that hears of pictures, but not of how the folder was read: the stage says that itself."""
    return lambda event: None if isinstance(event, Note) else tell(event)


def _ledger_of(c: Command, stack: contextlib.ExitStack) -> Store | None:
    """The source folder's own ledger, held; a copy of it where the command only looks, or the folder takes no files."""
    if not (c.source / LEDGER / "ledger.sqlite").is_file():
        return None
    if not (c.stage.read_only or c.dry_run) and ledger_place(c.source) == c.source:
        # what a run has in hand there looks like what a killed one left behind, and would be removed
        stack.enter_context(run_lock(c.source))
        return stack.enter_context(Store(c.source))
    place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folder.copy_ledger(c.source, place)
    return stack.enter_context(Store(place))


def _publish(c: Command, session: Session, before: Manifest, after: Manifest, moved: Collection[str]) -> None:
    """Writes what the command made: to OUT, or into the folder itself with a journal to undo it."""
    store, tell = session.store, session.tell
    files = source_files(before)
    journal = folder.Journal.begin(c.source, store, " ".join(sys.argv[1:]) or c.stage.name) if c.out is None else None
    after = folder.with_edits(after, store.edits(), store.removed())
    present = after.present
    paths = places(c.stage, c.source, present, files, moved)
    folder.publish(after, paths, c.target, store, session.env, tell, journal=journal)
    if journal is None:
        return
    taken = {c.source.absolute() / p for p in paths.values()}
    for record in after:
        if record.aside and not record.facts.get("failed") and record.key in files:
            _take_out(files[record.key], journal)
    for record in present:
        original = source_file(record, files)
        if original is not None and original.absolute() not in taken and original.exists():
            _take_out(original, journal)
    if journal.empty:
        journal.drop()
    else:
        tell(Note("info", f"`curate undo {quoted(c.source)}` reverts this", c.stage.name))


def _take_out(path: Path, journal: folder.Journal) -> None:
    journal.replacing(path)
    path.unlink(missing_ok=True)

"""Run: carries out a pipeline, or tells what it would do."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate import folder
from curate.core.digests import FileDigests
from curate.core.events import Listener, SourcesChanged
from curate.core.lock import check_unlocked
from curate.core.packed_map import PackedMap
from curate.core.record import Manifest, Record
from curate.core.runner import Planned, Runner
from curate.core.stage import Env, Stage
from curate.core.store import REPORT, Store
from curate.drive.draw import write_page
from curate.drive.fetched_concepts import check_concepts
from curate.drive.fingerprint import fingerprint
from curate.drive.instructions import (
    known_before,
    of_inputs,
    report_done,
    report_left_out,
    with_concepts,
    with_transforms,
)
from curate.drive.known_run import KnownRun, known_run
from curate.drive.launched import require_single_process
from curate.drive.origins import with_origins
from curate.drive.overrides import apply_repeats, exclude, fixed_repeats, restore_patterns
from curate.drive.report_page import Pictures, write_report
from curate.drive.requirements import check_requirements
from curate.drive.session import Completion, Job, Result, Session, carry_out, env_over, quoted, silent
from curate.drive.stores import stores_before_plan, stores_listed
from curate.executors.local import choose
from curate.pipeline import Pipeline
from curate.report import open_report
from curate.scan import scan
from curate.stages.train import Train
from curate.storage import Fetched, Output, fetch


def run(pipeline: Pipeline, *, quiet: bool = False, then: Sequence[Stage] = ()) -> Result:
    """Carries out a pipeline. Raises CurateError; what was done until then is kept and a rerun goes on from there.

    `then` are all stages of a command that goes on after a pause: what they need is looked for before the first.
    """
    require_single_process("`curate run`")
    with with_origins(pipeline.origins):
        return _run(pipeline, quiet, then)


def _run(pipeline: Pipeline, quiet: bool, then: Sequence[Stage]) -> Result:
    env = env_over(pipeline.output, pipeline.output, pipeline.run, pipeline.concepts, None)
    check_requirements(
        then or pipeline.stages, env, pipeline.input, executor=pipeline.run.executor, destination=pipeline.destination,
        pauses=bool(then),
    )  # fmt: skip
    if not pipeline.destination:
        return _carry_out(pipeline, env, None, quiet, pauses=bool(then))
    stored = Output(pipeline.destination, pipeline.output)
    with open_report(quiet=quiet) as around, stored.held(around.tell):
        stored.begin(around.tell)
        result = _carry_out(pipeline, env, stored, quiet, pauses=bool(then))
        stored.finish(around.tell, changed=bool(result.figures["computed"]))
        return result


def _carry_out(pipeline: Pipeline, env: Env, stored: Output | None, quiet: bool, *, pauses: bool) -> Result:
    names = tuple(s.name for s in pipeline.stages)
    job = Job(
        pipeline.output, names, pipeline.run, pipeline.concepts, quiet, training=_training(pipeline),
        settings=pipeline.concepts, planned=_planned(pipeline),
    )  # fmt: skip
    page = pipeline.output / REPORT
    exported = "export" in names
    shown: list[Pictures] = []

    def work(session: Session) -> Completion:
        inputs, listings = stores_listed(pipeline, stored, session.store, session.report.tell, session.env.stopping)
        interruptible = session.env.interruptible
        with interruptible():
            state = fingerprint(pipeline, session.env, session.store.file_digests, listings, pauses=pauses)
            if known := known_run(session.store, state):
                known.tell(session.tell)
                return Completion(None, known=known)
            with session.recorder.planning():
                changes = folder.read_changes(pipeline.output, session.store, session.tell)
        session = session.with_concepts(apply_repeats(pipeline.concepts, changes.repeats, session.tell))
        for name in changes.repeats.keys() & fixed_repeats(pipeline.concepts):
            session.store.forget_repeats(name)  # the folder is renamed back: the next run has nothing to warn of
        fetched = fetch(inputs, pipeline.output, session.tell, session.env.stopping)
        inputs.clear()  # of a million objects it takes some hundred megabytes
        session = session.with_sources(fetched.sources)
        with interruptible():
            manifest, instructions = _records(pipeline, fetched, session, changes)
            before = known_before(session.store, instructions)
            for stage in pipeline.stages:
                stage.check_records(manifest, session.env, session.tell)
        result = _through(with_transforms(pipeline.stages, instructions.transforms), manifest, session, stored)
        with interruptible():
            report_left_out(result, session.tell)
            report_done(instructions, before, result, session.tell)
            folder.keep_sources(manifest, session.store)
            if exported and (session.report.tally.computed or not page.exists()):
                shown.append(_pictures(env, manifest, result, session.store))
        places = {"folder": pipeline.output, "report": page} if exported else {}
        if stored:
            stored.upload(session.store, session.tell, session.env.stopping)
            places = {"output": stored.address, **places}
        return Completion(result, places, "" if pauses else _next(pipeline, names), fingerprint=state)

    result = carry_out(job, work)
    if shown and result.manifest is not None:
        write_report(
            page, result.manifest, result.figures, shown[0], pipeline.concepts, pipeline.output,
            quiet=quiet, tokens="train" in names,
        )  # fmt: skip
    _write_grids(result)
    return result


def _through(stages: Sequence[Stage], manifest: Manifest, session: Session, stored: Output | None) -> Manifest:
    """The manifest after all stages; what goes to a store is uploaded before a training that may take hours."""
    names = [stage.name for stage in stages]
    if stored is None or "export" not in names[:-1]:
        return session.runner.run(stages, manifest)
    end = names.index("export") + 1
    manifest = session.runner.run(stages[:end], manifest)
    stored.upload(session.store, session.tell, session.env.stopping)
    return session.runner.run(stages[end:], manifest)


def _write_grids(result: Result) -> None:
    """The pages of the grids that were drawn."""
    for one in result.figures["saved"]:
        if one["kind"] == "grid":
            write_page(Path(one["path"]).parent)


def _training(pipeline: Pipeline) -> dict[str, Any]:
    """Options of the training that follows, where export writes files for other trainers; may read the base.

    A run that ends before the training writes what it will be trained with all the same.
    """
    if not any(stage.reads_training for stage in pipeline.stages):
        return {}
    stages = (*pipeline.stages, *pipeline.later)
    return {k: v for stage in stages for k, v in stage.training_options().items()}


def _planned(pipeline: Pipeline) -> dict[str, Any]:
    """The options that the user gives the training, which may follow in another run."""
    train = next((stage for stage in (*pipeline.stages, *pipeline.later) if isinstance(stage, Train)), None)
    return {"base": train.base, **train.model_dump(mode="json", exclude_defaults=True)} if train else {}


def _records(
    pipeline: Pipeline, fetched: Fetched, session: Session, changes: folder.Changes
) -> tuple[Manifest, folder.Instructions]:
    """The records the run starts from, with what a person said of them in the pipeline and in the prepared folder.

    Beside them is what the person asked for them.
    """
    store, env, tell = session.store, session.env, session.tell
    manifest = scan(
        fetched.folders,
        store,
        env,
        tell,
        consent=pipeline.consent,
        skip=pipeline.output,
        reading=pipeline.captions,
        accept_truncated=_keeps_truncated(pipeline),
        unread=fetched.unread,
    )
    check_concepts(pipeline, fetched, manifest)
    changes = restore_patterns(changes, pipeline.restore, pipeline.output, store, tell)
    recognized = folder.recognize(manifest, changes, pipeline.output, store, env, tell)
    if recognized.added or recognized.removed:
        tell(SourcesChanged(recognized.added, recognized.removed))
    with session.recorder.planning():
        return _instructed(pipeline, fetched, recognized, env, tell)


def _instructed(
    pipeline: Pipeline, fetched: Fetched, recognized: folder.Recognized, env: Env, tell: Listener
) -> tuple[Manifest, folder.Instructions]:
    """The records in the concepts where a person wants them, without excluded ones, and what is asked for."""
    manifest = exclude(recognized.manifest, pipeline.exclude, tell)
    instructions = recognized.instructions.over(of_inputs(fetched.folders, manifest, tell))
    return with_concepts(manifest, instructions, env.concepts, tell), instructions


def _keeps_truncated(pipeline: Pipeline) -> bool:
    return any(stage.keeps_truncated for stage in pipeline.stages)


def _next(pipeline: Pipeline, names: Sequence[str]) -> str:
    if "train" in names:
        return f"edit captions in {quoted(pipeline.output)} if you like, then curate run {quoted(pipeline.path)}"
    if "export" in names and pipeline.whole:
        return f"curate train {quoted(pipeline.output)}"
    if pipeline.whole and "export" not in names:
        output = quoted(pipeline.output)
        return f"put `- export` last in {quoted(pipeline.path)}: without it nothing is written to {output}"
    return f"curate run {quoted(pipeline.path)}"


def _pictures(env: Env, manifest: Manifest, result: Manifest, store: Store) -> Pictures:
    """Where the pictures lie that a report shows; `manifest` are the records as they came."""
    # hashes, since a million digests take three times their memory; two that are alike cost nothing here
    made = {hash(r.origin) for r in result if r.origin and not os.path.isabs(r.image.path)}  # noqa: PTH117
    sources = PackedMap((r.origin, r.image.path) for r in manifest if hash(r.origin) in made)
    files = PackedMap((row.key, row.path) for row in store.each_written(records=False))
    return Pictures(_finder(env), lambda record: _source(record, sources), files)


def _source(record: Record, sources: Mapping[str, str]) -> Path | None:
    """The source picture of a record: the one that we made it of, by its digest, else its own."""
    name = sources.get(record.origin) or (record.image.path if os.path.isabs(record.image.path) else "")  # noqa: PTH117
    return Path(name) if name else None


def _finder(env: Env) -> Callable[[Record], Path | None]:
    return lambda record: env.path(record.image) if record.image.path else None


def plan(pipeline: Pipeline, tell: Listener = silent, *, pauses: bool = False) -> list[Planned]:
    """What `run` would compute and recall. Writes to no folder: it works on a copy of the ledger.

    `tell` hears what a person changed in the output, as the run will say it again. `pauses` says that the person looks
    at the dataset before a training.
    """
    with with_origins(pipeline.origins):
        return _plan(pipeline, tell, pauses=pauses)


def _plan(pipeline: Pipeline, tell: Listener, *, pauses: bool) -> list[Planned]:
    output = pipeline.output
    check_unlocked(output)
    env = env_over(output, output, pipeline.run, pipeline.concepts, None)
    check_requirements(
        pipeline.stages,
        env,
        pipeline.input,
        executor=pipeline.run.executor,
        destination=pipeline.destination,
        pauses=pauses,
    )
    inputs, listings = stores_before_plan(pipeline, tell)
    if (known := _known_plan(pipeline, listings)) is not None:
        return known.plan(tell)
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        folder.copy_ledger(output, scratch)
        with Store(scratch) as store:
            training = _training(pipeline)
            env = env_over(output, output, pipeline.run, pipeline.concepts, store, training=training)
            changes = folder.read_changes(output, store, tell)
            env = dataclasses.replace(env, concepts=apply_repeats(pipeline.concepts, changes.repeats, silent))
            # masks are taken into the ledger folder as they are read
            reading = dataclasses.replace(env, root=store.root)
            fetched = fetch(inputs, output, tell, env.stopping)
            inputs.clear()
            manifest = scan(
                fetched.folders,
                store,
                reading,
                silent,
                consent=pipeline.consent,
                skip=output,
                reading=pipeline.captions,
                accept_truncated=_keeps_truncated(pipeline),
                unread=fetched.unread,
            )
            check_concepts(pipeline, fetched, manifest)
            recognized = folder.recognize(manifest, changes, output, store, env, silent, keep=False)
            runner = Runner(store, env, lambda chain, todo: choose(1, chain, todo), silent)
            manifest, instructions = _instructed(pipeline, fetched, recognized, env, tell)
            return runner.plan(with_transforms(pipeline.stages, instructions.transforms), manifest)


def _known_plan(pipeline: Pipeline, listings: Sequence[str]) -> KnownRun | None:
    """The run whose state the input and output are in still; None where a plan has to look at the records."""
    with folder.untouched_ledger(pipeline.output) as ledger:
        if ledger is None:
            return None
        env = env_over(
            pipeline.output, pipeline.output, pipeline.run, pipeline.concepts, None, training=_training(pipeline)
        )
        state = fingerprint(pipeline, env, FileDigests(ledger, keeps=False), listings)
        return known_run(ledger, state)

"""Check: what a trainer would do with any folder, and every trap in it; nothing is written into a foreign folder."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from curate import folder
from curate.checks import CheckedFolder, CheckedPicture, CheckResult, Skipped, read_folder, run_checks
from curate.checks.folder import CheckedMask
from curate.checks.layout import read_layout
from curate.checks.measure import MeasureMask, MeasurePicture
from curate.checks.reading import Sizes
from curate.checks.settings import Settings, command
from curate.core import registry
from curate.core.events import Listener
from curate.core.lock import run_lock
from curate.core.paths import Paths
from curate.core.record import Image, Manifest, Record
from curate.core.runner import Runner
from curate.core.stage import Stage
from curate.core.store import Store
from curate.drive.check_base import base_of, tokenizer_of, vocabulary_of
from curate.drive.process_state import process_state
from curate.drive.session import env_over
from curate.errors import CurateError, Interrupted
from curate.executors.local import choose as choose_executor
from curate.executors.pool import POOL
from curate.images.duplicates.grouping import alike_records, choose
from curate.names import folder_name
from curate.pipeline import RunOptions
from curate.report import open_report
from curate.report.text import live

T = TypeVar("T", CheckedPicture, CheckedMask)


@dataclass(frozen=True)
class CheckOptions:
    """What to check and with what in mind.

    values      options of training that the user gave: base, family, resolution …
    vocabulary  danbooru, e621, none, a file, or auto: that of the base
    """

    target: Path
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    vocabulary: str = "auto"
    validation: Path | None = None
    reg: Path | None = None
    run: RunOptions = dataclasses.field(default_factory=RunOptions)
    quiet: bool = False


def check(options: CheckOptions) -> CheckResult:
    """The plan, the traps and the checks that were not made. Raises InputError for a folder without pictures."""
    # they load torch, which checks of a known folder do without
    from curate.checks.plan import plan
    from curate.diffusion.frame import frame

    base = base_of(options.target, {**read_layout(options.target).values, **options.values})
    whole = read_folder(options.target, base.options.caption_reading, options.validation, options.reg)
    # a base is counted without weights; a pickled one is known once all of it is read
    outlined = frame(base.traits, base.name, base.place) if _has_names(base.place) else None
    with _store(whole) as store, open_report(None, options.quiet or not live(sys.stderr)) as report:
        whole, duplicates = _measured(whole, store, options.run, report.tell)
    tokens, no_tokens = tokenizer_of(base)
    words, no_words = vocabulary_of(options.vocabulary, base)
    settings = Settings(
        base.options,
        base.traits.resolution,
        tokens,
        no_tokens,
        words,
        no_words,
        duplicates=duplicates,
        caption_tokens=base.family.caption_tokens,
        least=base.family.step,
        weights=_weights(whole),
    )
    findings, skipped = run_checks(whole, settings)
    return CheckResult(plan(whole, settings, outlined, base.assumed), tuple(findings), tuple(skipped))


def _has_names(place: Path | None) -> bool:
    return place is None or place.suffix in ("", ".safetensors")


def check_known(target: Path, sizes: Sizes, *, tokens: bool) -> CheckResult:
    """The traps of a folder whose pictures' sizes are known, by name: no picture and no mask is opened.

    Duplicates and what is in masks are then not checked; without `tokens`, no caption is counted either.
    Raises InputError for a folder without pictures.
    """
    base = base_of(target, {})
    whole = read_folder(target, base.options.caption_reading, sizes=sizes)
    whole = dataclasses.replace(whole, masks=tuple(m for m in whole.masks if not m.picture))
    remedy = command(whole, "check")
    counter, no_tokens = tokenizer_of(base) if tokens else (None, ("the report of a run counts no tokens", remedy))
    words, no_words = vocabulary_of("auto", base)
    settings = Settings(
        base.options,
        base.traits.resolution,
        counter,
        no_tokens,
        words,
        no_words,
        caption_tokens=base.family.caption_tokens,
        least=base.family.step,
        weights=_weights(whole),
    )
    findings, skipped = run_checks(whole, settings)
    unopened = [Skipped(name, "no picture is opened here", remedy) for name in ("duplicates", "mask-shape")]
    return CheckResult({}, tuple(findings), (*skipped, *unopened))


def _weights(whole: CheckedFolder) -> dict[str, float]:
    """The weights by which curate balanced the folders, by their words; nothing of a folder that it did not prepare."""
    if not whole.is_ours:
        return {}
    with tempfile.TemporaryDirectory() as place:
        folder.copy_ledger(whole.root, Path(place))
        with Store(Path(place)) as store:
            rows = store.last_written()
    facts = {folder_name(PurePosixPath(row.path).parts[0]).words: row.record.get("facts", {}) for row in rows}
    return {words: float(noted["weight"]) for words, noted in facts.items() if "weight" in noted}


@contextlib.contextmanager
def _store(whole: CheckedFolder) -> Generator[Store]:
    """The folder's own ledger where curate prepared it and no run holds it, else one that is gone afterwards."""
    with contextlib.ExitStack() as stack:
        store: Store | None = None
        if whole.is_ours:
            with contextlib.suppress(CurateError, OSError):
                stack.enter_context(run_lock(whole.root))
                store = stack.enter_context(Store(whole.root))
        if store is None:
            stack.enter_context(_keeping_nothing())
            store = stack.enter_context(Store(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        yield store


@contextlib.contextmanager
def _keeping_nothing() -> Generator[None]:
    """Says so where the user stops a check whose ledger is gone afterwards."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        remedy = "run the same command to check from the start: nothing is kept of a folder that curate did not prepare"
        raise Interrupted("stopped", remedy) from None


def _measured(
    whole: CheckedFolder, store: Store, run: RunOptions, tell: Listener
) -> tuple[CheckedFolder, dict[str, tuple[str, bool]]]:
    """The folder with its pictures and masks opened, and its duplicates."""
    search = next(s for s in registry.stage("dedupe")().parts() if s.name == "dedupe (search)")
    with process_state(tell) as stop:
        env = env_over(store.folder, whole.root, run, {}, store, stop)
        runner = Runner(store, env, lambda chain, todo: choose_executor(run.workers, chain, todo, POOL), tell)
        try:
            with stop.interruptible():
                pictures, drawn = _records(store, whole.pictures), _records(store, whole.masks)
            pictures = runner.run([search], _run(runner, [MeasurePicture()], pictures))
            drawn = _run(runner, [MeasureMask()], drawn)
        finally:
            POOL.close()
            store.commit()
    duplicates = {
        copy.key: (kept.key, copy.facts["fingerprint"]["pixels"] == kept.facts["fingerprint"]["pixels"])
        for kept, copies in choose(alike_records(pictures), "largest")
        for copy, _ in copies
    }
    return (
        dataclasses.replace(
            whole,
            pictures=_with_measures(whole.pictures, pictures),
            masks=_with_measures(whole.masks, drawn),
        ),
        duplicates,
    )


def _run(runner: Runner, stages: Sequence[Stage], manifest: Manifest) -> Manifest:
    """As the runner does; that no picture can be opened is a finding here, and no error."""
    try:
        return runner.run(stages, manifest)
    except CurateError as error:
        if type(error) is not CurateError:
            raise
        return Manifest(dataclasses.replace(r, aside=r.aside or error.message) for r in manifest)


def _records(store: Store, files: Sequence[CheckedPicture | CheckedMask]) -> Manifest:
    return Manifest(
        Record(one.name, "", "", Image(""), aside=f"cannot be read: {digest.strerror}")
        if isinstance(digest, OSError)
        else Record(one.name, "", digest, Image(digest, str(path.absolute())))
        for one, (path, digest) in zip(files, store.digests(Paths(files)), strict=True)
    )


def _with_measures(files: tuple[T, ...], records: Manifest) -> tuple[T, ...]:
    """Pictures or masks, in the order of their records, with what was measured of them.

    Most pictures have the same facts but for their sides, and share them: a million such mappings take 0.4 GB.
    """
    shared: dict[str, Mapping[str, Any]] = {}
    return tuple(_with(one, record, shared) for one, record in zip(files, records, strict=True))


def _with(one: Any, record: Record, shared: dict[str, Mapping[str, Any]]) -> Any:
    if record.aside:
        return dataclasses.replace(one, error=record.aside)
    facts = dict(record.facts["measured"])
    sides = {"width": facts.pop("width"), "height": facts.pop("height")}
    if isinstance(one, CheckedPicture):
        return dataclasses.replace(one, facts=shared.setdefault(repr(facts), facts), **sides)
    return dataclasses.replace(one, brightest=facts["brightest"], **sides)

"""Check: what a trainer would do with any folder, and every trap in it; nothing is written into a foreign folder."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate import checks
from curate.checks import CheckedFolder, CheckResult, read_folder, run_checks
from curate.checks.measure import MeasureMask, MeasurePicture
from curate.checks.plan import plan
from curate.checks.settings import Settings
from curate.checks.vocabulary import Vocabulary, load
from curate.core import registry
from curate.core.events import Listener
from curate.core.lock import run_lock
from curate.core.record import Image, Manifest, Record
from curate.core.runner import Runner
from curate.core.stage import Stage
from curate.core.store import Store
from curate.diffusion import tokenizer
from curate.diffusion.detect import Traits
from curate.diffusion.frame import frame
from curate.diffusion.locate import locate_base
from curate.drive.process_state import process_state
from curate.drive.session import env_over
from curate.errors import CurateError, MissingError
from curate.executors.local import choose as choose_executor
from curate.executors.pool import POOL
from curate.images.duplicates.grouping import choose
from curate.init.bases import family_of_name, prompting_of
from curate.pipeline import RunOptions
from curate.report import open_report
from curate.report.text import live
from curate.train.options import TrainOptions
from curate.train.output.run_records import runs_of
from curate.train.planning.base_checks import base_place, base_traits

ASSUMED = "sdxl"
"""The family that is assumed where nobody names a base: the one that most LoRAs are trained for."""


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


@dataclass(frozen=True)
class _Base:
    """The base that is meant: its files (None where they are not here), what it is, and what is assumed of it."""

    options: TrainOptions
    traits: Traits
    place: Path | None
    name: str
    assumed: str


def check(options: CheckOptions) -> CheckResult:
    """The plan, the traps and the checks that were not made. Raises InputError for a folder without pictures."""
    base = _base(options)
    whole = read_folder(options.target, base.options.caption_reading, options.validation, options.reg)
    # a base is counted without weights; a pickled one is known once all of it is read
    outlined = frame(base.traits, base.name, base.place) if _has_names(base.place) else None
    with _store(whole) as store, open_report(None, options.quiet or not live(sys.stderr)) as report:
        whole, duplicates = _measured(whole, store, options.run, report.tell)
    tokens, no_tokens = _tokenizer(base)
    words, no_words = _vocabulary(options.vocabulary, base, whole)
    settings = Settings(base.options, base.traits.resolution, tokens, no_tokens, words, no_words, duplicates=duplicates)
    findings, skipped = run_checks(whole, settings)
    return CheckResult(plan(whole, settings, outlined, base.assumed), tuple(findings), tuple(skipped))


def _has_names(place: Path | None) -> bool:
    return place is None or place.suffix in ("", ".safetensors")


def _base(options: CheckOptions) -> _Base:
    """The base of the command, else that of the folder's latest training, else an assumed family."""
    values = dict(options.values)
    assumed = ""
    if not values.keys() & {"base", "family"}:
        runs = runs_of(options.target) if options.target.is_dir() else []
        if runs and (name := str(runs[-1].options.get("base", ""))):
            values = {**_known(runs[-1].options), **values}
            assumed = f"base and options are those of the latest training here ({name})"
        else:
            values["family"] = ASSUMED
            assumed = "no base given: SDXL assumed (--base, or --family)"
    elif values.get("base") and not values.get("family"):
        values["family"] = _family(str(values["base"]))
    made = TrainOptions.build({k: v for k, v in values.items() if v is not None})
    place = base_place(made)
    traits = base_traits(made, place)
    if place is None and "base" in values:
        assumed = f"{values['base']} is not on this machine: {traits.family} assumed by its name"
    return _Base(made, traits, place, str(values.get("base") or traits.family), assumed)


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an earlier training that are still options."""
    return {k: v for k, v in options.items() if k in TrainOptions.model_fields and v is not None}


def _family(base: str) -> str | None:
    """The family by the name of a base that is not on this machine. Raises MissingError for a name that tells none."""
    try:
        locate_base(base, offline=True)
    except MissingError:
        if (family := family_of_name(base)) is None:
            raise
        return family
    return None


@contextlib.contextmanager
def _store(whole: CheckedFolder) -> Generator[Store]:
    """The folder's own ledger where curate prepared it and no run holds it, else one that is gone afterwards."""
    with contextlib.ExitStack() as stack:
        store: Store | None = None
        if whole.is_ours:
            with contextlib.suppress(CurateError, OSError):
                stack.enter_context(run_lock(whole.root))
                store = stack.enter_context(Store(whole.root))
        yield store or stack.enter_context(Store(Path(stack.enter_context(tempfile.TemporaryDirectory()))))


def _measured(
    whole: CheckedFolder, store: Store, run: RunOptions, tell: Listener
) -> tuple[CheckedFolder, dict[str, tuple[str, bool]]]:
    """The folder with its pictures and masks opened, and its duplicates."""
    search = next(s for s in registry.stage("dedupe")().parts() if s.name == "dedupe (search)")
    with process_state(tell) as stop:
        env = env_over(store.folder, whole.root, run, {}, store, stop)
        runner = Runner(store, env, lambda chain, todo: choose_executor(run.workers, chain, todo, POOL), tell)
        try:
            pictures = _run(runner, [MeasurePicture()], _records(store, {p.name: p.path for p in whole.pictures}))
            pictures = runner.run([search], pictures)
            drawn = _run(runner, [MeasureMask()], _records(store, {m.name: m.path for m in whole.masks}))
        finally:
            POOL.close()
            store.commit()
    by_name = {r.key: r for r in pictures}
    masks = {r.key: r for r in drawn}
    rows = {r.key: r for r in pictures if not r.aside and "fingerprint" in r.facts}
    duplicates = {
        copy.key: (kept.key, copy.facts["fingerprint"]["pixels"] == kept.facts["fingerprint"]["pixels"])
        for kept, copies in choose(rows, "largest")
        for copy, _ in copies
    }
    return (
        dataclasses.replace(
            whole,
            pictures=tuple(_with(p, by_name[p.name]) for p in whole.pictures),
            masks=tuple(_with(m, masks[m.name]) for m in whole.masks),
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


def _records(store: Store, files: Mapping[str, Path]) -> Manifest:
    records: list[Record] = []
    for name, (path, digest) in zip(files, store.digests(list(files.values())), strict=True):
        if isinstance(digest, OSError):
            records.append(Record(name, "", "", Image(""), aside=f"cannot be read: {digest.strerror}"))
        else:
            records.append(Record(name, "", digest, Image(digest, str(path.absolute()))))
    return Manifest(records)


def _with(one: Any, record: Record) -> Any:
    """A picture or a mask with what was measured of it."""
    if record.aside:
        return dataclasses.replace(one, error=record.aside)
    facts = record.facts["measured"]
    sides = {"width": facts["width"], "height": facts["height"]}
    if isinstance(one, checks.CheckedPicture):
        return dataclasses.replace(one, facts=facts, **sides)
    return dataclasses.replace(one, brightest=facts["brightest"], **sides)


def _tokenizer(base: _Base) -> tuple[Any, tuple[str, str]]:
    """The tokenizer of the base, or CLIP's where one is on this machine; else why there is none, and the remedy."""
    try:
        return tokenizer.of_base(base.options.tokenizer, base.place), ("", "")
    except MissingError as error:
        return None, (error.message, error.remedy)


def _vocabulary(given: str, base: _Base, whole: CheckedFolder) -> tuple[Vocabulary | None, tuple[str, str]]:
    """The list of tags that is meant; else why there is none, and the remedy."""
    if given == "none":
        return None, ("", "")
    if given == "auto":
        known = prompting_of(base.name) if base.place or "/" in base.name else "danbooru"
        if known == "natural":
            return None, ("", "")
        given = known
        try:
            return load(given), ("", "")
        except MissingError as error:
            return None, (error.message, error.remedy)
    return load(given), ("", "")

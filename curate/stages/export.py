"""Export: the prepared folder that trainers read."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from pydantic import Field

from curate import captions, folder
from curate.core.counting import counted
from curate.core.disk_errors import disk_errors
from curate.core.events import Listener, Note
from curate.core.files import digest_bytes, digest_file, write_text
from curate.core.record import Manifest, Record
from curate.core.stage import DatasetStage, Env
from curate.core.store import Store
from curate.core.written import SideFile
from curate.errors import CurateError, InputError
from curate.folder import archives, parquet_table, sd_scripts
from curate.folder.archive_entries import Entry, Sample
from curate.folder.split_names import named_like_splits
from curate.names import safe, unique

_PART = re.compile(r"(.*?)((?:#\d+)*)", re.DOTALL)
"""What a record's key says of its source, and `#n` for each frame or part."""

Extra = Literal["dataset.toml", "metadata.jsonl", "dataset.zip", "webdataset", "parquet"]
_TEXTS = ("dataset.toml", "metadata.jsonl")
_ARCHIVES = {"dataset.zip", "webdataset", "parquet"}


class Export(DatasetStage):
    """Write the prepared folder: `N_trigger` folders of pictures with caption files, the layout that trainers read."""

    also: tuple[Extra, ...] = Field(
        default=(),
        description=(
            "Further files to write: dataset.toml is for sd-scripts, metadata.jsonl for Hugging Face's imagefolder, "
            "dataset.zip holds the whole dataset, webdataset is a folder of WebDataset shards, parquet a folder "
            "of tables as the Hugging Face Hub has them."
        ),
    )
    shard_size: int = Field(default=1000, ge=1, description="Pictures in each WebDataset shard and parquet table.")

    version: ClassVar[int] = 2
    layout: ClassVar[Literal["same", "repeats"]] = "repeats"
    within_output: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset(
        {"image", "encoding", "mask", "trigger", "tags", "sentence", "imported", "edited", "style", "repeats"}
    )
    writes: ClassVar[frozenset[str]] = frozenset({"edited", "aside"})

    @property
    def reads_training(self) -> bool:
        """Only `dataset.toml` says how training goes."""
        return "dataset.toml" in self.also

    def problems(self) -> Mapping[str, str]:
        """A size of shards that nobody asked for."""
        if "shard_size" in self.model_fields_set and not {"webdataset", "parquet"} & {*self.also}:
            return {"shard_size": "has no effect without `also: [webdataset]` or `also: [parquet]`"}
        return {}

    def missing(self, env: Env) -> Sequence[CurateError]:
        """What writes the further files."""
        return parquet_table.missing() if "parquet" in self.also else ()

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Brings the output folder up to date. Raises InputError where no picture is left."""
        store = _store(env)
        # parts of a picture come into being after the run began by looking for a person's words
        manifest = folder.with_edits(manifest, store.edits(), store.removed())
        present = manifest.present
        if not len(present):
            reasons = "; ".join(sorted({r.aside for r in manifest})[:3])
            raise InputError("no picture is left to export", f"all were set aside: {reasons}")
        paths = self.paths(present)
        folder.publish(manifest, paths, env.output, store, env, tell)
        folder.report_foreign_pictures(env.output, store, tell)
        self._warn(present, tell)
        self._warn_of_splits(paths.values(), tell)
        wanted = self._extras(present, paths, env)
        for name in _TEXTS:
            _further(env.output / name, wanted.get(name), store, tell)
        archives.update(env.output, self._archives(present, paths, env), store, tell)
        return manifest

    def is_current(self, manifest: Manifest, env: Env, tell: Listener) -> bool:
        """Whether every picture, caption and further file is there, unchanged or edited by hand as already known."""
        store = _store(env)
        edited = folder.with_edits(manifest, store.edits(), store.removed())
        if edited is not manifest and any(a != b for a, b in zip(edited, manifest, strict=True)):
            return False
        present = manifest.present
        paths = self.paths(present)
        if not folder.is_current(manifest, paths, env.output, store, env, tell):
            return False
        known = store.side_files("export")
        for name, text in self._extras(present, paths, env).items():
            written = known[name].digests if name in known else ()
            if not (env.output / name).is_file():
                return False
            # the options of a training that follows are no part of the key, and stand in dataset.toml
            if digest_bytes(text.encode()) not in written and digest_file(env.output / name) in written:
                return False
        if not archives.is_current(env.output, self._archives(present, paths, env), store):
            return False
        folder.report_foreign_pictures(env.output, store, tell)
        self._warn(present, tell)
        self._warn_of_splits(paths.values(), tell)
        return True

    def paths(self, present: Manifest) -> Mapping[str, PurePosixPath]:
        """Where each picture goes: `N_trigger words/name.suffix`, flat, no two with one stem.

        Raises InputError where the folders of two concepts would have one name, though their words differ.
        """

        names: dict[tuple[int, tuple[str, ...], str], PurePosixPath] = {}
        concepts: dict[PurePosixPath, Record] = {}

        def wanted(record: Record) -> tuple[str, PurePosixPath, str]:
            about = (record.repeats, record.trigger, record.concept)
            if about not in names:
                names[about] = PurePosixPath(folder_name(record))
                _check_apart(concepts.setdefault(names[about], record), record, names[about].name)
            source, part = _PART.fullmatch(record.key.partition("/")[2] or record.key).groups()  # type: ignore[union-attr]
            bare, suffix = posixpath.splitext(source)
            stem = safe(bare.replace("/", "_") + part.replace("#", "_"))
            return record.key, names[about] / (stem + folder.suffix(record)), safe(suffix.lstrip("."))

        # those of a run are in order but for parts of pictures
        ordered = all(a.key < b.key for a, b in pairwise(present))
        return unique(map(wanted, present) if ordered else sorted(map(wanted, present), key=itemgetter(0)))

    def _extras(self, present: Manifest, paths: Mapping[str, PurePosixPath], env: Env) -> dict[str, str]:
        files: dict[str, str] = {}
        if "metadata.jsonl" in self.also:
            rows = ({"file_name": paths[r.key].as_posix(), "text": _text(r)} for r in present)
            files["metadata.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        if "dataset.toml" in self.also:
            folders = sd_scripts.folders_of(present, folder_name)
            files["dataset.toml"] = sd_scripts.dataset_toml(folders, env.output, env.training)
        return files

    def _archives(self, present: Manifest, paths: Mapping[str, PurePosixPath], env: Env) -> dict[str, list[Entry]]:
        """What each archive holds, by its path: the pictures as they lie in the folder, and their captions."""
        if not _ARCHIVES & {*self.also}:
            return {}
        samples = [
            Sample(paths[r.key], _text(r), r.style.extension, _facts(r))
            for r in present
            if (env.output / paths[r.key]).is_file()
        ]
        files: dict[str, list[Entry]] = {}
        if "dataset.zip" in self.also:
            files |= archives.zip_of(env.output, samples)
        if "webdataset" in self.also:
            files |= archives.shards_of(env.output, samples, self.shard_size)
        if "parquet" in self.also:
            files |= parquet_table.tables_of(env.output, samples, self.shard_size)
        return files

    @staticmethod
    def _warn(present: Manifest, tell: Listener) -> None:
        for record in present:
            if record.edited is None:
                continue
            first = record.edited.strip()
            lacking = [w for w in record.trigger if w.casefold() not in first.casefold()]
            if lacking:
                tell(
                    Note(
                        "warning",
                        f'the edited caption does not contain the trigger "{", ".join(lacking)}"; it is kept as it is',
                        "export",
                        record.key,
                    )
                )

    def _warn_of_splits(self, paths: Iterable[PurePosixPath], tell: Listener) -> None:
        if "metadata.jsonl" in self.also and (named := named_like_splits(map(str, paths))):
            tell(
                Note(
                    "warning",
                    f"metadata.jsonl: `datasets` would load only {counted(len(named), 'picture')} ({named[0]}"
                    f'{" …" if len(named) > 1 else ""}): it takes words such as "test" in a path for a split. '
                    'Load all with data_files={"train": ["[0-9]*_*/*", "metadata.jsonl"]}',
                    "export",
                )
            )


def _check_apart(first: Record, second: Record, name: str) -> None:
    if _words(first) != _words(second):
        raise InputError(
            f'the pictures of "{first.concept}" and of "{second.concept}" would be mixed in one folder, {name}',
            "rename one of the two source folders, or give its concept trigger words under `concepts:`",
        )


def _words(record: Record) -> str:
    return ", ".join(record.trigger) or record.concept


def folder_name(record: Record) -> str:
    """`N_trigger, words` of the record's concept, fit for a file system."""
    words = _words(record)
    # a folder without words (`3_`) keeps having none
    return f"{record.repeats}_{'' if re.fullmatch(r'[0-9]+_', words) else safe(words)}"


def _further(path: Path, text: str | None, store: Store, tell: Listener) -> None:
    """Brings a file beside the folders up to date, or takes it away; not where a person has changed it."""
    known = store.side_files("export").get(path.name)
    if known is None and text is None:
        return
    earlier = known.digests if known else ()
    digests = () if text is None else (digest_bytes(text.encode()),)
    with disk_errors(str(path)):
        if path.exists() and digest_file(path) not in (*earlier, *digests):
            tell(Note("warning", f"{path.name} was written by hand: it is kept as it is", "export"))
            return
        if text is None:
            path.unlink(missing_ok=True)
            store.forget_side_files([path.name])
            return
        # both, so that whichever of the two a kill leaves is known to be ours
        store.keep_side_files("export", {path.name: SideFile("", (*earlier, *digests))})
        write_text(path, text)
    store.keep_side_files("export", {path.name: SideFile("", digests)})


def _text(record: Record) -> str:
    return record.edited if record.edited is not None else captions.render(record)


def _facts(record: Record) -> dict[str, Any]:
    return {
        "concept": record.concept,
        "repeats": record.repeats,
        "trigger": list(record.trigger),
        "tags": list(record.tags),
        "edited": record.edited is not None,
    }


def _store(env: Env) -> Store:
    if env.store is None:
        raise InputError("export needs a folder to write to", "use it in a pipeline, or give -o")
    return env.store

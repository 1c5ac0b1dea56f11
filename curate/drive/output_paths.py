"""Output paths: where a stage's command puts each picture, relative to the folder it writes to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from curate import folder
from curate.core.record import Manifest, Record
from curate.core.stage import Stage
from curate.names import safe, unique
from curate.stages.export import Export


def source_files(records: Manifest) -> dict[str, Path]:
    """The picture file of each record before the stage, by key."""
    return {r.key: Path(r.image.path) for r in records if r.image.path}


def source_file(record: Record, files: Mapping[str, Path]) -> Path | None:
    """The file that a record was made of: its own, or the one that it is a part of."""
    return files.get(record.key) or files.get(record.key.rpartition("#")[0])


def places(
    stage: Stage, source: Path, present: Manifest, files: Mapping[str, Path], moved: Collection[str] = ()
) -> Mapping[str, PurePosixPath]:
    """By key: in folders named by repeats and trigger where the stage wants those, else where each picture was.

    Pictures `moved` to another concept go to its folder.
    """
    return Export().paths(present) if stage.layout == "repeats" else _same_places(source, present, files, moved)


def _same_places(
    source: Path, present: Manifest, files: Mapping[str, Path], moved: Collection[str]
) -> Mapping[str, PurePosixPath]:
    """Each picture where it was, under the suffix it now has; those `moved` in the folder of their concept."""
    folders: dict[str, str] = {}
    for record in present:
        file = source_file(record, files)
        if file is not None and record.key not in moved:
            parts = file.relative_to(source.absolute()).parts[:-1]
            folders.setdefault(record.concept, parts[0] if parts else record.concept)

    def wanted() -> Iterator[tuple[str, PurePosixPath, str]]:
        for record in sorted(present, key=lambda r: r.key):
            whole = record.key
            while whole not in files:
                whole = whole.rpartition("#")[0]
            part = record.key[len(whole) + 1 :]
            relative = PurePosixPath(files[whole].relative_to(source.absolute()).as_posix())
            stem = relative.stem + (f"_{part.replace('#', '_')}" if part else "")
            above = relative.parts[:-1]
            if whole in moved:
                above = (folders.get(record.concept, record.concept), *above[1:])
            parts = [safe(p) for p in above]
            suffix = folder.suffix(record)
            yield record.key, PurePosixPath(*parts, safe(stem) + suffix), safe(relative.suffix.lstrip("."))

    return unique(wanted())

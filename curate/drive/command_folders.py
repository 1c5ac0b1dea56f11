"""Command folders: where a stage's command may write, and where it may not."""

from __future__ import annotations

from pathlib import Path

from curate.core.stage import Stage, adds_only, picture_stage
from curate.core.store import LEDGER
from curate.errors import InputError
from curate.scan import would_overwrite_sources
from curate.stages.export import Export


def check_folders(stage: Stage, source: Path, out: Path | None, *, in_place: bool, dry_run: bool = False) -> None:
    """Raises InputError where a stage's command may not write: to `out`, or within `source` where that is None.

    A `dry_run` within `source` writes nothing, so any folder will do.
    """
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "does not exist"
        raise InputError(f"input folder {source} {what}", "give a folder of pictures; sub-folders are concepts")
    if out is not None:
        if source.resolve() == out.resolve():
            raise InputError(
                "input and output are the same folder", "use --in-place: the originals are kept for `curate undo`"
            )
        if out.resolve() in source.resolve().parents:
            raise InputError(f"the output {out} holds the input {source}", "choose another output folder")
        if would_overwrite_sources(out, source):
            raise InputError(
                f"the output {out} is a folder of source pictures in the input {source}",
                "choose another output folder: sources are never modified",
            )
        if in_place:
            raise InputError("--in-place and -o exclude each other")
        return
    if isinstance(stage, Export):
        raise InputError("export writes a new folder: give it with -o OUT", "`curate balance` renames folders in place")
    if adds_only(type(stage)) or in_place or dry_run:
        return
    if picture_stage(type(stage)):
        raise InputError(
            f"{stage.name} writes new pictures: give an output folder (-o OUT) or --in-place",
            "with --in-place the originals are kept for `curate undo`",
        )
    if not (source / LEDGER / "ledger.sqlite").is_file():
        raise InputError(
            f"{source} was not created by curate and will not be changed without --in-place",
            "give -o OUT, or --in-place, which keeps the originals for `curate undo`",
        )

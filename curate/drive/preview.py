"""Preview: what a stage's command would change in a folder, for `--dry-run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from curate import captions, folder
from curate.core.counting import counted
from curate.core.record import Manifest
from curate.core.stage import Env, Findings, Stage
from curate.core.store import LEDGER, Store
from curate.drive.output_paths import places, source_file, source_files
from curate.errors import InputError

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class CaptionChange:
    """A caption file's text before and after, None where there is no such file."""

    picture: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class PictureChange:
    """A picture whose bytes would be other ones: its path before and after, and its sizes in pixels."""

    picture: str
    file: str
    size: tuple[int, int]


def check_finished(target: Path, store: Store) -> None:
    """Raises InputError where a killed command left the folder half done: settling that would write to it.

    `store` is opened on a copy of the folder's ledger.
    """
    if folder.unfinished(target / LEDGER) or store.is_interrupted:
        raise InputError(
            f"the last command on {target} was killed before it was done, and --dry-run changes nothing",
            "run that command again, or `curate undo`, then ask for the dry run",
        )


def preview(
    stage: Stage,
    source: Path,
    out: Path | None,
    env: Env,
    store: Store,
    before: Manifest,
    after: Manifest,
    moved: Collection[str] = (),
) -> Findings:
    """The differences between what is in `source` and what the command would write, as text and as plain values.

    With `out` all pictures would be written there. `store` keeps digests alone. Pictures `moved` change concept.
    """
    files = source_files(before)
    paths = places(stage, source, after.present, files, moved)
    known = {r.key for r in before if r.aside}
    data: dict[str, Any] = {
        "dry_run": True,
        "out": {"folder": str(out), "pictures": len(after.present)} if out else None,
        "captions": [asdict(change) for change in _captions(after, files)],
        "pictures": [asdict(change) for change in _pictures(after, files, paths, env, store)],
        "aside": [{"picture": r.key, "reason": r.aside} for r in after if r.aside and r.key not in known],
        "folders": _folders(source, after, files, paths),
    }
    return Findings((), _lines(data), data)


def _captions(after: Manifest, files: Mapping[str, Path]) -> Iterator[CaptionChange]:
    for record in after.present:
        file = source_file(record, files)
        beside = captions.caption_file(file) if file else None
        old = captions.read_text(beside) if beside else None
        text = record.edited if record.edited is not None else captions.render(record)
        new = text if text or old is not None else None
        if (old is None) != (new is None) or not folder.same_text(old or "", new or ""):
            yield CaptionChange(record.key, old, new)


def _pictures(
    after: Manifest, files: Mapping[str, Path], paths: Mapping[str, PurePosixPath], env: Env, store: Store
) -> Iterator[PictureChange]:
    """The pictures with other bytes than the file they are made of."""
    records = [(r, file) for r in after.present if (file := source_file(r, files))]
    made = [digest for _, digest in store.digests([env.path(r.image) for r, _ in records])]
    given = [digest for _, digest in store.digests([file for _, file in records])]
    for (record, _), new, old in zip(records, made, given, strict=True):
        if new != old:
            yield PictureChange(record.key, str(paths[record.key]), (record.image.width, record.image.height))


def _folders(
    source: Path, after: Manifest, files: Mapping[str, Path], paths: Mapping[str, PurePosixPath]
) -> list[dict[str, Any]]:
    """Folders whose pictures go to a folder of another name, with the number of pictures."""
    moves: Counter[tuple[str, str]] = Counter()
    for record in after.present:
        file = source_file(record, files)
        if file is not None:
            old = file.parent.relative_to(source.absolute()).as_posix()
            moves[old, paths[record.key].parent.as_posix()] += 1
    return [{"from": old, "to": new, "pictures": n} for (old, new), n in sorted(moves.items()) if old != new]


def _lines(data: Mapping[str, Any]) -> list[str]:
    out = data["out"]
    blocks = [
        [f"{counted(out['pictures'], 'picture')} would be written to {out['folder']}"] if out else [],
        _block("folder", "be renamed", [[f"{m['from']} -> {m['to']} ({counted(m['pictures'], 'picture')})"]
                                         for m in data["folders"]]),
        _block("picture", "be set aside", [[f"{a['picture']}: {a['reason']}"] for a in data["aside"]]),
        _block("picture", "be made anew", [[_size(p)] for p in data["pictures"]]),
        _block("caption", "change", [_difference(c) for c in data["captions"]]),
    ]  # fmt: skip
    lines = [line for block in blocks for line in block]
    return [*(lines or ["nothing would change"]), "", "dry run: nothing was written"]


def _block(thing: str, what: str, items: Sequence[Sequence[str]]) -> list[str]:
    """A heading with the count, and the first items under it."""
    if not items:
        return []
    more = [f"  and {len(items) - _SHOWN:,} more; --json names all"] if len(items) > _SHOWN else []
    shown = [f"  {line}" for item in items[:_SHOWN] for line in item]
    return [f"{counted(len(items), thing)} would {what}:", *shown, *more]


def _size(change: Mapping[str, Any]) -> str:
    width, height = change["size"]
    return change["file"] + (f" ({width}×{height})" if width else "")


def _difference(change: Mapping[str, Any]) -> list[str]:
    """The picture's name, the text before after a minus, the text after it after a plus."""
    signs = (("-", change["before"]), ("+", change["after"]))
    return [change["picture"], *(f"  {sign} {text.rstrip()}".rstrip() for sign, text in signs if text is not None)]

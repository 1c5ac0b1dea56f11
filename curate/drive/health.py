"""Health: what a folder holds, as a report, and which of its pictures refuse AI training."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from curate import folder
from curate.core.digests import FileDigests
from curate.core.lock import check_unlocked
from curate.core.packed_map import PackedMap
from curate.core.record import Image, Manifest, Record
from curate.core.sorting import sorted_by_key
from curate.core.store import LEDGER, REPORT, SUMMARY, Store, ledger_place
from curate.core.summary_file import concept_settings
from curate.drive.report_page import Pictures, write_report
from curate.drive.session import env_over, silent
from curate.errors import InputError
from curate.images.consent import Consent, check
from curate.pipeline import RunOptions
from curate.scan import RIGHTS, ledger_path, list_pictures, reopen


def consent_of(source: Path) -> list[tuple[Path, Consent]]:
    """Every picture under a folder, with whether it refuses AI training.

    Raises InputError for a missing folder.
    """
    return [(one.path, check(one.path)) for one in list_pictures([source], silent)]


def report(target: Path, out: Path | None = None) -> tuple[Path, int]:
    """Writes the health report of a prepared folder as it is now; the page's file and the number of pictures in it.

    Without `out` the page goes beside the ledger, or into the cache where the folder takes no files. Beside it go its
    values as JSON and the thumbnails of a large folder; nothing else is written.
    Raises InputError where no run or command has worked on the folder.
    """
    out = out or ledger_place(target) / REPORT
    summary = target / LEDGER / SUMMARY
    if not summary.is_file():
        raise InputError(f"{target} is not a folder that curate prepared", "give the output folder of a run or command")
    if out.is_dir():
        raise InputError(f"{out} is a folder", f"give the page's file, as {out / 'report.html'}")
    _check_values_file(out)
    figures = json.loads(summary.read_text(encoding="utf-8"))
    check_unlocked(target)
    with tempfile.TemporaryDirectory() as place:
        folder.copy_ledger(target, Path(place))
        with Store(Path(place)) as store:
            env = env_over(Path(place), target, RunOptions(), {}, store)
            edits = folder.read_changes(target, store, silent).edits
            opened = reopen(target, store, store, env, silent, consent=RIGHTS, edits=edits)
            figures["edited_with_tags"] = sorted(key for _, key in folder.changed_by_bulk_edits(store))
            store.file_digests.index_by_digest()
            manifest = sorted_by_key(opened)
            find = Pictures(
                lambda r: env.path(r.image) if r.image.path else None,
                lambda r: store.file_digests.unchanged_file(r.origin, "blake2b"),
                PackedMap((r.key, ledger_path(r, target)) for r in manifest),
            )
            shown = with_set_aside(manifest, figures, store.file_digests)
            write_report(out, shown, figures, find, concept_settings(figures), target)
    return out, len(manifest)


def _check_values_file(page: Path) -> None:
    """Refuses a page whose values would be written over a file of another kind."""
    from curate.report.report_file import is_report

    if page.suffix == ".json":
        raise InputError(f"{page} is no name for a page", "the report writes an .html file and a .json file beside it")
    path = page.with_suffix(".json")
    if path.exists() and not is_report(path):
        remedy = "the report also writes its values there: give the page another name"
        raise InputError(f"{path} is not a report of curate", remedy)


def with_set_aside(manifest: Manifest, figures: Mapping[str, Any], digests: FileDigests) -> Manifest:
    """With what the last run or command set aside, as far as the files are where they were.

    A folder as it is now holds none of these pictures; the figures name them, and `digests` know files by digest.
    """
    aside = {row["key"] for row in figures["aside"]}
    known = {record.key for record in manifest if record.key in aside}
    concepts = {record.key.partition("/")[0]: record.concept for record in manifest}
    copies = {row["picture"]: row for row in figures.get("duplicates", ())}
    origins: Mapping[str, str] = figures.get("origins", {})
    records: list[Record] = []
    for row in figures["aside"]:
        key: str = row["key"]
        origin = origins.get(key, "")
        source = digests.unchanged_file(origin, "blake2b") if origin and key not in known else None
        if source is None:
            continue
        concept, copy = key.partition("/")[0], copies.get(key)
        facts = {"duplicate_of": copy["kept"], "duplicate": copy["kind"], "likeness": copy["likeness"]} if copy else {}
        image = Image(origin, str(source))
        records.append(Record(key, concepts.get(concept, concept), origin, image, facts=facts, aside=row["reason"]))
    return Manifest(chain(manifest, records)) if records else manifest

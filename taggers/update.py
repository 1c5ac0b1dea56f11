"""Update: fetches a site's implications and aliases, checks what it got, and puts it in place of what was there."""

from __future__ import annotations

import csv
import io
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from taggers import exports, implications
from taggers.errors import BadTableError, MissingModelError
from taggers.exports import Row

Get = Callable[[str], bytes]
"""Fetches an address; raises OSError."""

AGENT = "curate (dataset preparation; tag table update)"
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """What was put in place."""

    vocabulary: str
    implications: int
    aliases: int
    source: str
    fetched: str


def fetch(address: str) -> bytes:
    """The content of an https address. Raises OSError."""
    request = urllib.request.Request(address, headers={"User-Agent": AGENT})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def update(vocabulary: str, source: Path | None = None, *, get: Get = fetch, today: date | None = None) -> Stored:
    """Takes the tables from the site, or from a file or folder, and keeps them where `exports.table` looks.

    What is there stays untouched where the new rows are fewer than half of it, or contradict the package's own
    table or lack most of it. Aliases that were there stay where the new table brings none. Raises BadTableError and
    MissingModelError (no network).
    """
    check_vocabulary(vocabulary)
    if source is not None:
        found, aliases, name = *_from_files(source), str(source)
    else:
        found, aliases, name = _from_site(vocabulary, get, today or datetime.now(UTC).date())
    _check(vocabulary, found, name)
    stored = Stored(vocabulary, len(found), len(aliases), name, datetime.now(UTC).strftime("%Y-%m-%d"))
    places = exports.kept(vocabulary)
    for place, rows in zip(places, (found, aliases), strict=True):
        if rows:
            _write(place, rows)
    exports.table.cache_clear()
    meta = {"implications": len(found), "aliases": len(aliases), "source": name, "fetched": stored.fetched}
    _replace(places[0].with_suffix(".json"), json.dumps(meta, indent=1))
    return stored


def check_vocabulary(vocabulary: str) -> None:
    """Raises BadTableError for one that has no site."""
    if vocabulary not in implications.CORE:
        raise BadTableError(f'no vocabulary is called "{vocabulary}"', f"choose from: {', '.join(implications.CORE)}")


def about(vocabulary: str) -> dict[str, Any]:
    """Number of rows, source and date of the stored tables; empty where there are none."""
    try:
        return json.loads(exports.kept(vocabulary)[0].with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _check(vocabulary: str, found: Sequence[Row], name: str) -> None:
    table, core, before = exports.build(found), implications.core(vocabulary), about(vocabulary).get("implications", 0)
    if len(found) * 2 < before:
        raise BadTableError(
            f"{name}: {len(found)} implications, where {before} are known already",
            "the file is cut short; fetch it again",
        )
    edges = [(child, up) for child, ups in core.parents.items() for up in ups]
    turned = [f"{child} -> {up}" for child, up in edges if child in table.ancestors(up)]
    agreeing = sum(up in table.ancestors(child) for child, up in edges)
    if turned or not agreeing:
        said = f"it says the reverse of {turned[0]}" if turned else f"nothing in it agrees with {vocabulary}"
        raise BadTableError(f"{name}: not {vocabulary}'s table: {said}", "check the file, and the vocabulary's name")
    if agreeing * 2 < len(edges):
        raise BadTableError(
            f"{name}: knows {agreeing} of {len(edges):,} everyday implications of {vocabulary}",
            "the file is cut short, or no full export; fetch it again",
        )


def check_source(source: Path) -> None:
    """Raises BadTableError where nothing is there."""
    if not source.exists():
        raise BadTableError(f"{source}: no such file or folder", "give a downloaded export, or a folder of them")


def _from_files(source: Path) -> tuple[list[Row], list[Row]]:
    check_source(source)
    if source.is_file() and "alias" in source.name:
        raise BadTableError(f"{source}: holds aliases alone", "give a folder that holds the implications as well")
    if source.is_file():
        return exports.rows(source), []
    found = sorted(p for p in source.iterdir() if p.name.endswith((".csv", ".csv.gz", ".json")))
    aliases = [r for p in found if "alias" in p.name for r in exports.rows(p)]
    rows = [r for p in found if "implication" in p.name for r in exports.rows(p)]
    if not rows:
        raise BadTableError(f"{source}: holds no file with implication in its name")
    return rows, aliases


def _from_site(vocabulary: str, get: Get, today: date) -> tuple[list[Row], list[Row], str]:
    try:
        if vocabulary == "e621":
            return _e621(get, today)
        site = "https://danbooru.donmai.us"
        return list(_pages(get, f"{site}/tag_implications.json")), list(_pages(get, f"{site}/tag_aliases.json")), site
    except OSError as error:
        raise MissingModelError(
            f"the tables of {vocabulary} cannot be fetched: {error}",
            "fetch the site's export by hand and give it with --from FILE",
        ) from error


def _e621(get: Get, today: date) -> tuple[list[Row], list[Row], str]:
    """The newest daily export; today's may not be there yet."""
    problem: OSError = OSError("no export")
    for day in (today, today - timedelta(1), today - timedelta(2)):
        site = "https://e621.net/db_export"
        try:
            tables = [get(f"{site}/tag_{kind}-{day:%Y-%m-%d}.csv.gz") for kind in ("implications", "aliases")]
        except urllib.error.HTTPError as error:
            problem = error
            continue
        rows = [exports.parse(raw, f"e621 export of {day:%Y-%m-%d}") for raw in tables]
        return rows[0], rows[1], f"{site} of {day:%Y-%m-%d}"
    raise problem


def _pages(get: Get, address: str) -> Iterator[Row]:
    """Pages of active rows, newest first, each after the last row's number."""
    page = ""
    while True:
        fields = "id,antecedent_name,consequent_name,status"
        entries = json.loads(get(f"{address}?limit={PAGE}&search[status]=active&only={fields}{page}"))
        if not entries:
            return
        yield from exports.from_entries(entries, address)
        page = f"&page=b{min(int(e['id']) for e in entries)}"


def _write(place: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(
        [("antecedent_name", "consequent_name"), *((r.antecedent, r.consequent) for r in rows)]
    )
    _replace(place, text.getvalue())


def _replace(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8", newline="")
    beside.replace(place)

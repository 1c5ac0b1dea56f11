"""Implications: closure, pruning, the package's own tables against real ones, exports, updates."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import urllib.error
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taggers import exports, implications, translation, update
from taggers.errors import BadTableError, MissingModelError
from taggers.implications import Table, prune

DATA = Path(__file__).parents[2] / "../shared/data/tags"
CAPTIONS = DATA.parent / "captions" / "wd14_landscape"
REAL = {"danbooru": DATA / "danbooru_tag_implications.csv", "e621": DATA / "e621_tag_implications.csv.gz"}

DOGS = Table(
    {"beagle": ["dog", "hound"], "dog": ["canine"], "canine": ["animal"], "hound": ["dog"], "hat": ["clothing"]}
)

NAMES = st.sampled_from("abcdefgh")
TABLES = st.dictionaries(NAMES, st.sets(NAMES, max_size=3), max_size=8).map(Table)
CAPTION = st.lists(NAMES, unique=True, max_size=8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    exports.table.cache_clear()
    yield tmp_path / "cache" / "tags"
    exports.table.cache_clear()


def real(vocabulary: str) -> Table:
    if not REAL[vocabulary].is_file():
        pytest.skip(f"{REAL[vocabulary]} is missing")
    return exports.read(REAL[vocabulary])


# pruning
# ------------------------------------------------------------------------------------------------------------------


@given(TABLES, CAPTION, st.sets(NAMES, max_size=3))
def test_pruning_keeps_the_meaning(table: Table, tags: list[str], protected: set[str]) -> None:
    left, removed = prune(table, tags, protected)
    assert table.closure(left) == table.closure(tags)
    assert {*left} | {r.tag for r in removed} == {*tags}
    assert protected & {*tags} <= {*left}
    assert [t for t in tags if t in left] == list(left)
    for removal in removed:
        assert removal.because in left
        assert removal.tag in table.ancestors(removal.because)


@given(TABLES, CAPTION, st.randoms(use_true_random=False))
def test_pruning_knows_no_order_and_is_done_once(table: Table, tags: list[str], random: Any) -> None:
    left, _ = prune(table, tags)
    shuffled = random.sample(tags, len(tags))
    assert {*prune(table, shuffled)[0]} == {*left}
    assert prune(table, left) == (left, [])


@given(TABLES, CAPTION)
def test_nothing_redundant_is_left(table: Table, tags: list[str]) -> None:
    left, _ = prune(table, tags)
    assert not [(a, b) for a in left for b in left if a != b and b in table.ancestors(a)]


@given(TABLES, CAPTION, st.dictionaries(NAMES, st.floats(0, 1)), st.floats(0.01, 1))
def test_doubt_drops_only_what_scores_worse_than_an_ancestor(
    table: Table, tags: list[str], scores: dict[str, float], margin: float
) -> None:
    left, removed = prune(table, tags, (), scores, margin)
    for removal in removed:
        if removal.doubted:
            assert scores[removal.because] - scores[removal.tag] > margin
            assert removal.because in table.ancestors(removal.tag)
    assert {*left} <= {*tags}


def test_the_nearest_reason_that_stays_is_given() -> None:
    _, removed = prune(DOGS, ["animal", "beagle", "dog"])
    assert [str(r) for r in removed] == ["dropped animal: beagle implies it", "dropped dog: beagle implies it"]


def test_tags_are_never_dropped_by_their_letters() -> None:
    tags = ["female", "male", "hat", "that_thing", "dog", "dogwood"]
    assert prune(DOGS, tags)[0] == tuple(tags)


def test_paths_explain() -> None:
    assert DOGS.path("beagle", "animal") == ["beagle", "dog", "canine", "animal"]
    assert DOGS.path("animal", "beagle") == []
    assert DOGS.path("dog", "dog") == []


def test_cycles_are_tolerated_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "t.csv").write_text("antecedent,consequent\na,b\nb,c\nc,a\nd,a\n")
    with caplog.at_level(logging.WARNING):
        table = exports.table(str(tmp_path / "t.csv"))
    assert "imply each other: a, b, c" in caplog.text
    assert prune(table, ["d", "b", "c"])[0] == ("d",)
    assert prune(table, ["c", "b"])[0] == ("b",)
    assert prune(table, ["c", "b"], protected=["c"])[0] == ("c",)


def test_an_alias_that_is_itself_a_live_tag_stays() -> None:
    table = Table({"husky": ["dog"]}, {"husky": "siberian_husky", "doggo": "dog"})
    assert [table.live(t) for t in ("husky", "doggo", "cat")] == ["husky", "dog", "cat"]


# the package's own tables
# ---------------------------------------------------------------------------------------------------

BEYOND = {
    f"{breed} -> dog"
    for breed in [
        "border_collie",
        "dachshund",
        "german_shepherd",
        "golden_retriever",
        "poodle",
        "shiba_inu",
        "welsh_corgi",
    ]
}
"""Edges of the site that the shared table, a part of it, does not hold."""


@pytest.mark.parametrize("vocabulary", implications.CORE)
def test_the_real_table_confirms_the_core(vocabulary: str) -> None:
    full, own = real(vocabulary), implications.core(vocabulary)
    edges = [(child, up) for child, ups in own.parents.items() for up in ups]
    assert len(edges) > 1000
    assert not [(c, p) for c, p in edges if c in full.ancestors(p)]
    assert {f"{c} -> {p}" for c, p in edges if p not in full.ancestors(c)} <= BEYOND
    assert own.cycles() == []


@pytest.mark.parametrize("vocabulary", implications.CORE)
def test_aliases_of_the_core_are_the_sites(vocabulary: str) -> None:
    path = DATA / f"{vocabulary}_neutral.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    with path.open(newline="", encoding="utf-8") as file:
        known = {alias: row[0] for row in csv.reader(file) for alias in row[3].split(",")}
    own = implications.core(vocabulary)
    assert own.aliases
    assert {a: known.get(a) for a in own.aliases} == own.aliases


def test_the_core_finds_what_the_real_table_finds_in_real_captions() -> None:
    if not CAPTIONS.is_dir():
        pytest.skip(f"{CAPTIONS} is missing")
    full, own = real("danbooru"), implications.core("danbooru")
    total = found = 0
    for path in sorted(CAPTIONS.glob("*.txt")):
        tags = [t.replace("\\", "") for t in path.read_text(encoding="utf-8").strip().split(", ")]
        gone = {*tags} - {*prune(full, tags)[0]}
        mine = {*tags} - {*prune(own, tags)[0]}
        assert mine <= gone
        total, found = total + len(gone), found + len(mine)
    assert total > 250
    assert found / total > 0.95


def test_e621_breeds_reach_the_mammals() -> None:
    own = implications.core("e621")
    assert {"collie", "herding_dog", "domestic_dog", "canine", "canid", "mammal"} <= own.ancestors("border_collie")
    assert own.live("dog") == "domestic_dog" or "dog" not in own.aliases


def test_an_unknown_vocabulary_is_named(cache: Path) -> None:
    with pytest.raises(BadTableError, match="gelbooru"):
        implications.core("gelbooru")
    with pytest.raises(BadTableError, match="gelbooru"):
        exports.table("gelbooru")
    assert exports.table("none").parents == {}


# exports
# ------------------------------------------------------------------------------------------------------------------

E621_CSV = (
    "id,antecedent_name,consequent_name,created_at,status\n"
    "1,beagle,domestic_dog,2020,active\n2,x,y,2020,deleted\n3,z,w,2020,pending\n4,artist_a,conditional_dnp,2020,active\n"
    '5,"a,b",c,2020,active\n'
)
ENTRIES = [
    {"id": 2, "antecedent_name": "beagle", "consequent_name": "dog", "status": "active"},
    {"id": 1, "antecedent_name": "x", "consequent_name": "y", "status": "deleted"},
]


@pytest.mark.parametrize("zipped", [False, True])
def test_csv_exports(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("t.csv.gz" if zipped else "t.csv")
    path.write_bytes(gzip.compress(E621_CSV.encode()) if zipped else E621_CSV.encode())
    assert exports.read(path).parents == {"beagle": ("domestic_dog",), "a,b": ("c",)}


def test_two_columns_without_a_head(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("beagle,dog\ndog,canine\n")
    assert exports.read(tmp_path / "t.csv").ancestors("beagle") == {"dog", "canine"}


def test_json_exports_and_folders(tmp_path: Path) -> None:
    (tmp_path / "tag_implications.json").write_text(json.dumps(ENTRIES))
    (tmp_path / "tag_aliases.json").write_text(json.dumps([{**ENTRIES[0], "antecedent_name": "doggo"}]))
    table = exports.read(tmp_path)
    assert (table.parents, table.aliases) == ({"beagle": ("dog",)}, {"doggo": "dog"})


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("t.csv", b"a,b,c\n1,2,3\n", "columns antecedent_name and consequent_name are missing"),
        ("t.csv", E621_CSV.encode() + b"6,be", "a row of 2 columns"),
        ("t.csv", b"antecedent_name,consequent_name,status\na,b,deleted\n", "no active rows"),
        ("t.csv.gz", gzip.compress(E621_CSV.encode())[:-20], "cannot be read"),
        ("t.json", b'[{"a": 1}]', "without antecedent_name"),
        ("t.json", b"[{", "not readable as JSON"),
        ("t.csv", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_broken_exports_are_refused(tmp_path: Path, name: str, raw: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(BadTableError, match=said):
        exports.read(tmp_path / name)


# updates
# ------------------------------------------------------------------------------------------------------------------


def test_a_file_replaces_the_core(cache: Path) -> None:
    real("e621")
    stored = update.update("e621", REAL["e621"])
    assert stored.implications == 45619
    assert update.about("e621")["implications"] == 45619
    assert exports.table("e621").ancestors("border_collie") >= {"collie", "mammal"}
    assert exports.table("e621").aliases == implications.core("e621").aliases
    assert [p.name for p in exports.files("e621")] == ["e621_implications.csv"]


def test_a_bad_file_replaces_nothing(cache: Path, tmp_path: Path) -> None:
    real("e621")
    update.update("e621", REAL["e621"])
    before = {p.name: p.read_bytes() for p in cache.iterdir()}
    few, turned = tmp_path / "few.csv", tmp_path / "turned.csv"
    few.write_text("beagle,domestic_dog\n")
    turned.write_text("canid,canine\n")
    for path, said in ((few, "cut short"), (turned, "cut short"), (REAL["danbooru"], "cut short")):
        with pytest.raises(BadTableError, match=said):
            update.update("e621", path)
    assert {p.name: p.read_bytes() for p in cache.iterdir()} == before


def test_the_other_sites_table_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "turned.csv").write_text("canid,canine\n")
    with pytest.raises(BadTableError, match="the reverse of canine -> canid"):
        update.update("e621", tmp_path / "turned.csv")
    (tmp_path / "else.csv").write_text("one,two\n")
    with pytest.raises(BadTableError, match="nothing in it agrees"):
        update.update("e621", tmp_path / "else.csv")
    with pytest.raises(BadTableError, match="gelbooru"):
        update.update("gelbooru", tmp_path / "else.csv")
    assert not cache.exists()


def everyday(vocabulary: str, *rows: tuple[str, str]) -> list[tuple[str, str]]:
    """The package's own rows, as a site would hold them among its own, and further ones."""
    own = implications.core(vocabulary)
    return [*rows, *((child, up) for child, ups in own.parents.items() for up in ups)]


def test_a_table_that_lacks_most_of_the_everyday_is_refused(cache: Path, tmp_path: Path) -> None:
    rows = everyday("danbooru")
    (tmp_path / "t.csv").write_text("\n".join(f"{c},{p}" for c, p in rows[: len(rows) // 3]))
    with pytest.raises(BadTableError, match="everyday implications of danbooru"):
        update.update("danbooru", tmp_path / "t.csv")
    assert not cache.exists()
    (tmp_path / "t.csv").write_text("\n".join(f"{c},{p}" for c, p in rows))
    assert update.update("danbooru", tmp_path / "t.csv").implications == len(rows)


def test_aliases_come_with_implications_or_stay(cache: Path, tmp_path: Path) -> None:
    table, aliases = tmp_path / "tag_implications.csv", tmp_path / "tag_aliases.csv"
    table.write_text("\n".join(f"{c},{p}" for c, p in everyday("danbooru")))
    aliases.write_text("antecedent_name,consequent_name\ndoggo,dog\n")
    with pytest.raises(BadTableError, match="holds aliases alone"):
        update.update("danbooru", aliases)
    assert update.update("danbooru", tmp_path).aliases == 1
    update.update("danbooru", table)
    assert exports.table("danbooru").live("doggo") == "dog"


def test_fetching_e621_takes_the_newest_export(cache: Path) -> None:
    asked: list[str] = []

    def get(address: str) -> bytes:
        asked.append(address)
        if "2026-05-02" in address:
            raise urllib.error.HTTPError(address, 404, "not yet", {}, None)  # type: ignore[arg-type]
        if "aliases" in address:
            return gzip.compress(
                b"id,antecedent_name,consequent_name,created_at,status\n1,doggo,domestic_dog,,active\n"
            )
        lines = "".join(f"{i},{c},{p},,active\n" for i, (c, p) in enumerate(rows))
        return gzip.compress(f"id,antecedent_name,consequent_name,created_at,status\n{lines}".encode())

    rows = everyday("e621", ("kit_fox_of_ours", "fox"))
    stored = update.update("e621", get=get, today=date(2026, 5, 2))
    assert (stored.implications, stored.aliases) == (len(rows), 1)
    assert "2026-05-01" in stored.source
    assert len(asked) == 3
    assert exports.table("e621").live("doggo") == "domestic_dog"


def test_fetching_danbooru_turns_pages(cache: Path) -> None:
    rows = everyday("danbooru")
    assert len(rows) > update.PAGE

    def get(address: str) -> bytes:
        if "aliases" in address:
            return b"[]"
        last = int(address.rpartition("page=b")[2]) if "page=b" in address else len(rows) + 1
        page = range(last - 1, max(last - 1 - update.PAGE, 0), -1)
        entries = [dict(zip(("antecedent_name", "consequent_name"), rows[i - 1], strict=True)) for i in page]
        return json.dumps([{"id": i, **e, "status": "active"} for i, e in zip(page, entries, strict=True)]).encode()

    assert update.update("danbooru", get=get).implications == len(rows)
    assert exports.table("danbooru").parents == implications.core("danbooru").parents


def test_no_network_says_how_to_go_on(cache: Path) -> None:
    def get(address: str) -> bytes:
        raise urllib.error.URLError("no route")

    with pytest.raises(MissingModelError, match=r"(?s)no route.*--from FILE"):
        update.update("danbooru", get=get)


# translation
# --------------------------------------------------------------------------------------------------------------


def test_translations_are_tags_of_both_sites() -> None:
    known: dict[str, set[str]] = {}
    for vocabulary in ("danbooru", "e621"):
        path = DATA / f"{vocabulary}_neutral.csv"
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        with path.open(newline="", encoding="utf-8") as file:
            known[vocabulary] = {row[0] for row in csv.reader(file)}
    forth, back = translation.table("danbooru-to-e621"), translation.table("e621-to-danbooru")
    assert len(forth) > 30
    assert {*forth, *back.values()} <= known["danbooru"]
    assert {*back, *forth.values()} <= known["e621"]
    assert all(forth[back[tag]] == tag for tag in back)

"""The health report shows everything, loads nothing, and runs nothing, whatever files and tags are called."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from curate import samples
from curate.core.events import Event, Note, RecordDone, Saved, StageFinished, StageStarted
from curate.core.record import Image, Manifest, Record
from curate.core.scores import Scores
from curate.core.visible import visible
from curate.report.chart import chart
from curate.report.elements import Markup, el, escaped, table
from curate.report.html import render
from curate.report.page import Page, fitting_of, with_cards
from curate.report.summary import summarise
from curate.report.tally import Tally
from curate.report.thumbs import ThumbnailFiles, thumbnail
from curate.report.training_run import Sample, TrainingRun
from tests.report.streams import RUN

ELEMENTS = """html head meta title style body header h1 h2 h3 nav a main section div span b i em small p ul li table
thead tbody tr th td figure figcaption img details summary svg g line circle polyline text rect del ins
form select option code input datalist button output script noscript"""
ATTRIBUTES = """charset http-equiv content name id href class style src alt title lang viewbox points x y role
aria-label cx cy r x1 x2 y1 y2 text-anchor width height type value hidden list placeholder min max loading
data-size data-count data-filter data-check open"""
PROGRAM = resources.files("curate.report").joinpath("report.js").read_text(encoding="utf-8")
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\x1b[31m\u202e"


class Reader(HTMLParser):
    """Collects elements, attributes and text, and checks that every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append((self.tags[-1][1], data))
        else:
            self.text.append(data)

    @property
    def whole(self) -> str:
        return "\n".join(self.text)


def harmless(page: str) -> Reader:
    read = Reader(page)
    check_scripts(read)
    check_elements(read)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", page)
    page.encode("utf-8")
    return read


def check_scripts(read: Reader) -> None:
    """One program, ours; all else in scripts is data, and the HTML in it is harmless too."""
    programs = [text for attributes, text in read.scripts if not attributes]
    assert programs == [PROGRAM]
    assert sum(tag == "script" for tag, _ in read.tags) == len(read.scripts)
    for attributes, text in read.scripts:
        if attributes:
            assert attributes["type"] == "application/json" and not set(text) & set("<>&")
            for entry in json.loads(text) if (attributes["id"] or "").startswith("rest-") else ():
                check_elements(Reader(entry))


def check_elements(read: Reader) -> None:
    """No element or attribute of another kind, and nothing that loads or runs."""
    assert {tag for tag, _ in read.tags} <= set(ELEMENTS.split())
    names = {name for _, attributes in read.tags for name in attributes}
    assert names <= set(ATTRIBUTES.split())
    sources = [a["src"] or "" for tag, a in read.tags if tag == "img"]
    assert all(s.startswith("data:image/jpeg;base64,") for s in sources)
    assert all((a["href"] or "").startswith("#") for tag, a in read.tags if tag == "a")
    styles = [a["style"] or "" for _, a in read.tags if "style" in a]
    assert all(re.fullmatch(r"(width|height):[\d.]+(%|px)(;height:[\d.]+px)?", s) for s in styles)


def tallied(*more: object) -> Tally:
    tally = Tally()
    for event in (*RUN, *more):
        tally.tell(event)  # type: ignore[arg-type]
    return tally


def picture(name: str) -> Record:
    path = samples.folder() / name
    with Pil.open(path) as opened:
        image = Image(name, str(path), *opened.size)
    return Record(
        name, name.partition("/")[0], name, image, trigger=("zwx dog",), tags=("zwx dog", "red_collar", "sitting")
    )


def at(record: Record) -> Path:
    return Path(record.image.path)


def page(*records: Record, tally: Tally | None = None, **options: object) -> str:
    manifest = Manifest(records)
    return render(Page(manifest, summarise(tally or tallied(), manifest, {}), at, **options))  # type: ignore[arg-type]


def test_a_page_shows_pictures_captions_and_how_they_came_about() -> None:
    one = dataclasses.replace(
        picture("dog/park.png"),
        imported="a dog, grass",
        notes=("dropped dog: german_shepherd implies it",),
        scores=Scores.pack({"palette": {"green_theme": (0.91, "general")}}),
    )
    two = dataclasses.replace(picture("robe/cutout.png"), edited="zwx dog, my own words", repeats=3)
    read = harmless(page(one, two))
    for text in (
        "zwx dog, red collar, sitting",
        "a dog, grass",
        "dropped dog: german_shepherd implies it",
        "green_theme 0.91",
        "zwx dog, my own words",
        "edited by hand",
        "512 × 512",
        "3 repeats",
        "only one tag",
        "1 min 04 s",
    ):
        assert text in read.whole
    assert sum(tag == "img" for tag, _ in read.tags) == 2


def test_a_folder_as_it_is_now_still_names_what_the_run_set_aside() -> None:
    told = tallied(RecordDone("convert", "dog/x.png", "truncated"))
    figures = summarise(
        told, Manifest([picture("dog/park.png"), Record("dog/x.png", "dog", "x", Image("x"), aside="truncated")]), {}
    )
    read = harmless(render(Page(Manifest([picture("dog/park.png")]), figures, lambda _: None)))
    cells = [t for t in read.text if t.strip()]
    assert cells[cells.index("set aside") - 1] == str(len(figures["aside"])) != "0"
    place = cells.index("dog/x.png")
    assert cells[place : place + 3] == ["dog/x.png", "convert", "truncated"]


FAULTS = {"border": "a border: 12 px top", "blur": "blurred (0.71)"}


def test_what_needs_editing_is_named_with_reasons_and_badges() -> None:
    fine = picture("dog/park.png").noting(triage="fine", faults={})
    edit = picture("robe/cutout.png").noting(triage="edit", faults=FAULTS)
    cells = [t for t in harmless(page(fine, edit)).text if t.strip()]
    place = cells.index("Needs editing", cells.index("Overview", 12))
    assert cells[place + 1] == "1 picture needs editing, as far as `inspect` can measure."
    assert cells[place + 2 : place + 6] == ["border", ": 1", "blurred", ": 1"]
    assert cells[place + 8 : place + 10] == ["robe/cutout.png", "a border: 12 px top; blurred (0.71)"]
    assert cells[cells.index("to edit") - 1] == "1"
    card = cells.index("needs editing")
    assert cells[card - 2 : card + 3] == ["cutout.png", "robe 480 × 512", "needs editing", "border", "blurred"]
    assert "dog/park.png" not in cells[place : place + 14]


def test_where_no_stage_looked_for_faults_nothing_counts_as_fine() -> None:
    read = harmless(page(picture("dog/park.png")))
    assert "to check for problems" in read.whole and "to edit" not in read.whole


def test_a_card_names_its_duplicates() -> None:
    facts = {"duplicate": "equal", "duplicate_of": "dog/park.png", "likeness": 1.0}
    copy = dataclasses.replace(picture("dog/park_copy.png"), aside="duplicate of dog/park.png", facts=facts)
    read = harmless(page(picture("dog/park.png"), copy))
    assert read.whole.count("1 duplicate\n") == 1


def trained(tmp_path: Path, prompt: str = "zwx dog, on a beach") -> TrainingRun:
    Pil.new("RGB", (8, 8), "red").save(tmp_path / "s.png")
    samples = tuple(Sample(tmp_path / "s.png", step, 0, prompt) for step in (20, 1040))
    settings = {"algo": "lokr", "learning_rate": "0.0003"}
    return TrainingRun("models/base.safetensors", settings, (tmp_path / "robe.safetensors",), samples, DATE, True)


DATE = "2031-05-07 12:30"


def test_a_training_with_base_files_settings_date_and_samples(tmp_path: Path) -> None:
    read = harmless(page(picture("dog/park.png"), trainings=[trained(tmp_path)], date="2031-05-07 13:00"))
    cells = [t for t in read.text if t.strip()]
    place = cells.index("models/base.safetensors")
    assert cells[place - 1 : place + 9] == [
        *("base", "models/base.safetensors", "LoRA", str(tmp_path / "robe.safetensors"), "trained", DATE),
        *("algo", "lokr", "learning_rate", "0.0003"),
    ]
    place = cells.index("zwx dog, on a beach")
    assert cells[place + 1 : place + 3] == ["step 20", "step 1,040"]
    assert cells[cells.index("finished") - 1] == "2031-05-07 13:00"


def test_hostile_words_of_a_training_stay_text(tmp_path: Path) -> None:
    settings = {EVIL: EVIL}
    run = dataclasses.replace(trained(tmp_path, EVIL), base=EVIL, settings=settings, loras=(Path(EVIL),), date=EVIL)
    evil = picture("dog/park.png").noting(
        triage="edit", faults={EVIL: EVIL}, consent=EVIL, upscaled={"model": EVIL, "from": [EVIL], "to": [2]}
    )
    read = harmless(page(evil, trainings=[run], date=EVIL))
    assert read.whole.count("<script>alert(1)</script>") > 8


@pytest.mark.parametrize("name", ["犬 🐕\u200d🦺", "\u202eevil\u202c.png", "x" * 200, "a\"b'c`d", "</figcaption>"])
def test_odd_names_stay_text(name: str) -> None:
    row = dataclasses.replace(picture("dog/park.png"), key=f"dog/{name}", concept=name, facts={"faults": {name: name}})
    read = harmless(page(row, title=name))
    assert visible(name) in read.text
    assert any(attributes.get("title") == visible(name) for _, attributes in read.tags)


def test_few_pictures_are_advised_against_once() -> None:
    said = Note("warning", "dog: 1 picture is too few: use at least 8, about 30 are best", "inspect")
    alone, beside = (harmless(page(picture("dog/park.png"), tally=tally)) for tally in (tallied(), tallied(said)))
    assert "few for an object" in "".join(alone.text)
    assert "few for an object" not in "".join(beside.text) and "is too few" in "".join(beside.text)


def test_what_was_set_aside_is_named_with_its_reason_and_stage() -> None:
    gone = dataclasses.replace(picture("dog/park_copy.png"), aside="the same picture as dog/park.png")
    broken = Record("dog/x.png", "dog", "x", Image("x", "nowhere.png"), aside="truncated")
    read = harmless(
        page(picture("dog/park.png"), gone, broken, tally=tallied(RecordDone("convert", "dog/x.png", "truncated")))
    )
    cells = [t for t in read.text if t.strip()]
    place = cells.index("dog/x.png")
    assert cells[place - 1 : place + 3] == ["cannot be shown", "dog/x.png", "convert", "truncated"]
    assert "the same picture as dog/park.png" in cells
    assert sum(tag == "img" for tag, _ in read.tags) == 2


def test_duplicates_stand_beside_what_stays_the_doubtful_first() -> None:
    kept = picture("dog/park.png")
    facts = {"duplicate": "near", "duplicate_of": "dog/park.png", "likeness": 0.9123}
    near = dataclasses.replace(picture("dog/dusk.jpg"), aside="like dog/park.png", facts=facts)
    equal = dataclasses.replace(
        picture("dog/park_copy.png"),
        aside="equal",
        facts={"duplicate": "equal", "duplicate_of": "dog/park.png", "likeness": 1.0},
    )
    lost = dataclasses.replace(
        picture("dog/night.jpg"), aside="equal", facts={"duplicate": "equal", "duplicate_of": "gone.png"}
    )
    cells = [t for t in harmless(page(kept, equal, near, lost)).text if t.strip()]
    pairs = cells[cells.index("Duplicates", cells.index("Balance", 12)) + 1 :][:9]
    assert pairs == [
        "2 duplicates were set aside: 1 equal, 1 near. The least alike come first. "
        "If these are different pictures, raise `correlation` of `dedupe`.",
        "dog/dusk.jpg",
        "set aside, near, similarity 0.912",
        "dog/park.png",
        "kept",
        "dog/park_copy.png",
        "set aside, equal, similarity 1.000",
        "dog/park.png",
        "kept",
    ]


def test_hostile_names_and_tags_stay_text() -> None:
    evil = Record(
        f"dog/{EVIL}",
        EVIL,
        "o",
        Image("d", "missing", 10, 10),
        trigger=(EVIL,),
        tags=(EVIL, EVIL + "2"),
        imported=EVIL,
        edited=EVIL,
        notes=(EVIL,),
        scores=Scores.pack({EVIL: {EVIL: (0.5, EVIL)}}),
    )
    aside = dataclasses.replace(evil, key="a/b", aside=EVIL)
    told = (Note("warning", EVIL, EVIL, EVIL), Note(EVIL, EVIL), Saved("sample", EVIL), RecordDone(EVIL, "a/b", EVIL))
    read = harmless(page(evil, aside, tally=tallied(*told), title=EVIL))
    assert read.whole.count("<script>alert(1)</script>") > 10
    assert r"\x1b[31m\u202e" in read.whole


HOSTILE: dict[str, Any] = {
    "traps": [
        {"check": EVIL, "message": EVIL, "remedy": EVIL, "pictures": [EVIL],
         "places": [{"file": EVIL, "detail": EVIL, "picture": EVIL}]}
    ],
    "not_checked": [{"check": EVIL, "reason": EVIL, "remedy": EVIL}],
    "names": {EVIL: EVIL},
}  # fmt: skip


def test_hostile_words_of_every_section_stay_text(tmp_path: Path) -> None:
    """Tags that stand together, cleaned pictures, changed captions, duplicates, several trainings."""
    where = samples.folder() / "dog/park.png"
    cleaned = {"done": True, "suspected": True, "score": 4.0, "methods": [EVIL], "after": {"score": 0.5}}
    rows = [
        dataclasses.replace(
            picture("dog/park.png"), key=f"dog/{n}{EVIL}", concept=EVIL, trigger=(EVIL,), imported=f"{EVIL}, {n}",
            tags=("zwx dog", *(() if n == 3 else ("a" + EVIL, "b" + EVIL))),
            facts={"denoise": {**cleaned, "psnr": 36.0, "ssim": 0.95}, "triage": "edit", "faults": {EVIL: EVIL}},
        )
        for n in range(4)
    ]  # fmt: skip
    facts = {"duplicate_of": rows[0].key, "duplicate": EVIL, "likeness": 0.9}
    rows.append(dataclasses.replace(rows[0], key=f"dog/copy{EVIL}", aside=EVIL, facts=facts))
    one = dataclasses.replace(trained(tmp_path, EVIL), base=EVIL, id=EVIL, losses={EVIL: ((1, 0.5), (2, 0.4))})
    read = harmless(
        page(
            *rows, trainings=[one, one], before=lambda _: where, checks=HOSTILE, review=EVIL, files={rows[0].key: EVIL}
        )
    )
    assert sum(a.get("class") == "compare" for _, a in read.tags) == 4
    links = [json.loads(a["data-filter"] or "") for _, a in read.tags if "data-filter" in a]
    assert {"tag": ", ".join(visible(letter + EVIL) for letter in "ab")} in links
    (known,) = [json.loads(text) for attributes, text in read.scripts if attributes.get("id") == "data-pictures"]
    assert visible("a" + EVIL) in known["tags"] and visible(EVIL) in known["marks"]


@given(st.text(st.characters(), min_size=1), st.text(st.characters()), st.text(st.characters()))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
def test_any_text_stays_text(key: str, tag: str, note: str) -> None:
    row = Record(key, tag, "o", Image("d", ""), tags=(tag,), notes=(note,), edited=tag)
    manifest = Manifest([row, dataclasses.replace(row, key=key + "!", aside=note or "x")])
    harmless(render(Page(manifest, summarise(tallied(Note(note, key, tag)), manifest, {}), lambda _: None, title=note)))


def test_a_policy_forbids_what_escaping_might_miss() -> None:
    text = page(picture("dog/park.png"))
    policy = next(a["content"] for tag, a in Reader(text).tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(PROGRAM.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert text.index("Content-Security-Policy") < text.index("<title>")
    assert "http://" not in text and "https://" not in text and text.count("<script>") == 1


def test_balance_and_buckets() -> None:
    rows = [
        dataclasses.replace(picture("dog/park.png"), repeats=1),
        dataclasses.replace(picture("vase/garden.jpg"), repeats=3),
    ]
    read = harmless(page(*rows, fitting=fitting_of({}, 512)))
    cells = [t for t in read.text if t.strip()]
    assert "25.0%" in cells and "75.0%" in cells
    assert "512 × 512" in cells and "448 × 576" in cells
    assert harmless(page(*rows, fitting=fitting_of({}, 1024))).whole.count("896 × 1152")


def test_pictures_beyond_the_first_page_lie_in_the_page_as_data() -> None:
    base = picture("dog/dusk.jpg")
    rows = [dataclasses.replace(base, key=f"{c}/{n:03}.jpg", concept=c) for c in ("dog", "robe") for n in range(30)]
    read = harmless(page(*rows))
    assert sum(tag == "img" for tag, _ in read.tags) == 48
    (rest,) = [json.loads(text) for attributes, text in read.scripts if attributes.get("id") == "rest-pictures"]
    assert len(rest) == 12
    assert all(f"{n:03}.jpg" in entry and "data:image/jpeg" in entry for n, entry in enumerate(rest, 18))
    assert "and 12 more" in read.whole


def test_small_pictures_of_a_large_folder_are_files_beside_the_page(tmp_path: Path) -> None:
    files = ThumbnailFiles(tmp_path / "my page_files")
    text = page(picture("dog/park.png"), picture("dog/night.jpg"), thumbnails=files)
    sources = [a["src"] or "" for tag, a in Reader(text).tags if tag == "img"]
    assert len(sources) == 2 and all(source.startswith("my%20page_files/") for source in sources)
    names = sorted(source.partition("/")[2] for source in sources)
    assert names == sorted(path.name for path in (tmp_path / "my page_files").iterdir())
    policy = next(a["content"] or "" for tag, a in Reader(text).tags if "http-equiv" in a)
    assert "img-src data: 'self' file:;" in policy and "data:image" not in text
    for name in (*names, "a" * 32 + "-240.jpg", "holiday.jpg"):
        (tmp_path / "my page_files" / name).write_bytes(b"as it was")
    later = ThumbnailFiles(tmp_path / "my page_files")
    told: list[Event] = []
    night = picture("dog/beach.jpg")
    later.prepare([(at(one), one.image.digest) for one in (picture("dog/park.png"), night)], told.append)
    assert [type(event) for event in told] == [StageStarted, RecordDone, StageFinished], "one was missing"
    later.prepare([(at(night), night.image.digest)], told.append)
    assert len(told) == 3
    later.remove_unused()
    left = {path.name: path.read_bytes() for path in (tmp_path / "my page_files").iterdir()}
    assert len(left) == 3 and left["holiday.jpg"] == b"as it was"
    assert sorted(left.values()).count(b"as it was") == 2, "a picture that is there is not made again"


def test_of_very_many_pictures_a_page_shows_some_of_each_concept() -> None:
    records = [
        Record(f"{concept}/{n}.png", concept, f"{n}", Image("d")) for concept in ("dog", "cat") for n in range(20)
    ]
    records[3] = dataclasses.replace(records[3], aside="broken")
    assert len(with_cards(Manifest(records))) == 39
    some = [r.key for r in with_cards(Manifest(records), 10)]
    assert len(set(some)) == 10 and "dog/3.png" not in some
    assert [sum(key.startswith(f"{concept}/") for key in some) for concept in ("cat", "dog")] == [6, 4]


def test_an_empty_set_makes_a_page() -> None:
    read = harmless(page(tally=Tally()))
    assert "prepared" in read.whole


def test_the_same_records_make_the_same_page() -> None:
    assert page(picture("dog/park.png")) == page(picture("dog/park.png"))


def test_loss_curve_and_samples() -> None:
    sample = str(samples.folder() / "dog/night.jpg")
    read = harmless(page(picture("dog/park.png"), tally=tallied(Saved("sample", sample))))
    lines = [a["points"] for tag, a in read.tags if tag == "polyline"]
    # one scale: the validation loss of .8 on top at the last step, the training loss from .6 down to .5 at the bottom
    assert lines == ["52.0,90.0 592.0,130.0", "592.0,10.0"]
    assert "22 of 40 steps, loss 0.5000 on average, validation loss 0.8000" in read.whole
    assert "training loss, moving average\nvalidation loss\n" in read.whole and "step 21" in read.whole
    assert sum(tag == "img" for tag, _ in read.tags) == 2


def test_charts() -> None:
    assert chart({"a": [(1, 0.5)], "b": []}, "x") == chart({}, "x") == ""
    flat = chart({"a": [(1, 0.5), (2, 0.5)]}, "x")
    assert flat.count("<polyline") == 1 and "nan" not in flat and flat.count("0.5000") == 1
    assert chart({"a": [(n, n) for n in range(61)], "b": [(3, 4.0)]}, "x").count("<circle") == 1


def decoded(address: str) -> Pil.Image:
    return Pil.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_thumbnails_are_upright_and_opaque() -> None:
    assert decoded(thumbnail(samples.folder() / "dog/beach.jpg", 128)).size == (120, 128)
    cutout = decoded(thumbnail(samples.folder() / "robe/cutout.png", 128))
    assert min(cutout.convert("RGB").getpixel((0, 0))) > 245  # type: ignore[type-var]


def test_what_cannot_be_read_has_no_thumbnail(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    assert [thumbnail(p) for p in (None, tmp_path / "a.png", tmp_path / "b.png", tmp_path)] == ["", "", "", ""]


def test_elements() -> None:
    assert el("p", "<&>\"'", el("b", "x"), class_='a"b') == '<p class="a&quot;b">&lt;&amp;&gt;&quot;&#x27;<b>x</b></p>'
    assert el("img", src="d") == '<img src="d">'
    assert escaped(Markup("<b>")) == "<b>" and escaped("a\x00") == r"a\x00"
    assert table(["a", "b"], [["1,000", "x"], ["2", "3"]]).count('class="n"') == 3

"""Scan: what is a picture, whose it is, and what is said about the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from curate.core.events import Event, Note
from curate.core.record import Manifest
from curate.core.stage import Concept, Env
from curate.core.store import Store
from curate.errors import InputError
from curate.images import PICTURE_FILES
from curate.scan import ConsentChoice, list_pictures, scan
from tests.images.consent.files import PROHIBITED, save


def put(path: Path, caption: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2), (len(str(path)) % 256, 1, 2)).save(path)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return path


def keys(folder: Path, skip: Path | None = None) -> list[str]:
    return [f.key for f in list_pictures([folder], lambda _: None, skip)]


def scanned(
    tmp_path: Path,
    *folders: Path,
    consent: ConsentChoice = "",
    accept_truncated: bool = False,
    **concepts: Concept,
) -> tuple[Manifest, list[str]]:
    told: list[Event] = []
    with Store(tmp_path / "out") as store:
        env = Env(tmp_path, tmp_path, PICTURE_FILES, concepts=concepts)
        skip = tmp_path / "out"
        found = scan(folders, store, env, told.append, consent=consent, skip=skip, accept_truncated=accept_truncated)
    return found, [e.message for e in told if isinstance(e, Note)]


def test_folders_are_concepts_and_loose_pictures_one_too(tmp_path: Path) -> None:
    for name in ("in/dog/a.png", "in/dog/deep/er/b.png", "in/3_zwx cat, hat/c.PNG", "in/loose.png", "in/dog/read.me"):
        path = tmp_path / name
        put(path) if path.suffix.lower() == ".png" else path.write_text("x")
    found, _ = scanned(tmp_path, tmp_path / "in")
    assert [r.key for r in found] == ["dog/a.png", "dog/deep/er/b.png", "in/loose.png", "zwx cat, hat/c.PNG"]
    cat = found[3]
    assert (cat.concept, cat.trigger, cat.repeats) == ("zwx cat, hat", ("zwx cat", "hat"), 3)
    assert (found[0].trigger, found[0].repeats) == (("dog",), 1)


def test_what_the_user_says_of_a_concept_counts(tmp_path: Path) -> None:
    put(tmp_path / "in/3_dog/a.png")
    found, _ = scanned(tmp_path, tmp_path / "in", dog=Concept(trigger=("qqq",), repeats=5))
    assert (found[0].trigger, found[0].repeats) == (("qqq",), 5)


def test_hidden_files_ledgers_and_the_output_are_left_out(tmp_path: Path) -> None:
    for name in ("dog/a.png", "dog/.hidden.png", ".git/b.png", "dog/.curate/c.png", "prepared/1_dog/a.png"):
        put(tmp_path / "in" / name)
    assert keys(tmp_path / "in", tmp_path / "in/prepared") == ["dog/a.png"]
    assert keys(tmp_path / "in", tmp_path / "in/dog/../prepared") == ["dog/a.png"]


def test_links_are_followed_but_loops_end(tmp_path: Path) -> None:
    put(tmp_path / "in/dog/a.png")
    put(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/dog/again").symlink_to(tmp_path / "in")
    (tmp_path / "in/dog/self").symlink_to(".")
    (tmp_path / "in/cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/alias").symlink_to("dog")
    assert keys(tmp_path / "in") == ["alias/a.png", "cat/b.png", "dog/a.png"]


def test_a_broken_link_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path / "in/dog/a.png")
    (tmp_path / "in/dog/b.png").symlink_to("nowhere.png")
    found, _ = scanned(tmp_path, tmp_path / "in")
    assert [(r.key, r.aside[:14]) for r in found] == [("dog/a.png", ""), ("dog/b.png", "cannot be read")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_stops_nothing(tmp_path: Path) -> None:
    put(tmp_path / "in/dog/a.png")
    os.mkfifo(tmp_path / "in/dog/b.png")
    found, notes = scanned(tmp_path, tmp_path / "in")
    assert [r.key for r in found] == ["dog/a.png"]
    assert any("b.png is neither a file nor a folder" in n for n in notes)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything is readable here")
def test_an_unreadable_folder_is_told(tmp_path: Path) -> None:
    put(tmp_path / "in/dog/a.png")
    put(tmp_path / "in/cat/b.png")
    (tmp_path / "in/cat").chmod(0)
    found, notes = scanned(tmp_path, tmp_path / "in")
    (tmp_path / "in/cat").chmod(0o755)
    assert [r.key for r in found] == ["dog/a.png"]
    assert any("cannot be read" in n for n in notes)


def test_captions_are_imported(tmp_path: Path) -> None:
    put(tmp_path / "in/dog/a.png", "grass, blue sky")
    put(tmp_path / "in/dog/b.png")
    (tmp_path / "in/dog/b.png.caption").write_text("\ufeffsky\r\n", encoding="utf-8")
    put(tmp_path / "in/dog/c.png", "   ")
    put(tmp_path / "in/dog/d.png")
    (tmp_path / "in/dog/d.TXT").write_text("tree")
    found, _ = scanned(tmp_path, tmp_path / "in")
    assert [r.tags for r in found] == [("grass", "blue_sky"), ("sky",), (), ("tree",)]
    assert [r.imported for r in found] == ["grass, blue sky", "sky", None, "tree"]


def test_a_refusal_of_training_is_heeded_unless_the_rights_are_held(tmp_path: Path) -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"/></rdf:RDF></x:xmpmeta>'
    )
    path = tmp_path / "in/dog/a.jpg"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(path, xmp=packet.encode())
    put(tmp_path / "in/dog/b.png")
    for _ in range(2):
        refused, _ = scanned(tmp_path, tmp_path / "in")
        assert [bool(r.aside) for r in refused] == [True, False]
        assert "no AI training" in refused[0].aside
    held, _ = scanned(tmp_path, tmp_path / "in", consent="i-hold-the-rights")
    assert [r.aside for r in held] == ["", ""]
    assert "the rights are held" in held[0].notes[0]


def test_what_cannot_be_checked_is_set_aside_unless_the_user_keeps_it(tmp_path: Path) -> None:
    put(tmp_path / "in/dog/a.png")
    put(tmp_path / "in/dog/b.png")
    cut = tmp_path / "in/dog/a.png"
    cut.write_bytes(cut.read_bytes()[:-12])
    for _ in range(2):
        aside, _ = scanned(tmp_path, tmp_path / "in")
        assert [bool(r.aside) for r in aside] == [True, False]
        assert "could not be checked" in aside[0].aside and "accept_truncated" in aside[0].aside
    for choice in ("keep-unchecked", "i-hold-the-rights"):
        kept, _ = scanned(tmp_path, tmp_path / "in", consent=choice)
        assert [r.aside for r in kept] == ["", ""]
        assert "could not be checked" in kept[0].notes[0] and choice in kept[0].notes[0]
        assert kept[0].facts["unchecked"] and "unchecked" not in kept[1].facts


def test_damage_within_the_picture_takes_one_option_and_any_other_damage_two(tmp_path: Path) -> None:
    for name, xmp in (("plain", b"<x/>"), ("marked", PROHIBITED)):
        save(tmp_path / f"{name}.png", "png", xmp)
        whole = (tmp_path / f"{name}.png").read_bytes()
        for part, end in (("picture", whole.index(b"IDAT") + 100), ("metadata", whole.index(b"iTXt") + 20)):
            (tmp_path / "in/dog").mkdir(parents=True, exist_ok=True)
            (tmp_path / f"in/dog/{name} {part}.png").write_bytes(whole[:end])
    for _ in range(2):
        found, _ = scanned(tmp_path, tmp_path / "in", accept_truncated=True)
        aside = {r.key.removeprefix("dog/"): r.aside for r in found}
        assert aside["plain picture.png"] == ""
        assert aside["marked picture.png"].startswith("marked 'no AI training'")
        for name in ("plain metadata.png", "marked metadata.png"):
            assert "consent: keep-unchecked" in aside[name] and "accept_truncated" in aside[name]
    found, _ = scanned(tmp_path, tmp_path / "in")
    aside = {r.key.removeprefix("dog/"): r.aside for r in found}
    assert "accept_truncated of convert" in aside["plain picture.png"]
    assert "keep-unchecked" not in aside["plain picture.png"]


def test_keeping_the_unchecked_keeps_no_refusal(tmp_path: Path) -> None:
    save(tmp_path / "marked.png", "png", PROHIBITED)
    (tmp_path / "in/dog").mkdir(parents=True)
    (tmp_path / "marked.png").rename(tmp_path / "in/dog/a.png")
    found, _ = scanned(tmp_path, tmp_path / "in", consent="keep-unchecked")
    assert found[0].aside.startswith("marked 'no AI training'")


def test_two_inputs_with_one_concept_keep_both_pictures(tmp_path: Path) -> None:
    put(tmp_path / "one/dog/a.png")
    put(tmp_path / "other/dog/a.png")
    found, _ = scanned(tmp_path, tmp_path / "one", tmp_path / "other")
    assert [r.key for r in found] == ["dog/a.png", "dog/a.png~2"]


def test_composed_and_decomposed_names_are_one_concept(tmp_path: Path) -> None:
    put(tmp_path / "in/hu\u0308tte/a.png")
    found, _ = scanned(tmp_path, tmp_path / "in", **{"hütte": Concept(trigger=("zwx",))})
    assert found[0].trigger == ("zwx",)


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="no pictures in"):
        scanned(tmp_path, tmp_path / "in")
    with pytest.raises(InputError, match="does not exist"):
        scanned(tmp_path, tmp_path / "nowhere")


def test_what_may_be_left_of_a_masked_picture_is_told(tmp_path: Path) -> None:
    for name in ("dog/a", "masks/dog/a", "masks/dog/gone", "masks/cat/b", "masks/c"):
        put(tmp_path / "in" / f"{name}.png")
    found, told = scanned(tmp_path, tmp_path / "in")
    assert [r.key for r in found] == ["dog/a.png", "masks/c.png", "masks/cat/b.png", "masks/dog/gone.png"]
    assert told == [
        f"{tmp_path / 'in/masks/dog/gone.png'} looks like a mask, but no picture belongs "
        f"to it, so it is used as a picture: remove it if its picture is gone"
    ]


@pytest.mark.parametrize("name", ["0_off", "0_zwx dog", "00_x", "0 off", " 0_старое"])
def test_a_folder_that_is_switched_off_is_left_out_and_named(tmp_path: Path, name: str) -> None:
    put(tmp_path / "in/dog/a.png")
    put(tmp_path / "in" / name / "sub/b.png")
    found, notes = scanned(tmp_path, tmp_path / "in")
    assert [r.key for r in found] == ["dog/a.png"]
    assert [n for n in notes if n == f"folder {name} (1 picture) is skipped because it has 0 repeats"]


@pytest.mark.parametrize(
    ("name", "trigger", "repeats"),
    [("10 robe", ("robe",), 10), ("3_", (), 3), (" 4_hat, red", ("hat", "red"), 4), ("10-robe", ("10-robe",), 1)],
)
def test_folder_names_are_read_as_training_reads_them(
    tmp_path: Path, name: str, trigger: tuple[str, ...], repeats: int
) -> None:
    put(tmp_path / "in" / name / "a.png")
    [record], notes = scanned(tmp_path, tmp_path / "in")
    assert (record.trigger, record.repeats) == (trigger, repeats)
    assert any("is read as 10_robe" in n for n in notes) == (name == "10 robe")


def test_the_inputs_own_name_switches_nothing_off(tmp_path: Path) -> None:
    put(tmp_path / "0_raw/a.png")
    put(tmp_path / "2 raw/b.png")
    found, _ = scanned(tmp_path, tmp_path / "0_raw", tmp_path / "2 raw")
    assert [r.trigger for r in found] == [("0_raw",), ("2 raw",)]


def test_a_mask_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dog/a", "dog/b", "masks/dog/a", "masks/dog/b"):
        put(tmp_path / "in" / f"{name}.png")
    flushed: list[tuple[int, int]] = []
    named: list[bool] = []
    fsync, replace = os.fsync, os.replace

    def flush(file: int) -> None:
        fsync(file)
        flushed.append((os.fstat(file).st_dev, os.fstat(file).st_ino))

    def give_name(old: str, new: str) -> None:
        stat = Path(old).stat()
        named.append((stat.st_dev, stat.st_ino) in flushed)
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", give_name)
    found, _ = scanned(tmp_path, tmp_path / "in")
    assert named == [True, True]
    assert all((tmp_path / r.mask).stat().st_size for r in found)

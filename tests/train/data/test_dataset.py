"""Reading a folder: kohya's layout, and one clear message for each way it can be wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PIL import Image as Pillow

from curate.core.caption_options import CaptionReading
from curate.core.record import Image, Manifest, Record
from curate.core.stage import Env
from curate.core.store import Store
from curate.errors import InputError
from curate.stages.train import Train
from curate.train.data.dataset import read_dataset
from curate.train.data.picture_checks import picture_size
from tests.train.conftest import PlainPictures


def test_reads_repeats_triggers_and_captions(folder: Path) -> None:
    data = read_dataset(folder)
    assert [(p.concept, p.repeats, p.path.name) for p in data.pictures] == [
        ("1_blue robe", 1, "0.png"),
        ("1_blue robe", 1, "1.png"),
        ("2_zwx dog", 2, "0.png"),
        ("2_zwx dog", 2, "1.png"),
    ]
    assert data.triggers == {"1_blue robe": "blue robe", "2_zwx dog": "zwx dog"}
    assert data.pictures[2].caption == "zwx dog, simple background, shape 0"
    assert not data.warnings


def test_digest_changes_with_what_is_trained_alone(folder: Path) -> None:
    before = read_dataset(folder).digest
    (folder / "notes.md").write_text("x")
    assert read_dataset(folder).digest == before
    caption = folder / "2_zwx dog" / "0.txt"
    caption.write_text(caption.read_text() + ", more")
    changed = read_dataset(folder).digest
    assert changed != before
    (folder / "2_zwx dog").rename(folder / "3_zwx dog")
    assert read_dataset(folder).digest not in (before, changed)


def test_what_was_set_aside_is_not_trained(folder: Path, tmp_path: Path) -> None:
    paths = [p.path.absolute() for p in read_dataset(folder).pictures]
    left = read_dataset(folder, left_out=frozenset(paths[:1]))
    assert [p.path.absolute() for p in left.pictures] == paths[1:]
    assert left.digest != read_dataset(folder).digest

    aside = [Record(str(p), "dog", "", Image("", str(p)), aside="refuses AI training") for p in paths]
    env = Env(tmp_path, folder, PlainPictures(), device="cpu", offline=True)
    with pytest.raises(InputError, match="no pictures that can be read"):
        Train(base="tiny", steps=1).run(Manifest(aside), env, lambda event: None)


def test_remembered_digests_are_the_same(folder: Path, tmp_path: Path) -> None:
    old = time.time() - 60
    for path in folder.rglob("*.png"):
        os.utime(path, (old, old))
    with Store(tmp_path) as store:
        first = read_dataset(folder, digests=store.file_digests).digest
    with Store(tmp_path) as store:
        rows = store.read("SELECT COUNT(*) FROM file_digests WHERE algorithm = 'sha256'")
        assert rows == [(4,)]
        assert read_dataset(folder, digests=store.file_digests).digest == first == read_dataset(folder).digest
        assert store.read("SELECT COUNT(*) FROM file_digests") == rows
        Pillow.new("RGB", (64, 64)).save(folder / "2_zwx dog" / "0.png")
        assert read_dataset(folder, digests=store.file_digests).digest != first


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: None, "there is no folder"),
        (lambda d: d.mkdir(), "holds no folder called N_trigger"),
        (lambda d: (d / "1_dog").mkdir(parents=True), "holds no pictures"),
        (lambda d: (d / "dog").mkdir(parents=True), "holds no folder called N_trigger"),
    ],
)
def test_nothing_to_train(tmp_path: Path, make: object, message: str) -> None:
    place = tmp_path / "data"
    make(place)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        read_dataset(place)


def test_wrong_level_is_explained(folder: Path) -> None:
    with pytest.raises(InputError, match="the pictures are directly in it"):
        read_dataset(folder / "2_zwx dog")


def test_no_captions_at_all(folder: Path) -> None:
    with pytest.raises(InputError, match=r"none of the 4 pictures .* \.cap"):
        read_dataset(folder, CaptionReading(extension=".cap"))
    for path in sorted(folder.rglob("*.png"))[1:]:
        path.unlink()
    with pytest.raises(InputError, match=r"^no picture in .* has a caption in a file ending in \.cap"):
        read_dataset(folder, CaptionReading(extension=".cap"))


def test_missing_caption_broken_picture_and_strange_folder_are_named(folder: Path) -> None:
    (folder / "2_zwx dog" / "0.txt").unlink()
    (folder / "2_zwx dog" / "bad.png").write_bytes(b"no picture")
    (folder / "strange").mkdir()
    Pillow.new("RGB", (8, 8)).save(folder / "strange" / "a.png")
    data = read_dataset(folder)
    assert len(data.pictures) == 4
    assert data.pictures[2].caption == "zwx dog"
    text = "\n".join(data.warnings)
    assert "2_zwx dog/0.png" in text and "bad.png" in text and "strange is skipped" in text


def test_a_caption_that_is_no_text_is_set_aside_and_its_picture_kept(folder: Path) -> None:
    whole = len(read_dataset(folder).pictures)
    (folder / "2_zwx dog" / "0.txt").write_bytes(b"\x00\x01\x02")
    data = read_dataset(folder)
    assert len(data.pictures) == whole
    assert [p.caption for p in data.pictures if p.path.name == "0.png" and p.words == "zwx dog"] == ["zwx dog"]
    assert any("0.png: the caption is not used" in line and "cannot be read" in line for line in data.warnings)
    assert any("no caption" in line and "2_zwx dog/0.png" in line for line in data.warnings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_captions_in_any_common_encoding(folder: Path, encoding: str) -> None:
    (folder / "2_zwx dog" / "0.txt").write_bytes("café, blue".encode(encoding))
    assert "café, blue" in [p.caption for p in read_dataset(folder).pictures]


def test_size_follows_orientation(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=exif)
    assert picture_size(tmp_path / "a.jpg") == (40, 60)

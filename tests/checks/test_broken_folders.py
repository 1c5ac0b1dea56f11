"""Deliberately broken foreign folders: `curate check` names each trap with its files and its remedy."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.errors import InputError
from tests.checks.helpers import checked, draw, files, good, the
from tests.images.consent.files import PROHIBITED, save

DOG, CAT = "10_zwx dog", "10_qqx cat"
CAPTION = f"{DOG}/a.txt"
Break = Callable[[Path], object]


def write(file: str, data: bytes | str) -> Break:
    raw = data if isinstance(data, bytes) else data.encode()
    return lambda root: (root / file).write_bytes(raw)


def rename(old: str, new: str) -> Break:
    return lambda root: (root / old).rename(root / new)


def every(*steps: Break) -> Break:
    return lambda root: [step(root) for step in steps]


def picture(file: str, seed: int = 99, size: tuple[int, int] = (128, 128)) -> Break:
    return lambda root: draw(root / file, seed, size)


def copy(old: str, new: str) -> Break:
    def step(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / old, root / new)

    return step


def mask(file: str, value: int, size: tuple[int, int] = (128, 128)) -> Break:
    def step(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(size[::-1], value, np.uint8)).save(root / file)

    return step


def masks(folder: str, value: int = 255) -> Break:
    """A mask for each of the four pictures."""
    return every(*(mask(f"masks/{folder}/{stem}.png", value) for stem in "abcd"))


def long_caption(words: int) -> str:
    return "zwx dog, " + ", ".join(f"red ball {n}" for n in range(words))


def transparent(root: Path) -> None:
    image = Image.open(root / DOG / "a.png").convert("RGBA")
    image.putalpha(120)
    image.save(root / DOG / "a.png")


def animated(root: Path) -> None:
    frames = [Image.fromarray(np.full((128, 128, 3), n, np.uint8)) for n in (9, 200)]
    frames[0].save(root / DOG / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    (root / DOG / "a.png").unlink()


def gone(file: str) -> Break:
    return lambda root: (root / file).unlink()


def sd_scripts(text: str) -> Break:
    """The folders under names without a number, in a dataset.toml."""
    return every(rename(DOG, "dog"), rename(CAT, "cat"), write("dataset.toml", text.replace("ROOT", ".")))


SUBSETS = """
[[datasets]]
resolution = 128
  [[datasets.subsets]]
  image_dir = "dog"
  num_repeats = 10
  class_tokens = "zwx dog"
  [[datasets.subsets]]
  image_dir = "cat"
  num_repeats = {cat}
"""

BROKEN: dict[str, tuple[Break, str, list[str], str]] = {
    # title: (what is broken, check, files that are named, words of the remedy)
    "a truncated PNG": (
        lambda root: (root / DOG / "a.png").write_bytes((root / DOG / "a.png").read_bytes()[:200]),
        "unreadable", [f"{DOG}/a.png"], "curate convert",
    ),
    "a text called .jpg": (
        every(write(f"{DOG}/x.jpg", "<html>not found</html>"), write(f"{DOG}/x.txt", "zwx dog, x")),
        "unreadable", [f"{DOG}/x.jpg"], "delete",
    ),
    "a GIF": (
        every(picture(f"{DOG}/x.gif"), write(f"{DOG}/x.txt", "zwx dog, ball")),
        "format", [f"{DOG}/x.gif"], "PNG",
    ),
    "a.png and a.jpg": (picture(f"{DOG}/A.jpg"), "shared-caption", [f"{DOG}/A.jpg", f"{DOG}/a.png"], "rename"),
    "pictures in a folder too deep": (picture(f"{DOG}/more/x.png"), "deeper-pictures", [f"{DOG}/more/x.png"], "move"),
    "pictures outside the folders": (picture("x.png"), "loose-pictures", ["x.png"], "N_name"),
    "a tiny picture": (picture(f"{DOG}/a.png", 99, (40, 128)), "tiny", [f"{DOG}/a.png"], "larger"),
    "an endless picture": (picture(f"{DOG}/a.png", 99, (900, 100)), "aspect", [f"{DOG}/a.png"], "curate crop"),
    "transparency": (transparent, "transparent", [f"{DOG}/a.png"], "--background white"),
    "an animation": (animated, "animated", [f"{DOG}/a.webp"], "first frame"),
    "a refusal of AI training": (
        lambda root: save(root / DOG / "a.png", "png", PROHIBITED), "consent", [f"{DOG}/a.png"], "leave them out",
    ),
    "no caption": (gone(f"{DOG}/a.txt"), "caption-missing", [f"{DOG}/a.png"], "curate tag"),
    "captions of another ending": (
        every(*(rename(f"{DOG}/{s}.txt", f"{DOG}/{s}.tags") for s in "abcd")),
        "caption-missing", [f"{DOG}/{s}.png" for s in "abcd"], "--caption-extension .tags",
    ),
    "an empty caption": (write(f"{DOG}/a.txt", " \n"), "caption-empty", [f"{DOG}/a.txt"], "curate tag"),
    "a caption of binary data": (
        write(f"{DOG}/a.txt", b"\x00\x01zwx dog\x00\xff"), "caption-unreadable", [f"{DOG}/a.txt"], "UTF-8",
    ),
    "UTF-16": (write(CAPTION, "zwx dog, é".encode("utf-16")), "caption-encoding", [CAPTION], "UTF-8"),
    "a byte-order mark": (write(CAPTION, "\ufeffzwx dog, x"), "caption-encoding", [CAPTION], "curate captions"),
    "a caption called .TXT": (rename(CAPTION, f"{DOG}/a.TXT"), "caption-case", [f"{DOG}/a.TXT"], "curate captions"),
    "a caption called otherwise": (rename(CAPTION, f"{DOG}/A.txt"), "caption-case", [f"{DOG}/A.txt"], "is a.txt"),
    "Latin-1": (write(CAPTION, "zwx dog, café, garçon".encode("cp1252")), "caption-encoding", [CAPTION], "UTF-8"),
    "several lines": (write(CAPTION, "zwx dog, sitting\ngrass, sun"), "caption-lines", [CAPTION], "one line"),
    "a choice": (write(CAPTION, "zwx dog, {red|blue} collar"), "caption-choices", [CAPTION], "--caption-wildcards"),
    "two captions": (write(f"{DOG}/a.caption", "a cat on a roof"), "caption-twice", [CAPTION], "delete"),
    "a caption alone": (write(f"{DOG}/gone.txt", "zwx dog, x"), "caption-alone", [f"{DOG}/gone.txt"], "rename"),
    "the caption of another picture": (
        every(write(CAPTION, "zwx dog, sitting, green grass, red collar, sunny day, open mouth, from above"),
              write(f"{DOG}/b.txt", "zwx dog, sitting, green grass, red collar, sunny day, open mouth, from above")),
        "caption-of-another", [f"{DOG}/b.txt"], "compare",
    ),
    "the caption of another concept": (
        write(f"{CAT}/a.txt", "zwx dog, sitting"), "caption-of-another", [f"{CAT}/a.txt"], "compare",
    ),
    "no trigger": (write(CAPTION, "sitting, grass"), "trigger", [CAPTION], "curate trigger"),
    "too many tokens": (write(CAPTION, long_caption(30)), "tokens", [CAPTION], "--max-tokens"),
    "underscores": (write(CAPTION, "zwx dog, red_collar, green_grass"), "underscores", [CAPTION], "curate captions"),
    "backslashes": (write(CAPTION, "zwx dog, rex \\(hero\\)"), "escapes", [CAPTION], "curate captions"),
    "N that is no integer": (rename(DOG, "1.5_zwx dog"), "folder-name", ["1.5_zwx dog"], "10_zwx dog"),
    "N with a dash": (rename(DOG, "10-zwx dog"), "folder-name", ["10-zwx dog"], "rename"),
    "no N": (rename(DOG, "zwx dog"), "folder-name", ["zwx dog"], "rename"),
    "a date for N": (rename(DOG, "20240101_dog"), "folder-name", ["20240101_dog"], "rename"),
    "unbalanced concepts": (rename(DOG, "40_zwx dog"), "balance", ["40_zwx dog", CAT], "curate balance"),
    "a copy": (
        every(copy(f"{DOG}/a.png", f"{DOG}/z.png"), write(f"{DOG}/z.txt", "zwx dog, z")),
        "duplicates", [f"{DOG}/z.png"], "curate dedupe",
    ),
    "a picture in two concepts": (
        copy(f"{DOG}/a.png", f"{CAT}/a.png"), "duplicates-across", [f"{DOG}/a.png"], "curate dedupe",
    ),
    "a picture trained and validated": (
        copy(f"{DOG}/a.png", "val/x.png"), "validation-overlap", ["val/x.png"], "delete",
    ),
    "a black mask": (
        every(masks(DOG), mask(f"masks/{DOG}/b.png", 0)), "mask-black", [f"masks/{DOG}/b.png"], "white",
    ),
    "a mask of another shape": (
        every(masks(DOG), mask(f"masks/{DOG}/b.png", 255, (64, 128))), "mask-shape", [f"masks/{DOG}/b.png"], "draw",
    ),
    "a mask trained as a picture": (
        every(mask(f"{DOG}/a_mask.png", 255), write(f"{DOG}/a_mask.txt", "zwx dog, m")),
        "mask-as-picture", [f"{DOG}/a_mask.png"], "a-masklabel.png",
    ),
    "a folder of masks": (
        mask("mask/a.png", 255), "folder-name", ["mask"], "masks/10_zwx dog",
    ),
    "a mask without picture": (
        every(masks(DOG), mask(f"masks/{DOG}/gone.png", 255)), "mask-alone", [f"masks/{DOG}/gone.png"], "rename",
    ),
    "a mask of OneTrainer's without picture": (
        mask(f"{DOG}/gone-masklabel.png", 255), "mask-alone", [f"{DOG}/gone-masklabel.png"], "rename",
    ),
    "a picture without mask": (
        every(masks(DOG), gone(f"masks/{DOG}/c.png")), "mask-missing", [f"{DOG}/c.png"], "draw",
    ),
    "a broken mask": (
        every(masks(DOG), write(f"masks/{DOG}/a.png", "no picture")), "mask-unreadable", [f"masks/{DOG}/a.png"], "PNG",
    ),
    "a dataset.toml with a folder that is gone": (
        every(sd_scripts(SUBSETS.format(cat=10)), rename("cat", "cats")),
        "dataset-folder", ["dataset.toml"], "image_dir",
    ),
    "a dataset.toml that is no TOML": (
        every(sd_scripts(SUBSETS.format(cat=10) + "[[broken")), "dataset-file", ["dataset.toml"], "correct the line",
    ),
    "a folder without pictures": (
        every(lambda root: (root / "5_void").mkdir()), "folder-empty", ["5_void"], "delete the folder",
    ),
    "a link to a picture that is gone": (
        every(lambda root: (root / DOG / "x.png").symlink_to("/nowhere/x.png"), write(f"{DOG}/x.txt", "zwx dog, x")),
        "unreadable", [f"{DOG}/x.png"], "get them again",
    ),
    "captions in a metadata.jsonl alone": (
        every(*(gone(f"{DOG}/{s}.txt") for s in "abcd"), write(f"{DOG}/metadata.jsonl", "{}")),
        "caption-missing", [f"{DOG}/{s}.png" for s in "abcd"], "metadata.jsonl may have them",
    ),
    "captions in a table beside the folder": (
        every(gone(CAPTION), write("captions.csv", "a.png,zwx dog")),
        "caption-missing", [f"{DOG}/a.png"], "captions.csv may have them, but is",
    ),
    "a dataset.toml with half a repeat": (
        sd_scripts(SUBSETS.format(cat=1.5)), "folder-name", ["dataset.toml"], "num_repeats = 10",
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", BROKEN)
def test_each_trap_is_named_with_its_remedy(title: str, tmp_path: Path) -> None:
    broken, name, named, remedy = BROKEN[title]
    root = good(tmp_path / "set")
    broken(root)
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    finding = the(checked(root), name)
    assert files(finding) == named
    assert remedy in finding.remedy
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before, "the folder was written to"


def test_a_choice_that_is_torn_is_named_where_choices_are_drawn(tmp_path: Path) -> None:
    root = good(tmp_path / "set")
    (root / CAPTION).write_text("zwx dog, {red|blue collar", encoding="utf-8")
    assert "caption-choices" not in {one.check for one in checked(root).findings}
    finding = the(checked(root, values={"base": "tiny", "caption_wildcards": True}), "caption-choices")
    assert [(one.file, one.detail) for one in finding.places] == [(CAPTION, "{ stands without its }")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("underscores", "zwx dog, red_collar, green_grass"), ("escapes", "zwx dog, rex \\(hero\\)"),
        ("tokens", long_caption(30)), ("trigger", "sitting, grass"), ("caption-empty", ""),
        ("caption-lines", "zwx dog, one\ntwo"),
    ],
)  # fmt: skip
def test_a_caption_that_two_pictures_share_is_named_once(name: str, text: str, tmp_path: Path) -> None:
    root = good(tmp_path / "set")
    draw(root / DOG / "a.jpg", 77)
    (root / CAPTION).write_text(text, encoding="utf-8")
    result = checked(root)
    assert files(the(result, name)) == [CAPTION]
    assert the(result, name).message.startswith("1 caption ")
    assert files(the(result, "shared-caption")) == [f"{DOG}/a.jpg", f"{DOG}/a.png"]


def test_few_tags_may_be_those_of_several_pictures(tmp_path: Path) -> None:
    root = good(tmp_path / "set")
    for stem in "ab":
        (root / DOG / f"{stem}.txt").write_text(
            "zwx dog, sitting, green grass, red collar, sunny day", encoding="utf-8"
        )
    assert checked(root).findings == ()
    for stem in "ab":
        text = "A photo of zwx dog that sits on the green grass in the sun."
        (root / DOG / f"{stem}.txt").write_text(text, encoding="utf-8")
    assert files(the(checked(root), "caption-of-another")) == [f"{DOG}/b.txt"]


def test_shift_jis_is_called_so(tmp_path: Path) -> None:
    root = good(tmp_path / "set")
    (root / CAPTION).write_bytes("zwx dog, ソファ".encode("cp932"))
    [place] = the(checked(root), "caption-encoding").places
    assert (place.file, place.detail) == (CAPTION, "cp932")


def test_a_good_folder_has_nothing_but_a_plan(tmp_path: Path) -> None:
    result = checked(good(tmp_path / "set"))
    assert result.findings == ()
    plan = result.plan
    assert (plan["pictures"], plan["captions"], plan["layout"]) == (8, 8, "N_name folders")
    assert plan["buckets"] == {"128x128": 8}
    assert (plan["shown_per_epoch"], plan["steps_per_epoch"]) == (80, 80)
    assert plan["steps"] == plan["epochs"] * 80
    assert plan["estimate"]["disk_gib"]["LoRA"] > 0


def test_a_dataset_toml_sets_the_resolution_and_the_batch_size_of_the_plan(tmp_path: Path) -> None:
    root = good(tmp_path / "set")
    sd_scripts(SUBSETS.format(cat=10).replace("128", "64\nbatch_size = 4"))(root)
    plan = checked(root).plan
    assert (plan["buckets"], plan["batch"], plan["steps_per_epoch"]) == ({"64x64": 8}, 4, 20)
    assert plan["notes"] == ["Folders, repeats, resolution and batch size are those of dataset.toml."]
    assert checked(root, values={"base": "tiny", "batch": 2}).plan["batch"] == 2, "what is given stands above the file"


def test_good_folders_of_other_layouts(tmp_path: Path) -> None:
    """kohya's GUI (img, reg, log), a flat folder, named folders, a dataset.toml, masks for every picture."""
    gui = good(tmp_path / "gui" / "img").parent
    draw(gui / "reg" / "1_dog" / "r.png", 70)
    (gui / "log").mkdir()
    flat = tmp_path / "flat"
    shutil.copytree(good(tmp_path / "a") / DOG, flat)
    named = good(tmp_path / "named")
    for old, new in ((DOG, "dog"), (CAT, "cat")):
        (named / old).rename(named / new)
        for text in (named / new).glob("*.txt"):
            text.write_text(text.read_text().replace("zwx ", "").replace("qqx ", ""))
    toml = good(tmp_path / "toml")
    sd_scripts(SUBSETS.format(cat=10))(toml)
    masked = good(tmp_path / "masked")
    masks(DOG)(masked)
    kinds = {}
    for root in (gui, flat, named, toml, masked):
        result = checked(root)
        assert result.findings == (), root.name
        kinds[root.name] = (result.plan["layout"], result.plan["pictures"], result.plan["regularization"])
    assert kinds == {
        "gui": ("N_name folders", 8, 1),
        "flat": ("flat folder", 4, 0),
        "named": ("named folders", 8, 0),
        "toml": ("dataset.toml", 8, 0),
        "masked": ("N_name folders", 8, 0),
    }


def test_a_dataset_toml_whose_folders_are_all_gone_says_which(tmp_path: Path) -> None:
    root = good(tmp_path / "set")
    sd_scripts(SUBSETS.format(cat=10).replace('"dog"', '"dogs"').replace('"cat"', '"cats"'))(root)
    with pytest.raises(InputError, match=r"image_dir dogs, image_dir cats") as error:
        checked(root)
    assert "correct image_dir" in error.value.remedy


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_and_a_link_to_itself_stop_no_check(tmp_path: Path) -> None:
    root = good(tmp_path / "set")
    os.mkfifo(root / "dataset.toml")
    threading.Thread(target=lambda: (root / "dataset.toml").open("wb").close(), daemon=True).start()
    (root / DOG / "self.png").symlink_to("self.png")
    assert files(the(checked(root), "unreadable")) == [f"{DOG}/self.png"]

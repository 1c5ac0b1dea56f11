"""Every stage as a command over plain folders, in shell scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import PHOTOS, STAGES, Curate, environment, pipeline, tree

SCRIPT = """
set -eu
curate() {{ "{python}" -m curate.cli "$@"; }}
curate convert "{raw}" -o png --concepts "{file}" --quiet
curate resize png -o work --max-side 64 --quiet
curate tag work --tagger palette --quiet
curate captions work --blacklist dark --quiet
curate prune work --implications danbooru --quiet
curate trigger work --concepts "{file}" --quiet
curate balance work --concepts "{file}" --quiet
"""


def script(folder: Path, raw: Path, file: Path, text: str = SCRIPT) -> subprocess.CompletedProcess[str]:
    """Runs the shell script in `folder`."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        ["sh", "-c", text.format(python=sys.executable, raw=raw, file=file)],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_single_commands_give_the_same_as_a_run(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file = pipeline(tmp_path, raw)
    curate("run", file)
    done = script(tmp_path, raw, file)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert tree(tmp_path / "work") == tree(tmp_path / "prepared")


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the real photos are not beside the repository")
@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_real_photos_by_run_and_by_script(tmp_path: Path, curate: Curate) -> None:
    file = pipeline(tmp_path, PHOTOS.resolve(), stages=STAGES)
    figures = json.loads(curate("run", file, "--json").stdout)
    assert figures["pictures"] == figures["prepared"] == 42
    assert figures["aside"] == []
    prepared = tmp_path / "prepared"
    words = {"dog": "zwx dog"}
    for concept in (p.name for p in PHOTOS.iterdir() if p.is_dir()):
        [folder] = prepared.glob(f"*_{words.get(concept, concept)}")
        assert folder.name.partition("_")[0].isdigit()
        for text in folder.glob("*.txt"):
            assert text.read_text(encoding="utf-8").split(", ")[0] == words.get(concept, concept)
    done = script(tmp_path, PHOTOS.resolve(), file)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "work") == tree(prepared)


def test_an_edit_survives_every_command(tmp_path: Path, raw: Path, curate: Curate) -> None:
    work = tmp_path / "work"
    curate("convert", raw, "-o", work)
    curate("tag", work, "--tagger", "palette")
    (work / "dog/1.txt").write_text("mine alone", encoding="utf-8")
    for arguments in (("captions", work, "--blacklist", "dark"), ("prune", work), ("trigger", work), ("balance", work)):
        done = curate(*arguments)
        assert "edited by hand" in done.stderr
    assert (work / "1_dog/1.txt").read_text(encoding="utf-8") == "mine alone"
    assert (work / "1_dog/0.txt").read_text(encoding="utf-8").startswith("dog")


def test_in_place_keeps_what_it_replaces_and_undo_takes_it_back(tmp_path: Path, raw: Path, curate: Curate) -> None:
    from PIL import Image

    Image.open(raw / "dog/0.png").convert("RGB").save(raw / "dog/photo.jpg", quality=95)
    (raw / "dog/photo.txt").write_text("a dog, standing", encoding="utf-8")
    before = tree(raw)
    curate("convert", raw, "--in-place")
    assert (raw / "dog/photo.png").exists()
    assert not (raw / "dog/photo.jpg").exists()
    curate("tag", raw, "--tagger", "palette", "--existing", "replace")
    curate("balance", raw)
    assert (raw / "1_dog/photo.png").exists()
    for _ in range(3):
        curate("undo", raw)
    assert tree(raw) == before
    curate("undo", raw, code=2)


def test_json_is_all_there_is_on_stdout(tmp_path: Path, raw: Path, cold: Curate) -> None:
    done = cold("convert", raw, "-o", tmp_path / "png", "--json")
    figures = json.loads(done.stdout)
    assert figures["prepared"] == 6
    assert figures["where"]["folder"] == str(tmp_path / "png")


def test_only_one_concept(tmp_path: Path, raw: Path, curate: Curate) -> None:
    work = tmp_path / "work"
    curate("convert", raw, "-o", work)
    curate("trigger", work, "--concept", "dog", "--words", "zwx dog")
    assert (work / "dog/0.txt").read_text(encoding="utf-8") == "zwx dog"
    assert not list((work / "blue robe").glob("*.txt"))


def test_names_that_hurt(tmp_path: Path, raw: Path, curate: Curate) -> None:
    for name in ("-rf.png", "CON.png", "ünï çødé 犬.png", "a" * 200 + ".png", "[red]bold.png", "0.PNG", "x.y.png"):
        shutil.copy(raw / "dog/0.png", raw / "dog" / name)
    done = curate("run", pipeline(tmp_path, raw), "--json")
    assert json.loads(done.stdout)["prepared"] == 13
    pictures = [p for p in (tmp_path / "prepared").rglob("*.png") if ".curate" not in p.parts]
    assert len(pictures) == 13
    assert len({p.with_suffix("").as_posix().casefold() for p in pictures}) == 13
    assert all(p.with_suffix(".txt").exists() for p in pictures)
    assert not any(p.name.startswith("-") for p in pictures)


def test_the_next_command_is_named_for_an_output_alone(tmp_path: Path, raw: Path, curate: Curate) -> None:
    out = tmp_path / "out"
    assert f"curate tag {out}" in curate("convert", raw, "-o", out).stderr
    assert "curate tag" not in curate("convert", raw, "--in-place").stderr


def test_training_the_toy_without_naming_a_base_is_warned_of(tmp_path: Path, raw: Path, curate: Curate) -> None:
    (tmp_path / "set").mkdir()
    shutil.copytree(raw / "dog", tmp_path / "set/1_zwx dog")
    (tmp_path / "set/1_zwx dog/0.txt").write_text("zwx dog", encoding="utf-8")
    warning = "--base: none is given, so `tiny` is trained"
    assert warning in curate("train", tmp_path / "set", "--print-config", "--steps", "1").stdout
    assert warning in curate("train", tmp_path / "set", "--steps", "1").stderr
    assert warning not in curate("train", tmp_path / "set", "--steps", "1", "--base", "tiny").stderr


def test_the_report_tells_bulk_edits_from_edits_by_hand(tmp_path: Path, raw: Path, curate: Curate) -> None:
    work = tmp_path / "work"
    curate("convert", raw, "-o", work)
    curate("tag", work, "--tagger", "palette")
    (work / "dog/1.txt").write_text("mine alone", encoding="utf-8")
    curate("tags", "add", work, "sitting", "--concept", "dog")
    curate("report", work, "-o", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("you changed its caption with `curate tags`") == 3
    assert page.count("you wrote its caption") == 1
    summary = curate("prune", work).stderr
    assert "3 captions changed with `curate tags`" in summary and "1 caption edited by hand: dog/1.png" in summary


def test_what_is_no_folder_of_curate_is_said(tmp_path: Path, raw: Path, curate: Curate) -> None:
    for command in (("report", raw), ("tags", "restore", raw)):
        assert "is not a folder that curate prepared" in curate(*command, code=2).stderr
    assert "nowhere does not exist" in curate("undo", tmp_path / "nowhere", code=2).stderr


def test_a_folder_is_renamed_to_other_repeats_than_the_pipeline_sets(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file = pipeline(tmp_path, raw, concepts="dog: {trigger: [zwx dog], repeats: 2}")
    curate("run", file)
    (tmp_path / "prepared/2_zwx dog").rename(tmp_path / "prepared/5_zwx dog")
    said = curate("run", file).stderr
    assert "you renamed its folder to 5 repeats, but the pipeline sets 2, so 2 is used" in said
    assert (tmp_path / "prepared/2_zwx dog").is_dir() and not (tmp_path / "prepared/5_zwx dog").exists()
    assert "you renamed" not in curate("run", file).stderr, "the folder is back"

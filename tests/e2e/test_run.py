"""`curate run`: the whole way, twice, after changes, and after edits by hand."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import ROOT, Curate, computed, draw, events, pipeline, tree


def test_the_example_goes_from_pictures_to_a_lora_and_a_second_run_computes_nothing(
    tmp_path: Path, curate: Curate
) -> None:
    output = tmp_path / "prepared"
    # few steps: what is learned is measured in tests/learning
    settings = ("--set", f"output={json.dumps(str(output))}", "--set", "train.steps=40")
    first = curate("run", ROOT / "pipeline.example.yaml", *settings)
    assert first.stdout == ""
    assert "\x1b" not in first.stderr
    folders = sorted(p.name for p in output.iterdir() if not p.name.startswith(".") and p.name != "lora")
    assert [f.partition("_")[2] for f in folders] == ["zwx dog", "zwx dog, blue robe", "vase"] or sorted(
        f.partition("_")[2] for f in folders
    ) == ["vase", "zwx dog", "zwx dog, blue robe"]
    for folder in folders:
        words = folder.partition("_")[2]
        for picture in (output / folder).glob("*.png"):
            assert picture.with_suffix(".txt").read_text(encoding="utf-8").startswith(words)
    [lora] = (output / "lora").glob("*.safetensors")
    assert (output / "lora/grid" / lora.stem / "grid.png").is_file()
    report = (output / ".curate/report.html").read_text(encoding="utf-8")
    assert 0 < report.index("<h2>Samples") < report.index("<h2>Overview")
    before = tree(output)

    second = curate("run", ROOT / "pipeline.example.yaml", *settings, "--json")
    assert computed(output) == []
    assert tree(output) == before
    figures = json.loads(second.stdout)
    assert figures["status"] == "done"
    assert figures["computed"] == 0


def test_a_late_change_does_not_run_early_stages(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file, output = pipeline(tmp_path, raw), tmp_path / "prepared"
    curate("run", file)
    pipeline(tmp_path, raw, concepts="dog: {trigger: [qqq hound]}")
    curate("run", file)
    assert computed(output) == ["trigger", "export"]
    assert (output / "1_qqq hound/0.txt").read_text(encoding="utf-8").startswith("qqq hound")
    assert not list(output.glob("*zwx*"))

    curate("run", file, "--set", "resize.max_side=48")
    assert computed(output)[0] == "resize"
    assert "convert" not in computed(output)

    curate("run", file, "--set", "resize.max_side=48", "--set", "trigger.pin=[white_background]")
    assert set(computed(output)) <= {"trigger", "export"}


def test_a_new_picture_alone_is_computed(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file, output = pipeline(tmp_path, raw), tmp_path / "prepared"
    curate("run", file)
    draw(raw / "dog/new.png", 99)
    curate("run", file)
    started = {row["stage"]: row for row in events(output) if row["event"] == "StageStarted"}
    assert (started["convert"]["todo"], started["convert"]["recalled"]) == (1, 6)
    assert (output / "1_zwx dog/new.txt").is_file()


def test_sources_are_never_modified(tmp_path: Path, raw: Path, curate: Curate) -> None:
    before = {name: (data, (raw / name).stat().st_mtime_ns) for name, data in tree(raw, ()).items()}
    curate("run", pipeline(tmp_path, raw))
    assert {name: (data, (raw / name).stat().st_mtime_ns) for name, data in tree(raw, ()).items()} == before


def test_a_caption_edited_by_hand_survives_and_follows_the_picture(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file, output = pipeline(tmp_path, raw), tmp_path / "prepared"
    curate("run", file)
    edited = "zwx dog, what I really see"
    (output / "1_zwx dog/2.txt").write_text(edited, encoding="utf-8")

    done = curate("run", file)
    assert (output / "1_zwx dog/2.txt").read_text(encoding="utf-8") == edited
    assert "edited by hand" in done.stderr

    curate("run", file, "--set", "balance.base=3")
    assert (output / "3_zwx dog/2.txt").read_text(encoding="utf-8") == edited
    assert not (output / "1_zwx dog").exists()

    pipeline(tmp_path, raw, concepts="dog: {trigger: [qqq hound]}")
    done = curate("run", file)
    assert (output / "1_qqq hound/2.txt").read_text(encoding="utf-8") == edited
    assert (output / "1_qqq hound/1.txt").read_text(encoding="utf-8").startswith("qqq hound")
    assert "does not contain the trigger" in done.stderr

    (raw / "dog/2.png").rename(raw / "dog/a new name.png")
    curate("run", file)
    assert (output / "1_qqq hound/a new name.txt").read_text(encoding="utf-8") == edited

    (output / "1_qqq hound/a new name.txt").unlink()
    curate("run", file)
    assert (output / "1_qqq hound/a new name.txt").read_text(encoding="utf-8").startswith("qqq hound")


def test_until_stops_early_and_a_full_run_goes_on_from_there(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file, output = pipeline(tmp_path, raw), tmp_path / "prepared"
    curate("run", file, "--until", "convert")
    assert not list(output.glob("*_*"))
    curate("run", file)
    assert "convert" not in computed(output)
    whole = tree(output)

    other = tmp_path / "other"
    curate("run", file, "--set", f"output={json.dumps(str(other))}")
    assert tree(other) == whole


def test_plan_tells_without_doing(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file, output = pipeline(tmp_path, raw), tmp_path / "prepared"
    fresh = {row["stage"]: row for row in json.loads(curate("plan", file, "--json").stdout)}
    assert not output.exists()
    assert fresh["convert"]["compute"] == 6
    curate("run", file)
    known = json.loads(curate("plan", file, "--json").stdout)
    assert all(row["compute"] == row["unknown"] == 0 for row in known)
    changed = {r["stage"]: r for r in json.loads(curate("plan", file, "--json", "--set", "resize.max_side=48").stdout)}
    assert changed["convert"]["compute"] == 0
    assert changed["resize"]["compute"] == 6


def test_plan_says_what_it_takes_note_of(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file, output = pipeline(tmp_path, raw), tmp_path / "prepared"
    curate("run", file)
    made = next(path for path in sorted(output.iterdir()) if path.name[0].isdigit())
    made.rename(output / "mine")
    planned = curate("plan", file, "--json")
    assert f"warning: {made.name} was renamed to mine" in planned.stderr
    assert json.loads(planned.stdout)
    curate("run", file)
    assert made.is_dir() and not (output / "mine").exists()


def test_a_broken_picture_is_set_aside_and_named(tmp_path: Path, raw: Path, curate: Curate) -> None:
    whole = (raw / "dog/0.png").read_bytes()
    (raw / "dog/cut off.png").write_bytes(whole[: len(whole) // 2])
    (raw / "dog/text.jpg").write_text("not a picture", encoding="utf-8")
    file = pipeline(tmp_path, raw)
    done = curate("run", file, "--json")
    aside = {row["key"]: row["reason"] for row in json.loads(done.stdout)["aside"]}
    assert set(aside) == {"dog/cut off.png", "dog/text.jpg"}
    assert all(aside.values())
    assert "cut off.png" in done.stderr
    curate("run", file, "--strict", code=1)

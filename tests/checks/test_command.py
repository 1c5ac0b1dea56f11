"""`curate check` as a command: exit codes, JSON, the ledger of a prepared folder, what it cannot check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curate.cli.main import main
from tests.checks.helpers import draw, good


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(["check", *map(str, arguments)])
    said = capsys.readouterr()
    assert end.value.code == code, said
    return said.out


def test_strict_exits_with_1_where_there_is_a_trap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = good(tmp_path / "set")
    options = ("--base", "tiny", "--vocabulary", "none")
    assert "trap" not in run(capsys, root, *options, "--strict")
    (root / "10_zwx dog" / "a.txt").write_text("", encoding="utf-8")
    assert "trap: 1 caption is empty" in run(capsys, root, *options)
    said = run(capsys, root, *options, "--strict", "--quiet", code=1)
    assert said.splitlines()[:2] == [said.splitlines()[0], "    10_zwx dog/a.txt"]
    assert said.startswith("trap: 1 caption is empty")


def test_json_names_the_pictures_of_each_trap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = good(tmp_path / "set")
    (root / "10_zwx dog" / "a.txt").write_text("zwx dog, one\ntwo", encoding="utf-8")
    found = json.loads(run(capsys, root, "--base", "tiny", "--vocabulary", "none", "--json"))
    [trap] = found["traps"]
    assert (trap["check"], trap["pictures"]) == ("caption-lines", ["10_zwx dog/a.png"])
    assert trap["places"] == [{"file": "10_zwx dog/a.txt", "detail": "", "picture": "10_zwx dog/a.png"}]
    assert found["plan"]["pictures"] == 8


def test_what_cannot_be_checked_is_named_and_is_no_trap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a tokenizer and without a list of tags there is a third answer."""
    said = run(capsys, good(tmp_path / "set"), "--family", "sd1", "--resolution", "128", "--strict")
    lines = [line for line in said.splitlines() if line.startswith("not checked: ")]
    assert any("token limit" in line for line in lines) or "tokens" in said
    assert any("vocabulary" in line for line in lines)


def test_a_list_of_tags_finds_what_is_misspelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = good(tmp_path / "set")
    known = "grass,0,10,gras\nsitting,0,9,\nred_collar,0,8,\nrunning,0,1,\nbeach,0,1,\nwet_fur,0,1,\n"
    known += "sleeping,0,1,\nsofa,0,1,\nnight,0,1,\nstanding,0,1,\nsnow,0,1,\n"
    (tmp_path / "tags.csv").write_text(known, encoding="utf-8")
    (root / "10_zwx dog" / "a.txt").write_text("zwx dog, siting, gras, red collar", encoding="utf-8")
    options = ("--base", "tiny", "--vocabulary", tmp_path / "tags.csv", "--json")
    [trap] = json.loads(run(capsys, root, *options))["traps"]
    assert trap["check"] == "vocabulary"
    details = {(p["file"], p["detail"]) for p in trap["places"] if p["file"].startswith("10_zwx")}
    assert details == {("10_zwx dog/a.txt", "siting"), ("10_zwx dog/a.txt", "gras, there called grass")}


def test_a_folder_without_pictures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for target, words in ((tmp_path, "no pictures"), (tmp_path / "gone", "does not exist")):
        with pytest.raises(SystemExit) as end:
            main(["check", str(target), "--base", "tiny"])
        assert end.value.code == 2
        assert words in capsys.readouterr().err


def test_masks_and_names_that_are_no_unicode_do_not_stop_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = good(tmp_path / "set")
    for name in ("<script>.png", "ü ß 日本.png", "a'b\"c.png"):
        draw(root / "10_zwx dog" / name, len(name) * 31)
    found = json.loads(run(capsys, root, "--base", "tiny", "--vocabulary", "none", "--json"))
    assert {len(trap["places"]) for trap in found["traps"] if trap["check"] == "caption-missing"} == {3}


STOPPED = """
import signal, sys
seen = []
def stop(event, about):
    if event == "open" and str(about[0]).endswith("a.png") and not seen:
        seen.append(about)
        signal.raise_signal(signal.SIGINT)
sys.addaudithook(stop)
from curate.cli.main import main
main(sys.argv[1:])
"""


def test_a_check_of_a_foreign_folder_that_is_stopped_does_not_say_that_anything_is_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPED, "check", str(good(tmp_path / "set")), "--base", "tiny"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 130, done.stderr
    assert "nothing is kept" in done.stderr and "finished work is kept" not in done.stderr

"""A command that is refused says why: on stderr in words, with --json on stdout as an object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "error", "remedy"),
    [
        (("resize", "nowhere", "-o", "out"), "does not exist", "give a folder"),
        (("resize", "--banana"), "No such option: --banana", ""),
        (("plan", "missing.yaml"), "missing.yaml", ""),
        (("train", ".", "--rank", "banana"), "--rank", ""),
        (("convert", "s3://bucket/raw", "-o", "out"), "s3://bucket/raw is an address", "under `input:` or `output:`"),
        (("convert", ".", "-o", "s3://bucket/x"), "s3://bucket/x is an address", "`curate run`"),
        (("convert", ".", "--out=gs://bucket/x"), "gs://bucket/x is an address", "`curate run`"),
        (("resize", ".", "-o", "x" * 300), "File name too long: ", "choose a shorter one"),
        (("check", "/".join(["x" * 200] * 21)), "File name too long: ", "choose a shorter one"),
        (("tags", "find", ".", "x", "--concept", "cat"), "no concept cat", "there are: dog, robe"),
    ],
)
def test_json_of_a_refused_command(
    arguments: tuple[str, ...],
    error: str,
    remedy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("dog/a.png", "robe/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    out, err = capsys.readouterr()
    row = json.loads(out)
    assert (ended.value.code, row["exit_code"], row["status"]) == (2, 2, "refused")
    assert error in row["error"] and remedy in row["remedy"]
    assert error in err
    with pytest.raises(SystemExit):
        main([*arguments])
    assert capsys.readouterr().out == ""


def test_a_missing_word_alone_is_told_of_where_options_take_lists(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("denoise", "tag"):
        with pytest.raises(SystemExit):
            main([command])
        assert capsys.readouterr().err.strip().endswith("Error: Missing argument 'FOLDER'.")


def test_tags_are_found_whatever_their_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, caption in enumerate(["Zwx Dog, Blue_Eyes", "zwx dog, blue eyes", "cat"]):
        (tmp_path / f"{number}.png").write_bytes(b"")
        (tmp_path / f"{number}.txt").write_text(caption)
    for wanted in ("blue_eyes", "BLUE EYES", "Blue*"):
        with pytest.raises(SystemExit, match="0"):
            main(["tags", "find", str(tmp_path), wanted])
        assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dedup", "raw"], 'unknown command "dedup": did you mean "dedupe"?'),
        (["tags", "renam", "raw"], 'unknown command "renam": did you mean "rename"?'),
        (["models", "list"], 'unknown command "list": `curate models --help` lists the commands'),
        (["sample", "--base", "toy"], "No such option: --base. Write BASE without it: curate sample BASE"),
        (["train", "raw", "--debiasd"], "No such option: --debiasd. Did you mean --debiased?\n"),
        (["resize", "raw", "--multiple", "0"], "- input folder raw does not exist"),
        (["resize", "--multiple", "0", "--nope"], "No such option: --nope\n- --multiple: must be at least 1, not 0"),
        (["sample", "tiny", "--sampler", "dpm++2m", "--count", "0"], 'mean "dpmsolver++"?\n- --count: must be'),
        (["sample", "tiny", "--sampler", "DPM++ 2M Karras"], 'did you mean "dpmsolver++"?'),
        (["grid", "tiny", "--lora", "gone.safetensors", "--steps", "x"], "number\n- lora: gone.safetensors does not"),
        (["check", "gone", "--batch", "x", "--max-tokens", "3"], "whole number\n- gone does not exist"),
        (["check", "gone", "--max-tokens", "3"], "- gone does not exist"),
        (["check", ".", "--max-tokens", "3"], "--max-tokens: must be 75, 150 or 225, not 3"),
        (
            ["tags", "find", "gone", "--caption-form", "z", "--caption-encoding", "foo"],
            "- --caption-encoding: there is",
        ),
        (["tags", "add", "gone", "a,b", "--where", ""], "- 'a,b' is not a tag\n    give each tag on its own"),
        (["tags", "replace", "gone", "a", "--top", "3"], "- replace takes OLD=NEW, found 'a'"),
        (["tags", "remove", ".", " ", "--concept", "gone"], "- ' ' is not a tag\n    name the tag to look for"),
        (["tags", "remove", ".", "x", ""], "Invalid value for 'TAG...': must not be empty"),
        (["convert", "", "-o", "out"], "value for 'FOLDER': must not be empty; a dot stands for the current folder"),
        (["convert", ".", "--out="], "Invalid value for '-o' / '--out': must not be empty"),
        (["sample", "", "--count", "0"], "2 things are wrong:\n- Invalid value for 'BASE': must not be empty"),
        (["lora", "info", "x", ""], "Invalid value for 'FILE...': must not be empty"),
        (["run", "", "--set", "x="], "Invalid value for 'PIPELINE': must not be empty"),
        (["undo", ""], "value for 'FOLDER': must not be empty"),
        (["tags", "rename", ".", "a", "b,c", "--in-place", "--concept", "gone"], "- no concept gone in ."),
        (["tags", "explain", "x", "--vocabulary", "gone", "--bar"], "- gone: no such file"),
        (["tags", "update", "foo", "--from", "gone"], "- gone: no such file or folder"),
        (["lora", "merge", "gone", "--recipe", "foo", "-o", "x", "--rank", "big"], '- recipe "foo": unknown word'),
        (["resize", "gone", "--workers", "x", "--caption-encoding", "foo", "-o", "out"], "- --caption-encoding: there"),
        (["resize", ".", "--max-side", "-1", "--concepts", "gone", "-o", "out"], "- pipeline file gone does not exist"),
        (["init", "raw", "--gpu", "big", "--kind", "foo"], 'must be a number\n- --kind: unknown kind "foo"'),
        (["init", "raw", "--trigger", "x", "--kind", "foo"], "NAME=VALUE, found 'x'\n- --kind: unknown"),
        (["train", "raw", "--precision", "fp1"], "'fp16'; did you mean \"fp16\"?"),
        (["resize", "raw", "--max-side", "big"], "Invalid value for '--max-side': must be a whole number"),
    ],
)
def test_a_wrong_word_is_answered_in_plain_words(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("unreadable", [(), ("--lora",)])
def test_what_is_wrong_with_options_is_told_beside_what_is_wrong_with_a_settings_file(
    unreadable: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("k.toml").write_text('network_module = "foo.bar"\nlearning_rate = -1\nnetwork_dim = 4\n', encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["train", ".", "--from-kohya", "k.toml", "--batch", "-1", "--optimizer", "foo", *unreadable])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    for start in ("--optimizer: unknown", "--batch: must be at least 1", "k.toml: network_module = 'foo.bar' has no"):
        assert f"\n{start}" in said.replace("curate: ", "\n").replace("\n- ", "\n")
    assert "k.toml: learning_rate = -1: must be more than 0" in said

"""Names and tags that hold line breaks, escape codes and marks that reorder text are printed as escapes."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from curate.cli.main import main

HOSTILE = "do\x1b[31m\n\u202eg\U000e0041"
HIDDEN = {"Cc", "Cf", "Zl", "Zp"}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files have no such names")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "in" / HOSTILE
    folder.mkdir(parents=True)
    (folder / f"{HOSTILE}.png").write_bytes(b"")
    (folder / f"{HOSTILE}.txt").write_text("zwx, evil\x1b[2J, \u2028break", encoding="utf-8")
    tensor = np.zeros((4, 4), np.float32)
    save_file({"x.lora_down.weight": tensor}, tmp_path / "lora.safetensors", {"ss_output_name": HOSTILE})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("tags", "stats", "in"),
        ("tags", "find", "in", "zwx"),
        ("tags", "find", "in", "zwx", "--json"),
        ("tags", "add", "in", "new", "--dry-run"),
        ("tags", "stats", "in", "--concept", "cat"),
        ("tags", "explain", HOSTILE),
        ("resize", f"--{HOSTILE}"),
        ("lora", "info", "lora.safetensors"),
    ],
)
def test_what_is_hidden_is_printed_as_escapes(
    arguments: tuple[str, ...], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    out, err = capsys.readouterr()
    assert not [c for c in out + err if unicodedata.category(c) in HIDDEN and c not in "\n\t"]
    assert ("\\u202e" in out + err and "\\U000e0041" in out + err) or "--json" in arguments
    if "--json" in arguments:
        [row] = json.loads(out)
        assert row["path"] == f"in/{HOSTILE}/{HOSTILE}.png"


def test_a_line_break_in_a_name_breaks_no_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tags", "stats", "in"])
    first, *tags = capsys.readouterr().out.splitlines()
    assert first.startswith("do\\x1b[31m\\n\\u202eg") and first.endswith(": 1 picture, 3 tags")
    assert len(tags) == 3

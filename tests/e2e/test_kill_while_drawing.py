"""kill -9 while the last sample pictures are drawn: the LoRA is there already, whole, and a rerun keeps it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from curate.adapters import safetensors_file
from tests.e2e.conftest import Curate, Start, draw

OPTIONS = ("--base", "tiny", "--steps", "1", "--rank", "1", "--layer-preset", "attn-only", "--no-tensorboard")


def _is_finished(folder: Path) -> bool:
    try:
        return any(json.loads(run.read_text())["sha256"] for run in folder.glob("**/run.json"))
    except (ValueError, OSError):
        return False


def test_the_lora_outlives_a_kill_at_the_last_pictures(tmp_path: Path, curate: Curate, start: Start) -> None:
    folder = tmp_path / "prepared"
    draw(folder / "1_zwx dog/a.png", 1)
    (folder / "1_zwx dog/a.txt").write_text("zwx dog", encoding="utf-8")
    (tmp_path / "p.txt").write_text("zwx dog --w 512 --h 512 --s 1000\n" * 4, encoding="utf-8")
    words = ("train", folder, *OPTIONS, "--sample-prompts", tmp_path / "p.txt")
    process = start(*words, cwd=tmp_path, out=tmp_path / "said")
    end = time.monotonic() + 240
    # until the run is known to be finished, a rerun trains again, and draws
    while not _is_finished(folder) and time.monotonic() < end:
        time.sleep(0.02)
    while not (files := sorted((folder / "lora").glob("[!.]*.safetensors"))) and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert files, (tmp_path / "said.err").read_text(encoding="utf-8")
    [path] = files
    assert not list((folder / "lora").rglob("*.png")), "no picture was finished"
    tensors, metadata = safetensors_file.read(path)
    assert tensors and metadata["ss_steps"] == "1"
    before = path.read_bytes()
    (tmp_path / "p.txt").write_text("zwx dog --w 64 --h 64 --s 1\n", encoding="utf-8")
    said = curate(*words, cwd=tmp_path).stderr
    assert "the sample pictures after the last step were not drawn" in said and "curate grid" in said
    assert "not drawn" in curate(*words, cwd=tmp_path).stderr
    assert before == path.read_bytes() and sorted((folder / "lora").glob("[!.]*.safetensors")) == [path]


def test_a_training_that_drew_them_says_nothing(tmp_path: Path, curate: Curate) -> None:
    folder = tmp_path / "prepared"
    draw(folder / "1_zwx dog/a.png", 1).with_suffix(".txt").write_text("zwx dog", encoding="utf-8")
    (tmp_path / "p.txt").write_text("zwx dog --w 64 --h 64 --s 1\n", encoding="utf-8")
    words = ("train", folder, *OPTIONS, "--sample-prompts", tmp_path / "p.txt")
    curate(*words, cwd=tmp_path)
    said = curate(*words, cwd=tmp_path).stderr
    assert "up to date" in said and "not drawn" not in said

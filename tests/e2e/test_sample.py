"""A run ends with pictures in its report; a grid that was killed and run again has the bytes of one that was not."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.conftest import STAGES, Curate, Start, computed, events, pipeline, tree

TRAIN = (
    "  - train: {base: tiny, steps: 2, rank: 1, layer_preset: attn-only, tensorboard: false, save_every_n_steps: 1}\n"
)
SAMPLE = "  - sample: {steps: 2, width: 64, height: 64, prompt: [zwx dog, blue robe --d 7]}\n"


def test_a_run_ends_with_pictures_in_the_report(curate: Curate, tmp_path: Path, raw: Path) -> None:
    path = pipeline(tmp_path, raw, stages=STAGES + TRAIN + SAMPLE)
    output = tmp_path / "prepared"
    curate("run", path)
    place = output / "lora" / "grid" / "prepared"
    assert len(list((place / "pictures").glob("*.png"))) == 6 and (place / "grid.html").is_file()
    page = (output / ".curate" / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="samples">')[2].partition("</section>")[0]
    assert section.count("data:image/jpeg") == 6 and "without LoRA" in section and "blue robe" in section
    before = tree(output)
    curate("run", path)
    assert computed(output) == [] and tree(output) == before
    [saved] = [row for row in events(output) if row["event"] == "Saved" and row["kind"] == "grid"]
    assert saved["recalled"]


def test_a_killed_grid_is_completed_to_the_same_bytes(curate: Curate, start: Start, tmp_path: Path, raw: Path) -> None:
    curate("run", pipeline(tmp_path, raw, stages=STAGES + TRAIN))
    prepared, whole, parts = tmp_path / "prepared", tmp_path / "whole", tmp_path / "parts"
    # the second picture takes so long that the kill comes before the third
    prompts = ("--prompt", "zwx dog --s 2", "--prompt", "blue robe --s 60", "--prompt", "hat --s 2")
    size = ("--width", "64", "--height", "64", "--device", "cpu", "--checkpoints", "1")
    command = ("grid", prepared, *prompts, *size)
    curate(*command, "-o", whole)
    process = start(*command, "-o", parts, cwd=tmp_path, out=tmp_path / "said")
    while process.poll() is None and not list((parts / "pictures").glob("[!.]*.png")):
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert len(list((parts / "pictures").glob("[!.]*.png"))) in (1, 2), "it was killed in the middle"
    # what a kill in the middle of a write leaves
    (parts / "pictures" / ".curate-0123456789abcdef.png").write_bytes(b"half a pict")
    curate(*command, "-o", parts)
    assert tree(parts) == tree(whole) and len(tree(whole)) == 6 + 3

"""Bad input: one clear message, the right exit code, nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, STAGES, Curate, Start, draw, pipeline, tree
from tests.warm import Process


def test_every_mistake_in_a_file_is_told_at_once(tmp_path: Path, raw: Path, cold: Curate) -> None:
    file = pipeline(
        tmp_path,
        raw,
        concepts="dgo: {trigger: [x]}",
        stages="\n  - convrt\n  - resize: {max_sdie: 3, multiple: banana}\n  - trigger\n  - prune\n",
    )
    message = cold("run", file, code=2).stderr
    for expected in (
        f'{file}:4:3: no folder "dgo" in the input: did you mean "dog"?',
        f'{file}:6:5: unknown stage "convrt": did you mean "convert"?',
        f'{file}:7:14: resize has no option "max_sdie": did you mean "max_side"?',
        f"{file}:7:37: resize.multiple: ",
        f'{file}:8:5: "trigger" is before "prune"',
    ):
        assert expected in message
    assert "Traceback" not in message


def test_a_bare_machine_is_told_what_it_lacks(
    tmp_path: Path, raw: Path, cold: Curate, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')\n", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(shadow))
    done = cold("resize", raw, "-o", tmp_path / "out", "--max-side", "32", code=3)
    assert "libGL.so.1" in done.stderr
    assert "curate doctor" in done.stderr
    assert "set aside:" not in done.stderr
    assert "apt install libgl1" in cold("doctor", code=3).stdout
    monkeypatch.delenv("PYTHONPATH")
    cold("resize", raw, "-o", tmp_path / "out", "--max-side", "32")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("run", "nowhere.yaml"), 2, "does not exist"),
        (("convert", "nowhere", "-o", "out"), 2, "does not exist"),
        (("convert", "raw"), 2, "-o OUT"),
        (("convert", "raw", "-o", "raw"), 2, "same folder"),
        (("convert", "raw", "-o", "raw/dog"), 2, "raw/dog is a folder of source pictures"),
        (("tag", "raw", "--tagger", "palette"), 2, "not created by curate"),
        (("balance", "raw", "--cap", "0", "-o", "out"), 2, "--cap"),
        (("trigger", "raw", "-o", "out", "--concept", "dgo"), 2, 'did you mean "dog"?'),
        (("undo", "raw"), 2, "there is nothing to undo"),
        (("export", "raw"), 2, "-o OUT"),
    ],
)
def test_one_message_and_the_right_code(
    tmp_path: Path, raw: Path, curate: Curate, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    before = tree(raw)
    done = curate(*arguments, code=code, cwd=tmp_path)
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert tree(raw) == before
    assert not (raw / ".curate").exists()


def test_a_missing_and_an_empty_input(tmp_path: Path, curate: Curate) -> None:
    file = pipeline(tmp_path, tmp_path / "rwa")
    (tmp_path / "raw").mkdir()
    assert 'did you mean "raw"?' in curate("run", file, code=2).stderr
    assert "no pictures" in curate("run", pipeline(tmp_path, tmp_path / "raw", concepts="{}"), code=2).stderr


def test_the_output_is_a_file(tmp_path: Path, raw: Path, curate: Curate) -> None:
    (tmp_path / "prepared").write_text("mine", encoding="utf-8")
    assert "is a file" in curate("run", pipeline(tmp_path, raw), code=2).stderr
    assert (tmp_path / "prepared").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody may write to")
def test_an_output_that_cannot_be_written(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file = pipeline(tmp_path, raw)
    done = curate("run", file, "--set", "output=/proc/curate", code=2)
    assert "cannot write /proc/curate" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_stops_the_run_and_the_rest_is_kept(tmp_path: Path, curate: Curate) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "curate-test", str(small)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("cannot mount a small file system here")
    try:
        raw = tmp_path / "raw"
        for i in range(12):
            noise = draw(raw / "dog" / f"{i}.png", i, (16, 16))
            noise.write_bytes(noise.read_bytes())
        import numpy as np
        from PIL import Image

        for i in range(12):
            pixels = np.random.default_rng(i).integers(0, 256, (256, 256, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(raw / "dog" / f"noise{i}.png")
        file = pipeline(tmp_path, raw, stages="\n  - convert\n  - export\n")
        done = curate("run", file, "--set", f"output={small}/prepared", code=3)
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        curate("run", file, "--set", f"output={small}/prepared")
        assert len(list((small / "prepared").glob("1_zwx dog/*.png"))) == 24
    finally:
        subprocess.run(["umount", str(small)], check=False)


def _started(process: Process | subprocess.Popen[bytes], output: Path, stage: str) -> None:
    log = output / ".curate/events.jsonl"
    for _ in range(6000):  # a busy machine takes its time to load PyTorch
        if log.exists() and f'"{stage}"' in log.read_text(encoding="utf-8"):
            return
        assert process.poll() is None, "the run ended before it could be interrupted"
        time.sleep(0.05)
    raise AssertionError("the run did not get that far")


TRAIN = STAGES + "  - train: {base: tiny, algo: lora, rank: 4, steps: 4000, save_precision: fp32}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_and_a_second_run_at_once(tmp_path: Path, raw: Path, curate: Curate, start: Start) -> None:
    file, output = pipeline(tmp_path, raw, stages=TRAIN), tmp_path / "prepared"
    process = start("run", file, cwd=ROOT, out=tmp_path / "said")
    try:
        _started(process, output, "TrainStep")
        refused = curate("run", file, code=1)
        assert f"process {process.pid}" in refused.stderr
        assert "curate" in refused.stderr
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    told = (tmp_path / "said.err").read_text(encoding="utf-8")
    assert "the same command" in told
    assert "Traceback" not in told
    curate("run", file, "--until", "export")
    assert len(list(output.glob("*/*.png"))) == 6

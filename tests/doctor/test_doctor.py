"""The doctor tells the truth about this machine and has a remedy for everything it finds."""

from __future__ import annotations

import dataclasses
import io
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from curate import doctor
from curate.doctor import GIB, Device, Findings, Machine, OnDisk, Onnx, Torch

MACHINE = Machine("3.11.7", "Linux 6", "x86_64", 8, 32 * GIB, "/", 100 * GIB)
GPU = Device("GPU 9000", 24 * GIB, "8.9", True)
WELL = Findings(
    MACHINE,
    Torch("2.9", "cuda 12.8", (GPU,)),
    Onnx("1.23", ("onnxruntime-gpu",), ("CUDAExecutionProvider",), driver=True, gpus=1, cuda=True),
    "",
    dict.fromkeys(doctor.OPTIONAL, "1.0"),
    (OnDisk("palette", "tagger", "in curate"),),
)


def change(**parts: object) -> Findings:
    return dataclasses.replace(WELL, **parts)  # type: ignore[arg-type]


def onnx(**parts: object) -> Onnx:
    return dataclasses.replace(WELL.onnx, **parts)  # type: ignore[arg-type]


def test_a_machine_that_has_everything_has_no_problems() -> None:
    assert doctor.problems(WELL) == []


@pytest.mark.parametrize(
    ("found", "level", "what", "remedy"),
    [
        (change(torch=Torch(error="libcudart.so: no such file")), "error", "libcudart", "pip install"),
        (change(torch=Torch("2.9", "cpu")), "warning", "built without CUDA", "CUDA build"),
        (change(torch=Torch("2.9", "cuda 12.8")), "warning", "cannot use the GPU", "update the NVIDIA driver"),
        (change(torch=Torch("2.9", "cuda 12.8", (dataclasses.replace(GPU, bf16=False),))), "note", "no bf16", "fp16"),
        (
            change(torch=Torch("2.9", "cuda 12.8", (dataclasses.replace(GPU, memory=4 * GIB),))),
            "note",
            "4 GiB",
            "SD 1.5",
        ),
        (change(onnx=onnx(error="DLL load failed")), "error", "DLL load failed", "onnxruntime-gpu"),
        (
            change(onnx=onnx(packages=("onnxruntime", "onnxruntime-gpu"))),
            "warning",
            "overwrite each other",
            "pip uninstall",
        ),
        (change(onnx=onnx(cuda=False, reason="cuDNN 9 is not here", remedy="get it")), "warning", "cuDNN 9", "get it"),
        (
            change(torch=Torch("2.9", "cpu"), onnx=onnx(driver=False, gpus=0, cuda=False)),
            "note",
            "on the CPU",
            "NVIDIA GPU",
        ),
        (change(opencv="libGL.so.1: cannot open"), "error", "libGL.so.1", "opencv-python-headless"),
        (change(machine=dataclasses.replace(MACHINE, disk_free=GIB)), "warning", "only 1.0 GiB free", "10 GiB"),
        (change(machine=dataclasses.replace(MACHINE, memory=4 * GIB)), "warning", "4.0 GiB of memory", "run.workers"),
        (change(broken=("no snapshots in x",)), "warning", "no snapshots in x", "downloaded again"),
        (change(optional=dict.fromkeys(doctor.OPTIONAL, "")), "note", "HEIC", "pip install pillow-heif"),
    ],
)
def test_each_problem_has_its_level_and_remedy(found: Findings, level: str, what: str, remedy: str) -> None:
    (problem,) = doctor.problems(found)
    assert problem.level == level
    assert what in problem.what and remedy in problem.remedy
    stream = io.StringIO()
    doctor.show(found, stream)
    assert problem.what in stream.getvalue() and problem.remedy in stream.getvalue()
    assert ("no problems" in stream.getvalue()) == (level == "note")


def test_unknown_memory_is_no_problem() -> None:
    assert doctor.problems(change(machine=dataclasses.replace(MACHINE, memory=0))) == []


def test_errors_come_first() -> None:
    found = change(optional=dict.fromkeys(doctor.OPTIONAL, ""), broken=("x",), opencv="libGL")
    assert [p.level for p in doctor.problems(found)] == ["error", "warning", "note"]


def test_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = """
import json, sys
from pathlib import Path
from curate import doctor
assert not {"torch", "onnxruntime", "cv2"} & set(sys.modules), "heavy at import"
found = doctor.examine(Path(sys.argv[1]) / "not" / "yet")
doctor.show(found, sys.stderr)
print(json.dumps(doctor.as_dict(found)))
"""
    cache = tmp_path / "hub"
    snapshot = cache / "models--SmilingWolf--wd-vit-tagger-v3" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.onnx").write_bytes(b"x" * 1000)
    (cache / "models--SmilingWolf--wd-vit-tagger-v3" / "refs").mkdir()
    (cache / "models--SmilingWolf--wd-vit-tagger-v3" / "refs" / "main").write_text("a" * 40)
    (cache / "models--broken--one").mkdir()
    # what other programs keep there, and what a failed look-up leaves
    for name in ("version_diffusers_cache.txt", "version.txt", "CACHEDIR.TAG", ".DS_Store", "models--a--file"):
        (cache / name).write_text("1")
    for name in (".locks/models--x--y", "tmp", "models--asked--for/.no_exist/abc", "models--asked--for/refs"):
        (cache / name).mkdir(parents=True)
    base = cache / "models--some--base" / "snapshots" / ("b" * 40)
    base.mkdir(parents=True)
    (base / "model_index.json").write_text("{}")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    done = subprocess.run([sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["machine"]["python"] == platform.python_version()
    assert found["machine"]["disk"] == str(tmp_path)
    assert found["machine"]["cores"] >= 1 and found["machine"]["memory"] > GIB
    assert found["torch"]["version"] and not found["torch"]["error"]
    assert "CPUExecutionProvider" in found["onnx"]["providers"]
    assert found["onnx"]["cuda"] or (found["onnx"]["reason"] and found["onnx"]["remedy"])
    models = {(m["name"], m["kind"]): m["size"] for m in found["models"]}
    assert models[("palette", "tagger")] == 0 and ("tiny", "base model") in models
    assert models[("wd-vit-tagger-v3", "tagger")] == 1000
    assert ("some/base", "base model") in models
    assert found["broken"] == [str(cache / "models--broken--one")]
    assert any("broken" in p["what"] for p in found["problems"])
    assert "palette (in curate)" in done.stderr and "\x1b" not in done.stderr

"""What is wrong with what was found, and the remedy for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from curate.doctor.findings import GIB, Findings, Problem


def as_dict(findings: Findings) -> dict[str, Any]:
    """The findings and their problems as JSON-able values."""
    return {**dataclasses.asdict(findings), "problems": [dataclasses.asdict(p) for p in problems(findings)]}


def problems(findings: Findings) -> list[Problem]:
    """What is wrong with what was found, what stops curate first."""
    order = ("error", "warning", "note")
    return sorted(
        (*_of_torch(findings), *_of_onnx(findings), *_of_the_rest(findings)), key=lambda p: order.index(p.level)
    )


def _of_torch(findings: Findings) -> Iterator[Problem]:
    torch = findings.torch
    if torch.error:
        yield Problem("error", f"PyTorch does not load: {torch.error}", "pip install --force-reinstall torch")
    elif findings.onnx.gpus and not torch.built.startswith(("cuda", "rocm")):
        yield Problem(
            "warning",
            "PyTorch was built without CUDA: training ignores the GPU",
            "install its CUDA build, as PyTorch's own install page says for this system",
        )
    elif findings.onnx.gpus and not torch.devices:
        yield Problem(
            "warning",
            f"PyTorch ({torch.built}) cannot use the GPU",
            "update the NVIDIA driver; nvidia-smi shows what it supports",
        )
    for device in torch.devices:
        if not device.bf16:
            yield Problem("note", f"{device.name} has no bf16", "train with precision fp16")
        if device.memory < 6 * GIB:
            gib = device.memory / GIB
            yield Problem(
                "note",
                f"{device.name} has {gib:.0f} GiB",
                "train SD 1.5 at 512 with batch size 1; SDXL needs 10 GiB or more",
            )


def _of_onnx(findings: Findings) -> Iterator[Problem]:
    onnx = findings.onnx
    if onnx.error:
        remedy = "pip install --force-reinstall onnxruntime-gpu (onnxruntime where there is no NVIDIA GPU)"
        yield Problem("error", f"onnxruntime does not load, so nothing can be tagged: {onnx.error}", remedy)
    elif len(onnx.packages) > 1:
        names = " and ".join(onnx.packages)
        remedy = f"pip uninstall {' '.join(onnx.packages)}, then install one of them"
        yield Problem("warning", f"{names} are both installed and overwrite each other", remedy)
    elif onnx.gpus and not onnx.cuda:
        yield Problem("warning", f"tagging does not use the GPU: {onnx.reason}", onnx.remedy)
    elif not onnx.driver and not findings.torch.mps and not findings.torch.devices:
        remedy = "fine for preparing data and small tests; train and tag large sets on a machine with an NVIDIA GPU"
        yield Problem("note", "there is no NVIDIA driver: everything runs on the CPU", remedy)


def _of_the_rest(findings: Findings) -> Iterator[Problem]:
    if findings.opencv:
        remedy = (
            "install the library it names (Debian, Ubuntu: apt install libgl1 libglib2.0-0 libxcb1), "
            "or the build without it: "
            "pip uninstall opencv-python, then pip install opencv-python-headless"
        )
        yield Problem("error", f"OpenCV does not load: {findings.opencv}", remedy)
    if findings.machine.disk_free < 10 * GIB:
        free = findings.machine.disk_free / GIB
        yield Problem(
            "warning",
            f"only {free:.1f} GiB free at {findings.machine.disk}",
            "models and prepared pictures need 10 GiB or more",
        )
    if 0 < findings.machine.memory < 8 * GIB:
        yield Problem(
            "warning", f"only {findings.machine.memory / GIB:.1f} GiB of memory", "set run.workers to 1 and train small"
        )
    for fault in findings.broken:
        yield Problem(
            "warning",
            f"the model cache is damaged: {fault} holds no whole model",
            "delete this folder; the model is downloaded again when needed",
        )
    if not findings.optional["pillow-heif"]:
        yield Problem("note", "HEIC pictures cannot be read", "pip install pillow-heif")

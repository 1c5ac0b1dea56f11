"""Prints the doctor's findings for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.text import Text

from curate.core.counting import counted
from curate.core.visible import visible
from curate.doctor.findings import GIB, OPTIONAL, Findings
from curate.doctor.verdict import problems
from curate.report.text import console


def show(findings: Findings, stream: TextIO) -> None:
    """Prints the findings for a person."""
    out = console(stream)
    for name, value in _rows(findings):
        out.print(Text.assemble((f"{name:<18}", "dim"), visible(value)))
    colours = {"error": "bold red", "warning": "yellow", "note": "cyan"}
    all_problems = problems(findings)
    out.print("")
    for problem in all_problems:
        out.print(Text.assemble((f"{problem.level}: ", colours[problem.level]), visible(problem.what)))
        out.print(Text(f"  {visible(problem.remedy)}"))
    if not any(p.level != "note" for p in all_problems):
        out.print(Text("no problems", style="green"))


def _rows(findings: Findings) -> Iterator[tuple[str, str]]:
    machine, torch, onnx = findings.machine, findings.torch, findings.onnx
    yield "python", f"{machine.python} on {machine.system}, {machine.architecture}"
    memory = f", {machine.memory / GIB:.0f} GiB memory" if machine.memory else ""
    yield (
        "machine",
        f"{counted(machine.cores, 'core')}{memory}, {machine.disk_free / GIB:.0f} GiB free at {machine.disk}",
    )
    yield "torch", torch.error or f"{torch.version}, built for {torch.built}{', Apple GPU' if torch.mps else ''}"
    for number, device in enumerate(torch.devices):
        bf16 = "bf16" if device.bf16 else "no bf16"
        yield f"  cuda:{number}", f"{device.name}, {device.memory / GIB:.0f} GiB, compute {device.capability}, {bf16}"
    yield "onnxruntime", onnx.error or f"{onnx.version}: {', '.join(onnx.providers)}"
    yield "  cuda", "runs" if onnx.cuda else f"does not run: {onnx.error or onnx.reason}"
    for name, use in OPTIONAL.items():
        yield name, f"{findings.optional[name] or 'not installed'} ({use})"
    for model in findings.models:
        size = f", {model.size / GIB:.2f} GiB" if model.size else ""
        yield model.kind, f"{model.name}{size} ({model.place})"

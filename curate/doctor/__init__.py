"""Doctor: what this machine can do, what is missing, and the remedy for each."""

from curate.doctor.findings import GIB, OPTIONAL, Device, Findings, Machine, OnDisk, Onnx, Problem, Torch
from curate.doctor.machine import examine
from curate.doctor.table import show
from curate.doctor.verdict import as_dict, problems

__all__ = [
    "GIB",
    "OPTIONAL",
    "Device",
    "Findings",
    "Machine",
    "OnDisk",
    "Onnx",
    "Problem",
    "Torch",
    "as_dict",
    "examine",
    "problems",
    "show",
]

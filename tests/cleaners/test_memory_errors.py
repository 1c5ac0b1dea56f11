"""The libraries still say what the table of memory errors knows them to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from cleaners.memory_errors import is_memory_error

TOO_MUCH = 1 << 46
"""Bytes: more than any machine has, less than what cannot be addressed."""


def test_pytorchs_own_type_and_message() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(TOO_MUCH, dtype=torch.uint8)
    assert is_memory_error(raised.value)
    assert is_memory_error(torch.OutOfMemoryError("CUDA"))
    assert is_memory_error(MemoryError())


def test_onnxruntimes_message(tmp_path: Path) -> None:
    session = filled_with_zeros(tmp_path / "model.onnx")
    with pytest.raises(Exception, match=r"\S") as raised:
        session.run(None, {"shape": np.array([TOO_MUCH // 4], np.int64)})
    assert is_memory_error(raised.value)


def test_other_errors_of_both_are_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not is_memory_error(raised.value)
    with pytest.raises(Exception, match=r"\S") as failed:
        filled_with_zeros(tmp_path / "model.onnx").run(None, {"shape": np.array([-1], np.int64)})
    assert not is_memory_error(failed.value)


def filled_with_zeros(path: Path) -> onnxruntime.InferenceSession:
    """A graph whose output is as large as its input says."""
    shape = helper.make_tensor_value_info("shape", TensorProto.INT64, [1])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("ConstantOfShape", ["shape"], ["output"])], "zeros", [shape], [output])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    onnx.save(made, path)
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

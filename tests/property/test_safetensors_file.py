"""safetensors: what is written is read again, by the library too, and the bytes depend on the content alone."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load
from torch import Tensor

from curate.adapters import safetensors_file

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
names = texts.filter(lambda name: name != "__metadata__")
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    kind = draw(st.sampled_from(list(safetensors_file.DTYPES)))
    made = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    return (torch.randn(draw(shapes), generator=made) * 50).to(kind)


files = st.dictionaries(names, tensors(), max_size=5)


def equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    same = all(a.dtype == theirs[name].dtype and torch.equal(a, theirs[name]) for name, a in ours.items())
    return ours.keys() == theirs.keys() and same


@given(files, st.dictionaries(texts, st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again(content: dict[str, Tensor], metadata: dict[str, str]) -> None:
    data = safetensors_file.serialize(content, metadata)
    assert equal(content, load(data))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.safetensors")
        path.write_bytes(data)
        read, words = safetensors_file.read(path)
        assert equal(content, read) and words == metadata
        del read
    assert safetensors_file.serialize(load(data), metadata) == data


@given(files, st.dictionaries(texts, texts, max_size=4), st.randoms())
@settings(max_examples=60, deadline=None)
def test_order_and_memory_layout_change_no_byte(
    content: dict[str, Tensor], metadata: dict[str, str], dice: random.Random
) -> None:
    rows, words = list(content.items()), list(metadata.items())
    dice.shuffle(rows)
    dice.shuffle(words)
    strided = {name: tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor for name, tensor in rows}
    expected = safetensors_file.serialize(content, metadata)
    assert safetensors_file.serialize(strided, dict(words)) == expected
    assert safetensors_file.hashes(strided, dict(words)) == safetensors_file.hashes(content, metadata)

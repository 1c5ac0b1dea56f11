"""The folders that export gives concepts: two whose words differ never share one."""

from __future__ import annotations

import pytest

from curate.core.record import Image, Manifest, Record
from curate.errors import InputError
from curate.stages.export import Export


def record(concept: str, repeats: int, *trigger: str) -> Record:
    return Record(f"{concept}/a.png", concept, concept, Image(concept), trigger=trigger, repeats=repeats)


@pytest.mark.parametrize("names", [("10_", "5_"), ("a:b", "a?b")])
def test_concepts_whose_folders_would_have_one_name_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="would be mixed in one folder") as refused:
        Export().paths(Manifest(record(name, 7) for name in names))
    assert all(f'"{name}"' in refused.value.message for name in names)


@pytest.mark.parametrize(
    "pair",
    [
        (record("10_", 10), record("5_", 5)),
        (record("10_", 7), record("5_", 7, "zwx dog")),
        (record("dog", 7, "zwx"), record("puppy", 7, "zwx")),
    ],
)
def test_other_concepts_without_words_are_written(pair: tuple[Record, Record]) -> None:
    assert len(set(Export().paths(Manifest(pair)).values())) == 2

"""Records: nothing is lost on the way through plain values, JSON and bytes."""

from __future__ import annotations

import dataclasses
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.record import FIELDS, CaptionStyle, Image, Manifest, Record, changed, from_plain, to_plain
from curate.core.scores import Scores
from curate.errors import InputError

text = st.text(max_size=12)
words = st.lists(text, max_size=4).map(tuple)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | text, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
scores = st.dictionaries(
    text,
    st.dictionaries(text, st.tuples(st.floats(0, 1), st.sampled_from(["general", "character"])), max_size=5),
    max_size=2,
)
records = st.builds(
    Record,
    key=text,
    concept=text,
    origin=text,
    image=st.builds(Image, digest=text, path=text, width=st.integers(0, 9999), height=st.integers(0, 9999)),
    encoding=text,
    facts=st.dictionaries(text, plain, max_size=3),
    trigger=words,
    scores=scores.map(Scores.pack),
    tags=words,
    sentence=text,
    imported=st.none() | text,
    edited=st.none() | text,
    style=st.builds(CaptionStyle, separator=text, escape=st.booleans(), extension=text),
    repeats=st.integers(1, 999),
    notes=words,
    aside=text,
)


@given(records)
@settings(max_examples=60, deadline=None)
def test_a_record_survives_json(record: Record) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(record)))) == record
    assert pickle.loads(pickle.dumps(record)) == record


@given(records, records, st.sets(st.sampled_from(FIELDS)))
@settings(max_examples=30, deadline=None)
def test_some_fields_of_one_over_another(one: Record, other: Record, fields: set[str]) -> None:
    values = {f: getattr(one, f) for f in fields}
    assert from_plain(json.loads(json.dumps(to_plain(one, sorted(fields)))), other) == dataclasses.replace(
        other, **values
    )
    assert changed(other, values) == dataclasses.replace(other, **values)


@given(scores)
@settings(max_examples=60, deadline=None)
def test_scores_come_back_rounded_and_falling(given_scores: dict[str, dict[str, tuple[float, str]]]) -> None:
    back = Scores.pack(given_scores).unpack()
    assert back == {m: {t: (round(s, 4), c) for t, (s, c) in tags.items()} for m, tags in given_scores.items()}
    for tags in back.values():
        values = [s for s, _ in tags.values()]
        assert values == sorted(values, reverse=True)
    assert Scores.pack(back) == Scores.pack(given_scores)


def test_no_scores_are_an_empty_mapping() -> None:
    assert Scores().unpack() == {}


def test_two_records_of_one_key_are_refused() -> None:
    record = Record("dog/a", "dog", "o", Image("d"))
    with pytest.raises(InputError, match="two pictures have the same key: dog/a"):
        Manifest([record, record])

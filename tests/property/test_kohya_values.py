"""kohya's values: a number or truth value written as text is what it was, and a pasted command falls into its words."""

from __future__ import annotations

import math
import shlex

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.train.options.kohya import shell
from curate.train.options.kohya.values import CONVERT, plain, truth

numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=15)


@given(numbers | st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_value_written_as_text_is_the_value(value: float | bool) -> None:
    for text in (str(value), f" {value} ", str(value).upper(), str(value).lower()):
        assert plain(text) == value and type(plain(text)) is type(value)
    assert plain(value) is value


@given(st.text(max_size=20))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_finite_value_or_stays(text: str) -> None:
    value = plain(text)
    assert value == text if isinstance(value, str) else math.isfinite(value)
    assert plain(value) == value
    assert isinstance(truth(text), bool)


@given(st.integers(64, 4096), st.integers(64, 4096))
@settings(max_examples=80, deadline=None)
def test_a_resolution_in_any_form_is_one_number(width: int, height: int) -> None:
    convert = CONVERT["resolution"]
    square = {convert(form) for form in (width, str(width), f"{width},{width}", [width, width], f"{width}, {width}")}
    assert square == {width}
    (found,) = {convert(form) for form in (f"{width},{height}", [width, height], f"{height}x{width}")}
    assert abs(found - math.sqrt(width * height)) <= 0.5


@given(st.floats(1e-8, 1) | st.integers(0, 3), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_one_rate_however_often_it_is_written(rate: float, times: int) -> None:
    convert = CONVERT["text_lr"]
    assert convert([str(rate)] * times) == convert(rate) == convert(str(rate)) == rate


@given(st.lists(words, max_size=5))
@settings(max_examples=150, deadline=None)
def test_a_quoted_command_falls_into_its_words(wanted: list[str]) -> None:
    assert shell.words(" ".join(map(shlex.quote, wanted)), ".sh") == wanted


@given(st.lists(words.filter(lambda w: not set(w) & set("\"'\\^`$%#") and w.strip()), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_lines_that_go_on_are_one_command(wanted: list[str]) -> None:
    quoted = [f'"{word}"' for word in wanted]
    for mark, suffix in (("\\", ".sh"), ("^", ".bat"), ("`", ".ps1")):
        script = f" {mark}\n  ".join(quoted)
        lines = [line for line in shell.joined(script) if line]
        assert [shell.words(line, suffix) for line in lines] == [wanted]

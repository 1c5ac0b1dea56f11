"""Sentences with commas in them."""

from __future__ import annotations

import pytest

from curate import captions


@pytest.mark.parametrize(
    ("text", "tags", "sentence"),
    [
        (
            "A dog, which is sitting on a chair. It looks happy.",
            (),
            "A dog, which is sitting on a chair. It looks happy.",
        ),
        ("zwx dog, A dog, which is sitting on a chair.", ("zwx dog",), "A dog, which is sitting on a chair."),
        ("blue_collar, which is sitting on a chair.", ("blue_collar",), "which is sitting on a chair."),
        ("collar, The dog is sitting on a chair.", ("collar",), "The dog is sitting on a chair."),
    ],
)
def test_a_sentence_is_kept_whole(text: str, tags: tuple[str, ...], sentence: str) -> None:
    assert captions.parse(text, ("zwx dog",)) == (tags, sentence)

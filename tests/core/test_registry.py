"""A name that nobody knows is answered with the one that was meant."""

from __future__ import annotations

import pytest

from curate.core.registry import nearest


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("oft", 'did you mean "diag-oft"?'),  # "boft" is spelled more alike
        ("bofd", 'did you mean "boft"?'),
        ("lora", 'did you mean "dylora"?'),  # a word of two choices: the spelling decides
        ("B_Lora", 'did you mean "b-lora"?'),  # capitals and dashes do not matter
        ("dia", 'did you mean "diag-oft"?'),  # its beginning
        ("zzzz", "choose from: boft, diag-oft, dylora, a-lora, b-lora"),
    ],
)
def test_nearest(name: str, answer: str) -> None:
    assert nearest(name, ["boft", "diag-oft", "dylora", "a-lora", "b-lora"]) == answer

"""Messages name options as they are typed: in a command with dashes, elsewhere as in YAML."""

from __future__ import annotations

import pytest

from curate.core.option_names import as_typed

NAMES = ("start_from", "rank_from_file", "rank", "vae", "masked_loss", "output_dir", "caption_encoding")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start_from: x does not exist", "--start-from: x does not exist"),
        ("give a lower rank, or rank_from_file", "give a lower rank, or --rank-from-file"),
        ("a\nvae: nothing there", "a\n--vae: nothing there"),
        ("- vae: nothing there", "- --vae: nothing there"),
        ('vae "x" is not there', 'vae "x" is not there'),
        ("masked_loss has no effect: /a/masked_loss/b", "--masked-loss has no effect: /a/masked_loss/b"),
        ("masked_loss is off", "--masked-loss is off"),
        *((text, text) for text in ("'start_from'", "my_start_from", "start_from.safetensors", '"output_dir"')),
        ("set caption_encoding", "set --caption-encoding"),
        ("say --output-dir or output_dir.", "say --output-dir or --output-dir."),
        ("rank, start_from and vae have no effect", "--rank, --start-from and --vae have no effect"),
        ("start_from and rank have no effect on x: rank", "--start-from and --rank have no effect on x: rank"),
        ("frank and rank have no effect", "frank and rank have no effect"),
    ],
)  # fmt: skip
def test_names_as_typed(text: str, expected: str) -> None:
    assert as_typed(text, NAMES) == expected

"""Addresses on the command line: commands work on folders, and would take `s3://bucket` for the name of one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curate.errors import InputError

_ADDRESS = re.compile(r"(?:-o|--?[a-z-]+=)?((?:s3a?|gs|gcs|hf|az|abfss?)://.*)", re.IGNORECASE)


def refuse_addresses(arguments: Sequence[str]) -> None:
    """Raises InputError where a word is an address; as a value for `--set` it names the input or the output."""
    for before, word in zip(("", *arguments), arguments, strict=False):
        found = _ADDRESS.fullmatch(word)
        if found and before != "--set":
            raise InputError(
                f"{found[1]} is an address, and commands work on folders",
                "write it under `input:` or `output:` in a pipeline file, for `curate run`",
            )

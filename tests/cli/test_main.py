"""The command line called several times in one process."""

from __future__ import annotations

import pytest

from curate.cli.main import app, main


@pytest.mark.parametrize("arguments", [("--help",), ("lora", "--help"), ("convert", "--help")], ids=" ".join)
def test_a_second_call_mounts_no_command_twice(arguments: tuple[str, ...]) -> None:
    mounted: list[tuple[int, int]] = []
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(arguments)
        mounted.append((len(app.registered_commands), len(app.registered_groups)))
    assert mounted[0] == mounted[1]

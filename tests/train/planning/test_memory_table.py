"""The table of memory in the documentation is what the estimate says today."""

from pathlib import Path

import pytest

from tests.bench import memory_table

PAGE = Path(__file__).parents[3] / "docs" / "flow-models.md"


@pytest.mark.parametrize("family", ["sd1", "sd35-medium"])
def test_the_page_holds_what_the_command_prints(family: str) -> None:
    *_, line = memory_table.table([family])
    assert line in PAGE.read_text(encoding="utf-8").splitlines()

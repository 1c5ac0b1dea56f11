"""What the commands of `curate tags` look at before they work: all that is wrong with a command line at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from curate.cli.usage_errors import Arguments
from curate.core.caption_options import CaptionReading, codec
from curate.core.findings import failures, raise_together
from curate.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from curate.cli.usage_errors import Checks

Check = Callable[[], object]


def reading_checks(given: Arguments) -> Iterator[Check]:
    """Of a command that reads captions: the folder and how its captions are read."""
    from curate.scan import check_input

    yield lambda: given["folder"] is None or check_input(given["folder"])
    yield lambda: reading("auto", given["caption_encoding"])
    yield lambda: _check_concepts(given["folder"], given["concept"])


def find_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate tags find`."""
    from curate.tags_rules import matching

    yield from reading_checks(given)
    yield from (lambda tag=tag: matching([tag]) for tag in given.each("tags"))


def add_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate tags add`."""
    from curate.tags_rules import adding, matching

    yield from _edit_checks(given)
    yield from (lambda tag=tag: adding([tag]) for tag in given.each("tags"))
    yield from (lambda tag=tag: matching([tag]) for tag in given.each("where"))


def remove_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate tags remove`."""
    from curate.tags_rules import removing

    yield from _edit_checks(given)
    yield from (lambda tag=tag: removing([tag]) for tag in given.each("tags"))


def replace_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate tags replace`."""
    from curate.tags_rules import replacing

    yield from _edit_checks(given)
    yield from (lambda pair=pair: replacing(dict([replacement(pair)])) for pair in given.each("pairs"))


def rename_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate tags rename`."""
    from curate.tags_rules import adding, matching

    yield from _edit_checks(given)
    yield lambda: given["old"] is None or matching([given["old"]])
    yield lambda: given["new"] is None or adding([given["new"]])


def explain_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate tags explain`."""
    from curate.tagging.models import translated
    from taggers import exports

    yield translated()(lambda: exports.table(given["vocabulary"] or "danbooru"))


def update_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate tags update`."""
    from curate.tagging.models import translated
    from taggers import update

    yield translated()(lambda: given["vocabulary"] is None or update.check_vocabulary(given["vocabulary"]))
    yield translated()(lambda: given["source"] is None or update.check_source(given["source"]))


def check(checks: Checks, given: Arguments) -> None:
    """Raises all that is wrong.

    Concepts cost a look through the folder, which the command takes itself where nothing else is wrong.
    """
    if failures(checks(Arguments({**given.values_read, "concept": None}))):
        raise_together(checks(given))


def reading(form: Any, encoding: str | None) -> CaptionReading:
    """How captions are read. Raises InputError for an encoding that is none."""
    try:
        return CaptionReading(form or "auto", codec(encoding or "auto"))
    except ValueError as error:
        raise InputError(f"--caption-encoding: {error}") from error


def replacement(pair: str) -> tuple[str, list[str]]:
    """OLD=NEW1,NEW2 as the old tag and the new ones. Raises InputError."""
    old, equals, new = pair.partition("=")
    if not equals or not old.strip():
        raise InputError(f"replace takes OLD=NEW, found {pair!r}", "curate tags replace FOLDER grey_dog=dog,grey_fur")
    return old.strip(), [one for one in (part.strip() for part in new.split(",")) if one]


def _edit_checks(given: Arguments) -> Iterator[Check]:
    from curate.tags_edit import check_allowed

    yield from reading_checks(given)

    def allowed() -> None:
        folder = given["folder"]
        if folder is not None and folder.is_dir():
            check_allowed(folder, in_place=bool(given["in_place"] or given["dry_run"]))

    yield allowed


def _check_concepts(folder: Path | None, names: Sequence[str] | None) -> None:
    if folder is not None and names and folder.is_dir():
        from curate.tags_folder import check_concepts

        check_concepts(folder, names)

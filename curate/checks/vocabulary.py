"""Vocabulary: the tags that a base was trained with, from a list on this machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from curate.errors import InputError, MissingError

NAMES = ("danbooru", "e621")


@dataclass(frozen=True)
class Vocabulary:
    """Tags in canonical form, and other spellings of them.

    title  what messages call it
    """

    title: str
    tags: frozenset[str]
    aliases: Mapping[str, str]

    def knows(self, tag: str) -> bool:
        """Whether the tag is in the list as it is written."""
        return tag.casefold() in self.tags


def load(name: str) -> Vocabulary:
    """The list called `danbooru` or `e621`, that of a tagger on this machine; or the list in a file.

    A file has one tag in a line, or columns: tag, category, count, aliases (as tag-autocomplete lists have), or the
    columns of a tagger's label file. Raises InputError for a file that is none, MissingError where no tagger is here.
    """
    if name in NAMES:
        return _of_tagger(name)
    path = Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the tag list {path} cannot be read: {error}",
            "give danbooru, e621, none, or a file with a tag in each line",
        ) from error
    tags: set[str] = set()
    aliases: dict[str, str] = {}
    for tag, others in _rows(text):
        tags.add(tag)
        aliases |= dict.fromkeys(others, tag)
    if not tags:
        raise InputError(f"the tag list {path} is empty", "give a file with a tag in each line")
    return Vocabulary(path.name, frozenset(tags), {a: t for a, t in aliases.items() if a not in tags})


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    rows = csv.reader(io.StringIO(text, newline=""))
    column, other = 0, 3
    for number, row in enumerate(rows):
        if number == 0 and "name" in (heading := [cell.strip().lower() for cell in row]):
            column, other = heading.index("name"), heading.index("aliases") if "aliases" in heading else -1
            continue
        if len(row) > column and (tag := _plain(row[column])):
            listed = row[other].split(",") if 0 <= other < len(row) else []
            yield tag, [alias for one in listed if (alias := _plain(one))]


def _plain(tag: str) -> str:
    return "_".join(tag.split()).casefold()


def _of_tagger(name: str) -> Vocabulary:
    """The labels of a tagger of that vocabulary whose files are on this machine."""
    import taggers
    from taggers import catalogue, implications
    from taggers.errors import TaggerError

    for tagger in taggers.names():
        # a tagger that curate carries knows a handful of tags
        if catalogue.vocabulary(tagger) != name or catalogue.models()[tagger][1].embedded:
            continue
        try:
            known = catalogue.find(tagger, offline=True).known()
        except TaggerError:
            continue
        tags = frozenset(tag.casefold() for tag in known)
        aliases = {a.casefold(): t for a, t in implications.core(name).aliases.items() if a.casefold() not in tags}
        return Vocabulary(f"the tags of {tagger}", tags, aliases)
    raise MissingError(
        f"there is no list of {name} tags on this machine",
        "fetch a tagger (`curate models` lists them), or give a list with --vocabulary FILE",
    )

"""Implications and aliases: what a tag implies by the graph of its site, and which spelling is the live one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from taggers.errors import BadTableError

HERE = Path(__file__).parent / "tables"

CORE = ("danbooru", "e621")
"""Vocabularies of which the package carries a table of its own."""

Margin = float


@dataclass(frozen=True, slots=True)
class Removal:
    """A tag that goes, and the tag because of which it goes; `doubted` where the child goes and its parent stays."""

    tag: str
    because: str
    doubted: bool = False

    def __str__(self) -> str:
        if self.doubted:
            return f"dropped {self.tag}: doubtful beside {self.because}"
        return f"dropped {self.tag}: {self.because} implies it"


class Table:
    """Direct edges child -> parents, and aliases alias -> canonical tag. Closures are computed on demand and kept."""

    def __init__(self, parents: Mapping[str, Collection[str]], aliases: Mapping[str, str] | None = None) -> None:
        self.parents = {child: tuple(sorted(set(up) - {child})) for child, up in parents.items()}
        self.aliases = dict(aliases or {})
        self._ancestors: dict[str, frozenset[str]] = {}

    def ancestors(self, tag: str) -> frozenset[str]:
        """All tags implied by `tag`, itself excluded unless it lies on a cycle."""
        known = self._ancestors.get(tag)
        if known is None:
            seen: set[str] = set()
            todo = list(self.parents.get(tag, ()))
            while todo:
                one = todo.pop()
                if one not in seen:
                    seen.add(one)
                    todo.extend(self.parents.get(one, ()))
            known = self._ancestors[tag] = frozenset(seen)
        return known

    def closure(self, tags: Iterable[str]) -> frozenset[str]:
        """The tags and all they imply."""
        found = set(tags)
        return frozenset(found.union(*(self.ancestors(t) for t in found)))

    def path(self, child: str, ancestor: str) -> list[str]:
        """A shortest chain of direct edges from child to ancestor, both included; empty where there is none."""
        came: dict[str, str] = {child: ""}
        todo = [child]
        for one in todo:
            for up in self.parents.get(one, ()):
                if up not in came:
                    came[up] = one
                    todo.append(up)
        if ancestor not in came or ancestor == child:
            return []
        chain = [ancestor]
        while chain[-1] != child:
            chain.append(came[chain[-1]])
        return chain[::-1]

    def cycles(self) -> list[tuple[str, ...]]:
        """Groups of tags that imply each other, each sorted."""
        found = {
            tuple(sorted(t for t in self.ancestors(c) if c in self.ancestors(t)))
            for c in self.parents
            if c in self.ancestors(c)
        }
        return sorted(found)

    def live(self, tag: str) -> str:
        """The canonical spelling: an alias followed once, unless the alias is itself a tag that implies something."""
        return tag if tag in self.parents else self.aliases.get(tag, tag)


def prune(
    table: Table,
    tags: Sequence[str],
    protected: Collection[str] = (),
    scores: Mapping[str, float] | None = None,
    margin: Margin = 0.0,
) -> tuple[tuple[str, ...], list[Removal]]:
    """The tags without those that others imply, in their order, and what went and why.

    What is left implies all that went. Protected tags stay. With a `margin` above 0, a tag whose score is lower
    than that of one it implies by more than the margin is doubted and goes first, so that its parent stays.
    """
    removed: list[Removal] = []
    left = list(dict.fromkeys(tags))
    if margin > 0 and scores:
        left, removed = _doubted(table, left, protected, scores, margin)
    present = set(left)
    reasons: dict[str, str] = {}
    for child in sorted(present):
        for up in table.ancestors(child) & present:
            if up == child or up in protected or _mutual(table, child, up, protected):
                continue
            if up not in reasons or len(table.path(child, up)) < len(table.path(reasons[up], up)):
                reasons[up] = child
    removed += [Removal(tag, _survivor(reasons, tag)) for tag in left if tag in reasons]
    return tuple(t for t in left if t not in reasons), removed


def _survivor(reasons: Mapping[str, str], tag: str) -> str:
    """The tag that stays: `animal` went because of `dog`, which went because of `beagle`."""
    because = reasons[tag]
    while because in reasons:
        because = reasons[because]
    return because


def _mutual(table: Table, child: str, up: str, protected: Collection[str]) -> bool:
    """Of tags that imply each other one stays: a protected one, else the first by name."""
    if child not in table.ancestors(up):
        return False
    return child not in protected and up < child


def _doubted(
    table: Table, tags: list[str], protected: Collection[str], scores: Mapping[str, float], margin: float
) -> tuple[list[str], list[Removal]]:
    removed: list[Removal] = []
    for tag in tags:
        if tag in protected or tag not in scores:
            continue
        sure = [
            u for u in table.ancestors(tag) & set(tags) if u != tag and u in scores and scores[u] - scores[tag] > margin
        ]
        if sure:
            removed.append(Removal(tag, max(sorted(sure), key=lambda u: scores[u]), doubted=True))
    gone = {r.tag for r in removed}
    return [t for t in tags if t not in gone], removed


@cache
def core(vocabulary: str) -> Table:
    """The package's own table of a vocabulary. Raises BadTableError for one that it does not carry."""
    if vocabulary not in CORE:
        raise BadTableError(f'no table is called "{vocabulary}"', f"choose from: {', '.join(CORE)}, or give a file")
    return Table(*_read_core(HERE / f"{vocabulary}.txt"))


def _read_core(path: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Lines `parent: child child …` are implications, lines `tag = alias alias …` aliases, `#` begins a comment."""
    parents: dict[str, list[str]] = {}
    aliases: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0].endswith(":"):
            for child in words[1:]:
                parents.setdefault(child, []).append(words[0][:-1])
        elif words[1:2] == ["="]:
            aliases.update(dict.fromkeys(words[2:], words[0]))
        else:
            raise BadTableError(f"{path}:{number}: neither `parent: children` nor `tag = aliases`")
    return parents, aliases

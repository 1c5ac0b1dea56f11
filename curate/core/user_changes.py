"""Person tables: what a person changed in a prepared folder, as the ledger keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from curate.core.database import Database
from curate.core.transform import Transform

MOVED_FROM = "moved_from"
"""The fact that says on a record which concept it would have, had no person moved it to another."""

TRANSFORMED = "transformed"
"""The fact that says on a record what was carried out: `part` (which of its parts it is) and the transform's values."""

UNTRANSFORMED = "untransformed"
"""The fact that says on a record how its picture was before a person's crop, turn or mirror.

`path` is its file in the ledger folder, `part` which part of the source it is, `fingerprint` what `dedupe` compares.
"""

Identity = tuple[str, str]
"""What a person's word belongs to: the digest of the source file, and the record's key."""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An edited caption without a picture, and the text that was last written to its file."""

    identity: Identity
    text: str


@dataclass(frozen=True, slots=True)
class Removal:
    """A picture that a person removed from the prepared folder: where it was, whether its caption is still there."""

    path: str
    captioned: bool


@dataclass(frozen=True, slots=True)
class RepeatsOverride:
    """Repeats that a person chose by renaming a folder, and those that had been generated for it."""

    repeats: int
    generated: int


@dataclass(frozen=True, slots=True)
class KeptTransform:
    """How a person wants a picture changed, and what its source was then, so that it is known when it is saved again.

    `width` and `height` are of the upright source in pixels, `phash` its perceptual hash in hex; 0 and "" if unknown.
    """

    transform: Transform
    width: int = 0
    height: int = 0
    phash: str = ""


class PersonTables(Database):
    """Edits, removals, repeats, transforms, concepts and masks by a person."""

    def edits(self) -> dict[Identity, str]:
        """Captions as edited by hand."""
        return {(origin, key): text for origin, key, text in self.read("SELECT origin, key, text FROM edits")}

    def keep_edit(self, origin: str, key: str, text: str) -> None:
        """Keeps a caption that a person wrote; the edit before it counts as past."""
        self.keep_edits([(origin, key, text)])

    def keep_edits(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Keeps captions that a person wrote: the origin, the key and the text of each."""
        self._end_edits([(origin, key) for origin, key, _ in rows])
        self.write("INSERT OR REPLACE INTO edits VALUES (?, ?, ?)", rows)

    def drop_edit(self, origin: str, key: str) -> None:
        """Forgets an edit that the person took back; it counts as past."""
        self._end_edits([(origin, key)])
        self.write("DELETE FROM edits WHERE origin = ? AND key = ?", [(origin, key)])

    def past_edits(self) -> dict[Identity, list[str]]:
        """Edits that were replaced or taken back: a run that was killed since may have left copies of them."""
        past: dict[Identity, list[str]] = {}
        for origin, key, text in self.read("SELECT origin, key, text FROM past_edits"):
            past.setdefault((origin, key), []).append(text)
        return past

    def forget_past_edits(self) -> None:
        """No copy of them is left in the folder."""
        self.write("DELETE FROM past_edits", [()])

    def _end_edits(self, identities: Sequence[Identity]) -> None:
        sql = "INSERT OR IGNORE INTO past_edits SELECT origin, key, text FROM edits WHERE origin = ? AND key = ?"
        self.write(sql, identities)

    def unplaced(self) -> dict[str, Unplaced]:
        """The files of edited captions that have no picture, by path."""
        return {path: Unplaced((origin, key), text) for path, origin, key, text in self.read("SELECT * FROM unplaced")}

    def keep_unplaced(self, path: str, one: Unplaced) -> None:
        """Notes, and commits, that the file holds an edited caption without a picture."""
        self.write("INSERT OR REPLACE INTO unplaced VALUES (?, ?, ?, ?)", [(path, *one.identity, one.text)])
        self.commit()

    def forget_unplaced(self, paths: Iterable[str]) -> None:
        """Forgets, and commits, files that are about to go, or gone."""
        self.write("DELETE FROM unplaced WHERE path = ?", [(path,) for path in paths])
        self.commit()

    def removed(self) -> dict[Identity, Removal]:
        """The pictures that a person removed from the folder."""
        rows = self.read("SELECT origin, key, path, captioned FROM removed")
        return {(origin, key): Removal(path, bool(captioned)) for origin, key, path, captioned in rows}

    def keep_removed(self, identity: Identity, removal: Removal) -> None:
        """Notes that a person removed a picture."""
        self.write("INSERT OR REPLACE INTO removed VALUES (?, ?, ?, ?)", [(*identity, removal.path, removal.captioned)])

    def forget_removed(self, identities: Iterable[Identity]) -> None:
        """The pictures are wanted again."""
        self.write("DELETE FROM removed WHERE origin = ? AND key = ?", identities)

    def repeats(self) -> dict[str, RepeatsOverride]:
        """Repeats that a person chose by renaming a folder, by concept."""
        rows = self.read("SELECT concept, repeats, generated FROM repeats")
        return {concept: RepeatsOverride(repeats, generated) for concept, repeats, generated in rows}

    def keep_repeats(self, concept: str, override: RepeatsOverride) -> None:
        """Keeps repeats that a person chose."""
        self.write("INSERT OR REPLACE INTO repeats VALUES (?, ?, ?)", [(concept, override.repeats, override.generated)])

    def forget_repeats(self, concept: str) -> None:
        """The generated repeats count again."""
        self.write("DELETE FROM repeats WHERE concept = ?", [(concept,)])

    def transforms(self) -> dict[Identity, KeptTransform]:
        """How pictures are to be turned, mirrored and cropped."""
        rows = self.read("SELECT origin, key, transform, width, height, phash FROM transforms")
        return {
            (origin, key): KeptTransform(Transform.from_plain(json.loads(plain)), width, height, phash)
            for origin, key, plain, width, height, phash in rows
        }

    def keep_transform(self, identity: Identity, kept: KeptTransform | None) -> None:
        """Keeps how a picture is to be changed; None forgets it."""
        self.write("DELETE FROM transforms WHERE origin = ? AND key = ?", [identity])
        if kept is not None:
            row = (*identity, kept.transform.to_json(), kept.width, kept.height, kept.phash)
            self.write("INSERT INTO transforms VALUES (?, ?, ?, ?, ?, ?)", [row])

    def concept_overrides(self) -> dict[Identity, str]:
        """The concepts to which a person moved pictures."""
        rows = self.read("SELECT origin, key, concept FROM concept_overrides")
        return {(origin, key): concept for origin, key, concept in rows}

    def keep_concept_override(self, identity: Identity, concept: str | None) -> None:
        """Keeps the concept to which a person moved a picture; None forgets it."""
        self.write("DELETE FROM concept_overrides WHERE origin = ? AND key = ?", [identity])
        if concept is not None:
            self.write("INSERT INTO concept_overrides VALUES (?, ?, ?)", [(*identity, concept)])

    def painted_masks(self) -> dict[str, Identity]:
        """The mask files that a person painted, by path, and whose they are."""
        return {path: (origin, key) for path, origin, key in self.read("SELECT path, origin, key FROM painted_masks")}

    def keep_painted_mask(self, path: str, identity: Identity) -> None:
        """Notes that a person painted a mask; another one of the same picture is forgotten."""
        self.write("DELETE FROM painted_masks WHERE origin = ? AND key = ?", [identity])
        self.write("INSERT OR REPLACE INTO painted_masks VALUES (?, ?, ?)", [(path, *identity)])

    def forget_painted_masks(self, paths: Iterable[str]) -> None:
        """Forgets masks that a person took away."""
        self.write("DELETE FROM painted_masks WHERE path = ?", [(path,) for path in paths])

    def sources(self) -> set[Identity]:
        """The source pictures of the last run, those that were set aside too; empty before the first."""
        return set(self.each_source())

    def each_source(self) -> Iterator[Identity]:
        """`sources`, one by one."""
        return self.iterate("SELECT origin, key FROM sources WHERE key != ''")

    def unnamed_sources(self) -> set[str]:
        """Digests of files that an older version read, the source pictures that it set aside among them."""
        return {origin for (origin,) in self.read("SELECT origin FROM sources WHERE key = ''")}

    def keep_sources(self, identities: Iterable[Identity]) -> None:
        """Notes the source pictures of this run."""
        self.write("DELETE FROM sources", [()])
        self.write("INSERT INTO sources VALUES (?, ?)", identities)

    def identify(self, old: Identity, new: Identity, *, transform: bool = True) -> None:
        """What is known of a picture under one identity goes by another from now on: source, file and words.

        The file too that a killed run was about to write: the person may have edited its caption since. Without
        `transform`, how the picture is to be changed stays where it is: it does not fit the new one.
        """
        words = ("edits", "past_edits", "removed", "unplaced", "transforms", "concept_overrides", "painted_masks")
        for table in ("sources", "written", "writing", *(w for w in words if transform or w != "transforms")):
            sql = f"UPDATE OR REPLACE {table} SET origin = ?, key = ? WHERE origin = ? AND key = ?"
            self.write(sql, [(*new, *old)])

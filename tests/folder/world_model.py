"""A model of what must be true of the prepared folder after every run.

The model knows nothing of the ledger: it knows what the person did. Each picture has its own pixels; by them its copies
in the prepared folder are told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.folder.helpers import Project

SIDE = 32
Pixels = bytes


@dataclass
class Picture:
    """A picture through all that happens to it: `path` is its source, None while it is away."""

    concept: str
    path: Path | None
    pixels: Pixels
    word: str | None = None
    removed: bool = False
    asked: bool = True
    """Whether the person's text must be findable: not where caption and picture were removed together."""
    hand: Pixels | None = None
    past: set[Pixels] = field(default_factory=set)
    unseen: bool = False
    """Whether its source was saved again since the last run: what was never seen cannot be recognized later."""
    seen: str | None = None
    """The name of its source in the last run that saw it, without the suffix."""
    renamed: bool = False
    """Whether its prepared picture was renamed since the last run."""
    known_word: str | None = None
    away: tuple[Path, bytes] | None = None

    @property
    def name(self) -> str | None:
        """Concept and file name of its source, without the suffix."""
        return f"{self.path.parent.name}/{self.path.stem}" if self.path else None

    @property
    def shown(self) -> Pixels:
        return self.hand or self.pixels


class Model:
    """What the person did, and what must be true of the prepared folder after every run."""

    def __init__(self, place: Path) -> None:
        self.project = Project(place, concepts={"dog": {"trigger": ["zwx"]}})
        self.place, self.out = place, self.project.out
        self.pictures: list[Picture] = []
        self.strays: dict[Pixels, str] = {}
        self.left_behind: set[tuple[str, bytes]] = set()
        """Captions whose pictures were removed: once their folder is renamed as well, nothing tells whose they are."""
        self.backups: set[tuple[str, bytes]] = set()
        self.emptied: set[Path] = set()
        """Folders in the output that the person emptied."""
        self.excluded: list[str] = []
        self.blacklist: list[str] = []
        self.extension, self.level, self.interrupted = ".txt", 6, False
        self.edited_since_kill: set[int] = set()
        self.numbers = itertools.count(1)

    def check(self) -> None:
        """Raises AssertionError naming what is wrong."""
        files = [p for p in self.out.rglob("*") if p.is_file() and ".curate" not in p.parts]
        pictures = [p for p in files if p.suffix in (".png", ".bmp")]
        texts = {p: read_caption(p) for p in files if p.suffix in (".txt", ".caption")}
        shown: dict[Pixels, list[Path]] = {}
        for path in pictures:
            shown.setdefault(read_pixels(path), []).append(path)
        for one in self.pictures:
            name = f"{one.concept}/{one.path.name if one.path else one.away[0].name}"
            places = shown.pop(one.shown, [])
            wanted = one in self._wanted()
            assert len(places) == wanted, f"{name} is there {len(places)} times: {places}"
            if wanted:
                assert places[0].parent.name.endswith(self._trigger(one)), f"{name} is in {places[0]}"
                text = texts.get(places[0].with_suffix(self.extension))
                expected = one.word if one.word is not None else self._generated(one)
                assert text is not None and plain(text) == expected, f"{name}: caption {text!r} not {expected!r}"
            elif one.word and one.asked:
                assert any(plain(t) == one.word for t in texts.values()), f"{name}: {one.word!r} is nowhere"
        for stray, caption in self.strays.items():
            places = shown.pop(stray, [])
            assert len(places) == 1, f"{caption} is there {len(places)} times"
            text = texts.get(places[0].with_suffix(".txt"), "")
            assert text.startswith(caption), f"the caption of {caption} was changed to {text!r}"
        assert not shown, f"nobody's pictures: {list(shown.values())}"
        assert not (empty := self._empty_folders()), f"empty folders: {empty}"
        beside = {p.with_suffix("") for p in pictures}
        loose = [p for p in texts if p.with_suffix("") not in beside and "unplaced captions" not in p.parts]
        assert {b for _, b in self.backups} <= {p.read_bytes() for p in texts}, "a person's own copy is gone"
        unplaced = [plain(t) for p, t in texts.items() if "unplaced captions" in p.parts]
        waiting = [one.word for one in self.pictures if one not in self._wanted()]
        for text in unplaced:
            assert unplaced.count(text) <= waiting.count(text), f"{text!r} is kept without need: {unplaced}, {waiting}"
        allowed = self.backups | self.left_behind
        for path in loose:
            assert (path.name, path.read_bytes()) in allowed, f"{path} belongs to no picture: {texts[path]!r}"

    def _empty_folders(self) -> list[Path]:
        folders = [p for p in self.out.rglob("*") if p.is_dir() and ".curate" not in p.parts]
        return [p for p in folders if not any(p.iterdir()) and p not in self.emptied]

    def _wanted(self) -> list[Picture]:
        return [p for p in self.pictures if p.path is not None and not p.removed and not self._is_excluded(p)]

    def _is_lost(self, one: Picture) -> bool:
        """Whether another change of its source would leave nothing to know it by: its prepared picture is gone.

        A picture that was removed or excluded is known by its source's name and bytes alone. When both change between
        two runs, nothing says which one it was. Its edited caption stays in the folder of those without a picture.
        """
        return (one.unseen or one.name != one.seen) and not self._is_prepared(one)

    def _is_prepared(self, one: Picture) -> bool:
        return any(p is one for _, p in self._ours())

    def _is_excluded(self, one: Picture) -> bool:
        return one.path is not None and one.path.stem in self.excluded

    def _trigger(self, one: Picture) -> str:
        return ", ".join(self.project.concepts.get(one.concept, {}).get("trigger") or [one.concept])

    def _generated(self, one: Picture) -> str:
        return ", ".join([self._trigger(one), "grass", *(["sky"] if not self.blacklist else [])])

    # what there is ----------------------------------------------------------------------------------------------------

    def _choose(self, n: int, suits: Callable[[Picture], bool]) -> Picture | None:
        some = [p for p in self.pictures if suits(p)]
        return some[n % len(some)] if some else None

    def _ours(self) -> list[tuple[Path, Picture]]:
        """The prepared pictures, with what each shows."""
        by_pixels = {pixels: p for p in self.pictures for pixels in (*p.past, p.pixels, p.hand) if pixels}
        files = sorted(p for p in self.out.rglob("*.png") if ".curate" not in p.parts and not is_half_written(p))
        return [(f, by_pixels[pixels]) for f in files if (pixels := read_pixels(f)) in by_pixels]

    def _caption_of(self, n: int) -> tuple[Picture, Path] | None:
        """A caption of ours in the folder, and whose it is; after a kill each picture's is changed once."""
        some = [(one, self._beside(file)) for file, one in self._ours() if id(one) not in self.edited_since_kill]
        if not self.interrupted:
            some = [(one, self._beside(file)) for file, one in self._ours()]
        there = [(one, caption) for one, caption in some if caption is not None]
        return there[n % len(there)] if there else None

    @staticmethod
    def _beside(file: Path) -> Path | None:
        return next((p for s in (".txt", ".caption") if (p := file.with_suffix(s)).exists()), None)

    def _sources(self) -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in sorted((self.place / "in").rglob("*")) if p.is_file()}

    def _know_words(self) -> None:
        """Whatever reads the folder knows from then on what the person wrote."""
        for one in self.pictures:
            one.known_word = one.word


def is_half_written(file: Path) -> bool:
    """Whether a killed run left the file under a temporary name: hidden, so nobody edits or renames it."""
    return file.name.startswith(".curate-")


def pattern(seed: int) -> Any:
    """Soft shapes in colour, other ones for each seed."""
    rough = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(rough).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def read_pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def read_caption(path: Path) -> str:
    raw = path.read_bytes()
    return raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8")


def plain(text: str) -> str:
    """Without what an editor adds; a mark that is there twice is a fault."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n")

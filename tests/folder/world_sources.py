"""What a person does to the source pictures and the pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.folder.world_model import SIDE, Model, Picture, pattern

TRIGGERS = ("zwx", "qqq hound", "abc, def")


class SourceActions(Model):
    """Actions on sources and pipeline. Each takes a number that chooses among what there is."""

    def add_source(self, n: int) -> None:
        """A new picture under a name that was never there."""
        concept = ("dog", "robe", "cat")[n % 3]
        path = self.place / "in" / concept / f"p{next(self.numbers)}.png"
        pixels = pattern(next(self.numbers))
        self._save(path, pixels)
        path.with_suffix(".txt").write_text("grass, sky", encoding="utf-8")
        self.pictures.append(Picture(concept, path, pixels.tobytes()))

    def remove_source(self, n: int) -> None:
        one = self._choose(n, lambda p: p.path is not None and p.hand is None and not p.unseen)
        if one and sum(p.path is not None for p in self.pictures) > 2:
            one.away = (one.path, one.path.read_bytes())
            one.path.unlink()
            one.path.with_suffix(".txt").unlink(missing_ok=True)
            one.path = None

    def bring_back(self, n: int) -> None:
        one = self._choose(n, lambda p: p.path is None)
        if one:
            path, data = one.away
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.with_suffix(".txt").write_text("grass, sky", encoding="utf-8")
            one.path = path

    def rename_source(self, n: int) -> None:
        one = self._choose(n, lambda p: p.path is not None and not self._is_lost(p))
        if one:
            self._move(one, one.path.with_name(f"p{next(self.numbers)}{one.path.suffix}"))

    def move_source(self, n: int) -> None:
        """To another concept."""
        one = self._choose(n, lambda p: p.path is not None and not self._is_lost(p))
        if one:
            one.concept = "robe" if one.concept == "dog" else "dog"
            self._move(one, self.place / "in" / one.concept / one.path.name)

    def retouch_source(self, n: int) -> None:
        """The same name, other bytes."""
        self._resave(n, lambda path: path, n % 2 == 0)

    def resuffix_source(self, n: int) -> None:
        """`a.png` saved as `a.bmp`, retouched."""
        self._resave(n, lambda path: path.with_suffix(".bmp" if path.suffix == ".png" else ".png"), n % 2 == 0)

    def retouch_and_rename_source(self, n: int) -> None:
        """Only its looks say which one it was."""
        there = {id(p) for _, p in self._ours()}
        new = f"p{next(self.numbers)}"
        self._resave(n, lambda path: path.with_name(new + path.suffix), n % 2 == 0, there)

    def change_pipeline(self, n: int) -> None:
        about: dict[str, Any] = self.project.concepts.setdefault(("dog", "robe")[n % 2], {})
        match n // 2 % 5:
            case 0:
                about["trigger"] = TRIGGERS[n % 3].split(", ")
            case 1:
                about["repeats"] = 1 + n % 3
            case 2:
                self.extension = ".caption" if self.extension == ".txt" else ".txt"
            case 3:
                self.blacklist = [] if self.blacklist else ["sky"]
            case _:
                self.level = 6 - self.level

    def exclude(self, n: int) -> None:
        one = self._choose(n, lambda p: p.path is not None and p.hand is None)
        if one and len(self._wanted()) > 2:
            self.excluded = [] if self.excluded else [one.path.stem]

    def _resave(self, n: int, name: Callable[[Path], Path], crop: bool, among: set[int] | None = None) -> None:
        one = self._choose(
            n,
            lambda p: (
                p.path is not None and p.hand is None and (among is None or id(p) in among) and not self._is_lost(p)
            ),
        )
        if not one:
            return
        old = np.frombuffer(one.pixels, np.uint8).reshape(-1, SIDE, 3).copy()
        new = old.copy()
        new[4:8, 4:8] = (new[4:8, 4:8].astype(int) * 3 // 4).astype(np.uint8)
        if crop and len(new) > SIDE - 6:
            new = new[2:]
        new[-1, -1, 0] = next(self.numbers) % 256
        path = name(one.path)
        text = one.path.with_suffix(".txt").read_text(encoding="utf-8")
        one.path.unlink()
        one.path.with_suffix(".txt").unlink()
        self._save(path, new)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
        one.past.add(one.pixels)
        one.path, one.pixels, one.unseen = path, new.tobytes(), True

    @staticmethod
    def _save(path: Path, pixels: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)

    def _move(self, one: Picture, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        one.unseen = one.unseen or not self._is_prepared(one)
        shutil.move(one.path, path)
        shutil.move(one.path.with_suffix(".txt"), path.with_suffix(".txt"))
        one.path = path

"""A person at work on a small project, with a model of what must be true of the prepared folder after every run.

The model knows nothing of the ledger: it knows what the person did. Each picture has its own pixels; by them its copies
in the prepared folder are told.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from curate import tags_edit
from tests.folder.helpers import Project, killed, same_but

SIDE = 32
TRIGGERS = ("zwx", "qqq hound", "abc, def")
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


class World:
    """Actions take a number that chooses among what there is; an action that has nothing to act on does nothing."""

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
        self.log: list[str] = []
        for concept in ("dog", "dog", "robe"):
            self.add_source(0 if concept == "dog" else 1)
        self.run(0)

    # what the person does to the sources ------------------------------------------------------------------------------

    def add_source(self, n: int) -> None:
        """A new picture under a name that was never there."""
        concept = ("dog", "robe", "cat")[n % 3]
        path = self.place / "in" / concept / f"p{next(self.numbers)}.png"
        pixels = _pattern(next(self.numbers))
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

    # what the person does in the prepared folder ----------------------------------------------------------------------

    def edit_caption(self, n: int) -> None:
        found = self._caption_of(n)
        if found:
            one, file = found
            text = f"mine {next(self.numbers)}, café"
            data = (
                text.encode(),
                b"\xef\xbb\xbf" + text.encode(),
                f"{text}\r\nsecond line\r\n".encode(),
                text.encode("utf-16"),
                b"",
            )[n % 5]
            file.write_bytes(data)
            one.word, one.asked = ("" if not data else text + ("\nsecond line" if n % 5 == 2 else "")), True
            self.edited_since_kill.add(id(one))

    def add_word(self, n: int) -> None:
        """With an editor that keeps the file's encoding and line ends."""
        found = self._caption_of(n)
        if found:
            one, file = found
            raw = file.read_bytes()
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                return
            text = raw.decode("utf-8").rstrip("\r\n") + f", word {next(self.numbers)}"
            file.write_bytes(text.encode() + (b"\r\n" if b"\r\n" in raw else b""))
            one.word, one.asked = _plain(text), True
            self.edited_since_kill.add(id(one))

    def remove_caption(self, n: int) -> None:
        found = None if self.interrupted else self._caption_of(n)
        if found:
            found[1].unlink()
            found[0].word = None

    def remove_picture(self, n: int) -> None:
        """With its caption or without."""
        ours = self._ours()
        if self.interrupted or len(ours) < 3:
            return
        file, one = ours[n % len(ours)]
        if one.hand is not None or one.renamed:
            return
        caption = self._beside(file)
        if caption is not None and any(name == caption.name for name, _ in self.backups):
            return  # of the captions left, nothing tells which is the picture's and which is a copy
        file.unlink()
        one.removed = True
        if caption is not None and not n % 2:
            self.left_behind.add((caption.name, caption.read_bytes()))
        if n % 2 and caption is not None:
            caption.unlink()
        if n % 2 or caption is None:
            one.asked, one.word = False, one.known_word

    def rename_folder(self, n: int) -> None:
        folders = sorted(p for p in self.out.glob("[!.]*") if p.is_dir() and not p.name.startswith("unplaced"))
        folders = [p for p in folders if any(p.iterdir())]
        if not folders:
            return
        folder = folders[n % len(folders)]
        words = folder.name.partition("_")[2] or folder.name
        new = ("my folder 9", folder.name + "x", f"{2 + n % 4}_{words}")[n // 7 % 3]
        if not (self.out / new).exists():
            folder.rename(self.out / new)

    def rename_picture(self, n: int) -> None:
        """With its caption or without, within its folder or into another."""
        # a picture that was changed is known by its name alone
        ours = [(f, p) for f, p in self._ours() if p.hand is None and not p.renamed]
        if not ours:
            return
        file, one = ours[n % len(ours)]
        caption = self._beside(file)
        places = sorted({f.parent for f, _ in ours})
        place = places[n // 5 % len(places)] if n % 3 == 0 else file.parent
        new = place / f"renamed {next(self.numbers)}{file.suffix}"
        file.rename(new)
        one.renamed = True
        if caption is not None and (n % 2 or place != file.parent):
            caption.rename(new.with_suffix(caption.suffix))
        if not any(file.parent.iterdir()):
            self.emptied.add(file.parent)

    def change_picture(self, n: int) -> None:
        """Retouches a prepared picture."""
        ours = [(f, p) for f, p in self._ours() if p in self._wanted() and not (p.unseen or p.renamed)]
        if self.interrupted or not ours:
            return
        file, one = ours[n % len(ours)]
        if sum(p is one for _, p in self._ours()) == 1:
            pixels = _pattern(next(self.numbers))
            Image.fromarray(pixels).save(file)
            one.hand = pixels.tobytes()

    def add_stray(self, n: int) -> None:
        folders = sorted({f.parent for f, _ in self._ours()})
        if folders:
            pixels = _pattern(next(self.numbers))
            path = folders[n % len(folders)] / f"stray {next(self.numbers)}.png"
            Image.fromarray(pixels).save(path)
            self.strays[pixels.tobytes()] = f"stray {next(self.numbers)}"
            path.with_suffix(".txt").write_text(self.strays[pixels.tobytes()], encoding="utf-8")

    def back_up(self, n: int) -> None:
        """Copies all captions of a folder into one of the person's own."""
        folders = sorted({f.parent for f, _ in self._ours()})
        if folders:
            captions = [p for p in folders[n % len(folders)].iterdir() if p.suffix in (".txt", ".caption")]
            place = self.out / f"backup {next(self.numbers)}"
            for one in captions:
                place.mkdir(exist_ok=True)
                shutil.copy(one, place)
                self.backups.add((one.name, one.read_bytes()))

    def add_tag(self, n: int) -> None:
        """`curate tags add`, which counts as the person's edits."""
        if self.interrupted:
            return
        tag = f"bulk {next(self.numbers)}"
        ours = dict(self._ours())
        done = tags_edit.edit(self.out, tags_edit.adding([tag]), "tags add", edited_too=bool(n % 2))
        for change in done.changes:
            if change.caption.path in ours:
                ours[change.caption.path].word, ours[change.caption.path].asked = change.after, True
        self._know_words()

    def _know_words(self) -> None:
        """Whatever reads the folder knows from then on what the person wrote."""
        for one in self.pictures:
            one.known_word = one.word

    # what the person does to the pipeline -----------------------------------------------------------------------------

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

    def restore(self, _: int) -> None:
        """`curate tags restore`."""
        if self.out.joinpath(".curate").exists() and not self.interrupted:
            from curate.drive import restore

            restore(self.out, ())
            self._know_words()
            for one in self.pictures:
                one.removed, one.asked = False, True

    # runs -------------------------------------------------------------------------------------------------------------

    def run_killed(self, n: int) -> None:
        self._prepare()
        if self._wanted():
            before = self._sources()
            whole = self.project.twin("whole") if n // 60 % 2 else None
            if killed(self.project.run, n % 60):
                self.interrupted = True
                self.edited_since_kill.clear()
                if whole is not None:
                    self._check_recovery(whole)
            else:
                self._settled()
                self.check()
            if whole is not None:
                shutil.rmtree(whole.out)
            assert self._sources() == before, "sources were changed"

    def _check_recovery(self, whole: Project) -> None:
        """A run right after the kill gives the bytes of one that was never killed."""
        again = self.project.twin("again")
        for project in (whole, again):
            project.run()
        wrong = same_but(again.files(), whole.files())
        assert not wrong, f"after a kill a rerun differs from a whole run: {wrong}"
        shutil.rmtree(again.out)

    def run(self, n: int) -> None:
        self._prepare()
        if not self._wanted():
            return
        before = self._sources()
        self.project.run()
        assert self._sources() == before, "sources were changed"
        self._settled()
        self.check()
        if n % 4 == 0:
            files = self.project.files()
            self.project.run()
            assert self.project.files() == files, f"a rerun changed {_difference(files, self.project.files())}"

    def _settled(self) -> None:
        self.interrupted = False
        self._know_words()
        for one in self.pictures:
            one.renamed = False
            one.seen = one.name or one.seen
            one.unseen = one.unseen and one.path is None

    def _prepare(self) -> None:
        rules = {"extension": self.extension} | ({"blacklist": self.blacklist} if self.blacklist else {})
        self.project.stages = [{"convert": {"png_level": self.level}}, {"captions": rules}, "trigger", "export"]
        self.project.concepts = {c: v for c, v in self.project.concepts.items() if (self.place / "in" / c).is_dir()}
        self.project.exclude = self.excluded
        if not self.interrupted:
            self.emptied |= set(self._empty_folders())

    # the model --------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises AssertionError naming what is wrong."""
        files = [p for p in self.out.rglob("*") if p.is_file() and ".curate" not in p.parts]
        pictures = [p for p in files if p.suffix in (".png", ".bmp")]
        texts = {p: _text(p) for p in files if p.suffix in (".txt", ".caption")}
        shown: dict[Pixels, list[Path]] = {}
        for path in pictures:
            shown.setdefault(_pixels(path), []).append(path)
        for one in self.pictures:
            name = f"{one.concept}/{one.path.name if one.path else one.away[0].name}"
            places = shown.pop(one.shown, [])
            wanted = one in self._wanted()
            assert len(places) == wanted, f"{name} is there {len(places)} times: {places}"
            if wanted:
                assert places[0].parent.name.endswith(self._trigger(one)), f"{name} is in {places[0]}"
                text = texts.get(places[0].with_suffix(self.extension))
                expected = one.word if one.word is not None else self._generated(one)
                assert text is not None and _plain(text) == expected, f"{name}: caption {text!r} not {expected!r}"
            elif one.word and one.asked:
                assert any(_plain(t) == one.word for t in texts.values()), f"{name}: {one.word!r} is nowhere"
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
        files = sorted(p for p in self.out.rglob("*.png") if ".curate" not in p.parts)
        return [(f, by_pixels[pixels]) for f in files if (pixels := _pixels(f)) in by_pixels]

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

    # files ------------------------------------------------------------------------------------------------------------

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


WEIGHTED_ACTIONS = {
    World.add_source: 2,
    World.remove_source: 2,
    World.bring_back: 2,
    World.rename_source: 2,
    World.move_source: 1,
    World.retouch_source: 2,
    World.resuffix_source: 2,
    World.retouch_and_rename_source: 2,
    World.edit_caption: 5,
    World.add_word: 2,
    World.remove_caption: 1,
    World.remove_picture: 1,
    World.rename_folder: 4,
    World.rename_picture: 2,
    World.change_picture: 1,
    World.add_stray: 1,
    World.back_up: 1,
    World.add_tag: 1,
    World.change_pipeline: 3,
    World.exclude: 1,
    World.restore: 1,
    World.run_killed: 5,
    World.run: 6,
}
"""What a person does, and how often of so many."""


def _pattern(seed: int) -> Any:
    """Soft shapes in colour, other ones for each seed."""
    rough = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(rough).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def _text(path: Path) -> str:
    raw = path.read_bytes()
    return raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8")


def _plain(text: str) -> str:
    """Without what an editor adds; a mark that is there twice is a fault."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n")


def _difference(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return sorted(n for n in {*before, *after} if before.get(n) != after.get(n))

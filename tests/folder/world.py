"""A person at work on a small project, with a model of what must be true of the prepared folder after every run."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from curate import drive, tags_edit, tags_rules
from tests.folder.helpers import Project, killed, same_but
from tests.folder.world_model import is_half_written, pattern, plain
from tests.folder.world_sources import SourceActions


class World(SourceActions):
    """Actions take a number that chooses among what there is; an action that has nothing to act on does nothing."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        for concept in ("dog", "dog", "robe"):
            self.add_source(0 if concept == "dog" else 1)
        self.run(0)

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
            one.word, one.asked = plain(text), True
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
            pixels = pattern(next(self.numbers))
            Image.fromarray(pixels).save(file)
            one.hand = pixels.tobytes()

    def add_stray(self, n: int) -> None:
        folders = sorted({f.parent for f, _ in self._ours()})
        if folders:
            pixels = pattern(next(self.numbers))
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
                if not is_half_written(one):
                    self.backups.add((one.name, one.read_bytes()))

    def add_tag(self, n: int) -> None:
        """`curate tags add`, which counts as the person's edits."""
        if self.interrupted:
            return
        tag = f"bulk {next(self.numbers)}"
        ours = dict(self._ours())
        done = tags_edit.edit(self.out, tags_rules.adding([tag]), "tags add", edited_too=bool(n % 2))
        for change in done.changes:
            assert tag in change.after and not {"\ufeff", "\r"} & {*change.after}, change
            if (path := Path(change.caption.path)) in ours:
                ours[path].word, ours[path].asked = change.after, True
        self._know_words()

    def restore(self, _: int) -> None:
        """`curate tags restore`."""
        if self.out.joinpath(".curate").exists() and not self.interrupted:
            drive.restore(self.out, ())
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


def _difference(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return sorted(n for n in {*before, *after} if before.get(n) != after.get(n))

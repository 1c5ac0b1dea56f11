"""A small project on disk: pictures with captions, a pipeline over them, and what a run made of it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from curate import drive
from curate.core.stage import Stage
from curate.core.store import Store
from curate.drive import Command, Result
from curate.pipeline import load


@dataclass
class Project:
    """Input `in/`, output `out/`; every `run` reads the pipeline anew, as the command does."""

    place: Path
    stages: list[Any] = field(default_factory=lambda: ["convert", "trigger", "export"])
    concepts: dict[str, Any] = field(default_factory=dict)
    name: str = "out"
    exclude: list[str] = field(default_factory=list)
    restore: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.place / self.name

    def picture(self, name: str, shade: int = 0, caption: str | None = "grass, sky", size: int = 6) -> Path:
        path = self.place / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (size, size), (shade, 2 * shade % 256, 7)).save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8")
        return path

    def pipeline(self) -> Path:
        """The pipeline file, written anew."""
        values = {
            "input": "in",
            "output": self.name,
            "concepts": self.concepts,
            "exclude": self.exclude,
            "restore": self.restore,
            "stages": self.stages,
            "run": {"workers": 1},
        }
        file = self.place / "pipeline.yaml"
        file.write_text(json.dumps(values), encoding="utf-8")
        return file

    def run(self) -> Result:
        return drive.run(load(self.pipeline()), quiet=True)

    def twin(self, name: str) -> Project:
        """The same project with a copy of its output as it is now, times and all."""
        shutil.copytree(self.out, self.place / name)
        return dataclasses.replace(self, name=name)

    def files(self) -> dict[str, bytes]:
        """Everything in the prepared folder but the ledger."""
        found = {p.relative_to(self.out).as_posix(): p for p in sorted(self.out.rglob("*")) if p.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".curate/")}

    def captions(self) -> dict[str, str]:
        return {n: b.decode() for n, b in self.files().items() if n.endswith((".txt", ".caption"))}

    def edit(self, name: str, text: str) -> None:
        (self.out / name).write_bytes(text.encode())

    def edits(self) -> dict[tuple[str, str], str]:
        with Store(self.out) as store:
            return store.edits()

    def notes(self) -> list[str]:
        """What the last run said."""
        lines = (self.out / ".curate/events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        last = max(i for i, e in enumerate(events) if e["event"] == "RunStarted")
        return [e["message"] for e in events[last:] if e["event"] == "Note"]


def photo(path: Path, seed: int, width: int = 48, height: int = 32) -> Path:
    """Soft shapes, so that pictures of different seeds look different."""
    rough = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def command(stage: Stage, source: Path, **options: Any) -> Result:
    return drive.command(Command(stage=stage, source=source, quiet=True, **options))


def killed(work: Callable[[], object], after: int) -> bool:
    """Runs `work` in a forked process that dies, as by kill -9, before its n-th change of a directory.

    False if it ended.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event: str, about: Any) -> None:
            nonlocal seen
            if event in _CHANGES:
                seen += 1
                if seen > after:
                    os._exit(9)

        try:
            sys.addaudithook(watch)
            work()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


_CHANGES = {"os.link", "os.rename", "os.remove", "os.rmdir", "os.mkdir"}


def same_but(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> str:
    """What differs, for a readable failure."""
    names = sorted({*found, *expected})
    return "; ".join(
        f"{n}: {found.get(n)!r} not {expected.get(n)!r}"[:200] for n in names if found.get(n) != expected.get(n)
    )

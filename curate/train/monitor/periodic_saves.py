"""LoRA files of a run: after every n-th epoch or step, which of them are kept, and the finished one."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from curate.core.events import Removed, Saved
from curate.errors import CurateError
from curate.train.loop import checkpoint
from curate.train.loop.loop import Loop
from curate.train.output import lora_file, run_records


class LoraFiles:
    """Writes the LoRA files of a loop; all but the last carry their epoch or step in the name, as kohya's do."""

    def __init__(self, loop: Loop, run: run_records.Run, folder: Path) -> None:
        self.loop, self.run, self.folder = loop, run, folder
        self.options = loop.job.options

    def save_due(self, done: int) -> None:
        """Saves what is due after so many steps. Raises CurateError where a value is not finite."""
        if self.loop.team.first:
            for ending in self.endings(done):
                self.save(done, ending)

    def save_last(self) -> None:
        """Writes the finished LoRA; where that fails, a checkpoint of the last step, from which a rerun writes it."""
        if not self.loop.team.first:
            return
        try:
            with self.loop.evaluating():
                path = lora_file.finish(self.loop.job, self.loop.network, self.run, self.folder)
        except (OSError, CurateError):
            with contextlib.suppress(OSError, CurateError):
                self.loop.save()
            raise
        checkpoint.clear(self.run.place(self.folder))
        self.loop.context.tell(Saved("lora", str(path)))

    def endings(self, done: int) -> list[str]:
        """What the names of the files that are due end with."""
        each, epochs, steps = (
            self.loop.job.order.steps_per_epoch,
            self.options.save_every_n_epochs,
            self.options.save_every_n_steps,
        )
        due = [f"-{done // each:06d}"] if epochs and done % (each * epochs) == 0 else []
        return due + ([f"-step{done:08d}"] if steps and done % steps == 0 else [])

    def save(self, done: int, ending: str) -> None:
        """Writes one, and removes the earliest where fewer are to be kept."""
        loop = self.loop
        loop.report.tell()
        with loop.evaluating():
            path, data = lora_file.write(loop.job, loop.network, self.run, self.folder, done, ending)
        one = [str(path.absolute()), hashlib.sha256(data).hexdigest()]
        self.run.along = [*(other for other in self.run.along if other[0] != one[0]), one]
        while self.options.keep_saves and len(self.run.along) > self.options.keep_saves:
            self.remove(*self.run.along.pop(0))
        self.run.save(self.folder)
        loop.context.tell(Saved("lora", one[0]))

    def remove(self, path: str, sha256: str) -> None:
        """Removes a file unless somebody changed it."""
        place = self.run.save_place(self.folder, path)
        if place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() == sha256:
            place.unlink()
            self.loop.context.tell(Removed(path))

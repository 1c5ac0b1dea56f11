"""Describing: a sentence about each picture by a vision-language model."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from curate.core.record import Record
from curate.core.stage import Env, RecordStage, Resources, Worker
from curate.tagging.models import translated

DESCRIBED = "described"
"""The fact under which a written sentence is kept."""


class Description(RecordStage):
    """Writes a sentence about each picture, kept as a fact until the selection."""

    model: str
    prompt: str
    max_tokens: int

    part: ClassVar[str] = "description"
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts"})
    resources: ClassVar[Resources] = Resources(cpus=1, gpus=1, batch=4)

    @property
    def name(self) -> str:
        """The name in results and events."""
        return "tag (description)"

    def key_options(self) -> dict[str, Any]:
        """What the name stands for enters the key by the files' digests."""
        return {"prompt": self.prompt, "max_tokens": self.max_tokens}

    def files(self, env: Env) -> Sequence[Path]:
        """Weights, configuration and vocabulary."""
        from taggers import sentence

        with translated():
            return sentence.files(sentence.place(self.model, offline=env.offline))

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Loads the model, yields the worker, releases it."""
        from taggers import sentence

        with contextlib.ExitStack() as stack:
            with translated():
                folder = sentence.place(self.model, offline=env.offline)
                opening = sentence.open_writer(
                    folder, env.device, require_gpu=env.require_gpu, prompt=self.prompt, max_tokens=self.max_tokens
                )
                write = stack.enter_context(opening)

            def work(records: Sequence[Record]) -> Sequence[Record]:
                lines = write([env.pixels(r) for r in records])
                return [r.noting(**{DESCRIBED: line}) for r, line in zip(records, lines, strict=True)]

            yield work

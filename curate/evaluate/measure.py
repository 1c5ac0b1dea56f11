"""From picture files to embeddings and style losses, each computed once and kept in the ledger by picture and model."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from curate.core.events import Phase
from curate.core.files import digest_plain
from curate.core.store import Store
from curate.diffusion.device import allocation_errors, reproducible
from curate.errors import Interrupted, MissingError, PictureError
from curate.evaluate.embedders import Embed, Pixels, Rows, open_clip, open_dino
from curate.evaluate.metrics import style_loss
from curate.evaluate.models import VIEWERS, ModelFiles
from curate.evaluate.style import open_vgg
from curate.sampling.drawing_base import Context
from curate.train.runtime.memory import Portions

Pictures = Mapping[str, Callable[[], Pixels]]
"""What decodes each picture, by a digest of what it decodes; raises PictureError."""
VERSION = 1
"""Raise it when the same picture and model give other numbers than before."""
LARGE = 1_000_000_000
"""More parameters than `diffusion.device.SMALL`: models that look at pictures use all cores."""


@dataclass(frozen=True)
class Measuring:
    """What measures with; the models are loaded one after another, each only if a number is missing.

    batch  pictures at a time. All pictures of a batch are computed again where one is missing, so that a run that was
           killed gives the same numbers as one that was not
    """

    store: Store
    context: Context
    batch: int
    _known: dict[str, Any] = field(default_factory=dict[str, Any])

    def pictures(self, pictures: Pictures, model: ModelFiles) -> dict[str, Rows]:
        """Embeddings by DINOv2 or CLIP. Pictures that cannot be decoded are named and left out.

        Raises InputError, Interrupted, MissingError.
        """
        keys = self._keys(model, "picture", list(pictures))
        known, digests = self._recall(keys.values()), list(pictures)
        batches = [digests[n : n + self.batch] for n in range(0, len(digests), self.batch)]
        missing = [batch for batch in batches if any(keys[digest] not in known for digest in batch)]
        if missing:
            title, done, total = VIEWERS[model.role].title, 0, sum(map(len, missing))
            opened = open_dino if model.role == "dino" else _open_eyes
            with self._memory_errors(), self._steady(), opened(model, self.context.device) as embed:
                for batch in missing:
                    self._tell(f"looking at pictures with {title}", done, total)
                    decoded = dict(self._decoded({digest: pictures[digest] for digest in batch}))
                    rows = Portions(self.batch).of(list(decoded.values()), embed)
                    self._remember({keys[digest]: _packed(row) for digest, row in zip(decoded, rows, strict=True)})
                    done += len(batch)
        return {digest: _unpacked(known[key]) for digest, key in keys.items() if key in known}

    def _decoded(self, pictures: Pictures) -> Iterator[tuple[str, Pixels]]:
        for digest, decode in pictures.items():
            try:
                yield digest, decode()
            except PictureError as error:
                self.context.note("warning", f"a training picture is left out: {error}")

    def texts(self, texts: Sequence[str], model: ModelFiles) -> dict[str, Rows]:
        """CLIP's embeddings of texts."""
        keys = self._keys(model, "text", list(dict.fromkeys(texts)))
        if missing := [text for text, key in keys.items() if key not in self._recall(keys.values())]:
            self.context.tell(Phase(self.context.stage, "reading prompts with CLIP"))
            with self._memory_errors(), open_clip(model, self.context.device) as (_, read):
                for text in missing:
                    self._remember({keys[text]: _packed(read([text])[0])})
        return {text: _unpacked(self._known[key]) for text, key in keys.items()}

    def style_losses(
        self, groups: Sequence[tuple[str, Sequence[str]]], pictures: Pictures, model: ModelFiles
    ) -> dict[tuple[str, str], float]:
        """Of each group (the base's picture, the LoRAs' pictures of the same prompt and seed): the style losses.

        Pictures are named by digest. The base's picture is looked at once for all.
        """
        pairs = [(base, other) for base, others in groups for other in others]
        names = {f"{base} {other}": (base, other) for base, other in pairs}
        keys = self._keys(model, "style", list(names))
        known = self._recall(keys.values())
        missing = [(b, o) for b, o in groups if any(keys[f"{b} {other}"] not in known for other in o)]
        if missing:
            with self._memory_errors(), self._steady(), open_vgg(model, self.context.device) as grams:
                for number, (base, others) in enumerate(missing):
                    self._tell("comparing styles with VGG19", number, len(missing))
                    shown = [pictures[digest]() for digest in (base, *others)]
                    of_base, *of_others = Portions(self.batch).of(shown, grams)
                    losses = [style_loss(of_base, one) for one in of_others]
                    self._remember({keys[f"{base} {o}"]: n for o, n in zip(others, losses, strict=True)})
        return {pair: float(self._known[keys[name]]) for name, pair in names.items()}

    def _keys(self, model: ModelFiles, what: str, names: Sequence[str]) -> dict[str, str]:
        identity = model.digest(self.context.digests)
        return {name: digest_plain(["evaluate", VERSION, identity, what, name]) for name in names}

    def _recall(self, keys: Iterable[str]) -> Mapping[str, Any]:
        unknown = [key for key in keys if key not in self._known]
        self._known.update(self.store.recall(unknown))
        return self._known

    def _remember(self, values: Mapping[str, Any]) -> None:
        """What is known already stays: a batch is computed again for the sake of those that are missing."""
        fresh = {key: value for key, value in values.items() if key not in self._known}
        self.store.remember("evaluate", fresh)
        self._known.update(fresh)

    def _tell(self, task: str, done: int, total: int) -> None:
        if self.context.stopping():
            raise Interrupted("stopped between two pictures", "run the same command to continue: what is done is kept")
        self.context.tell(Phase(self.context.stage, task, done, total))

    def _steady(self) -> AbstractContextManager[None]:
        return reproducible(self.context.device, LARGE)

    def _memory_errors(self) -> AbstractContextManager[None]:
        remedy = (
            "end what else uses this memory" if self.context.device.type == "cpu" else "device cpu, or a smaller model"
        )
        return allocation_errors(lambda error: MissingError("not enough memory to look at a picture", remedy))


@contextlib.contextmanager
def _open_eyes(model: ModelFiles, device: torch.device) -> Generator[Embed]:
    """CLIP, for pictures alone."""
    with open_clip(model, device) as (pictures, _):
        yield pictures


def _packed(row: Rows) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")


def _unpacked(text: str) -> Rows:
    return np.frombuffer(base64.b64decode(text), "<f4")

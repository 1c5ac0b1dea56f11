"""Measure: opens every picture and mask once, in worker processes; what a ledger knows of it is not opened again."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

from curate.core.record import Record
from curate.core.stage import Env, RecordStage, Resources, Worker
from curate.errors import PictureError

_DECODERS = ("pillow", "pillow-heif", "pillow-jxl-plugin")


class MeasurePicture(RecordStage):
    """The facts `measured` (sides, what decoding noted, what the file says of AI training) and `fingerprint`.

    A picture that cannot be opened is set aside, and remembered with the decoders that failed on it.
    """

    part: ClassVar[str] = "pictures"
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts", "aside"})

    def key_options(self) -> dict[str, Any]:
        """The decoders: a picture that one version cannot open another may."""
        return {"decoders": _versions()}

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker."""
        from curate.images import read_picture
        from curate.images.consent import check
        from curate.images.duplicates.fingerprint import fingerprint

        def one(record: Record) -> Record:
            path = Path(env.path(record.image))
            try:
                decoded = read_picture(path)
            except PictureError as error:
                return dataclasses.replace(record, aside=str(error))
            consent = check(path)
            height, width = decoded.pixels.shape[:2]
            known = {k: decoded.facts[k] for k in ("format", "had_alpha", "animated", "frames") if k in decoded.facts}
            measured = {**known, "width": width, "height": height, "consent": [consent.answer, consent.reason]}
            return record.noting(measured=measured, fingerprint=fingerprint(decoded.pixels))

        yield lambda records: [one(record) for record in records]


class MeasureMask(RecordStage):
    """The fact `measured` of a mask: sides and the largest value, 0 where it is black all over."""

    part: ClassVar[str] = "masks"
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts", "aside"})

    def key_options(self) -> dict[str, Any]:
        """The decoders, as for pictures."""
        return {"decoders": _versions()}

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker."""
        from curate.images import masks

        def one(record: Record) -> Record:
            try:
                grey = masks.read(Path(env.path(record.image)))
            except PictureError as error:
                return dataclasses.replace(record, aside=str(error).removeprefix("its mask cannot be read: "))
            height, width = grey.shape
            brightest = int(grey.max()) if grey.size else 0
            return record.noting(measured={"width": width, "height": height, "brightest": brightest})

        yield lambda records: [one(record) for record in records]


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in _DECODERS:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found

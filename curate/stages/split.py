"""Stage split: takes a reference sheet apart, one picture for each figure, or tags it as what it is."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from curate.core.record import Record
from curate.core.stage import Env, Pixels, RecordStage, Resources, Worker
from curate.images import masks

if TYPE_CHECKING:
    from curate.images.analysis.boxes import Box

SHEET_TAGS = ("multiple_views", "reference_sheet")


class Split(RecordStage):
    """Split reference sheets: each separate figure on a flat background becomes a picture."""

    how: Literal["split", "tag"] = Field(
        default="split",
        description="split makes a picture of each figure; tag keeps the sheet and adds the tag multiple_views.",
    )
    tolerance: int = Field(
        default=24, ge=1, le=255, description="How much a figure's pixels must differ from the background, 0 to 255."
    )
    least: float = Field(
        default=0.45,
        gt=0,
        le=1,
        description="Ignore figures whose height and width are smaller than this share of the largest one.",
    )
    padding: float = Field(
        default=0.04, ge=0, le=1, description="Margin around a figure, as a share of its longer side."
    )
    min_side: int = Field(
        default=256,
        ge=1,
        description="Tag a sheet instead of splitting it if its figures would be shorter than this.",
    )

    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image", "mask", "tags"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "mask", "tags", "facts"})

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker; nothing is loaded for it."""

        def work(records: Sequence[Record]) -> Sequence[Record]:
            return [part for record in records for part in self._parts(record, env)]

        yield work

    def _parts(self, record: Record, env: Env) -> list[Record]:
        pixels = env.pixels(record)
        views = self.views(pixels)
        if len(views) < 2:
            return [record]
        if self.how == "tag" or min(max(view.shape[:2]) for _, view in views) < self.min_side:
            tags = (*record.tags, *(tag for tag in SHEET_TAGS if tag not in record.tags))
            found = {f"tag:{tag}": True for tag in SHEET_TAGS}
            return [dataclasses.replace(record.noting(views=len(views), **found), tags=tags)]
        # a caption of the sheet says what the whole is; a part shows one view
        tags = tuple(tag for tag in record.tags if tag not in SHEET_TAGS)
        return [
            env.keep(
                record, view, key=f"{record.key}#{n}", tags=tags, mask=masks.follow(record, env, box.of).mask
            ).noting(view=n, views=len(views))
            for n, (box, view) in enumerate(views, 1)
        ]

    def views(self, pixels: Pixels) -> list[tuple[Box, Pixels]]:
        """Where the figures stand, and each as a picture of its own without its neighbours; empty for no sheet."""
        from curate.images.analysis import boxes, figures, metrics

        found = figures.figures(pixels, self.tolerance, self.least)
        colour, _ = metrics.border_colour(pixels)
        everyone = np.zeros(pixels.shape[:2], bool)
        for _, mask in found:
            everyone |= mask
        views: list[tuple[Box, Pixels]] = []
        for tight, mask in found:
            box = tight.grown(self.padding * max(tight.width, tight.height), boxes.whole(pixels))
            view = box.of(pixels).copy()
            rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
            view[everyone[rows, columns] & ~mask[rows, columns]] = colour
            views.append((box, view))
        return views

"""Fetched concepts: what a pipeline says of concepts, against an input that was not on this disk when it was read."""

from __future__ import annotations

from curate.core import registry
from curate.core.record import Manifest
from curate.errors import InputError
from curate.pipeline import Pipeline
from curate.storage import Fetched


def check_concepts(pipeline: Pipeline, fetched: Fetched, manifest: Manifest) -> None:
    """Raises InputError where `concepts:` names one that no picture is of; of folders that was told by `load`."""
    if fetched.folders == pipeline.input:
        return
    present = sorted({record.concept for record in manifest})
    for name in pipeline.concepts:
        if name not in present:
            nearest = registry.nearest(name, present)
            raise InputError(f'{pipeline.path}: concepts: no folder "{name}" in the input: {nearest}')

"""Fetched concepts: what a pipeline says of concepts, against an input that was not on this disk when it was read."""

from __future__ import annotations

from curate.core import registry
from curate.core.record import Manifest
from curate.pipeline import Pipeline, PipelineError
from curate.storage import Fetched


def check_concepts(pipeline: Pipeline, fetched: Fetched, manifest: Manifest) -> None:
    """Raises PipelineError where `concepts:` names some that no picture is of; of folders that was told by `load`."""
    if fetched.folders == pipeline.input:
        return
    present = sorted({record.concept for record in manifest})
    unknown = [name for name in pipeline.concepts if name not in present]
    if unknown:
        raise PipelineError(
            "\n".join(
                f'{pipeline.origins[name]}: no folder "{name}" in the input: {registry.nearest(name, present)}'
                for name in unknown
            )
        )

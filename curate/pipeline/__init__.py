"""Pipeline: pipeline.yaml read into typed stages; every mistake at once, each with file:line:column."""

from curate.pipeline.load import load
from curate.pipeline.options import SAMPLE, Pipeline, PipelineError, RunOptions
from curate.pipeline.order import ORDER
from curate.pipeline.schema import schema
from curate.pipeline.validation import validate

__all__ = ["ORDER", "SAMPLE", "Pipeline", "PipelineError", "RunOptions", "load", "schema", "validate"]

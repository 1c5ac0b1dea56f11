"""Pipeline: pipeline.yaml read into typed stages; every mistake at once, each with file:line:column."""

from curate.pipeline.load import load
from curate.pipeline.messages import explain, mistakes
from curate.pipeline.options import SAMPLE, Pipeline, PipelineError, RunOptions
from curate.pipeline.order import ORDER
from curate.pipeline.schema import schema

__all__ = ["ORDER", "SAMPLE", "Pipeline", "PipelineError", "RunOptions", "explain", "load", "mistakes", "schema"]

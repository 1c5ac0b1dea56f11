"""Init: writes a pipeline.yaml for the user's own pictures and base model, with the reason for each value."""

from curate.init.answers import Answers, Base, ConceptAnswer, Given
from curate.init.pipeline_file import cautions, pipeline_text, write
from curate.init.questions import ask, concepts_in, suggested

__all__ = [
    "Answers",
    "Base",
    "ConceptAnswer",
    "Given",
    "ask",
    "cautions",
    "concepts_in",
    "pipeline_text",
    "suggested",
    "write",
]

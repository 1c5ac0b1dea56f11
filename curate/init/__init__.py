"""Init: writes a pipeline.yaml for the user's own pictures and base model, with the reason for each value."""

from curate.init.answers import Answers, ConceptAnswer, Given
from curate.init.bases import Base, base_of
from curate.init.kohya_file import Training, training
from curate.init.pipeline_file import cautions, check_target, pipeline_text, write, write_prompts
from curate.init.prompts import prompts_text
from curate.init.questions import ask, concepts_in, suggested

__all__ = [
    "Answers",
    "Base",
    "ConceptAnswer",
    "Given",
    "Training",
    "ask",
    "base_of",
    "cautions",
    "check_target",
    "concepts_in",
    "pipeline_text",
    "prompts_text",
    "suggested",
    "training",
    "write",
    "write_prompts",
]

"""The file of sample prompts beside a new pipeline: what the trainer draws after each epoch."""

from __future__ import annotations

from collections.abc import Iterator

from curate.core.kinds import Kind
from curate.init.answers import Answers, ConceptAnswer
from curate.init.bases import Base
from curate.init.recipe import trained_side
from curate.sampling.emphasis import escape

_NATURAL: dict[Kind, tuple[str, ...]] = {
    "character": ("a photo of {0} in a park", "a close-up portrait of {0}"),
    "object": ("a photo of {0} on a wooden table", "{0} outdoors in the snow"),
    "style": ("a castle on a hill, {0}", "a portrait of a woman, {0}"),
    "clothing": ("a man wearing {0} on a street", "a woman wearing {0} indoors"),
    "pose": ("a man, {0}, in a park", "a woman, {0}, indoors"),
}
_TAGS: dict[Kind, tuple[str, ...]] = {
    "character": ("{0}, solo, outdoors, day", "{0}, solo, portrait, simple background"),
    "object": ("{0}, no humans, table, indoors", "{0}, no humans, snow, outdoors"),
    "style": ("{0}, no humans, castle, scenery", "{0}, 1girl, solo, portrait"),
    "clothing": ("{0}, 1boy, solo, street", "{0}, 1girl, solo, indoors"),
    "pose": ("{0}, 1boy, solo, outdoors", "{0}, 1girl, solo, indoors"),
}


def prompts_text(answers: Answers, base: Base) -> str:
    """Prompts of each concept, and one without any trigger: what a LoRA must leave as it was."""
    side = trained_side(answers, base)
    lines = [
        "# Sample pictures while training, one prompt per line.",
        "# --n negative prompt, --w --h size, --d seed, --l guidance, --s steps.",
        "# Change them freely. To disable them, empty this file or remove sample_prompts from the pipeline.",
        *(f"{line} --w {side} --h {side} --d 1" for one in answers.concepts for line in _of(one, base)),
        "# Without a trigger: this one should look as it does without the LoRA.",
        f"{'1girl, solo, outdoors' if base.prompting != 'natural' else 'a woman in a park'} "
        f"--w {side} --h {side} --d 1",
    ]
    return "\n".join(lines) + "\n"


def _of(concept: ConceptAnswer, base: Base) -> Iterator[str]:
    words = escape(", ".join(concept.trigger).replace("--", "—"))
    for pattern in (_NATURAL if base.prompting == "natural" else _TAGS)[concept.kind]:
        yield " ".join(pattern.format(words).split())

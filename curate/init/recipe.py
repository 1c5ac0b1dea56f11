"""The training recipe of a new pipeline: each option with its reason and the guide that it comes from.

Sources: LyCORIS guidelines (arXiv 2309.14859, and its docs/Guidelines.md), kohya-ss sd-scripts' documentation
(memory, min-SNR, captions), Hang et al. 2023 for min-SNR (arXiv 2303.09556), and trainers' reports for memory by card.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curate.core.kinds import Kind
from curate.init.answers import Answers, ConceptAnswer
from curate.init.bases import Base


@dataclass(frozen=True, slots=True)
class Setting:
    """Options of the trainer that belong together, and why they are what they are."""

    why: str
    options: dict[str, Any]


def recipe(answers: Answers, base: Base) -> list[Setting]:
    """The settings for what is learnt, on this base, with this much memory."""
    kind = leading_kind(answers.concepts)
    return [
        *_network(kind, len(answers.concepts)),
        *_length(kind, base),
        *_optimizer(kind, base),
        *_memory(answers.gpu, base),
        *_captions(answers, base),
        *_objective(base),
        *_output(answers, base),
    ]


def leading_kind(concepts: tuple[ConceptAnswer, ...]) -> Kind:
    """The kind that most pictures have: one LoRA is trained, so one recipe must serve."""
    counts: dict[Kind, int] = {}
    for one in concepts:
        counts[one.kind] = counts.get(one.kind, 0) + one.pictures
    return max(counts, key=lambda kind: counts[kind])


def _network(kind: Kind, concepts: int) -> Iterator[Setting]:
    if kind == "style":
        yield Setting(
            "A style is shallow and wide. LoCon trains convolutions too, where texture is; a rank of at most 32 "
            "leaves subjects out (LyCORIS guidelines).",
            {"algo": "locon", "rank": 16, "alpha": 8, "conv_rank": 8, "conv_alpha": 4},
        )
    elif kind == "pose":
        yield Setting(
            "A pose is little to learn, and faces must not come along: LoHa of a small rank stays flexible "
            "(LyCORIS guidelines).",
            {"algo": "loha", "rank": 8, "alpha": 4},
        )
    elif kind == "clothing":
        yield Setting(
            "A garment must fit any body: a LoRA of a middle rank learns it without who wears it.",
            {"algo": "lora", "rank": 16, "alpha": 8},
        )
    elif concepts > 1:
        yield Setting(
            "Several concepts in one file: a LoRA of rank 32 has room for them, and every program reads it.",
            {"algo": "lora", "rank": 32, "alpha": 16},
        )
    else:
        yield Setting(
            "One concept in full detail: LoKr with factor 8 and its full matrix (LyCORIS guidelines). A larger factor "
            "makes a smaller and weaker file.",
            {"algo": "lokr", "factor": 8},
        )


def _length(kind: Kind, base: Base) -> Iterator[Setting]:
    if base.name == "tiny":
        yield Setting("A trial on the toy base; leave it out for a real one.", {"steps": 40})
    elif kind == "style":
        yield Setting(
            "A style is learnt after 30 to 40 showings of each picture; 100 would burn in subjects.", {"showings": 35}
        )
    else:
        yield Setting(
            "About 100 showings of each picture in all; epochs follow from it and from the repeats. Look at the saved "
            "files along the way and take the earliest that is good.",
            {"showings": 100},
        )


def _optimizer(kind: Kind, base: Base) -> Iterator[Setting]:
    rate = base.declaration.style_rate if kind == "style" else 1e-4
    yield Setting(
        "The usual rate for AdamW; half of it for the text encoder, which overfits first. "
        "Prodigy finds a rate by itself: "
        "optimizer: prodigy, without learning_rate.",
        {"optimizer": "adamw", "learning_rate": rate, "text_lr": rate / 2, "schedule": "cosine", "warmup": 0.05},
    )


def _memory(gpu: float, base: Base) -> Iterator[Setting]:
    if base.name == "tiny":
        return
    if not gpu:
        yield Setting("Without a GPU one picture at a time is as quick as several.", {"batch": 1})
        return
    for least, why, options in reversed(base.declaration.memory):
        if gpu >= least:
            yield Setting(why, dict(options))
            return


def _captions(answers: Answers, base: Base) -> Iterator[Setting]:
    if base.prompting != "natural":
        yield Setting(
            "Tags have no order: shuffled behind the trigger words, none is bound to its place. A few showings without "
            "caption keep the base able to draw without one.",
            {"shuffle": True, "caption_dropout": 0.05},
        )
    if base.declaration.clip_skip and base.prompting != "natural" and base.name != "tiny":
        yield Setting(
            f"{base.title} anime models were trained on the text encoder's last layer but one.", {"clip_skip": 2}
        )
    if answers.regularisation:
        yield Setting("The regularisation pictures of your folder.", {"reg_folder": answers.regularisation})


def _objective(base: Base) -> Iterator[Setting]:
    if base.predicts_v:
        yield Setting(
            "This base predicts v. A v-prediction file that does not say so itself needs the option; zero-SNR models "
            "(NoobAI's) need ztsnr too.",
            {"prediction": "v", "ztsnr": base.declaration.v_zero_snr},
        )
    elif base.name != "tiny":
        yield Setting(
            "Min-SNR evens out easy and hard noise levels (arXiv 2303.09556): learns faster, overbakes later.",
            {"min_snr": 5},
        )


def _output(answers: Answers, base: Base) -> Iterator[Setting]:
    if base.name == "tiny":
        return
    yield Setting("Files along the way, to choose from.", {"save_every_n_epochs": 1, "keep_saves": 5})
    if answers.prompts:
        yield Setting(
            "Draws these prompts after each epoch; the report shows the pictures.", {"sample_prompts": answers.prompts}
        )

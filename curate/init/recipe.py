"""The training recipe of a new pipeline: each option with its reason and the guide that it comes from.

Sources: LyCORIS guidelines (arXiv 2309.14859, and its docs/Guidelines.md), kohya-ss sd-scripts' documentation
(memory, min-SNR, captions), Hang et al. 2023 for min-SNR (arXiv 2303.09556), and trainers' reports for memory by card.
"""

from __future__ import annotations

from collections.abc import Iterator

from curate import samples
from curate.core.kinds import Kind
from curate.diffusion.locate import EMBEDDED
from curate.init import flow_recipe
from curate.init.answers import Answers, ConceptAnswer
from curate.init.bases import Base
from curate.init.setting import Setting

_TOY = Setting(
    "What the small base in curate learns within two minutes. A real base needs far gentler values: run `curate init` "
    "again with its name.",
    {
        "algo": "locon",
        "rank": 16,
        "steps": 650,
        "batch": 4,
        "learning_rate": 0.003,
        "text_lr": 0.002,
        "reg_folder": samples.REGULARIZATION,
    },
)


def recipe(answers: Answers, base: Base) -> list[Setting]:
    """The settings for what is learned, on this base, with this much memory."""
    kind = leading_kind(answers.concepts)
    if base.name == "toy":
        return [_TOY]
    learned = flow_recipe.learned(kind, base.declaration) or [
        *_network(kind, len(answers.concepts), base),
        *_optimizer(kind, base),
    ]
    return [
        *learned,
        *_length(kind, base),
        *_memory(answers.gpu, base),
        *_captions(answers, base),
        *_objective(base),
        *_output(answers, base),
    ]


def trained_side(answers: Answers, base: Base) -> int:
    """The resolution that the recipe trains at, in pixels: the base's own where memory allows it."""
    chosen = [one.options["resolution"] for one in _memory(answers.gpu, base) if "resolution" in one.options]
    return chosen[-1] if chosen else base.declaration.resolution


def leading_kind(concepts: tuple[ConceptAnswer, ...]) -> Kind:
    """The kind that most pictures have: one LoRA is trained, so one recipe must serve."""
    counts: dict[Kind, int] = {}
    for one in concepts:
        counts[one.kind] = counts.get(one.kind, 0) + one.pictures
    return max(counts, key=lambda kind: counts[kind])


def _network(kind: Kind, concepts: int, base: Base) -> Iterator[Setting]:
    if kind == "style" and base.declaration.convolutions:
        yield Setting(
            "LoCon trains convolutions too, which hold the texture of a style. A rank of at most 32 "
            "keeps subjects out (LyCORIS guidelines).",
            {"algo": "locon", "rank": 16, "alpha": 8, "conv_rank": 8, "conv_alpha": 4},
        )
    elif kind == "style":
        yield Setting("A rank of at most 16 keeps subjects out of a style.", {"algo": "lora", "rank": 16, "alpha": 8})
    elif kind == "pose":
        yield Setting(
            "A pose is little to learn, and the LoRA must not learn faces. LoHa with a small rank stays flexible "
            "(LyCORIS guidelines).",
            {"algo": "loha", "rank": 8, "alpha": 4},
        )
    elif kind == "clothing":
        yield Setting(
            "A garment must fit any body. A LoRA of medium rank learns it without the person who wears it.",
            {"algo": "lora", "rank": 16, "alpha": 8},
        )
    elif concepts > 1:
        yield Setting(
            "A LoRA of rank 32 has room for several concepts, and every program reads it.",
            {"algo": "lora", "rank": 32, "alpha": 16},
        )
    else:
        yield Setting(
            "One concept in full detail: LoKr with factor 8 and its full matrix (LyCORIS guidelines). A larger factor "
            "makes a smaller and weaker file.",
            {"algo": "lokr", "factor": 8},
        )


def _length(kind: Kind, base: Base) -> Iterator[Setting]:
    if base.name in EMBEDDED:
        yield Setting("A short trial on random weights. Remove this line for a real base.", {"steps": 40})
    elif kind == "style":
        yield Setting(
            "A style is learned after showing each picture 30 to 40 times. 100 times would burn in the subjects.",
            {"showings": 35},
        )
    else:
        yield Setting(
            "Each picture is shown about 100 times. This and the repeats set the epochs. Compare the saved "
            "files and use the earliest good one.",
            {"showings": 100},
        )


def _optimizer(kind: Kind, base: Base) -> Iterator[Setting]:
    rate = base.declaration.style_rate if kind == "style" else 1e-4
    if base.declaration.stored_text:
        yield Setting(
            "The usual learning rate for AdamW. The text encoder is not trained: captions are encoded once.",
            {"optimizer": "adamw", "learning_rate": rate, "schedule": "cosine", "warmup": 0.05},
        )
        return
    yield Setting(
        "The usual learning rate for AdamW. The text encoder gets half, because it overfits first. "
        "Prodigy finds its own learning rate: "
        "optimizer: prodigy, without learning_rate.",
        {"optimizer": "adamw", "learning_rate": rate, "text_lr": rate / 2, "schedule": "cosine", "warmup": 0.05},
    )


def _memory(gpu: float, base: Base) -> Iterator[Setting]:
    if base.name in EMBEDDED:
        return
    if not gpu:
        yield Setting("Without a GPU, one picture at a time is as fast as several.", {"batch": 1})
        return
    for least, why, options in reversed(base.declaration.memory):
        if gpu >= least and base.declaration.objective == "flow":
            yield flow_recipe.memory(gpu, options)
            return
        if gpu >= least:
            yield Setting(why, dict(options))
            return


def _captions(answers: Answers, base: Base) -> Iterator[Setting]:
    if base.declaration.stored_text:
        yield Setting("Dropping some captions preserves generation without a prompt.", {"caption_dropout": 0.05})
    elif base.prompting != "natural":
        yield Setting(
            "Shuffling the tags after the trigger words prevents the model from relying on tag order. Dropping some "
            "captions preserves generation without a prompt.",
            {"shuffle": True, "caption_dropout": 0.05},
        )
    if base.declaration.clip_skip and base.prompting != "natural" and base.name not in EMBEDDED:
        yield Setting(
            f"{base.title} anime models were trained with the second-to-last layer of the text encoder.",
            {"clip_skip": 2},
        )
    if answers.regularisation:
        yield Setting("The regularization pictures of your folder.", {"reg_folder": answers.regularisation})


def _objective(base: Base) -> Iterator[Setting]:
    if base.predicts_v:
        yield Setting(
            "This base predicts v. A v-prediction file that does not state it needs this option. Zero-SNR models "
            "(NoobAI's) need ztsnr too.",
            {"prediction": "v", "ztsnr": base.declaration.v_zero_snr},
        )
    elif base.name not in EMBEDDED and base.declaration.objective == "diffusion":
        yield Setting(
            "Min-SNR balances easy and hard noise levels (arXiv 2303.09556). It learns faster and overbakes later.",
            {"min_snr": 5},
        )


def _output(answers: Answers, base: Base) -> Iterator[Setting]:
    if base.name in EMBEDDED:
        return
    yield Setting(
        "Saves a file after every epoch, so that you can choose.", {"save_every_n_epochs": 1, "keep_saves": 5}
    )
    if answers.prompts:
        yield Setting(
            "Draws these prompts after each epoch; the report shows the pictures.", {"sample_prompts": answers.prompts}
        )

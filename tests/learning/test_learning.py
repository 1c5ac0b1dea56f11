"""A LoRA on the base `toy` learns its concept, follows prompts, and leaves the rest alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.lora.file import open_lora
from curate.lora.recipes import Recipe
from curate.lora.resize import resize
from curate.lora.weights import Weighted
from tests.learning import faults
from tests.learning.trials import BIRD, CUP, KNOWN, Learned, confusion, measure, train, write_concept
from tests.train.conftest import one_thread as one_thread

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two concepts in one LoRA."""
    folder = tmp_path_factory.mktemp("bird and cup")
    for concept in (BIRD, CUP):
        write_concept(folder, concept)
    return train(folder, steps=240)


@pytest.fixture(scope="module")
def learned(lora: Path) -> Learned:
    return measure(BIRD, lora)


def test_the_base_alone_does_not_know_the_concept() -> None:
    base = measure(BIRD, None, plain=16)
    assert base.fidelity == 0 and base.flexibility > 0.9 and base.kept > 0.9


def test_the_concept_is_learned(learned: Learned) -> None:
    assert learned.fidelity > 0.6
    assert learned.way > 0.5


def test_the_background_is_still_followed(learned: Learned) -> None:
    assert learned.flexibility > 0.8 and learned.unseen > 0.7
    assert learned.diversity > 0.4


def test_other_subjects_stay(learned: Learned) -> None:
    assert learned.leakage < 0.05
    assert learned.kept > 0.9 and learned.kept_colour > 0.85


def test_a_resized_file_keeps_most_of_it(lora: Path, learned: Learned, tmp_path: Path) -> None:
    kept: dict[int, float] = {}
    for rank in (8, 1):
        place = tmp_path / f"{rank}.safetensors"
        [made] = resize([Weighted(open_lora(str(lora)))], [Recipe(str(rank), rank=rank)], [place])
        kept[rank] = measure(BIRD, made.path, samples=24, plain=1).way / learned.way
    assert kept[8] > 0.8
    assert kept[1] < kept[8]


def test_a_file_with_a_wrong_alpha_shows_little(lora: Path, learned: Learned) -> None:
    weak = measure(BIRD, faults.wrong_alpha(lora), samples=24, plain=1)
    assert weak.fidelity < 0.3 and weak.way < learned.way / 2


def test_two_concepts_are_kept_apart(lora: Path) -> None:
    found = confusion((BIRD, CUP), lora)
    for concept, other in ((BIRD, CUP), (CUP, BIRD)):
        assert found[concept.trigger][concept.trigger] > 0.5
        assert found[concept.trigger][other.trigger] < 0.1


def test_the_text_encoder_alone_learns_a_word_for_what_the_base_can_draw(tmp_path: Path) -> None:
    write_concept(tmp_path, KNOWN)
    made = train(tmp_path, steps=100, unet_lr=0, text_lr=4e-3)
    assert confusion((KNOWN,), made)[KNOWN.trigger][KNOWN.trigger] > 0.5

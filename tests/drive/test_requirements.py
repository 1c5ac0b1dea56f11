"""What a pipeline lacks is told together with the mistakes in its file."""

from pathlib import Path

import pytest

from curate.drive.requirements import with_requirements
from curate.errors import CurateError
from curate.pipeline import PipelineError, load


def refusal(place: Path, options: str) -> CurateError:
    (place / "in" / "dog").mkdir(parents=True)
    text = f"input: in\noutput: out\nstages: [export, train: {{base: tiny, {options}}}]\n"
    (place / "p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PipelineError) as caught:
        load(place / "p.yaml")
    return with_requirements(caught.value)


def test_an_unknown_key_does_not_hide_what_does_not_fit_the_base(tmp_path: Path) -> None:
    error = refusal(tmp_path, "rnak: 4, clip_skip: 9, sample_prompts: nope.txt, flow_shift: 2")
    messages = [part.message for part in error.parts]
    assert len(messages) == 4
    for expected in ('no option "rnak": did you mean "rank"?', "clip_skip 9 is more", "nope.txt", "flow_shift"):
        assert any(expected in message for message in messages)


def test_what_depends_on_a_wrong_value_is_not_told(tmp_path: Path) -> None:
    error = refusal(tmp_path, "clip_skip: abc, sample_prompts: nope.txt")
    assert [part.message.rpartition("/")[2][:9] for part in error.parts] == ["p.yaml:3:", "nope.txt "]


def test_a_file_whose_stages_are_whole_is_refused_as_it_is(tmp_path: Path) -> None:
    error = refusal(tmp_path, "rnak: 4")
    assert isinstance(error, PipelineError)

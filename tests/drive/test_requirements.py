"""What a pipeline lacks is told together with the mistakes in its file."""

from pathlib import Path

import pytest

from curate.drive.requirements import check_requirements, with_requirements
from curate.drive.run import plan
from curate.drive.session import env_over
from curate.errors import CurateError, InputError
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


@pytest.mark.parametrize(
    ("stages", "file", "refused"),
    [
        ("export, train: {base: tiny}", "in/dog/a.png", True),
        ("captions: {blacklist: [x]}, prune, export, train: {base: tiny}", "in/dog/a.png", True),
        ("export, train: {base: tiny}", "in/dog/a.txt", False),
        ("export, train: {base: tiny}", "out/1_dog/a.txt", False),
        ("export, train: {base: tiny, caption_extension: .tags}", "out/1_dog/a.tags", False),
        ("export, train: {base: tiny}", "out/1_dog/a.tags", True),
        ("trigger, export, train: {base: tiny}", "in/dog/a.png", False),
        ("export", "in/dog/a.png", False),
    ],
)
def test_a_training_without_any_caption_is_refused_first(tmp_path: Path, stages: str, file: str, refused: bool) -> None:
    for name in ("in/dog/a.png", file):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "p.yaml").write_text(f"input: in\noutput: out\nstages: [{stages}]\n", encoding="utf-8")
    pipeline = load(tmp_path / "p.yaml")
    env = env_over(pipeline.output, pipeline.output, pipeline.run, {}, None)
    if not refused:
        check_requirements(pipeline.stages, env, pipeline.input)
        return
    with pytest.raises(InputError, match=r"no picture in .* has a caption.*\n.*`tag` before export"):
        check_requirements(pipeline.stages, env, pipeline.input)
    # who looks at the dataset before the training may write them then
    check_requirements(pipeline.stages, env, pipeline.input, pauses=True)
    with pytest.raises(InputError, match="has a caption"):
        plan(pipeline)
    assert [row.title for row in plan(pipeline, pauses=True)][-1] == "train"

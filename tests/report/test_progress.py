"""Progress: bars on a terminal, plain lines elsewhere, nothing that a name could smuggle in."""

from __future__ import annotations

import io
import re

import pytest

from curate.core.events import Note, Phase, RecordDone, StageFinished, StageStarted, TrainStep
from curate.report.progress import Progress
from tests.report.streams import HOSTILE, RUN, Clock, Terminal

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def shown(stream: io.StringIO) -> str:
    """What a terminal would show at the end, its control sequences taken out."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_plain_lines_are_one_per_start_and_finish() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    for event in RUN:
        progress.tell(event)
    assert stream.getvalue().splitlines() == [
        "found 3 pictures (dog 2, robe 1)",
        "convert: 2 pictures to process, 1 reused",
        "resize: 2 pictures to process, 1 reused",
        "convert: done, 2 pictures, 1 set aside, 2.5 s",
        "resize: done, 2 pictures, 1 set aside, 2.5 s",
        "tag: up to date (2 pictures)",
        "advice: balance: 8 pictures are the floor",
        "balance: 2 pictures to process",
        "balance: done, 2 pictures, 0.01 s",
        "train: 2 pictures to process",
        "train: validation loss 0.8000 after step 22",
        "wrote prepared/dog.safetensors",
        "train: done, 22 steps, loss 0.2500, average 0.5000, validation 0.8000, 1 min 01 s",
    ]
    assert not CONTROL.search(stream.getvalue())


def test_plain_progress_lines_come_every_ten_seconds_at_most() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    progress.tell(StageStarted("tag", 100, 0))
    for number in range(60):
        clock.now += 0.5
        progress.tell(RecordDone("tag", f"dog/{number}.png"))
    lines = stream.getvalue().splitlines()[1:]
    assert lines == [
        "tag: 20/100, 40.0 s left, 2.0/s",
        "tag: 40/100, 30.0 s left, 2.0/s",
        "tag: 60/100, 20.0 s left, 2.0/s",
    ]


def test_training_counts_time_from_where_it_was_resumed() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    progress.tell(StageStarted("train", 14, 0))
    for step in range(501, 511):
        progress.tell(TrainStep(step, 1000, 0.1, 0.12345, 1e-4))
        clock.now += 2
    assert stream.getvalue().splitlines()[1:] == [
        "train: 506/1,000, 16 min 28 s left, loss 0.1000, average 0.1235, 2.0 s/it"
    ]


def test_a_long_line_is_not_broken() -> None:
    stream = io.StringIO()
    Progress(stream, Clock()).tell(Note("warning", "long " * 60))
    assert len(stream.getvalue().splitlines()) == 1


def test_pictures_set_aside_are_left_to_the_summary() -> None:
    """It names them all, with the stage: twice is once too often."""
    stream = io.StringIO()
    progress = Progress(stream, Clock())
    for number in range(500):
        progress.tell(RecordDone("convert", f"dog/{number}.png", "broken"))
    assert stream.getvalue() == ""


def test_what_training_waits_for_is_named() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    progress.tell(StageStarted("train", 27, 0))
    progress.tell(Phase("train", "loading the base model"))
    for number in range(1, 28):
        clock.now += 1
        progress.tell(Phase("train", "encoding pictures", number, 27))
    progress.tell(TrainStep(1, 40, 0.5, 0.5, 1e-4, 1, 3))
    clock.now += 11
    progress.tell(TrainStep(2, 40, 0.5, 0.5, 1e-4, 1, 3))
    assert stream.getvalue().splitlines()[1:] == [
        "train: loading the base model",
        "train: encoding pictures 1/27",
        "train: encoding pictures 11/27",
        "train: encoding pictures 21/27",
        "train: 2/40, epoch 1/3, 6 min 58 s left, loss 0.5000, average 0.5000, 11.0 s/it",
    ]


@pytest.mark.parametrize(("columns", "shows"), [(60, "loss"), (80, "epoch 3/100"), (140, "it/s")])
def test_a_narrow_terminal_drops_what_matters_least(columns: int, shows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock)
    progress.tell(StageStarted("train", 27, 0))
    for step in range(1, 60):
        clock.now += 1
        progress.tell(TrainStep(step, 2700, 0.1234, 0.1311, 1e-4, 1 + step // 27, 100))
    progress.close()
    last = [line for line in re.split(r"[\r\n]", shown(stream)) if "59/2,700" in line][-1]
    assert "44 min 01 s left" in last and shows in last and "…" not in last
    assert len(last.rstrip()) <= columns


@pytest.mark.parametrize("columns", [40, 60, 80, 140])
def test_the_line_of_what_is_done_fits_too(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock)
    progress.tell(StageStarted("dedupe (fingerprint)", 27, 0, "dedupe: fingerprints"))
    progress.tell(StageFinished("dedupe (fingerprint)", 27, 0, 0, 1))
    progress.tell(StageStarted("train", 27, 0))
    progress.tell(TrainStep(1, 1, 0.1234, 0.1311, 1e-4, 1, 1))
    progress.tell(StageFinished("train", 27, 0, 0, 3725))
    progress.close()
    last = [line for line in re.split(r"[\r\n]", shown(stream)) if "1 step" in line][-1]
    assert "…" not in last and len(last.rstrip()) <= columns
    assert ("1 h 02 min" in last) == (columns >= 80) and ("average" in last) == (columns == 140)


def test_notes_about_one_picture_wait_for_the_summary() -> None:
    stream = io.StringIO()
    Progress(stream, Clock()).tell(Note("warning", "few tags", "captions", "dog/a.png"))
    assert stream.getvalue() == ""


def test_a_terminal_gets_bars_with_counts_rate_and_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock)
    progress.tell(StageStarted("tag", 4, 0))
    for number in range(2):
        clock.now += 1
        progress.tell(RecordDone("tag", f"{number}"))
    progress.close()
    assert "2/4, 2.0 s left, 1.0/s" in shown(stream)
    progress.tell(StageFinished("tag", 4, 0, 0, 4.0))
    progress.tell(StageStarted("train", 4, 0))
    progress.tell(TrainStep(1, 8, 0.5, 0.6, 1e-4))
    progress.close()
    assert "4 pictures, 4.0 s" in shown(stream)
    assert "1/8, loss 0.5000, average 0.6000" in shown(stream)
    assert "━" in stream.getvalue()


def test_a_terminal_never_sees_the_control_characters_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    progress = Progress(stream, Clock())
    progress.tell(StageStarted(HOSTILE, 1, 0))
    for event in RUN:
        progress.tell(event)
    text = shown(stream).replace("\r", "")
    assert not CONTROL.search(text)
    assert r"[bold]x[/bold]\x1b[31m\n\u202egnp.exe" in text


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    colours = re.compile(r"\x1b\[[0-9;]*(3[0-9]|9[0-9])(;[0-9;]*)?m")

    def run() -> str:
        stream = Terminal()
        progress = Progress(stream, Clock())
        for event in RUN:
            progress.tell(event)
        progress.close()
        return stream.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours.search(run())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours.search(run())


@pytest.mark.parametrize("force", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_file_is_never_given_colours(monkeypatch: pytest.MonkeyPatch, force: str) -> None:
    monkeypatch.setenv(force, "1")
    stream = io.StringIO()
    progress = Progress(stream, Clock())
    for event in RUN:
        progress.tell(event)
    assert "\x1b" not in stream.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    progress = Progress(stream, Clock())
    for event in RUN:
        progress.tell(event)
    assert "\x1b" not in stream.getvalue() and "convert: 2 pictures to process" in stream.getvalue()

"""`curate tag PREPARED --general 0.9`: trigger words stay, caption files stay, known scores are recalled."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import taggers.palette
from curate.core.store import Store
from curate.errors import InputError, MissingError
from curate.pipeline import RunOptions
from curate.stages.balance import Balance
from curate.stages.prune import Prune
from curate.stages.tag import Tag
from curate.tagging.models import earlier
from tests.folder.helpers import Project, command


@pytest.fixture
def tagged(project: Project) -> Project:
    """Two coloured pictures of a dog, tagged by their colours."""
    project.concepts = {"dog": {"trigger": ["zwx dog"]}}
    project.stages = ["convert", {"resize": {"max_side": 24}}, {"tag": {"tagger": "palette"}}, "trigger", "export"]
    for n, colour in enumerate(((200, 10, 10), (10, 10, 220))):
        path = project.place / f"in/dog/{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32, 3), colour, np.uint8)).save(path)
    project.run()
    return project


def test_new_thresholds_keep_triggers_and_files_and_recall_scores(tagged: Project) -> None:
    before = tagged.captions()
    assert all(text.startswith("zwx dog, ") for text in before.values())
    figures = command(Tag(tagger=("palette",), general=1.0), tagged.out).figures
    assert {s["stage"]: (s["computed"], s["recalled"]) for s in figures["stages"]}["tag (scoring)"] == (0, 2)
    assert tagged.captions() == dict.fromkeys(before, "zwx dog")
    command(Tag(tagger=("palette",)), tagged.out)
    assert tagged.captions() == before


def test_without_a_tagger_the_one_of_the_ledger_is_taken(tagged: Project) -> None:
    before = tagged.captions()
    for options in ({"dry_run": True}, {"out": tagged.place / "new"}, {}):
        command(Tag(general=1.0), tagged.out, options=RunOptions(offline=True), **options)
    assert any("tagger palette, as the ledger of" in note for note in tagged.notes())
    assert tagged.captions() == dict.fromkeys(before, "zwx dog")
    assert (tagged.place / "new/1_zwx dog/0.txt").read_text(encoding="utf-8") == "zwx dog"


def test_a_model_folder_is_found_again(tagged: Project) -> None:
    own = tagged.place / "my model"
    shutil.copytree(Path(taggers.palette.__file__).parent, own, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for file in own.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    command(Tag(tagger=(str(own),), family="wd"), tagged.out)
    with Store(tagged.out) as ledger:
        assert earlier(ledger) == (str(own),)
    own.rename(tagged.place / "elsewhere")
    with pytest.raises(InputError, match="my model") as error:
        command(Tag(), tagged.out)
    assert "--tagger" in error.value.remedy


def test_a_folder_without_a_ledger_gets_the_default(project: Project) -> None:
    (project.place / "10_dog").mkdir()
    Image.new("RGB", (24, 24)).save(project.place / "10_dog/a.png")
    with pytest.raises(MissingError, match="wd-swinv2-tagger-v3"):
        command(Tag(), project.place, in_place=True, options=RunOptions(offline=True))


def test_an_edited_caption_is_kept(tagged: Project) -> None:
    tagged.edit("1_zwx dog/0.txt", "mine")
    command(Tag(tagger=("palette",), general=1.0), tagged.out)
    assert tagged.captions() == {"1_zwx dog/0.txt": "mine", "1_zwx dog/1.txt": "zwx dog"}


@pytest.mark.parametrize("stage", [Prune(cap=1), Balance(base=3), Tag(tagger=("palette",), existing="replace")])
def test_every_command_keeps_the_trigger_first(tagged: Project, stage: Prune | Balance | Tag) -> None:
    command(stage, tagged.out)
    assert len(tagged.captions()) == 2
    assert all(text.startswith("zwx dog") for text in tagged.captions().values())


def test_a_folder_of_another_program_gets_the_words_of_its_name(project: Project) -> None:
    folder = project.place / "10_zwx dog"
    folder.mkdir()
    Image.new("RGB", (24, 24), (200, 10, 10)).save(folder / "a.png")
    command(Tag(tagger=("palette",)), project.place, in_place=True)
    assert (folder / "a.txt").read_text(encoding="utf-8").startswith("zwx dog, ")


def test_without_a_trigger_an_emptied_caption_keeps_its_file(project: Project) -> None:
    project.stages = ["convert", {"tag": {"tagger": "palette"}}, "export"]
    project.picture("dog/a.png", 200, caption=None)
    project.run()
    command(Tag(tagger=("palette",), general=1.0), project.out)
    assert project.captions() == {"1_dog/a.txt": ""}

"""The loss of each picture in the latest training: written by training, shown by the review page."""

from __future__ import annotations

import json
import os

import pytest

from curate.stages.train import Train
from curate.train.storage import picture_losses
from tests.folder.helpers import Project, command
from tests.review.helpers import Site

A, B, CAT = "1_zwx dog/0.png", "1_zwx dog/1.png", "1_cat/ä b.png"


def test_the_page_shows_the_loss_of_the_latest_training(dogs: Project, served: Site) -> None:
    assert {row["loss"] for row in served.rows().values()} == {None}
    for n, means in enumerate(({"zwx dog/0.png": [9.0, 1]}, {"zwx dog/0.png": [0.25, 4], "cat/ä b.png": [0.5, 4]})):
        file = dogs.out / f".curate/train/run{n}/{picture_losses.FILE}"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(means), encoding="utf-8")
        os.utime(file, (1e9 + n, 1e9 + n))
    losses = {id: row["loss"] for id, row in served.rows().items()}
    assert losses == {A: 0.25, B: None, "1_zwx dog/2.png": None, CAT: 0.5}
    (dogs.out / "1_zwx dog").rename(dogs.out / "7_zwx dog")
    assert served.rows()["7_zwx dog/0.png"]["loss"] == 0.25
    file.write_text("[]", encoding="utf-8")
    assert {row["loss"] for row in served.rows().values()} == {None}


@pytest.mark.parametrize("batch", [1, 2])
def test_a_training_writes_them(dogs: Project, served: Site, batch: int) -> None:
    command(Train(base="tiny", steps=4, rank=2, batch=batch, seed=1), dogs.out)
    path = picture_losses.latest(dogs.out)
    assert path is not None
    means = json.loads(path.read_text(encoding="utf-8"))
    shown = sum(count for _, count in means.values())
    assert shown == 4 if batch == 1 else 4 < shown <= 8
    assert set(means) <= {"zwx dog/0.png", "zwx dog/1.png", "zwx dog/2.png", "cat/ä b.png"}
    assert all(mean > 0 for mean, _ in means.values())
    shown = {id: row["loss"] for id, row in served.rows().items()}
    assert {picture_losses.picture_name(dogs.out / id): loss for id, loss in shown.items() if loss is not None} == {
        name: mean for name, (mean, _) in means.items()
    }

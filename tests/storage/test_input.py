"""Input from a store: the same dataset as from a folder, and nothing is fetched twice."""

from __future__ import annotations

from pathlib import Path

from tests.storage.conftest import Run, tree, write_pipeline
from tests.storage.server import S3


def test_a_bucket_gives_the_same_dataset_as_a_folder_and_is_read_once(
    tmp_path: Path, s3: S3, curate: Run, expected: dict[str, bytes]
) -> None:
    file = write_pipeline(tmp_path, "s3://source/raw", "prepared")
    s3.requests.clear()
    curate("run", file)
    assert tree(tmp_path / "prepared") == expected
    assert len(s3.asked("GET")) == 10

    s3.requests.clear()
    curate("run", file)
    assert s3.asked("GET") == []
    assert tree(tmp_path / "prepared") == expected
